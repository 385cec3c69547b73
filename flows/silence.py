"""Silence is an alarm: an expected look did not come. And what is expected next.

One alarm for each look that is missing, to the operators' channels; one all-clear when the track is
seen again. Everything may run twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import batched

import structlog
from sqlalchemy.orm import Session

from db import outbox, passes, queries, store
from db.engine import transaction
from db.passes import OpenSilence
from detectors.bulletins import Bulletin, Sort
from detectors.cycles import MOST_MISSED, Cycle, learn
from detectors.types import WatchedRegion, derive_id
from flows.schedules import in_season
from flows.services import Services

log = structlog.get_logger()

#: How far back looks tell of a track's cycle: ten passes at 24 days.
REMEMBERED = timedelta(days=240)
#: Regions whose looks are held in memory at once.
BATCH = 500


def cycles(s: Session, region: WatchedRegion, now: datetime) -> Mapping[str, Cycle]:
    """Return the cycle of each track of a region, by its name, as known at a moment."""
    return _cycles(s, [region], now)[region.id]


def _cycles(
    s: Session, regions: Collection[WatchedRegion], now: datetime
) -> dict[str, dict[str, Cycle]]:
    looks = passes.known_looks(s, regions, now - REMEMBERED, now)
    return {
        region_id: {
            track: cycle
            for track, known in sorted(tracks.items())
            if (cycle := learn([(look.sensed_at, look.published_at) for look in known]))
        }
        for region_id, tracks in looks.items()
    }


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


def watch_silence(services: Services, region_ids: Iterable[str]) -> int:
    """Write the alarms and all-clears of some regions that are due into the outbox.

    Most polls have nothing to tell of most regions: all are read together, and only those that
    something is to be told of are locked and asked again, one by one. Without an operators' channel
    of the region's sort nothing is written: ``scarpwatch status`` shows what is silent even so.

    Returns:
        How many were written.
    """
    written = 0
    for some in batched(region_ids, BATCH):
        with transaction(services.engine) as s:
            regions = [
                region
                for region in queries.list_regions(s, only=some)
                if not region.paused and operators(services, exercise=_exercise(services, region))
            ]
            told = _told(services, s, regions)
        written += sum(_tell(services, region_id) for region_id, due in told.items() if due)
    return written


def _tell(services: Services, region_id: str) -> int:
    """Store what is to be told of a region, under its lock."""
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
        store.lock_region(s, region.id)
        channels = operators(services, exercise=_exercise(services, region))
        written = 0
        for bulletin in _told(services, s, [region])[region.id]:
            written += outbox.enqueue_bulletin(s, bulletin, channels)
            _remember(s, region_id, bulletin)
    return written


def _told(
    services: Services, s: Session, regions: Collection[WatchedRegion]
) -> dict[str, list[Bulletin]]:
    """Return the bulletins of some regions that are due and not stored yet."""
    now = services.clock.now()
    known = _cycles(s, regions, now)
    opened = passes.open_silences(s, list(known))
    errors: dict[str, list[str]] = {region.id: [] for region in regions}
    for poll in queries.list_polls(s, only=errors):
        errors[poll.region_id] += [f"{poll.source}: {poll.error}"] if poll.error else []
    return {
        region.id: [
            *_all_clears(services, region, known[region.id], opened[region.id]),
            *_alarms(services, region, known[region.id], opened[region.id], errors[region.id]),
        ]
        for region in regions
    }


def _exercise(services: Services, region: WatchedRegion) -> bool:
    return services.settings.exercise or region.simulated


def operators(services: Services, *, exercise: bool) -> tuple[str, ...]:
    """Return the operators' channels of one sort."""
    wanted = services.settings.operators
    return tuple(c.name for c in services.channels if c.name in wanted and c.exercise is exercise)


def _alarms(
    services: Services,
    region: WatchedRegion,
    known: Mapping[str, Cycle],
    opened: Collection[OpenSilence],
    errors: list[str],
) -> list[Bulletin]:
    alarms = []
    for track, cycle in known.items():
        missed = cycle.missed(services.clock.now(), services.settings.silence_tolerance)
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
        alarms.append(_bulletin(services, Sort.SILENCE, region, (track, expected), content))
    return alarms


def _all_clears(
    services: Services,
    region: WatchedRegion,
    known: Mapping[str, Cycle],
    opened: Collection[OpenSilence],
) -> list[Bulletin]:
    missed: dict[str, list[datetime]] = {}
    for one in opened:
        missed.setdefault(one.track, []).append(one.expected_at)
    told = []
    for track, expected in missed.items():
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
        told.append(_bulletin(services, Sort.ALL_CLEAR, region, (track, expected[0]), content))
    return told


def _bulletin(
    services: Services,
    sort: Sort,
    region: WatchedRegion,
    key: tuple[str, datetime],
    content: dict[str, object],
) -> Bulletin:
    return Bulletin(
        id=derive_id(sort, region.id, key[0], key[1].isoformat()),
        sort=sort,
        region_id=region.id,
        exercise=_exercise(services, region),
        simulated=region.simulated,
        issued_at=services.clock.now(),
        content=content,
    )


def _remember(s: Session, region_id: str, bulletin: Bulletin) -> None:
    """Store the alarm, or its end, beside its bulletin."""
    told = bulletin.content
    track = str(told["track"])
    if bulletin.sort is Sort.ALL_CLEAR:
        passes.clear_silences(s, region_id, track, bulletin.id)
        return
    expected = datetime.fromisoformat(str(told["expected_at"]))
    every = timedelta(days=float(str(told["cycle_days"])))
    passes.raise_silence(s, region_id, track, expected, every.total_seconds(), bulletin.id)
