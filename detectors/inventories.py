"""Mapped landslides, which of two records are one landslide, and scores against what is mapped.

Pure. Outlines are EPSG:4326, lon/lat; distances are metres on the ellipsoid. An inventory is truth:
people mapped it. It is kept apart from what the monitoring believes and is never alerted.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod
from shapely.geometry import MultiPolygon, Point
from shapely.geometry.base import BaseGeometry

from detectors.types import derive_id

#: Two outlines are one landslide from this intersection over union on.
SAME_IOU = 0.5
#: Points are one landslide within this distance, metres, unless their own accuracy is less.
SAME_M = 50.0
#: Brackets are widened by this before they are compared.
SAME_TIME = timedelta(days=3)

_GEOD = Geod(ellps="WGS84")
_DEGREE_M = 110_500.0  # of latitude at the equator, where it is shortest
_FIRST, _LAST = np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31", "us")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Where mapped landslides come from, and whose they are."""

    id: str
    """Its name."""
    file: str
    """File and layer it was read from."""
    sha256: str
    """Checksum of that file."""
    source: str
    """What it was mapped from, or where it was published; may be empty."""
    licence: str
    """Its terms of use, in the words of whoever gives it."""
    author: str
    """Who mapped it, and is to be credited."""
    simulated: bool = False
    """Nothing of it ever happened."""


@dataclass(frozen=True, slots=True)
class MappedLandslide:
    """One landslide of an inventory."""

    inventory_id: str
    """The inventory it is of."""
    file_row: int
    """Its row in the file, the first is 1."""
    geometry: MultiPolygon | Point
    """Outline, or a point where nobody outlined it; EPSG:4326."""
    not_before: datetime | None = None
    """It had not happened yet, UTC; None: unknown."""
    not_after: datetime | None = None
    """It had happened, UTC; None: unknown."""
    key: str = ""
    """What the inventory itself calls it."""
    name: str = ""
    """What people call it."""
    category: str = ""
    """Kind of movement, in the original wording."""
    trigger: str = ""
    """Rain, earthquake and so on, in the original wording."""
    mapped_by: str = ""
    """The image, or the person, that this one was mapped by."""
    accuracy_m: float | None = None
    """How far off its position may be, metres; None: unknown."""
    duplicate_of: uuid.UUID | None = None
    """Mapped landslide that this one is again, of any inventory: each counts once."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """All columns as they came."""

    @property
    def id(self) -> uuid.UUID:
        """Derived from inventory, key, place and time: the same row twice is one landslide."""
        return derive_id(
            "mapped", self.inventory_id, self.key, self.geometry.normalize().wkb_hex,
            self.not_before, self.not_after,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sameness:
    """When two records speak of one landslide."""

    distance_m: float = SAME_M
    """A point and whatever it is held against."""
    within: timedelta = SAME_TIME
    """Brackets may lie so far apart; an unknown time fits any."""
    iou: float = SAME_IOU
    """Two outlines; 0: it is enough that they lie within the distance."""


class Places:
    """Geometries with brackets, ready to be compared."""

    def __init__(
        self,
        geometries: Sequence[BaseGeometry],
        brackets: Sequence[tuple[datetime | None, datetime | None]],
        accuracies_m: Sequence[float | None] | None = None,
    ) -> None:
        self.shapes: NDArray[Any] = np.array(list(geometries), dtype=object)
        self.start = _times([first for first, _ in brackets], _FIRST)
        self.end = _times([last for _, last in brackets], _LAST)
        given = accuracies_m or [None] * len(self.shapes)
        self.accuracy: NDArray[np.float64] = np.array([one or 0.0 for one in given], dtype=float)

    @classmethod
    def of(cls, mapped: Sequence[MappedLandslide]) -> Places:
        """Return the places of mapped landslides."""
        return cls(
            [one.geometry for one in mapped],
            [(one.not_before, one.not_after) for one in mapped],
            [one.accuracy_m for one in mapped],
        )

    def __len__(self) -> int:
        return len(self.shapes)


def _times(moments: Sequence[datetime | None], unknown: np.datetime64) -> NDArray[Any]:
    naive = [unknown if m is None else np.datetime64(m.replace(tzinfo=None), "us") for m in moments]
    return np.array(naive, dtype="datetime64[us]")


def pairs(
    ours: Places, theirs: Places, rule: Sameness
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return which places of two sets are one landslide.

    Args:
        ours: one set.
        theirs: the other.
        rule: when they are one.

    Returns:
        Indices of ours, indices of theirs, and IoU (0 where one of them is a point), one of each
        per pair, in order.
    """
    nothing: NDArray[np.intp] = np.empty(0, dtype=np.intp)
    if not len(ours) or not len(theirs):
        return nothing, nothing, np.empty(0)
    latitudes = shapely.get_y(shapely.centroid(np.concatenate([ours.shapes, theirs.shapes])))
    narrow = max(float(np.cos(np.radians(latitudes)).mean()), 0.05)
    a, b = (_narrowed(places.shapes, narrow) for places in (ours, theirs))
    reach = max(rule.distance_m, ours.accuracy.max(), theirs.accuracy.max())
    tree = shapely.STRtree(b)
    # Longitudes were narrowed by the mean latitude: a wide set needs a little more room.
    left, right = tree.query(a, predicate="dwithin", distance=1.2 * reach / _DEGREE_M)
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    tolerance = np.timedelta64(rule.within // timedelta(microseconds=1), "us")
    in_time = (ours.start[left] - tolerance <= theirs.end[right]) & (
        theirs.start[right] - tolerance <= ours.end[left]
    )
    left, right = left[in_time], right[in_time]
    iou = _iou(a[left], b[right])
    outlines = (shapely.get_dimensions(a[left]) == 2) & (shapely.get_dimensions(b[right]) == 2)
    allowed = np.maximum(rule.distance_m, np.maximum(ours.accuracy[left], theirs.accuracy[right]))
    near = _distances(a[left], b[right], narrow) <= allowed
    same = np.where(outlines & (rule.iou > 0), iou >= rule.iou, near)
    return left[same], right[same], iou[same]


def _narrowed(shapes: NDArray[Any], narrow: float) -> NDArray[Any]:
    scaled: NDArray[Any] = shapely.transform(shapes, lambda xy: xy * (narrow, 1.0))
    return scaled


def _iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return intersection over union; a ratio of small areas does not ask for a projection."""
    shared = shapely.area(shapely.intersection(a, b))
    both = shapely.area(a) + shapely.area(b) - shared
    ratio: NDArray[np.float64] = np.divide(
        shared, both, out=np.zeros(len(a)), where=both > 0
    )  # fmt: skip
    return ratio


def _distances(a: NDArray[Any], b: NDArray[Any], narrow: float) -> NDArray[np.float64]:
    """Return how far two shapes lie apart, metres; 0 where they meet."""
    if not len(a):
        return np.empty(0)
    ends = shapely.get_coordinates(shapely.shortest_line(a, b)).reshape(-1, 2, 2)
    ends[..., 0] /= narrow
    apart: NDArray[np.float64] = _GEOD.inv(
        ends[:, 0, 0], ends[:, 0, 1], ends[:, 1, 0], ends[:, 1, 1]
    )[2]
    return apart


def repeated(mapped: Sequence[MappedLandslide], rule: Sameness) -> dict[int, int]:
    """Return which of some mapped landslides are there again, by index: of the first one.

    Chains end at their beginning: what repeats a repetition repeats the first.
    """
    places = Places.of(mapped)
    left, right, _ = pairs(places, places, rule)
    first: dict[int, int] = {}
    for i, j in zip(left.tolist(), right.tolist(), strict=True):
        if j < i and i not in first:
            first[i] = first.get(j, j)
    return first


@dataclass(frozen=True, slots=True)
class Score:
    """How what was found stands against what is mapped."""

    mapped: int
    """Mapped landslides that count."""
    detected: int
    """Of these, those that were found."""
    found: int
    """Found landslides that count."""
    false: int
    """Of these, those that nothing mapped explains; wrong only where the inventory is complete."""
    iou: float | None
    """Mean over detected outlines, each against all that found it; None: no outline was."""
    mapped_m2: float
    """Area of mapped outlines."""
    detected_m2: float
    """Of these, of outlines that were found."""

    @property
    def pod(self) -> float | None:
        """Probability of detection; None where nothing is mapped."""
        return self.detected / self.mapped if self.mapped else None

    @property
    def pod_interval(self) -> tuple[float, float] | None:
        """95 % interval of it after Wilson (1927); None where nothing is mapped."""
        if not self.mapped:
            return None
        from scipy.stats import binomtest

        interval = binomtest(self.detected, self.mapped).proportion_ci(0.95, method="wilson")
        return float(interval.low), float(interval.high)

    @property
    def far(self) -> float | None:
        """False alarm ratio; None where nothing was found."""
        return self.false / self.found if self.found else None


@dataclass(frozen=True, slots=True)
class Matched:
    """What was found of what is mapped, one by one."""

    detected: NDArray[np.bool_]
    """(mapped,), something found is the same landslide."""
    iou: NDArray[np.float64]
    """(mapped,), against all that found it together; NaN: not found, or no outline."""
    explained: NDArray[np.bool_]
    """(found,), something mapped is the same landslide."""

    def score(
        self,
        areas_m2: NDArray[np.float64],
        truth: NDArray[np.bool_] | None = None,
        found: NDArray[np.bool_] | None = None,
    ) -> Score:
        """Return the score of all, or of some of them.

        Args:
            areas_m2: (mapped,), NaN for points.
            truth: Those of the mapped that count; None: all.
            found: Those of the found that count; None: all.
        """
        ours = np.ones(len(self.detected), bool) if truth is None else truth
        theirs = np.ones(len(self.explained), bool) if found is None else found
        iou = self.iou[ours]
        iou = iou[np.isfinite(iou)]
        return Score(
            mapped=int(ours.sum()),
            detected=int((self.detected & ours).sum()),
            found=int(theirs.sum()),
            false=int((~self.explained & theirs).sum()),
            iou=float(iou.mean()) if len(iou) else None,
            mapped_m2=float(np.nansum(areas_m2[ours])),
            detected_m2=float(np.nansum(areas_m2[self.detected & ours])),
        )


def match(truth: Places, found: Places, rule: Sameness) -> Matched:
    """Hold what was found against what is mapped; several may be one landslide, either way.

    Args:
        truth: What is mapped.
        found: What was found.
        rule: When two are one.
    """
    left, right, _ = pairs(truth, found, rule)
    detected, explained = np.zeros(len(truth), bool), np.zeros(len(found), bool)
    detected[left], explained[right] = True, True
    iou = np.full(len(truth), np.nan)
    if len(left):
        first = np.flatnonzero(np.diff(left, prepend=-1))  # pairs come in order
        which = left[first]
        theirs: NDArray[Any] = np.empty(len(which), dtype=object)
        for number, group in enumerate(np.split(right, first[1:])):
            shapes = found.shapes[group]
            theirs[number] = shapes[0] if len(shapes) == 1 else shapely.union_all(shapes)
        outlined = shapely.area(truth.shapes[which]) > 0
        iou[which[outlined]] = _iou(truth.shapes[which[outlined]], theirs[outlined])
    return Matched(detected, iou, explained)
