"""Which platforms may alert in a region, and why: by history, by comparison, by a person.

A pure function of what is stored, asked anew each time: nothing has to be kept in step.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db import platforms
from db.platforms import Decision, SeenPlatform
from detectors.bias import OPTICAL, RADAR, Bias, Comparison, MeasuredPass, Verdict, compare
from detectors.types import MINIMUM_LOOKS, SAME_PASS, Acquisition, Sensor, WatchedRegion
from flows.services import Services


class Standing(enum.StrEnum):
    """Whether the looks of a platform may alert."""

    KNOWN = "known"
    """In the track's history from the beginning: what others are held against."""
    PASSED = "passed"
    """Compared, and measures what the known ones measure."""
    APPROVED = "approved"
    """A person says so."""
    CHECKING = "checking"
    """Held: too few passes so far."""
    FAILED = "failed"
    """Held: it measures something else, as far as its passes tell."""
    REJECTED = "rejected"
    """Held: a person says so."""


MAY_ALERT = (Standing.KNOWN, Standing.PASSED, Standing.APPROVED)


@dataclass(frozen=True, slots=True)
class PlatformState:
    """One platform, as one version of its producer's processor makes it, on one track."""

    region_id: str
    """Watched region."""
    track: str
    """Radar: the track; optical: the tile."""
    platform: str
    """Satellite."""
    processing_version: str
    """Empty where items do not tell."""
    standing: Standing
    """Whether it may alert."""
    passes: int
    """Passes that are known."""
    first_at: datetime
    """The first of them, UTC."""
    comparison: Comparison | None
    """What comparing says; None for those that are known from the beginning."""
    decision: Decision | None
    """What a person decided, None where nobody did."""
    sensor: Sensor = Sensor.SAR
    """Radar or optical."""

    @property
    def may_alert(self) -> bool:
        """Whether its looks alert."""
        return self.standing in MAY_ALERT

    @property
    def name(self) -> str:
        """What people call it."""
        version = f", processing {self.processing_version}" if self.processing_version else ""
        return f"{self.platform}{version}"

    @property
    def advisory(self) -> str | None:
        """Why its looks do not alert, and what to do; None where they do."""
        if self.may_alert:
            return None
        if self.standing is Standing.REJECTED and self.decision is not None:
            why = f"rejected by {self.decision.decided_by}: {self.decision.reason}"
        else:
            why = f"{self.standing.value}: {self.comparison.words if self.comparison else ''}"
        return f"alerts held: {self.name} is new on {self.track}, {why}; see: scarpwatch platforms"


def states(services: Services, s: Session, region: WatchedRegion) -> list[PlatformState]:
    """Return how every platform of a region stands, track by track."""
    now = services.clock.now()
    seen = platforms.seen_platforms(s, region.id, region.sources, now)
    decisions = platforms.list_decisions(s, region.id)
    by_track: defaultdict[str, list[SeenPlatform]] = defaultdict(list)
    for look in seen:
        by_track[look.track].append(look)
    return [
        state
        for track in sorted(by_track)
        for state in _of_track(region, track, by_track[track], decisions)
    ]


def state_of(
    services: Services, s: Session, region: WatchedRegion, look: Acquisition
) -> PlatformState | None:
    """Return how the platform of a look stands; None where the region does not know it."""
    track, key = track_of(look), (look.platform, look.processing_version or "")
    for state in states(services, s, region):
        if state.track == track and (state.platform, state.processing_version) == key:
            return state
    return None


def peers(
    services: Services, s: Session, region: WatchedRegion, track: str
) -> set[tuple[str, str]]:
    """Return the platforms, with processing version, that looks of a track are compared with."""
    return {
        (one.platform, one.processing_version)
        for one in states(services, s, region)
        if one.track == track and one.may_alert
    }


def track_of(look: Acquisition) -> str:
    """Return the name of what a look is compared on: its track, or its tile."""
    orbit = look.orbit_state.value if look.orbit_state else None
    return platforms.ground_name(look.sensor, look.relative_orbit, orbit, look.tile)


def held(
    services: Services, s: Session, region: WatchedRegion
) -> Callable[[Acquisition], str | None]:
    """Return what tells why a look does not count yet; None where it does.

    Of optical looks, which decide: one that does not count is asked once its platform has passed.
    """
    why = {
        (one.track, one.platform, one.processing_version): one.advisory
        for one in states(services, s, region)
        if not one.may_alert and one.sensor is Sensor.OPTICAL
    }
    return lambda look: why.get((track_of(look), look.platform, look.processing_version or ""))


def _of_track(
    region: WatchedRegion,
    track: str,
    looks: Sequence[SeenPlatform],
    decisions: Sequence[Decision],
) -> list[PlatformState]:
    passes = _passes(looks)
    history = [
        one
        for number, items in enumerate(passes)
        for one in items
        if number < MINIMUM_LOOKS or one.sensed_at < region.watch_from
    ]
    at_home = {(one.platform, one.processing_version) for one in history}
    known = _measured([one for one in items if _is_known(one, at_home)] for items in passes)
    mine: defaultdict[tuple[str, str], list[list[SeenPlatform]]] = defaultdict(list)
    for items in passes:
        for key in dict.fromkeys((one.platform, one.processing_version) for one in items):
            of_key = [o for o in items if (o.platform, o.processing_version) == key]
            mine[key].append(of_key)
    found = []
    bounds = RADAR if looks[0].sensor is Sensor.SAR else OPTICAL
    for key, taken in sorted(mine.items()):
        decision = _decided(key, region.id, track, decisions)
        comparison = (
            None if _is_known(taken[0][0], at_home) else compare(_measured(taken), known, bounds)
        )
        found.append(
            PlatformState(
                region.id, track, *key, _standing(comparison, decision), len(taken),
                taken[0][0].sensed_at, comparison, decision, looks[0].sensor,
            )
        )  # fmt: skip
    return found


def _standing(comparison: Comparison | None, decision: Decision | None) -> Standing:
    """Return what follows: a person outranks a comparison, and history."""
    if decision is not None:
        return Standing(decision.decision)
    if comparison is None:
        return Standing.KNOWN
    return {
        Verdict.CHECKING: Standing.CHECKING,
        Verdict.PASSED: Standing.PASSED,
        Verdict.FAILED: Standing.FAILED,
    }[comparison.verdict]


def _is_known(look: SeenPlatform, at_home: set[tuple[str, str]]) -> bool:
    """Tell whether a platform was there from the beginning.

    A catalogue that does not tell the version (a mirror that stands in) makes no newcomer of it.
    """
    if (look.platform, look.processing_version) in at_home:
        return True
    told = {version for platform, version in at_home if platform == look.platform}
    return bool(told) and (not look.processing_version or told == {""})


def _decided(
    key: tuple[str, str], region_id: str, track: str, decisions: Sequence[Decision]
) -> Decision | None:
    """Return the last decision that speaks of a platform on a track."""
    platform, version = key
    for one in reversed(decisions):
        if (
            one.platform == platform
            and one.processing_version in ("", version)
            and one.region_id in (None, region_id)
            and one.track in (None, track)
        ):
            return one
    return None


def _passes(looks: Sequence[SeenPlatform]) -> list[list[SeenPlatform]]:
    """Group looks, oldest first, by pass."""
    found: list[list[SeenPlatform]] = []
    for look in looks:
        if found and look.sensed_at - found[-1][0].sensed_at <= SAME_PASS:
            found[-1].append(look)
        else:
            found.append([look])
    return found


def _measured(passes: Iterable[Sequence[SeenPlatform]]) -> list[MeasuredPass]:
    """Return the passes that were compared; the bursts of one count by their pixels."""
    made = []
    for items in passes:
        by_name: defaultdict[str, list[Bias]] = defaultdict(list)
        for item in items:
            for name, bias in item.biases.items():
                by_name[name].append(bias)
        if by_name:
            biases = {name: _together(parts) for name, parts in by_name.items()}
            made.append(MeasuredPass(items[0].sensed_at, biases))
    return made


def _together(parts: Sequence[Bias]) -> Bias:
    total = sum(one.pixels for one in parts)
    return Bias(
        sum(one.median * one.pixels for one in parts) / total,
        sum(one.spread * one.pixels for one in parts) / total,
        total,
    )
