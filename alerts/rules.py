"""When an alert is raised and which channels it goes to. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.records import Channel
from detectors.types import Alert, Landslide, State, Tier


def should_alert(landslide: Landslide, previous: Landslide | None) -> str | None:
    """Return the kind of alert this version of a landslide deserves, or None for silence.

    ``suspected`` goes out once in a landslide's life: when it first reaches tier *likely* while
    suspected. A grown outline or one more look is stored and shown, not sent.

    Args:
        landslide: The version about to be stored.
        previous: The version before it, None for a new landslide.

    Raises:
        ValueError: the two versions belong to different landslides.
    """
    if previous is not None and previous.id != landslide.id:
        raise ValueError(f"{previous.id} is no earlier version of {landslide.id}")
    if landslide.state is not State.SUSPECTED or landslide.tier is not Tier.LIKELY:
        return None
    if previous is not None and previous.tier is Tier.LIKELY:
        return None
    return "suspected"


def is_exercise(alert: Alert) -> bool:
    """Tell whether an alert is for exercise channels only.

    A simulated landslide is an exercise even where the flag was forgotten: it never happened, so
    nobody may be sent out for it.
    """
    return alert.exercise or alert.landslide.simulated


def channels_for(alert: Alert, channels: Iterable[Channel]) -> tuple[str, ...]:
    """Return the names of the channels an alert goes to, sorted.

    A channel without tags takes every region, one with tags those that share a tag. Exercises go
    to exercise channels only and real alerts never do. An empty answer means that nobody would be
    told; callers should say so loudly.
    """
    return takers(channels, alert.tags, exercise=is_exercise(alert))


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
