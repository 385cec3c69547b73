"""Which mapped landslides the looks after them could see, as far as anybody stored it.

Pure. What a look could see is kept as shares of the whole region inside it, not place by place.
So a mapped landslide that lies in a look of which 70 % could be judged counts as 0.7 of one that
could be seen. Landslides lie on slopes, where layover and shadow are commoner than in the region at
large: what could be seen of them is rather less than this says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

#: Reasons beside those of ``detectors.types.Unseen``.
NO_LOOK, NOT_JUDGED = "no_look", "not_judged"


@dataclass(frozen=True, slots=True)
class LookSeen:
    """One look of a region, and how much of the region it could see."""

    sensed_at: datetime
    """When it was taken, UTC."""
    footprint: BaseGeometry
    """Outline of the image, EPSG:4326."""
    share_seen: float | None
    """Share of the region inside it that could be judged, 0 to 1; None: it was not judged."""
    unseen: Mapping[str, float]
    """Share that could not, by reason."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """How many of some mapped landslides could be seen."""

    seen: int
    """Could be seen: found, or a look after it saw all of the region."""
    partly: int
    """May have been seen: a look after it saw part of the region."""
    unseen: int
    """Could not be seen: no look after it was judged, or none saw anything."""
    visible: float
    """All that could be seen, those seen in part by their share."""
    reasons: Mapping[str, float]
    """What could not be seen, by reason, those seen in part by their share."""


@dataclass(frozen=True, slots=True)
class Sights:
    """What could be seen of each mapped landslide by the best look after it."""

    share: NDArray[np.float64]
    """(mapped,), 0 to 1; 0 where no look was judged."""
    look: NDArray[np.intp]
    """(mapped,), that look; -1: none covers it, -2: none that does was judged."""
    looks: Sequence[LookSeen]
    """The looks."""

    def count(self, detected: NDArray[np.bool_], counts: NDArray[np.bool_]) -> Visibility:
        """Count some of them; whatever was found could be seen.

        Args:
            detected: (mapped,), was found.
            counts: (mapped,), those that count.
        """
        share = np.where(detected, 1.0, self.share)[counts]
        missed = counts & ~detected
        reasons: dict[str, float] = {}
        for index, many in zip(*np.unique(self.look[missed], return_counts=True), strict=True):
            if index < 0:
                told: Mapping[str, float] = {NO_LOOK if index == -1 else NOT_JUDGED: 1.0}
            else:
                told = self.looks[index].unseen
            for name, part in told.items():
                reasons[name] = reasons.get(name, 0.0) + part * int(many)
        seen, unseen = int((share >= 1).sum()), int((share <= 0).sum())
        return Visibility(
            seen, len(share) - seen - unseen, unseen, float(share.sum()),
            dict(sorted(reasons.items(), key=lambda one: -one[1])),
        )  # fmt: skip


def sights(
    places: NDArray[np.object_],
    ends: Sequence[datetime | None],
    looks: Sequence[LookSeen],
    within: timedelta,
) -> Sights:
    """Return what could be seen of mapped landslides by the best look after each.

    Args:
        places: (mapped,), a point inside each, EPSG:4326.
        ends: when each had happened, UTC; None: unknown, any look may have come after it.
        looks: of the region.
        within: so long after that a look still counts.
    """
    share = np.zeros(len(places))
    best: NDArray[np.intp] = np.full(len(places), -1)
    if not len(places):
        return Sights(share, best, looks)
    x, y = shapely.get_x(places), shapely.get_y(places)
    undated = np.array([end is None for end in ends])
    stamps = np.array([0.0 if end is None else end.timestamp() for end in ends])
    order = np.argsort(stamps, kind="stable")
    order = order[~undated[order]]
    known = stamps[order]
    for index, look in enumerate(looks):
        taken = look.sensed_at.timestamp()
        first = np.searchsorted(known, taken - within.total_seconds(), "left")
        after = np.searchsorted(known, taken, "right")
        asked = np.concatenate([order[first:after], np.flatnonzero(undated)])
        if not len(asked):
            continue
        shapely.prepare(look.footprint)
        asked = asked[shapely.contains_xy(look.footprint, x[asked], y[asked])]
        if look.share_seen is None:
            best[asked[best[asked] == -1]] = -2
            continue
        better = asked[(best[asked] < 0) | (share[asked] < look.share_seen)]
        share[better], best[better] = look.share_seen, index
    return Sights(share, best, looks)
