"""Counting what is asked of the network, where it is asked.

Two kinds of client are counted. Catalogues, tokens and rendered pixels come through ``requests``:
each request is one, failed ones included, and bytes are those that came over the wire. Rasters come
through GDAL (/vsicurl), which keeps its own statistics (CPL_VSIL_NETWORK_STATS_ENABLED): each GET
and HEAD is one, and bytes are those of the bodies. rasterio does not hand these statistics out, so
GDAL is asked through the very library that rasterio is linked to. Where that cannot be had (another
build of rasterio), rasters count as nothing and ``gdal_is_counted`` says so.

Headers, DNS and TLS are not counted, nor is what is read from this machine's disks. GDAL's numbers
are of the whole process: two works side by side would share them out wrongly. A meter within
another counts its rasters in both; none is. Threads that read for one work (``flows.kept_open``)
may go on while its meter is taken: nothing is set back meanwhile.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

#: Makes GDAL count; part of ``flows.rasters.HTTP_OPTIONS``, since GDAL asks for it once a process.
GDAL_COUNTS = {"CPL_VSIL_NETWORK_STATS_ENABLED": "YES"}


@dataclass(slots=True)
class Spent:
    """What was spent."""

    requests: int = 0
    """Requests, those that failed included."""
    bytes: int = 0
    """Bytes of answers, without headers."""
    units: float = 0.0
    """Processing units that were charged."""
    seconds: float = 0.0
    """Time that passed meanwhile."""

    def __bool__(self) -> bool:
        """Tell whether the network was asked for anything."""
        return bool(self.requests or self.bytes or self.units)


_OPEN: ContextVar[Spent | None] = ContextVar("scarpwatch_meter", default=None)


#: Threads of one work count on one meter.
_COUNTING = threading.Lock()


def count(requests: int = 0, size: int = 0, units: float = 0.0) -> None:
    """Add to the meter that is running, if one is."""
    spent = _OPEN.get()
    if spent is not None:
        with _COUNTING:
            spent.requests += requests
            spent.bytes += size
            spent.units += units


class Meter:
    """A meter that is running."""

    def __init__(self, spent: Spent) -> None:
        """Begin at nothing; what GDAL counted before is no matter of ours."""
        self._spent = spent
        self._since = time.monotonic()
        self._gdal = _counted_by_gdal()

    def take(self) -> Spent:
        """Return what was spent since the last call."""
        now, gdal, spent = time.monotonic(), _counted_by_gdal(), self._spent
        requests, size = (
            max(0, total - last) for total, last in zip(gdal, self._gdal, strict=True)
        )
        with _COUNTING:
            taken = Spent(
                spent.requests + requests, spent.bytes + size, spent.units, now - self._since
            )
            spent.requests, spent.bytes, spent.units = 0, 0, 0.0
        self._gdal, self._since = gdal, now
        return taken


@contextmanager
def metering() -> Iterator[Meter]:
    """Count what is asked of the network in the block."""
    spent = Spent()
    if _OPEN.get() is None:
        _set_gdal_back()
    before = _OPEN.set(spent)
    try:
        yield Meter(spent)
    finally:
        _OPEN.reset(before)


def gdal_is_counted() -> bool:
    """Tell whether GDAL's statistics can be had from the rasterio that is installed."""
    import rasterio._base

    return _library(str(rasterio._base.__file__)) is not None


def _gdal() -> Any:
    """Return GDAL, None where it cannot be asked or has read nothing."""
    # Not imported for this: what has read no raster has spent nothing on any.
    loaded = sys.modules.get("rasterio._base")
    return None if loaded is None else _library(str(loaded.__file__))


def _counted_by_gdal() -> tuple[int, int]:
    """Return GDAL's requests and bytes since its statistics were set back."""
    library = _gdal()
    text = None if library is None else library.VSINetworkStatsGetAsSerializedJSON(None)
    if not text:
        return 0, 0
    try:
        told = json.loads(ctypes.string_at(text) or b"{}")
    finally:
        library.VSIFree(text)
    methods = told.get("methods", {}).values()
    requests = sum(int(method.get("count", 0)) for method in methods)
    return requests, sum(int(method.get("downloaded_bytes", 0)) for method in methods)


def _set_gdal_back() -> None:
    """Let GDAL forget what it counted: it keeps a line for each file."""
    library = _gdal()
    if library is not None:
        library.VSINetworkStatsReset()


@cache
def _library(module: str) -> Any:
    """Return GDAL as rasterio's extension module is linked to it; None where that cannot be had."""
    try:
        # Names are looked up in the module and in what it is linked to: never in another GDAL.
        library = ctypes.CDLL(module)
        library.VSINetworkStatsGetAsSerializedJSON.restype = ctypes.c_void_p
        library.VSINetworkStatsGetAsSerializedJSON.argtypes = [ctypes.c_void_p]
        library.VSIFree.argtypes = [ctypes.c_void_p]
        library.VSINetworkStatsReset.restype = None
    except (OSError, AttributeError):
        return None
    return library
