"""Who wants to hear of what, when, and how often. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shapely.geometry.base import BaseGeometry

from alerts.records import Channel
from alerts.rules import LADDER, Severity, is_exercise
from detectors.types import Alert, Kind, Tier

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When only the worst is sent at once."""

    start: time
    """Wall clock of the subscriber."""
    end: time
    """Wall clock; earlier than ``start`` where the night lies between."""
    through: Severity
    """This and worse is sent all the same."""

    def hold(self, local: datetime, severity: Severity) -> bool:
        """Tell whether an alert of a severity waits, at a local time."""
        now = local.time()
        if self.start <= self.end:
            quiet = self.start <= now < self.end
        else:
            quiet = now >= self.start or now < self.end
        return quiet and LADDER.index(severity) < LADDER.index(self.through)


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who is told when nobody answers."""

    channel: str
    """Name of the second target."""
    after: timedelta
    """So long after the first was told."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody with channels and wishes."""

    name: str
    """Name in the settings."""
    channels: tuple[str, ...]
    """Names of the channels it is told through."""
    regions: tuple[str, ...] = ()
    """Alerts of these regions."""
    tags: tuple[str, ...] = ()
    """Alerts of regions with one of these tags."""
    area: BaseGeometry | None = None
    """Alerts whose outline meets this area, EPSG:4326. No region, tag, area at all: everywhere."""
    kinds: tuple[Kind, ...] = tuple(Kind)
    """Landslides, new water."""
    tiers: tuple[Tier, ...] = tuple(Tier)
    """How far the evidence must go."""
    zone: ZoneInfo = _UTC
    """Where its clock hangs."""
    quiet: QuietHours | None = None
    """When only the worst is sent at once; None: never."""
    budget: int | None = None
    """At most so many alerts at once within seven days; None: no limit."""
    weekly: bool = False
    """The digest comes on Mondays; False: every day."""
    digest_at: time = time(7)
    """When it comes, by its clock."""
    escalation: Escalation | None = None
    """Who is told when it does not answer; None: nobody."""

    def wants(self, alert: Alert) -> bool:
        """Tell whether an alert is of the kind, tier and place it asked for."""
        landslide = alert.landslide
        if landslide.kind not in self.kinds or landslide.tier not in self.tiers:
            return False
        return self.covers(landslide.region_id, alert.tags, landslide.geometry)

    def covers(self, region_id: str, tags: tuple[str, ...], outline: BaseGeometry) -> bool:
        """Tell whether a place is one it asked for."""
        if not (self.regions or self.tags or self.area is not None):
            return True
        near = self.area is not None and self.area.intersects(outline)
        return region_id in self.regions or bool(set(tags) & set(self.tags)) or near

    def holds(self, severity: Severity, now: datetime) -> bool:
        """Tell whether its quiet hours keep an alert back at a moment (aware)."""
        return self.quiet is not None and self.quiet.hold(now.astimezone(self.zone), severity)

    def digest_before(self, now: datetime) -> datetime:
        """Return when its last digest was due, at ``now`` or earlier, in UTC.

        By its wall clock: the hour stays where summer time begins or ends.
        """
        local = now.astimezone(self.zone)
        day = local.date()
        if datetime.combine(day, self.digest_at, self.zone) > now:
            day -= timedelta(days=1)
        if self.weekly:
            day -= timedelta(days=day.weekday())
        return datetime.combine(day, self.digest_at, self.zone).astimezone(UTC)


def free(channels: tuple[Channel, ...], subscribers: tuple[Subscriber, ...]) -> tuple[Channel, ...]:
    """Return the channels that no subscriber uses: they are told by tags, without a budget."""
    taken = {name for one in subscribers for name in _all_of(one)}
    return tuple(channel for channel in channels if channel.name not in taken)


def channels_of(
    subscriber: Subscriber, channels: tuple[Channel, ...], *, exercise: bool
) -> tuple[str, ...]:
    """Return the names of a subscriber's channels of one sort, sorted."""
    return tuple(
        sorted(c.name for c in channels if c.name in subscriber.channels and c.exercise is exercise)
    )


def wanted_by(
    alert: Alert, subscribers: tuple[Subscriber, ...], channels: tuple[Channel, ...]
) -> tuple[Subscriber, ...]:
    """Return the subscribers that asked for an alert and have a channel of its sort."""
    exercise = is_exercise(alert)
    return tuple(
        one
        for one in subscribers
        if one.wants(alert) and channels_of(one, channels, exercise=exercise)
    )


def _all_of(subscriber: Subscriber) -> tuple[str, ...]:
    escalation = subscriber.escalation
    return (*subscriber.channels, *(() if escalation is None else (escalation.channel,)))
