"""The ledger of a region: which looks were to be expected, and what became of each.

Worked out anew whenever somebody asks, from the looks and the cycle that silence alarms go by; the
table that analysts read is written at the end of each poll.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import batched

from sqlalchemy.orm import Session

from db import passes, queries, store
from db.engine import transaction
from db.ledger import kept_ledgers, replace_ledger
from detectors.ledger import ExpectedPass, KnownLook, Reading, WarmingUp, ledger, warming_up
from detectors.types import MINIMUM_LOOKS, Sensor, WatchedRegion
from flows.schedules import in_season
from flows.services import Services
from flows.silence import BATCH, REMEMBERED


def expected_looks(
    services: Services, s: Session, region: WatchedRegion, since: datetime
) -> list[ExpectedPass]:
    """Return the ledger of a region, track by track, oldest first.

    A paused region expects nothing: what came before it was paused is all there is. Nothing is
    expected of sensors that are not watched, or outside the region's windows.

    Args:
        services: clock and tolerance.
        s: Session.
        region: watched region.
        since: only passes taken, or expected, at this time or later, UTC; none from before
            ``watch_from``, which only feed stacks.
    """
    return _ledgers(services, s, [region], since)[region.id]


def _ledgers(
    services: Services, s: Session, regions: Collection[WatchedRegion], since: datetime
) -> dict[str, list[ExpectedPass]]:
    now, tolerance = services.clock.now(), services.settings.silence_tolerance
    begin = {region.id: max(since, region.watch_from) for region in regions}
    looks = passes.known_looks(s, regions, since - REMEMBERED, now)
    read: dict[str, dict[str, datetime | None]] = {region.id: {} for region in regions}
    for poll in queries.list_polls(s, only=read):
        read[poll.region_id][poll.source] = poll.succeeded_at
    return {
        region.id: [
            line
            for track, known in sorted(looks[region.id].items())
            for line in ledger(
                track, known, begin[region.id],
                Reading(now, tolerance, _read_at(known, read[region.id])),
            )
            if line.sensed_at is not None
            or (not region.paused and in_season(region, line.expected_at))
        ]
        for region in regions
    }  # fmt: skip


def warming(services: Services, s: Session, region: WatchedRegion) -> dict[str, WarmingUp]:
    """Return the radar tracks of a region that cannot be judged yet, and until when."""
    since = region.watch_from - services.settings.history
    looks = passes.known_looks(s, [region], since, services.clock.now(), [Sensor.SAR])[region.id]
    found = {track: warming_up(known, MINIMUM_LOOKS) for track, known in sorted(looks.items())}
    return {track: one for track, one in found.items() if one is not None}


def keep_ledger(services: Services, region_ids: Iterable[str]) -> int:
    """Write the ledgers of some regions where analysts read them; may run twice.

    Most polls change nothing in most regions: all are read together, and only those whose lines
    differ from what is kept are locked, worked out and written one by one.

    Returns:
        How many were written.
    """
    since, written = services.clock.now() - REMEMBERED, 0
    for some in batched(region_ids, BATCH):
        with transaction(services.engine) as s:
            regions = queries.list_regions(s, only=some)
            kept = kept_ledgers(s, some, since)
            told = _ledgers(services, s, regions, since)
        for region in regions:
            if kept[region.id] != set(told[region.id]):
                _replace(services, region.id, since)
                written += 1
    return written


def _replace(services: Services, region_id: str, since: datetime) -> None:
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
        store.lock_region(s, region.id)
        replace_ledger(s, region.id, since, expected_looks(services, s, region, since))


def _read_at(looks: list[KnownLook], read: dict[str, datetime | None]) -> datetime | None:
    """Return when a source that a track comes from was last read with success."""
    times = {read.get(look.source) for look in looks}
    return max((at for at in times if at is not None), default=None)
