"""When an alert is raised and which channels it goes to. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable

from alerts.records import Channel
from detectors.exposure import Exposure, Thing
from detectors.types import Alert, Kind, Landslide, Level, State, Tier


class Severity(enum.StrEnum):
    """What may come of it, in the words and meanings of CAP 1.2 (``severity``)."""

    EXTREME = "Extreme"
    """Extraordinary threat to life or property."""
    SEVERE = "Severe"
    """Significant threat."""
    MODERATE = "Moderate"
    """Possible threat."""
    MINOR = "Minor"
    """Minimal to no known threat."""


#: Every kind of alert there is.
KINDS = ("suspected", "updated", "confirmed", "withdrawn", "unresolved", "closed")
#: Kinds that concern those who were told before, and nobody else.
FOLLOWING = ("updated", "withdrawn", "unresolved", "closed")
#: The look that makes a suspicion more than one look's.
SECOND_LOOK = 2
#: From mild to bad.
LADDER = (Severity.MINOR, Severity.MODERATE, Severity.SEVERE, Severity.EXTREME)


def severity(landslide: Landslide, exposure: Exposure | None = None) -> Severity:
    """Return how bad it may be if it is true; how sure it is, tier and state tell.

    New water is one step above a landslide: what is in its path has been hit by the one already,
    while a blocked valley threatens everybody downstream when it breaks.

    What is known to lie there moves a landslide by one step: up where buildings or rails are hit,
    or a river is reached that has something downstream; down, once it is confirmed, where a map of
    buildings and roads shows nothing in it or near it. Without a map nothing moves, and nothing
    moves new water down: nobody knows how far it reaches when it breaks.
    """
    if landslide.state is State.REFUTED:
        return Severity.MINOR
    confirmed = landslide.state is State.CONFIRMED
    step = 2 if confirmed else 1
    if landslide.kind is Kind.PONDING:
        return LADDER[step + 1]
    if exposure is not None:
        step += 1 if _struck(exposure) else -1 if confirmed and _deserted(exposure) else 0
    return LADDER[step]


def _struck(exposure: Exposure) -> bool:
    """Whether something lies in it, or downstream of a river it reaches into, that must not."""
    river = exposure.downstream is not None and exposure.downstream.anything
    return bool(
        exposure.buildings_inside
        or exposure.crossed(Thing.RAIL)
        or (river and exposure.crossed(Thing.RIVER))
    )


def _deserted(exposure: Exposure) -> bool:
    """Whether a map that would show them shows neither buildings nor ways in it or near it."""
    mapped = {Thing.BUILDING, Thing.ROAD} <= set(exposure.mapped)
    return mapped and not (exposure.buildings_near or exposure.things or _struck(exposure))


#: A landslide of which exclusions cover this much or more is not alerted: more of it lies where
#: the ground moves by plan than elsewhere. What only touches a quarry may run out of it.
EXCLUDED_FROM = 0.5


def excluded(share: float, *, alerted: bool, by_person: bool = False) -> bool:
    """Tell whether exclusions keep an alert back.

    Args:
        share: Of the outline's area inside exclusions, 0 to 1.
        alerted: An alert of this landslide was decided before: whoever was told hears how it ends.
        by_person: A person has looked at it and decided: that outranks a line on a map.
    """
    return share >= EXCLUDED_FROM and not alerted and not by_person


def should_alert(
    landslide: Landslide,
    previous: Landslide | None,
    *,
    alerted: bool = False,
    level: Level = Level.LIKELY,
) -> str | None:
    """Return the kind of alert this version of a landslide deserves, or None for silence.

    ``suspected`` goes out when a landslide first reaches the region's level while suspected,
    ``confirmed`` when it becomes confirmed, whatever its tier: by then two witnesses agree. The
    others follow what somebody was told. ``withdrawn``: it became refuted. ``updated``: a second
    look has seen it, or its tier has changed. ``unresolved``: nobody could see the place in time.
    ``closed``: it is over. A grown outline and a third look are stored and shown, not sent.

    Args:
        landslide: The version about to be stored.
        previous: The version before it, None for a new landslide.
        alerted: An alert of this landslide was decided before.
        level: How sure it must be: *likely* where the region says nothing else.

    Raises:
        ValueError: the two versions belong to different landslides.
    """
    if previous is not None and previous.id != landslide.id:
        raise ValueError(f"{previous.id} is no earlier version of {landslide.id}")
    if landslide.merged_into is not None:
        return None  # told with what it became part of
    before = None if previous is None else previous.state
    match landslide.state:
        case State.SUSPECTED if landslide.tier in _TIERS[level]:
            if previous is None or previous.tier not in _TIERS[level]:
                return "updated" if alerted else "suspected"
            news = previous.tier is not landslide.tier or _seen_again(previous, landslide)
            return "updated" if alerted and news else None
        case State.SUSPECTED if alerted and previous and previous.tier in _TIERS[level]:
            return "updated"
        case State.CONFIRMED if before is not State.CONFIRMED:
            return "confirmed"
        case State.REFUTED if before is not State.REFUTED and alerted:
            return "withdrawn"
        case State.UNRESOLVED if before is not State.UNRESOLVED and alerted:
            return "unresolved"
        case State.CLOSED if before not in (State.CLOSED, State.REFUTED) and alerted:
            return "closed"
    return None


#: Tiers of which a suspicion is alerted, by level.
_TIERS = {
    Level.WATCH: (Tier.WATCH, Tier.LIKELY),
    Level.LIKELY: (Tier.LIKELY,),
    Level.CONFIRMED: (),
}


def _seen_again(previous: Landslide, landslide: Landslide) -> bool:
    """Whether a second look has joined; the third and all later ones are no news."""
    return previous.looks < SECOND_LOOK <= landslide.looks


def is_exercise(alert: Alert) -> bool:
    """Tell whether an alert is for exercise channels only.

    A simulated landslide is an exercise even where the flag was forgotten: it never happened, so
    nobody may be sent out for it.
    """
    return alert.exercise or alert.landslide.simulated


def marks(*, exercise: bool, simulated: bool) -> str:
    """Return the words that no message and no picture may lose, empty for the real thing."""
    words = ["EXERCISE"] if exercise or simulated else []
    return " ".join([*words, "SIMULATED"] if simulated else words)


def channels_for(
    alert: Alert, channels: Iterable[Channel], previous: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the names of the channels an alert goes to, sorted.

    A channel without tags takes every region, one with tags those that share a tag. A confirmation
    goes to those and to every channel that got an earlier alert of this landslide; a withdrawal and
    whatever else follows (``FOLLOWING``) goes where the earlier alerts went and nowhere else,
    whatever the tags are by now. Exercises go
    to exercise channels only and real alerts never do. An empty answer means that nobody would be
    told; callers should say so loudly.

    Args:
        alert: What is to be told.
        channels: All channels of the settings.
        previous: Names of channels that earlier alerts of this landslide were meant for.
    """
    channels = tuple(channels)
    exercise = is_exercise(alert)
    told = {one.name for one in channels if one.name in previous and one.exercise is exercise}
    match alert.kind:
        case kind if kind in FOLLOWING:
            return tuple(sorted(told))
        case "confirmed":
            return tuple(sorted(told.union(takers(channels, alert.tags, exercise=exercise))))
    return takers(channels, alert.tags, exercise=exercise)


def takers(channels: Iterable[Channel], tags: Iterable[str], *, exercise: bool) -> tuple[str, ...]:
    """Return the names of the channels that take alerts with these tags, sorted.

    Asked before there is an alert, it tells whether anybody would be told.
    """
    wanted = set(tags)
    return tuple(
        sorted(
            channel.name
            for channel in channels
            if channel.exercise is exercise and (not channel.tags or wanted & set(channel.tags))
        )
    )
