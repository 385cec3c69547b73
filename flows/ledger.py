"""The ledger of a region: which looks were to be expected, and what became of each.

Worked out anew whenever somebody asks, from the looks and the cycle that silence alarms go by; the
table that analysts read is written at the end of each poll.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from db import passes, queries, store
from db.engine import transaction
from db.ledger import replace_ledger
from detectors.ledger import ExpectedPass, KnownLook, Reading, WarmingUp, ledger, warming_up
from detectors.types import MINIMUM_LOOKS, Sensor, WatchedRegion
from flows.schedules import in_season
from flows.services import Services
from flows.silence import REMEMBERED


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
    now = services.clock.now()
    since = max(since, region.watch_from)
    looks = passes.known_looks(
        s, region.id, region.sources, since - REMEMBERED, now, region.sensors
    )
    read = {poll.source: poll.succeeded_at for poll in queries.list_polls(s, region.id)}
    lines: list[ExpectedPass] = []
    for track, known in sorted(looks.items()):
        tolerance = services.settings.silence_tolerance
        reading = Reading(now, tolerance, _read_at(known, read))
        lines += ledger(track, known, since, reading)
    return [
        line
        for line in lines
        if line.sensed_at is not None or (not region.paused and in_season(region, line.expected_at))
    ]


def warming(services: Services, s: Session, region: WatchedRegion) -> dict[str, WarmingUp]:
    """Return the radar tracks of a region that cannot be judged yet, and until when."""
    since = region.watch_from - services.settings.history
    looks = passes.known_looks(
        s, region.id, region.sources, since, services.clock.now(), [Sensor.SAR]
    )  # fmt: skip
    found = {track: warming_up(known, MINIMUM_LOOKS) for track, known in sorted(looks.items())}
    return {track: one for track, one in found.items() if one is not None}


def keep_ledger(services: Services, region_id: str) -> None:
    """Write the ledger of a region where analysts read it; may run twice."""
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
        store.lock_region(s, region.id)
        since = services.clock.now() - REMEMBERED
        replace_ledger(s, region.id, since, expected_looks(services, s, region, since))


def _read_at(looks: list[KnownLook], read: dict[str, datetime | None]) -> datetime | None:
    """Return when a source that a track comes from was last read with success."""
    times = {read.get(look.source) for look in looks}
    return max((at for at in times if at is not None), default=None)
