"""How a region stands since something happened: what was found, and what could not be seen."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pyproj import Geod
from shapely import make_valid, union_all
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from alerts.message import credit
from alerts.rules import marks
from db import passes, queries
from db.records import LookRecord
from detectors.ledger import WarmingUp
from detectors.observability import Coverage, together
from detectors.types import SAME_PASS, Landslide, Sensor, State, WatchedRegion
from flows.ledger import warming
from flows.services import Services
from flows.silence import cycles

#: States of looks that are not judged, in the order in which they are told.
_OPEN = ("failed", "skipped", "due", "processing", "baseline")
#: States of landslides, from what calls for somebody to what does not.
ORDER = (State.CONFIRMED, State.SUSPECTED, State.UNRESOLVED, State.CLOSED, State.REFUTED)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the looks of one track could see since then."""

    track: str
    """As ``db.passes.track_name`` says it."""
    sensor: Sensor
    """Radar or optical."""
    passes: int
    """Passes that were judged."""
    first_at: datetime
    """When the first of them was taken, UTC."""
    last_at: datetime
    """When the last of them was taken, UTC."""
    best: Coverage
    """Of the pass that saw most."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A region since a date, as it is known at a moment."""

    region: WatchedRegion
    """What is looked at."""
    since: datetime
    """The date, UTC."""
    at: datetime
    """The moment, UTC."""
    landslides: tuple[Landslide, ...]
    """First seen since then: confirmed ones first, then by evidence."""
    sights: tuple[Sight, ...]
    """Track by track, the one that saw most ground first."""
    covered: float
    """Share of the region that judged radar looks reach at all, 0 to 1."""
    uncovered: BaseGeometry
    """Ground that none of them reaches, EPSG:4326."""
    open_looks: Mapping[str, Mapping[str, int]]
    """Looks that were not judged: by state, how many for which reason."""
    warming: Mapping[str, WarmingUp]
    """Tracks that cannot be judged yet."""
    upcoming: Mapping[str, datetime]
    """By track: when its next look is expected, UTC."""
    newest: LookRecord | None
    """The newest look that was judged."""
    delay: timedelta | None
    """Median from sensing to publication of what was published within three days."""
    marks: str
    """EXERCISE and SIMULATED, empty for the real thing."""
    credit: str
    """What the looks demand to be said."""

    @property
    def km2(self) -> float:
        """Size of the region, km2."""
        return abs(Geod(ellps="WGS84").geometry_area_perimeter(self.region.geometry)[0]) / 1e6

    @property
    def verdict_on_nothing(self) -> str:
        """What it means that nothing was found."""
        if self.covered < 0.005:
            return "Nothing could be looked at: no judged radar look reaches the area"
        return "Nothing was found"

    def counted(self) -> dict[str, dict[str, int]]:
        """Return how many landslides are in which state and tier."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for one in self.landslides:
            found[one.state.value][one.tier.value] += 1
        return {s.value: dict(found[s.value]) for s in ORDER if s.value in found}

    def unseen(self) -> list[str]:
        """Say what could not be seen, the worst first; empty where everything could."""
        said = []
        missing = 1 - self.covered
        if missing >= 0.005:
            said.append(
                f"{100 * missing:.0f} % of the area ({missing * self.km2:,.0f} km2) lies in no "
                "judged radar look"
            )
        said += [
            f"{one.track}, best pass: " + one.best.words.replace("the region", "its ground")
            for one in self.sights
            if one.best.share_seen < 0.995
        ]
        said += [f"{track}: {one.words}" for track, one in self.warming.items()]
        for state, reasons in self.open_looks.items():
            word = "not judged yet" if state in ("due", "processing", "baseline") else state
            said += [
                f"{number} look{'' if number == 1 else 's'} {word}" + (f": {why}" if why else "")
                for why, number in sorted(reasons.items(), key=lambda one: -one[1])[:3]
            ]
        if not any(one.sensor is Sensor.OPTICAL for one in self.sights):
            said.append("no optical look has been judged: nothing could be confirmed or refuted")
        return said

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "region": self.region.id,
            "name": self.region.name,
            "area": mapping(self.region.geometry),
            "km2": round(self.km2, 3),
            "since": self.since.isoformat(),
            "at": self.at.isoformat(),
            "marks": self.marks,
            "landslides": self.counted(),
            "found": [
                {
                    "number": number, "id": str(one.id), "state": one.state.value,
                    "tier": one.tier.value, "area_m2": one.area_m2,
                    "not_before": one.not_before.isoformat(),
                    "not_after": one.not_after.isoformat(), "simulated": one.simulated,
                    "point": list(one.geometry.representative_point().coords[0]),
                }
                for number, one in enumerate(self.landslides, start=1)
            ],
            "could_not_be_seen": self.unseen(),
            "share_covered": self.covered,
            "tracks": [
                {
                    "track": one.track, "sensor": one.sensor.value, "passes": one.passes,
                    "first_at": one.first_at.isoformat(), "last_at": one.last_at.isoformat(),
                    "share_seen": one.best.share_seen, "km2": one.best.km2,
                    "unseen": dict(one.best.unseen),
                }
                for one in self.sights
            ],
            "next_looks": {track: at.isoformat() for track, at in self.upcoming.items()},
            "newest_look": None if self.newest is None else {
                "item_id": self.newest.acquisition.item_id,
                "sensed_at": self.newest.acquisition.sensed_at.isoformat(),
                "published_at": self.newest.acquisition.published_at.isoformat(),
            },
            "delay_hours": None if self.delay is None else self.delay / timedelta(hours=1),
            "credit": self.credit,
        }  # fmt: skip


def load(services: Services, s: Session, region_id: str, since: datetime) -> Situation:
    """Read how a region stands.

    Raises:
        ConfigurationError: no such region.
    """
    region = queries.get_region(s, region_id)
    now = services.clock.now()
    found = [
        one for one in queries.list_landslides(s, region_id, since=since) if one.merged_into is None
    ]
    found.sort(key=lambda one: (ORDER.index(one.state), -one.evidence))
    looks = [
        one
        for one in queries.list_looks(s, region_id=region_id)
        if since <= one.acquisition.sensed_at
    ]
    judged = [one for one in looks if one.state == "processed"]
    radar = [one.acquisition for one in judged if one.acquisition.sensor is Sensor.SAR]
    known, tolerance = cycles(s, region, now), services.settings.silence_tolerance
    reached = union_all([make_valid(one.footprint) for one in radar])
    simulated = region.simulated or any(one.acquisition.simulated for one in judged)
    return Situation(
        region=region,
        since=since,
        at=now,
        landslides=tuple(found),
        sights=_sights(judged),
        covered=passes.ground_share(s, region_id, [one.id for one in radar]) if radar else 0.0,
        uncovered=region.geometry.difference(reached),
        open_looks=_open_looks(looks),
        warming=warming(services, s, region),
        upcoming={
            track: cycle.next_after(now)
            for track, cycle in known.items()
            if not cycle.ended(now, tolerance)
        },
        newest=max(judged, key=lambda one: one.acquisition.sensed_at, default=None),
        delay=_delay(judged),
        marks=marks(exercise=services.settings.exercise or region.simulated, simulated=simulated),
        credit=_credits(judged),
    )


def _sights(judged: Sequence[LookRecord]) -> tuple[Sight, ...]:
    tracks: defaultdict[tuple[str, Sensor], list[LookRecord]] = defaultdict(list)
    for one in judged:
        look = one.acquisition
        orbit = look.orbit_state.value if look.orbit_state else None
        name = passes.track_name(look.sensor, look.relative_orbit, orbit, look.tile)
        tracks[name, look.sensor].append(one)
    found = []
    for (name, sensor), mine in tracks.items():
        mine.sort(key=lambda one: one.acquisition.sensed_at)
        taken: list[list[LookRecord]] = []
        for one in mine:
            at = one.acquisition.sensed_at
            if taken and at - taken[-1][0].acquisition.sensed_at <= SAME_PASS:
                taken[-1].append(one)
            else:
                taken.append([one])
        seen = [together(one.coverage for one in items if one.coverage) for items in taken]
        best = max(seen, key=lambda one: one.km2 * one.share_seen)
        first, last = mine[0].acquisition.sensed_at, mine[-1].acquisition.sensed_at
        found.append(Sight(name, sensor, len(taken), first, last, best))
    return tuple(sorted(found, key=lambda one: (one.sensor is Sensor.OPTICAL, -one.best.km2)))


def _open_looks(looks: Sequence[LookRecord]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {state: Counter() for state in _OPEN}
    for one in looks:
        if one.state in found:
            found[one.state][one.reason or ""] += 1
    return {state: dict(reasons) for state, reasons in found.items() if reasons}


def _delay(judged: Sequence[LookRecord]) -> timedelta | None:
    """Return the median delay; what was published years later was processed again."""
    spans = [one.acquisition.published_at - one.acquisition.sensed_at for one in judged]
    fresh = [span.total_seconds() for span in spans if span <= timedelta(days=3)]
    return timedelta(seconds=statistics.median(fresh)) if fresh else None


def _credits(judged: Sequence[LookRecord]) -> str:
    if not judged:
        return "No look has been judged"
    times = [one.acquisition.sensed_at for one in judged]
    lines = {credit(min(times), max(times), one.acquisition.item_id): None for one in judged}
    return "; ".join(
        line for line in lines if not any(o != line and o.startswith(line) for o in lines)
    )
