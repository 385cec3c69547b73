"""Silence is an alarm: an expected look did not come. And what is expected next.

One alarm for each look that is missing, to the operators' channels; one all-clear when the track is
seen again. Everything may run twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from db import outbox, passes, queries, store
from db.engine import transaction
from detectors.bulletins import Bulletin, Sort
from detectors.cycles import MOST_MISSED, Cycle, learn
from detectors.types import WatchedRegion, derive_id
from flows.schedules import in_season
from flows.services import Services

log = structlog.get_logger()

#: How far back looks tell of a track's cycle: ten passes at 24 days.
REMEMBERED = timedelta(days=240)


def cycles(s: Session, region: WatchedRegion, now: datetime) -> Mapping[str, Cycle]:
    """Return the cycle of each track of a region, by its name, as known at a moment."""
    looks = passes.look_times(s, region.id, region.sources, now - REMEMBERED, now, region.sensors)
    learned = {track: learn(times) for track, times in sorted(looks.items())}
    return {track: cycle for track, cycle in learned.items() if cycle is not None}


def next_look(services: Services, s: Session, region: WatchedRegion) -> datetime | None:
    """Return when the next look of any track is expected, None where no cycle is known."""
    now = services.clock.now()
    tolerance = services.settings.silence_tolerance
    known = cycles(s, region, now).values()
    return min((c.next_after(now) for c in known if not c.ended(now, tolerance)), default=None)


def silent_tracks(
    services: Services, s: Session, region: WatchedRegion
) -> Mapping[str, datetime]:  # fmt: skip
    """Return the tracks whose newest expected look is missing, and when it should have been."""
    if region.paused:
        return {}
    now, tolerance = services.clock.now(), services.settings.silence_tolerance
    missing = {
        track: cycle.missed(now, tolerance) for track, cycle in cycles(s, region, now).items()
    }
    return {
        track: missed[0]
        for track, missed in missing.items()
        if missed is not None and in_season(region, missed[0])
    }


def watch_silence(services: Services, region_id: str) -> int:
    """Write the alarms and all-clears of a region that are due into the outbox.

    Without an operators' channel of the region's sort nothing is written: ``scarpwatch status``
    shows what is silent all the same.

    Returns:
        How many were written.
    """
    now = services.clock.now()
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
        exercise = services.settings.exercise or region.simulated
        channels = operators(services, exercise=exercise)
        if region.paused or not channels:
            return 0
        store.lock_region(s, region.id)
        known = cycles(s, region, now)
        written = 0
        for bulletin in (
            *_all_clears(s, region, known, now, exercise),
            *_alarms(services, s, region, known, now, exercise),
        ):
            written += outbox.enqueue_bulletin(s, bulletin, channels)
            _remember(s, region, bulletin, known)
    return written


def operators(services: Services, *, exercise: bool) -> tuple[str, ...]:
    """Return the operators' channels of one sort."""
    wanted = services.settings.operators
    return tuple(c.name for c in services.channels if c.name in wanted and c.exercise is exercise)


def _alarms(
    services: Services,
    s: Session,
    region: WatchedRegion,
    known: Mapping[str, Cycle],
    now: datetime,
    exercise: bool,
) -> list[Bulletin]:
    opened = passes.open_silences(s, region.id)
    polls = queries.list_polls(s, region.id)
    errors = [f"{poll.source}: {poll.error}" for poll in polls if poll.error]
    alarms = []
    for track, cycle in known.items():
        missed = cycle.missed(now, services.settings.silence_tolerance)
        if missed is None:
            continue
        expected, count = missed
        # A cycle learned a little otherwise since must not make the same look missing twice.
        mine = [one.expected_at for one in opened if one.track == track]
        same = any(abs(moment - expected) < cycle.every / 2 for moment in mine)
        if same or expected < region.watch_from or not in_season(region, expected):
            continue
        content = {
            "region": region.name,
            "region_id": region.id,
            "track": track,
            "expected_at": expected.isoformat(),
            "last_at": cycle.last.isoformat(),
            "cycle_days": cycle.every / timedelta(days=1),
            "delay_hours": cycle.delay / timedelta(hours=1),
            "last_alarm": count == MOST_MISSED,
            "errors": errors,
        }
        log.warning("silence", region=region.id, track=track, expected=expected.isoformat())
        alarms.append(_bulletin(Sort.SILENCE, region, (track, expected), content, now, exercise))
    return alarms


def _all_clears(
    s: Session,
    region: WatchedRegion,
    known: Mapping[str, Cycle],
    now: datetime,
    exercise: bool,
) -> list[Bulletin]:
    opened: dict[str, list[datetime]] = {}
    for one in passes.open_silences(s, region.id):
        opened.setdefault(one.track, []).append(one.expected_at)
    told = []
    for track, expected in opened.items():
        cycle = known.get(track)
        if cycle is None or cycle.last < expected[0] - cycle.every / 2:
            continue
        content = {
            "region": region.name,
            "region_id": region.id,
            "track": track,
            "seen_at": cycle.last.isoformat(),
            "missed": sum(cycle.last - moment > cycle.every / 2 for moment in expected),
        }
        told.append(_bulletin(Sort.ALL_CLEAR, region, (track, expected[0]), content, now, exercise))
    return told


def _bulletin(
    sort: Sort,
    region: WatchedRegion,
    key: tuple[str, datetime],
    content: dict[str, object],
    now: datetime,
    exercise: bool,
) -> Bulletin:
    return Bulletin(
        id=derive_id(sort, region.id, key[0], key[1].isoformat()),
        sort=sort,
        region_id=region.id,
        exercise=exercise,
        simulated=region.simulated,
        issued_at=now,
        content=content,
    )


def _remember(
    s: Session, region: WatchedRegion, bulletin: Bulletin, known: Mapping[str, Cycle]
) -> None:
    """Store the alarm, or its end, beside its bulletin."""
    track = str(bulletin.content["track"])
    if bulletin.sort is Sort.ALL_CLEAR:
        passes.clear_silences(s, region.id, track, bulletin.id)
        return
    expected = datetime.fromisoformat(str(bulletin.content["expected_at"]))
    every = known[track].every.total_seconds()
    passes.raise_silence(s, region.id, track, expected, every, bulletin.id)
