"""What lies where ground moved: roads, rails, buildings, rivers, places. Records only.

``db`` fills them by one query over the maps the operator loaded, ``alerts`` puts them in words.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

#: Buildings, roads, rails and rivers this near count as near, metres: about what a landslide of the
#: smallest size that is looked for runs out beyond the outline that a 30 m pixel shows.
NEAR_M = 100.0
#: A river that comes this near to new water is taken for the one that feeds it, metres.
FEEDS_M = 60.0
#: How far down a river people may be hit when what blocks it breaks, metres as the crow flies.
REACH_M = 10_000.0
#: Buildings, roads and rails this near to a river lie on it, metres.
BANK_M = 100.0
#: A named place this near to a river lies on it, metres.
TOWN_M = 1_000.0
#: Farther places say nothing about where a slope is, metres.
FARTHEST_PLACE_M = 50_000.0


class Thing(enum.StrEnum):
    """What a feature of a map is."""

    ROAD = "road"
    RAIL = "rail"
    BUILDING = "building"
    RIVER = "river"
    PLACE = "place"


@dataclass(frozen=True, slots=True)
class Exposed:
    """A road, rail or river inside an outline or near it, all of its pieces together."""

    kind: Thing
    """ROAD, RAIL or RIVER."""
    name: str
    """What people call it, empty where the map has no name."""
    what: str
    """The map's own class (``primary``, ``stream``), empty where it has none."""
    length_m: float
    """Length inside the outline, metres; 0 where it only comes near."""
    distance_m: float
    """From the outline, metres; 0 where they touch."""


@dataclass(frozen=True, slots=True)
class NearPlace:
    """A named place."""

    name: str
    """What people call it."""
    distance_m: float
    """Between the place and the outline, metres."""
    azimuth: float
    """Direction of the outline as seen from the place, degrees clockwise from north."""


@dataclass(frozen=True, slots=True)
class OnRiver:
    """What lies along a river that is blocked, or that new water stands in."""

    known: bool
    """The lines tell which way the water flows; False: up- or downstream."""
    rivers: tuple[str, ...]
    """Names along the way."""
    buildings: int
    """Within ``BANK_M`` of the river."""
    roads: tuple[str, ...]
    """Names of roads that cross or follow it."""
    rails: int
    """Lines of rail that cross or follow it."""
    places: tuple[NearPlace, ...]
    """Places on it within ``TOWN_M``, nearest to the water first."""

    @property
    def anything(self) -> bool:
        """Whether there is anybody or anything to warn."""
        return bool(self.buildings or self.roads or self.rails or self.places)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What lies where ground moved, as the loaded maps show it at one moment."""

    mapped: tuple[Thing, ...]
    """Kinds that some loaded map shows here; of the others nothing is known."""
    things: tuple[Exposed, ...]
    """Roads, rails and rivers inside the outline, longest first, then those near, nearest first."""
    buildings_inside: int
    """Buildings that touch the outline."""
    buildings_near: int
    """Further buildings within ``NEAR_M`` of it."""
    place: NearPlace | None
    """The nearest named place, None where there is none within ``FARTHEST_PLACE_M``."""
    downstream: OnRiver | None
    """None where no river is touched, or none near new water."""
    credits: tuple[str, ...]
    """Whose maps they are."""
    loaded_at: datetime
    """When the oldest of these maps was loaded, UTC."""

    def crossed(self, kind: Thing) -> tuple[Exposed, ...]:
        """Return what of a kind lies inside the outline."""
        return tuple(one for one in self.things if one.kind is kind and one.length_m > 0)

    def near(self, kind: Thing) -> tuple[Exposed, ...]:
        """Return what of a kind only comes near."""
        return tuple(one for one in self.things if one.kind is kind and not one.length_m)
