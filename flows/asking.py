"""Regions ask a catalogue together, and each is handed what it would have been told alone.

Regions with the same mark whose middles lie in one cell of a grid that the world has are one
question. What is asked for is their ground, covered by squares, so that a question stays short
whatever the outlines; what comes back is held against each outline itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from detectors.types import Acquisition, WatchedRegion
from flows.catalogs.base import Refused

#: Side of a cell, degrees: a day of it is a page or two of items.
CELL = 10.0
#: Of spans longer than this the cells are smaller: what a question brings is held in memory.
LONG_SPAN = timedelta(days=64)
SMALL_CELL = 2.5
#: Side of the squares that cover ground, degrees; a power of two, so that sums are exact. They
#: grow, doubling, until an outline has no more corners than a server takes gladly.
SQUARE, LARGEST_SQUARE, MOST_CORNERS = 0.125, 8.0, 500


@dataclass(frozen=True, slots=True)
class Asker:
    """What one region wants to know of a source."""

    region: WatchedRegion
    """Who asks."""
    sensed_after: datetime
    """Looks sensed before are of no use to it, UTC."""
    published_after: datetime | None
    """Its mark less the overlap, UTC; None before the first poll."""


@dataclass(frozen=True, slots=True)
class Question:
    """One search for one region or several."""

    source: str
    """``catalogue/collection``."""
    askers: tuple[Asker, ...]
    """Who gets of the answer; all have one ``published_after``."""
    until: datetime
    """End of the search, UTC."""

    @property
    def region_ids(self) -> tuple[str, ...]:
        """Who asks."""
        return tuple(asker.region.id for asker in self.askers)

    @property
    def sensed_after(self) -> datetime:
        """The earliest that anybody asks for, UTC."""
        return min(asker.sensed_after for asker in self.askers)

    @property
    def published_after(self) -> datetime | None:
        """What all of them ask for, UTC."""
        return self.askers[0].published_after

    def area(self) -> BaseGeometry:
        """Return what is asked for, lon/lat: a region's own outline, of several a cover of all."""
        if len(self.askers) == 1:
            return self.askers[0].region.geometry
        return cover([asker.region.geometry for asker in self.askers])

    def halves(self) -> list[Question]:
        """Return the same as two questions; nothing where one region asks."""
        middle = len(self.askers) // 2
        parts = (self.askers[:middle], self.askers[middle:])
        return [Question(self.source, part, self.until) for part in parts] if middle else []


def questions(source: str, askers: Iterable[Asker], until: datetime) -> list[Question]:
    """Put together what can be asked together.

    Marks are not mixed, so that nobody is told what was published before its own; of first polls
    those whose spans lie within a factor of two are asked together. In the order of those who ask.
    """
    groups: dict[object, list[Asker]] = {}
    for asker in askers:
        span = until - (asker.published_after or asker.sensed_after)
        # 2 ** octave hours is the span, rounded up.
        octave = math.ceil(math.log2(max(span / timedelta(hours=1), 1)))
        first = octave if asker.published_after is None else None
        side = SMALL_CELL if span > LONG_SPAN else CELL
        key = (asker.published_after, first, side, *_cell(asker.region.geometry, side))
        groups.setdefault(key, []).append(asker)
    return [Question(source, tuple(group), until) for group in groups.values()]


def _cell(geometry: BaseGeometry, side: float) -> tuple[int, int]:
    """Return the cell of the middle of the largest part: one that crosses 180 degrees has two."""
    west, south, east, north = max(shapely.get_parts(geometry), key=shapely.area).bounds
    return math.floor((west + east) / 2 / side), math.floor((south + north) / 2 / side)


def cover(geometries: Sequence[BaseGeometry]) -> BaseGeometry:
    """Return squares that cover all of some areas, as one outline with few corners, lon/lat."""
    squares: set[tuple[int, int]] = set()
    for part in shapely.get_parts(list(geometries)):
        west, south, east, north = (math.floor(edge / SQUARE) for edge in part.bounds)
        # What ends at 180 degrees or at a pole has no square beyond.
        columns = np.arange(west, min(east, round(180 / SQUARE) - 1) + 1)
        rows = np.arange(south, min(north, round(90 / SQUARE) - 1) + 1)
        x, y = (index.ravel() for index in np.meshgrid(columns, rows))
        shapely.prepare(part)
        met = shapely.intersects(part, _boxes(x, y, SQUARE))
        squares |= set(zip(x[met].tolist(), y[met].tolist(), strict=True))
    side = SQUARE
    while True:
        x, y = np.array(sorted(squares)).T
        covered = shapely.simplify(shapely.union_all(_boxes(x, y, side)), 0)
        if shapely.get_num_coordinates(covered) <= MOST_CORNERS or side >= LARGEST_SQUARE:
            return covered
        side *= 2
        squares = {(column // 2, row // 2) for column, row in squares}


def _boxes(x: np.ndarray, y: np.ndarray, side: float) -> np.ndarray:
    """Return squares by their column and row; those of 8 degrees end at the poles."""
    top, bottom = np.minimum((y + 1) * side, 90.0), np.maximum(y * side, -90.0)
    left, right = np.maximum(x * side, -180.0), np.minimum((x + 1) * side, 180.0)
    boxes: np.ndarray = shapely.box(left, bottom, right, top)
    return boxes


@dataclass(frozen=True, slots=True)
class Share:
    """What one region is handed of an answer."""

    usable: list[Acquisition]
    """Looks that touch its ground."""
    refused: list[Refused]
    """Items that touch it, or whose place cannot be read, and that nobody can use."""


class Answer:
    """What a question brought, to be handed out."""

    def __init__(self, found: Iterable[Acquisition | Refused]) -> None:
        """Keep all of it; raises whatever the search raises."""
        self._found = list(found)
        places = [one.footprint for one in self._found]
        self._footprints = np.array(places, dtype=object)
        self._placed = shapely.STRtree(places)
        # Nobody can tell whose ground they show.
        self._nowhere = [i for i, place in enumerate(places) if place is None]

    def share(self, asker: Asker) -> Share:
        """Return what a region would have been told had it asked alone.

        Raises:
            shapely.errors.ShapelyError: its outline cannot be compared.
        """
        ground = asker.region.geometry
        near = self._placed.query(shapely.get_parts(ground))[1]
        near = np.unique(near)
        shapely.prepare(ground)
        met = near[shapely.intersects(ground, self._footprints[near])] if near.size else near
        handed = [self._found[i] for i in sorted([*met.tolist(), *self._nowhere])]
        return Share(
            [
                one
                for one in handed
                if isinstance(one, Acquisition) and one.sensed_at >= asker.sensed_after
            ],
            [one for one in handed if isinstance(one, Refused)],
        )
