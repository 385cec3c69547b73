"""Several optical looks as one: the greenest clear date of each pixel, with all its bands.

The largest NDVI of more looks is larger by chance alone. ``pair`` therefore lets every pixel take
as many clear looks before the event as after it, which removes the bias from their difference.

Looks come one at a time: memory holds one of them and the composite, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from detectors.errors import IncomparableLooks, NotEnoughLooks
from detectors.types import BoolArray, Composite, FloatArray, OpticalLook, Unseen

#: Days before the event that count as recent: about one season.
RECENT = timedelta(days=90)
#: Days that two dates may lie apart in the year and still be of one season.
SEASON_DAYS = 45
#: Earlier years whose same season is looked at.
EARLIER_YEARS = 2
#: Red and near infrared together below this say nothing of plants (deep shadow, water).
_LEAST_LIGHT = 0.01
_YEAR_DAYS = 365.25
#: Below every NDVI: a clear pixel without one is taken only where there is nothing else.
_NO_NDVI = -2.0


def ndvi(reflectance: FloatArray, bands: Sequence[str]) -> FloatArray:
    """Return (NIR - red) / (NIR + red).

    Args:
        reflectance: float32 (band, y, x), NaN = not seen.
        bands: names along its first axis, ``red`` and ``nir`` among them.

    Returns:
        float32 (y, x), -1 to 1, NaN where not seen or too dark to tell.

    Raises:
        IncomparableLooks: a band is missing.
    """
    return _index("nir", "red", reflectance, bands)


def _index(one: str, other: str, reflectance: FloatArray, bands: Sequence[str]) -> FloatArray:
    """Return the normalised difference of two bands, float32 (y, x)."""
    if one not in bands or other not in bands:
        raise IncomparableLooks(f"an index of {one} and {other} from {', '.join(bands)}")
    first, second = reflectance[bands.index(one)], reflectance[bands.index(other)]
    with np.errstate(invalid="ignore", divide="ignore"):
        light = first + second
        index: FloatArray = ((first - second) / light).astype(np.float32, copy=False)
        np.copyto(index, np.nan, where=~(light >= _LEAST_LIGHT))
    np.clip(index, -1.0, 1.0, out=index)
    return index


def _greenness(look: OpticalLook) -> FloatArray:
    """Return NDVI, or green against red (GRVI) where there is no near infrared; NaN as lowest."""
    index = _index("nir" if "nir" in look.bands else "green", "red", look.reflectance, look.bands)
    np.copyto(index, _NO_NDVI, where=np.isnan(index))
    return index


def d_ndvi(pre: Composite, post: Composite) -> FloatArray:
    """Return NDVI after minus before, float32 (y, x); negative = vegetation lost.

    Raises:
        IncomparableLooks: other grids, no near infrared, or a look before that is not older than
            all after.
    """
    _ensure_before(pre, post)
    return ndvi(post.reflectance, post.bands) - ndvi(pre.reflectance, pre.bands)


def _ensure_before(pre: Composite, post: Composite) -> None:
    """Refuse composites that do not compare: the greener of a look before would hide a slide."""
    if pre.grid != post.grid:
        raise IncomparableLooks("composites before and after lie on different grids")
    if pre.sensed_at and post.sensed_at and pre.sensed_at[-1] >= post.sensed_at[0]:
        raise IncomparableLooks("the composite before must end before the one after begins")


def clear_counts(unseen: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return how many masks show each pixel, uint8 (y, x).

    Raises:
        NotEnoughLooks: there is no mask.
    """
    counts: NDArray[np.uint8] | None = None
    for codes in unseen:
        if counts is None:
            counts = np.zeros(codes.shape, dtype=np.uint8)
        counts += (codes == Unseen.SEEN) & (counts < np.iinfo(np.uint8).max)
    if counts is None:
        raise NotEnoughLooks("there is no optical look")
    return counts


class _Running:
    """The composite so far. ``date`` counts looks in the order they came."""

    def __init__(self, look: OpticalLook, limit: NDArray[np.uint8] | int | None) -> None:
        most = np.iinfo(np.uint8).max if limit is None else limit
        self.grid, self.bands = look.grid, look.bands
        self.limit = np.broadcast_to(np.asarray(most, dtype=np.uint8), look.grid.shape)
        self.reflectance = np.full(look.reflectance.shape, np.nan, dtype=np.float32)
        self.best = np.full(look.grid.shape, -np.inf, dtype=np.float32)
        self.count = np.zeros(look.grid.shape, dtype=np.uint8)
        self.first = np.full(look.grid.shape, np.nan, dtype=np.float32)
        self.date = np.full(look.grid.shape, -1, dtype=np.int16)
        self.used: list[tuple[datetime, tuple[str, ...]]] = []

    def add(self, look: OpticalLook) -> None:
        """Let the pixels that may still take a look take this one where it is greener."""
        if (look.grid, look.bands) != (self.grid, self.bands):
            raise IncomparableLooks("looks of one composite need one grid and the same bands")
        taken: BoolArray = (
            (look.unseen == Unseen.SEEN)
            & np.isfinite(look.reflectance.sum(axis=0))
            & (self.count < self.limit)
        )
        if not taken.any():
            return
        green = _greenness(look)
        fresh = taken & (self.count == 0) & (green > _NO_NDVI)
        np.copyto(self.first, green, where=fresh)
        self.count += taken
        name = (look.sensed_at, look.item_ids)
        # The older look wins a tie, so that the order of equals changes nothing.
        better = taken & (green > self.best)
        tied = taken & (green == self.best)
        if tied.any():
            older = np.array([name < other for other in self.used] + [False])
            better |= tied & older[self.date]
        # By number: twice as fast as by a mask that is as good as random, band after band. What is
        # composed was made here in one piece, so that each ``ravel`` of it is a view.
        at = np.flatnonzero(better)
        for mine, other in zip(self.reflectance, look.reflectance, strict=True):
            mine.ravel()[at] = other.ravel()[at]
        self.best.ravel()[at] = green.ravel()[at]
        self.date.ravel()[at] = len(self.used)
        self.used.append(name)

    @property
    def full(self) -> bool:
        """No pixel may take another look."""
        return bool((self.count >= self.limit).all())

    def composite(self) -> Composite:
        """Put the looks in order of time."""
        order = sorted(range(len(self.used)), key=lambda k: self.used[k])
        place = np.full(len(self.used) + 1, -1, dtype=np.int16)
        place[order] = np.arange(len(order))
        return Composite(
            grid=self.grid,
            bands=self.bands,
            reflectance=self.reflectance,
            looks=self.count,
            date=place[self.date],
            sensed_at=tuple(self.used[k][0] for k in order),
            item_ids=tuple(dict.fromkeys(item for k in order for item in self.used[k][1])),
            preferred=self.first if "nir" in self.bands else None,
        )


def greenest(
    looks: Iterable[OpticalLook], limit: NDArray[np.uint8] | int | None = None
) -> Composite:
    """Take each pixel, all bands of it, from its clear look with the largest NDVI.

    Looks without near infrared are compared by green against red.

    Args:
        looks: of one grid and the same bands, the preferred first; the next one is asked for only
            while some pixel may still take one.
        limit: how many clear looks a pixel takes at most, for all or as uint8 (y, x).

    Raises:
        NotEnoughLooks: there is no look at all (looks without a clear pixel make an empty
            composite).
        IncomparableLooks: grids or bands differ.
    """
    running: _Running | None = None
    for look in looks:
        if running is None:
            running = _Running(look, limit)
        running.add(look)
        if running.full:
            break
    if running is None:
        raise NotEnoughLooks("there is no optical look")
    return running.composite()


def pair(pre: Iterable[OpticalLook], post: Sequence[OpticalLook]) -> tuple[Composite, Composite]:
    """Make the composites before and after an event, each pixel from as many looks on either side.

    The looks after are few and held in memory; those before are read one at a time, until every
    pixel has as many as it has after. Where there are fewer before, the later ones after are left
    out.

    Args:
        pre: looks that end at or before ``not_before``, the preferred first.
        post: looks that start at or after ``not_after``, the preferred first.

    Raises:
        NotEnoughLooks: no look on one side.
        IncomparableLooks: grids or bands differ, or a look before is not older than all after.
    """
    before = greenest(pre, limit=clear_counts(look.unseen for look in post))
    after = greenest(post, limit=before.looks)
    _ensure_before(before, after)
    return before, after


def same_season(moment: datetime, days: int = SEASON_DAYS) -> Callable[[datetime], bool]:
    """Return a test whether a date lies within so many days of the time of the year of another."""

    def test(other: datetime) -> bool:
        apart = abs((moment - other) / timedelta(days=1)) % _YEAR_DAYS
        return min(apart, _YEAR_DAYS - apart) <= days

    return test


def choose_before(
    moments: Sequence[datetime], not_before: datetime, season: datetime | None = None
) -> list[int]:
    """Return which looks before an event to compare with, the preferred first.

    First the last ``RECENT`` days, the nearest first: the ground as it was. Then, for pixels that
    are not clear in these, the same season of the ``EARLIER_YEARS`` before, the latest year first.
    Older looks of other seasons are never taken: autumn imitates the loss of vegetation, and a
    summer before a winter makes every slope look bare.

    Args:
        moments: start of sensing, UTC, in any order.
        not_before: the event happened after this moment; looks up to and including it count.
        season: time of the year to compare with, of the look that is judged; ``not_before`` where
            nothing else is known.

    Returns:
        Indices into ``moments``.
    """
    alike = same_season(season or not_before)
    oldest = not_before - timedelta(days=EARLIER_YEARS * _YEAR_DAYS + SEASON_DAYS)
    recent = [k for k, moment in enumerate(moments) if not_before - RECENT <= moment <= not_before]
    earlier = [
        k
        for k, moment in enumerate(moments)
        if oldest <= moment < not_before - RECENT and alike(moment)
    ]
    return [
        k for group in (recent, earlier) for k in sorted(group, key=lambda k: _last(moments[k]))
    ]


def _last(moment: datetime) -> float:
    return -moment.timestamp()
