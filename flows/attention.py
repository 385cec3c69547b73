"""What needs somebody's attention: regions nobody reads, alerts nobody would get."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from alerts.rules import takers
from alerts.subscribers import channels_of, free
from db.records import PollRecord
from detectors.types import WatchedRegion
from flows.schedules import in_season, polls_before
from flows.settings import Settings
from flows.subscribing import subscriber_records

#: A region is overdue after so many of its intervals without a poll that worked.
OVERDUE_INTERVALS = 3


def overdue(region: WatchedRegion, polls: Iterable[PollRecord], now: datetime) -> bool:
    """Tell whether a source of a region has not been read for several of its intervals."""
    oldest = polls_before(region, now, OVERDUE_INTERVALS)
    if region.paused or not (in_season(region, now) and in_season(region, oldest)):
        return False
    read = {poll.source: poll.succeeded_at for poll in polls if poll.region_id == region.id}
    return any((when := read.get(source)) is None or when < oldest for source in region.sources)


def told(settings: Settings, region: WatchedRegion) -> tuple[str, ...]:
    """Return the names of the channels that would take the alerts of a region."""
    exercise = settings.exercise or region.simulated
    channels, subscribers = settings.channel_records(), subscriber_records(settings)
    theirs = {
        name
        for one in subscribers
        if one.covers(region.id, region.tags, region.geometry)
        for name in channels_of(one, channels, exercise=exercise)
    }
    by_tags = takers(free(channels, subscribers), region.tags, exercise=exercise)
    return tuple(sorted(theirs.union(by_tags)))
