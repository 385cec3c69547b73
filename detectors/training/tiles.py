"""Tiles of labelled rasters: where they lie, which side of the split they are on, their scale.

Nothing is shared between two sides. Whole places go to one side where there are three or more;
otherwise each place is cut into three strips across, with half a tile of unused ground between
them, where every side has most of every class.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from detectors.errors import InvalidSamples
from detectors.training.dataset import Split, split_of_groups
from detectors.training.losses import UNKNOWN
from detectors.types import BoolArray, FloatArray

Codes = NDArray[np.int16]

#: Shares of strips, by their side.
_SHARES = {Split.TRAIN: 0.6, Split.VALIDATION: 0.2, Split.TEST: 0.2}
#: Places along a side where a cut is tried.
_CUTS = 40
#: Standard deviations beyond which values are cut off: one bad pixel must not blind a network.
_FARTHEST = 8.0


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a place that is on one side of the split."""

    place: int
    """Index of the place."""
    rows: slice
    """Of its grid."""
    columns: slice
    """Of its grid."""
    side: Split
    """What it is used for."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Mean and spread of each band over the training tiles."""

    means: tuple[float, ...]
    """In the unit of the band."""
    spreads: tuple[float, ...]
    """Standard deviation, over 0."""

    def apply(self, values: FloatArray) -> FloatArray:
        """Return bands in units of their spread, float32 (..., band, y, x), NaN where they were."""
        shape = (-1, 1, 1)
        centred = values - np.reshape(np.array(self.means, dtype=np.float32), shape)
        scaled = centred / np.reshape(np.array(self.spreads, dtype=np.float32), shape)
        return np.clip(scaled, -_FARTHEST, _FARTHEST)


@dataclass(frozen=True, slots=True)
class Tiles:
    """Tiles of one size."""

    values: FloatArray
    """float32 (n, band, y, x), NaN = not observed."""
    codes: Codes
    """(n, y, x), class index, ``UNKNOWN`` where nothing is known or any band was not observed."""
    sides: NDArray[np.str_]
    """(n,), values of ``Split``."""

    def only(self, side: Split) -> Tiles:
        """Return the tiles of one side."""
        chosen = self.sides == side
        return Tiles(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.sides)

    def scaling(self) -> Scaling:
        """Return mean and spread of the bands of these tiles.

        Raises:
            InvalidSamples: a band has no data, or is the same everywhere.
        """
        axes = (0, 2, 3)
        seen = np.isfinite(self.values).any(axis=axes)
        if not seen.all():
            raise InvalidSamples(f"band {int(np.argmin(seen)) + 1} has no data on the tiles")
        means = np.nanmean(self.values, axis=axes, dtype=np.float64)
        spreads = np.nanstd(self.values, axis=axes, dtype=np.float64)
        # A band that never varies says nothing, and must not be divided by.
        spreads = np.where(spreads > 1e-12 * np.maximum(abs(means), 1), spreads, 1.0)
        return Scaling(tuple(map(float, means)), tuple(map(float, spreads)))


def areas(codes: Sequence[Codes], window: int) -> list[Area]:
    """Split places into areas for training, validation and test.

    Args:
        codes: class indices of each place, (y, x).
        window: side of a tile, pixels.

    Raises:
        InvalidSamples: a place is too small to be cut, or the classes do not reach every side.
    """
    whole = [(slice(0, one.shape[0]), slice(0, one.shape[1])) for one in codes]
    if len(codes) >= len(Split):
        known = [max(int((one != UNKNOWN).sum()) // window**2, 1) for one in codes]
        groups = np.repeat(np.arange(len(codes)), known)
        sides = split_of_groups(groups)
        firsts = np.cumsum([0, *known[:-1]])
        return [Area(n, *whole[n], Split(sides[first])) for n, first in enumerate(firsts)]
    return [area for number, one in enumerate(codes) for area in _strips(number, one, window)]


def _strips(place: int, codes: Codes, window: int) -> list[Area]:
    """Cut one place into three strips, where every side has most of its share of every class."""
    present = np.unique(codes[codes != UNKNOWN])
    gap = window // 4
    best: tuple[float, list[Area]] = (0.0, [])
    for axis, length in enumerate(codes.shape):
        counts = np.stack([(codes == code).sum(axis=1 - axis) for code in present])
        sums = np.cumsum(np.pad(counts, ((0, 0), (1, 0))), axis=1)
        shares = sums / np.maximum(sums[:, -1:], 1)
        step = max(window // 4, length // _CUTS)
        for first, second in itertools.combinations(range(window, length - window + 1, step), 2):
            ends = ((0, first - gap), (first + gap, second - gap), (second + gap, length))
            if min(stop - start for start, stop in ends) < window:
                continue
            held = np.stack([shares[:, stop] - shares[:, start] for start, stop in ends])
            for order in itertools.permutations(Split):
                wanted = np.array([_SHARES[side] for side in order])
                evenness = float((held / wanted[:, None]).min())
                if evenness > best[0]:
                    best = (
                        evenness,
                        [
                            _area(place, axis, slice(*end), codes.shape, side)
                            for end, side in zip(ends, order, strict=True)
                        ],
                    )
    if not best[1]:
        raise InvalidSamples(
            f"a place of {codes.shape[0]} x {codes.shape[1]} pixels cannot be cut into three parts "
            f"that hold every class and tiles of {window}; take smaller tiles, a larger area, or "
            "three places"
        )
    return best[1]


def _area(place: int, axis: int, along: slice, shape: tuple[int, ...], side: Split) -> Area:
    across = slice(0, shape[1 - axis])
    rows, columns = (along, across) if axis == 0 else (across, along)
    return Area(place, rows, columns, side)


def origins(
    codes: Codes, area: Area, window: int, stride: int, most: int, seed: int
) -> list[tuple[int, int]]:
    """Return where tiles of an area begin: all with a rare class, as many others at most.

    Args:
        codes: of the place, (y, x).
        area: of it.
        window: side of a tile, pixels.
        stride: distance of neighbours, pixels.
        most: tiles at most; which of them hangs on ``seed``.
        seed: see ``most``.
    """
    starts = (_starts(part, window, stride) for part in (area.rows, area.columns))
    places = list(itertools.product(*starts))
    inside = codes[area.rows, area.columns]
    known, counts = np.unique(inside[inside != UNKNOWN], return_counts=True)
    if not len(known):
        return []
    common = known[np.argmax(counts)]
    rare, other = [], []
    for top, left in places:
        tile = codes[top : top + window, left : left + window]
        seen = tile != UNKNOWN
        if (seen & (tile != common)).any():
            rare.append((top, left))
        elif seen.any():
            other.append((top, left))
    random = np.random.default_rng(seed)
    kept = [*_some(rare, most, random), *_some(other, max(len(rare), 1), random)]
    return sorted(_some(kept, most, random))


def _some(
    places: list[tuple[int, int]], number: int, random: np.random.Generator
) -> list[tuple[int, int]]:
    if len(places) <= number:
        return places
    return [places[n] for n in random.choice(len(places), number, replace=False)]


def _starts(part: slice, window: int, stride: int) -> list[int]:
    last = part.stop - window
    return sorted({*range(part.start, last, stride), last}) if last >= part.start else []


def observed(values: FloatArray, codes: Codes) -> Codes:
    """Return codes with ``UNKNOWN`` where any band was not observed.

    Args:
        values: (band, y, x), NaN = not observed.
        codes: (y, x).
    """
    seen: BoolArray = np.isfinite(values).all(axis=0)
    return np.where(seen, codes, np.int16(UNKNOWN)).astype(np.int16)
