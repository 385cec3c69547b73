"""Rasters that stay open from block to block, and the threads that read several of them at once.

Reading over a network is mostly waiting, and a history is twenty files: they are asked for side by
side, and those of the next block while one is judged. No raster is ever in the hands of two
threads, which GDAL answers by ending the process: who asks for one that is in use opens it once
more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from rasterio import DatasetReader

#: How long a raster may stay open, s: signed addresses run out, and sooner or later all are stale.
STAYS_OPEN_S = 60.0
#: Rasters that are read at once: enough to hide the network's latency, and still polite.
AT_ONCE = 8


@dataclass(slots=True)
class Kept:
    """Rasters that stay open, since when, and threads, which keep their connections."""

    rasters: dict[str, tuple[DatasetReader, float]] = field(default_factory=dict)
    readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE))

    def take(self, href: str) -> tuple[DatasetReader, float] | None:
        """Hand out a raster that is open and fresh, and when it was opened; nobody else gets it."""
        held = self.rasters.pop(href, None)
        if held is not None and time.monotonic() - held[1] > STAYS_OPEN_S:
            held[0].close()
            return None
        return held

    def give_back(self, href: str, dataset: DatasetReader, since: float) -> None:
        """Let a raster stay open for the next one; where another one does already, it is closed."""
        if self.rasters.setdefault(href, (dataset, since))[0] is not dataset:
            dataset.close()


KEPT: ContextVar[Kept | None] = ContextVar("rasters that stay open", default=None)


@contextmanager
def keeping_open() -> Iterator[None]:
    """Let what is read in here stay open until the end, or for ``STAYS_OPEN_S``.

    The blocks of a look have tiles in common, which are then fetched and unpacked once; GDAL holds
    them, ``GDAL_CACHEMAX`` at most.
    """
    kept = Kept()
    before = KEPT.set(kept)
    try:
        yield
    finally:
        KEPT.reset(before)
        kept.readers.shutdown()
        for dataset, _ in kept.rasters.values():
            dataset.close()


@contextmanager
def reading_ahead[A, T](
    read: Callable[[A], T], wanted: Sequence[A], sure: int
) -> Iterator[Iterator[Callable[[], T]]]:
    """Read one thing after the other, as a loop would, with the first ones on their way at once.

    Within ``keeping_open``; elsewhere nothing is read ahead. Costs are those of the loop: what it
    may not come to is read when it is asked for. At the end no thread is reading any more.

    Args:
        read: reads one, in a thread of its own.
        wanted: what to read.
        sure: so many of them will be asked for, unless one fails.

    Yields:
        For each, what returns what was read, or raises what reading raised.
    """
    kept = KEPT.get()
    begun: list[Future[T]] = []
    if kept is not None and sure > 1:
        begun = [kept.readers.submit(copy_context().run, read, one) for one in wanted[:sure]]
    later = (partial(read, one) for one in wanted[len(begun) :])
    try:
        yield iter([*(one.result for one in begun), *later])
    finally:
        for one in begun:
            one.cancel()
        wait(begun)


@contextmanager
def one_ahead[T](items: Iterator[T], *, ahead: bool = True) -> Iterator[Iterator[T]]:
    """Have an iterator make its next item while one is worked on; all of them will be asked for.

    Within ``keeping_open``; elsewhere items are made when they are asked for. Costs are those of
    the loop, unless it is broken off: then one item may have been made in vain. At the end nothing
    is being made any more; after an error nothing more is read for it than what is on its way.

    Args:
        items: read, in a thread of their own, one after the other; may read side by side what
            they consist of.
        ahead: False: as elsewhere, where what is made in vain costs too much.

    Yields:
        The same items; asking for one raises what making it raised.
    """
    kept = KEPT.get()
    if kept is None or not ahead:
        yield items
        return
    with ThreadPoolExecutor(1) as thread:  # not one of the readers: it waits for these
        try:
            yield _made_ahead(thread, items)
        except BaseException:
            # Nobody waits for a whole block that nobody wants: its next file is not read any more.
            kept.readers.shutdown(wait=False, cancel_futures=True)
            raise


def _made_ahead[T](thread: ThreadPoolExecutor, items: Iterator[T]) -> Iterator[T]:
    over: object = object()
    make: Callable[[], T | object] = partial(copy_context().run, next, items, over)
    coming = thread.submit(make)
    while (item := coming.result()) is not over:
        coming = thread.submit(make)
        yield cast("T", item)
