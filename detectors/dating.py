"""When it happened: between which two looks.

``bracket`` joins what looks of all tracks and sensors said of one landslide. Every look says that
it saw the change, that it saw the ground without the change, or nothing.

A clean look closes the bracket only where its track is a *witness*, one that saw the change at some
time: a slope that faces away from one flight direction stays clean there for ever. Looks that
contradict each other are weighed, since a look misses a landslide more often than it invents one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from detectors.types import SAME_PASS, Sensor, require_utc

#: How often a look sees a landslide that is there and visible to its track, and how often it sees
#: one that is not there. Only their ratios count: one early sighting outweighs three clean looks
#: between it and the next sighting, not four. Assumed; no labelled real series of sightings exists.
SEEN_IF_THERE, SEEN_IF_NOT = 0.7, 0.02


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look said of one landslide."""

    at: datetime
    """Start of sensing, UTC."""
    sensor: Sensor
    """Radar or optical."""
    track: str
    """Viewing geometry, ``Acquisition.track``: looks of one track see alike."""
    saw_it: bool | None
    """True: the change was there. False: the ground was seen and the change was not there. None:
    the look says nothing (cloud, layover, shadow, snow, a wet scene)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", require_utc(self.at, "at"))

    @property
    def witness(self) -> tuple[Sensor, str]:
        """Who says so."""
        return (self.sensor, self.track)


@dataclass(frozen=True, slots=True)
class Bracket:
    """The change happened after ``not_before`` and before ``not_after``."""

    not_before: datetime | None
    """The last clean look of a witness, UTC; None where no witness looked before."""
    not_after: datetime
    """The first look that saw the change and is believed, UTC."""
    conflicts: tuple[Observation, ...]
    """Looks of witnesses that say otherwise, in order of time: sightings before ``not_before`` and
    clean looks between the sightings."""
    blind: tuple[str, ...]
    """Tracks that looked at or after ``not_after`` and never saw it, sorted. Their clean looks do
    not count."""


def bracket(observations: Iterable[Observation]) -> Bracket | None:
    """Return between which looks a change happened, None where no look saw it.

    The order of the observations does not matter. Where they contradict each other, that sighting
    is taken for the first which makes all that the witnesses said most likely
    (``SEEN_IF_THERE``, ``SEEN_IF_NOT``); of equals the earliest. Clean looks after the last
    sighting are no contradiction: a stack that has taken the change in shows it no more.

    Args:
        observations: of one landslide, all tracks and sensors.
    """
    spoke = sorted(
        {o for o in observations if o.saw_it is not None},
        key=lambda o: (o.at, o.sensor, o.track, bool(o.saw_it)),
    )
    witnesses = {o.witness for o in spoke if o.saw_it}
    if not witnesses:
        return None
    said = [o for o in spoke if o.witness in witnesses]
    sightings = [o for o in said if o.saw_it]
    false_sighting = math.log(SEEN_IF_THERE / SEEN_IF_NOT)
    miss = math.log((1 - SEEN_IF_NOT) / (1 - SEEN_IF_THERE))

    def cost(first: Observation) -> float:
        invented = sum(1 for o in sightings if o.at < first.at)
        missed = sum(1 for o in said if not o.saw_it and o.at >= first.at)
        return invented * false_sighting + missed * miss

    first = min(sightings, key=lambda o: (cost(o), o.at))
    # Neighbouring bursts of one pass differ by seconds; none of them looked before the change.
    clean = [
        o
        for o in said
        if not o.saw_it
        and o.at < first.at
        and not (o.sensor is first.sensor and first.at - o.at < SAME_PASS)
    ]
    last = sightings[-1].at
    return Bracket(
        not_before=clean[-1].at if clean else None,
        not_after=first.at,
        conflicts=tuple(
            o for o in said if (o.at < first.at if o.saw_it else first.at <= o.at < last)
        ),
        blind=tuple(
            sorted({o.track for o in spoke if o.at >= first.at} - {t for _, t in witnesses})
        ),
    )
