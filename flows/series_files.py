"""Series of small places on disk: a CSV per burst and site, and a GeoJSON of labels.

The layout is that of the validation harness of dist-s1 (github.com/OPERA-Cal-Val): ``datetime``,
``burst_id``, ``site_id``, and ``vv`` and ``vh`` as lists of linear power, a square of pixels row by
row. Its columns ``site_lon`` and ``site_lat`` both hold the longitude; they are not read.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from detectors.errors import InvalidSeries
from detectors.series import Series
from detectors.types import SAME_PASS, FloatArray
from flows.hostile import plain_file, read_json

COLUMNS = ("datetime", "burst_id", "site_id", "vv", "vh")
#: Far more than a list of pixels takes; the default of ``csv`` is 128 KiB.
_LONGEST_FIELD = 10_000_000


@dataclass(frozen=True, slots=True)
class Site:
    """What somebody saw at a place, in optical images."""

    id: str
    """Number of the site, as text."""
    label: str
    """``noChange``, ``VLmaj``, ``VLmin``, ``OCmaj``, ``OCmin``, or any other word."""
    changed_at: datetime | None
    """First time the change was seen, UTC; None where nothing changed."""
    last_seen_before: datetime | None
    """Last time the ground was seen without it, UTC; None where not known."""


@dataclass(frozen=True, slots=True)
class SiteSeries:
    """A series, and the site it is of."""

    site_id: str
    """Number of the site, as text."""
    series: Series
    """Its looks."""


def read_sites(path: Path) -> Mapping[str, Site]:
    """Return the labelled sites by number.

    Raises:
        InvalidSeries: no GeoJSON, a site without number or label, or two labels for one site.
    """
    try:
        document = read_json(path)
        features = [feature["properties"] for feature in document["features"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidSeries(f"{path}: no GeoJSON of sites ({error!r})") from None
    sites: dict[str, Site] = {}
    for number, properties in enumerate(features, start=1):
        try:
            site = Site(
                _site_id(properties["site_id"]),
                str(properties["change_label"]),
                _moment(properties.get("change_time")),
                _moment(properties.get("last_observation_time")),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidSeries(f"{path}: feature {number}: {error!r}") from None
        # A site has a feature for every burst that sees it.
        if sites.setdefault(site.id, site) != site:
            raise InvalidSeries(f"{path}: site {site.id} has two different labels")
    return sites


def read_series(path: Path) -> SiteSeries:
    """Read one series.

    Rows in any order; rows of one pass are averaged, as are lists that hold a pass several times.
    A list without numbers is a look that saw nothing.

    Raises:
        InvalidSeries: the file is no such table, or mixes bursts, sites or sizes; says which row.
    """
    rows = _rows(path)
    kinds = {(_text(path, row, "burst_id"), _text(path, row, "site_id")) for row in rows}
    if len(kinds) != 1:
        raise InvalidSeries(f"{path.name}: bursts or sites are mixed: {sorted(kinds)}")
    ((burst, site),) = kinds
    looks = []
    for number, row in enumerate(rows, start=2):
        try:
            looks.append(_look(row))
        except ValueError as error:
            raise InvalidSeries(f"{path.name}: line {number}: {error}") from None
    sizes = Counter(len(band) for _, bands in looks for band in bands if band)
    if not sizes:
        raise InvalidSeries(f"{path.name}: no look shows anything")
    # A list that holds a pass twice is twice as long as the others.
    size = min(sizes, key=lambda length: (-sizes[length], length))
    side = math.isqrt(size)
    if side * side != size:
        raise InvalidSeries(f"{path.name}: {size} pixels are no square")
    stacked = [
        (moment, np.stack([_fold(path, band, size) for band in bands])) for moment, bands in looks
    ]
    moments, power = _merge(sorted(stacked, key=lambda look: look[0]))
    if np.nanmean(power < 0) > 0.5:
        raise InvalidSeries(f"{path.name}: most values are negative; linear power is wanted, no dB")
    if not np.isfinite(power).any():
        raise InvalidSeries(f"{path.name}: no look shows anything")
    gamma0 = power.reshape(len(power), 2, side, side).astype(np.float32)
    return SiteSeries(_site_id(site), Series(path.name, burst, moments, gamma0))


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table that has the columns, at least one."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with plain_file(path).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidSeries(f"{path.name}: no CSV ({error})") from None
    finally:
        csv.field_size_limit(before)
    if not rows:
        raise InvalidSeries(f"{path.name}: no rows")
    missing = [name for name in COLUMNS if name not in rows[0]]
    if missing:
        raise InvalidSeries(f"{path.name}: no column {', '.join(missing)}")
    return rows


def _look(row: Mapping[str, str | None]) -> tuple[datetime, list[list[float]]]:
    """Read the time and the pixels of VV and VH.

    Raises:
        ValueError: one of them cannot be read.
    """
    moment = _moment(row["datetime"])
    if moment is None:
        raise ValueError("no time")
    return moment, [_pixels(row[name]) for name in ("vv", "vh")]


def _text(path: Path, row: Mapping[str, str | None], name: str) -> str:
    text = (row[name] or "").strip()
    if not text:
        raise InvalidSeries(f"{path.name}: a row without {name}")
    return text


def _site_id(value: object) -> str:
    """Return 292, 292.0 and "292" as the same text."""
    text = str(value).strip()
    return text.removesuffix(".0")


def _moment(value: object) -> datetime | None:
    """Read a time, taken for UTC where it names no zone; None for nothing.

    Raises:
        ValueError: something that is no time.
    """
    if value is None or not str(value).strip():
        return None
    read = datetime.fromisoformat(str(value).strip())
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _pixels(text: str | None) -> list[float]:
    """Read a list of numbers, ``nan`` and ``null`` among them; nothing gives none.

    Raises:
        ValueError: something that is no list of numbers.
    """
    if text is None or not text.strip() or text.strip().lower() == "nan":
        return []
    plain = re.sub(r"\b(nan|none)\b", "null", text, flags=re.IGNORECASE)
    values = json.loads(plain)
    if not isinstance(values, list):
        raise ValueError(f"{text[:40]!r} is no list")  # noqa: TRY004
    try:
        return [math.nan if value is None else float(value) for value in values]
    except TypeError:
        raise ValueError(f"{text[:40]!r} is no list of numbers") from None


def _fold(path: Path, values: Sequence[float], size: int) -> FloatArray:
    """Return float (size,): the mean of the passes in a list, NaN where none has the pixel."""
    if len(values) % size:
        raise InvalidSeries(f"{path.name}: {len(values)} pixels among lists of {size}")
    passes = np.array(values or [math.nan] * size).reshape(-1, size)
    return _mean(np.where(np.isfinite(passes), passes, np.nan))


def _mean(looks: FloatArray) -> FloatArray:
    """Return the mean over axis 0, NaN where nothing is."""
    seen = np.isfinite(looks)
    count = seen.sum(axis=0)
    total = np.where(seen, looks, 0.0).sum(axis=0)
    mean: FloatArray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _merge(
    looks: Sequence[tuple[datetime, FloatArray]],
) -> tuple[tuple[datetime, ...], FloatArray]:
    """Join the looks of one pass, which come in order of time."""
    passes: list[list[tuple[datetime, FloatArray]]] = []
    for look in looks:
        if passes and look[0] - passes[-1][0][0] < SAME_PASS:
            passes[-1].append(look)
        else:
            passes.append([look])
    power = np.stack([_mean(np.stack([look for _, look in one])) for one in passes])
    return tuple(one[0][0] for one in passes), power
