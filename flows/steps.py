"""Judging looks, as plain functions; every one may run twice.

The state of the work lives in PostGIS; Prefect, the command line and replays only call these,
``flows.polling``, ``flows.confirming`` and ``flows.delivering``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from db import backlog, queries, store
from db.engine import transaction
from db.records import ClaimedLook
from detectors.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    InvalidWeights,
    LeaseLost,
    NotEnoughLooks,
    NothingObserved,
    PermanentError,
    QuotaSpent,
    TransientError,
)
from detectors.types import SAME_PASS, Acquisition, Sensor, WatchedRegion
from flows import platforms
from flows.costs import charging
from flows.leases import LONGEST_WAIT, backoff, bury_the_dead
from flows.quota import put_off
from flows.services import Services
from flows.sharing import shelf_for
from flows.storing import known_changes, store_judgement

if TYPE_CHECKING:
    from flows.judging import Judgement

log = structlog.get_logger()

#: How far back optical looks are taken from: the same season of two earlier years.
REACH_BACK = timedelta(days=2 * 366 + 60)
#: Tries of a look that insist on every earlier look; later ones do without what cannot be fetched.
STRICT_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class LookOutcome:
    """What became of one look."""

    item_id: str
    """Catalogue item."""
    state: str
    """``processed``, ``skipped``, ``failed`` or ``due`` (again later)."""
    reason: str | None
    """Why, where it was not processed."""
    detections: int
    """Polygons stored."""
    alerts: int
    """Alerts written to the outbox."""


def looks_due(services: Services, region_id: str, sensor: Sensor = Sensor.SAR) -> bool:
    """Tell whether a region has looks to judge, so that an idle poll need not load a detector.

    Those of a region that has spent its month wait, and say so.
    """
    bury_the_dead(services)
    if put_off(services, region_id, sensor) is not None:
        return False
    with transaction(services.engine) as s:
        return store.any_look_due(s, region_id, datetime.now(UTC), sensor)


def detect_due(
    services: Services,
    region_id: str,
    limit: int | None = None,
    sensor: Sensor = Sensor.SAR,
    *,
    judge_for: timedelta | None = None,
) -> list[LookOutcome]:
    """Judge every due look of a region by itself, oldest first, and store what comes out.

    While more looks are due than the setting ``backlog`` says, the newest goes first: what happened
    yesterday is worth more than what happened in the month nobody was there.

    An optical look is searched for what no radar look has suspected; what it says about known
    landslides is for ``flows.confirming``.

    Args:
        services: what the step reaches the world through.
        region_id: watched region.
        limit: most looks.
        sensor: whose looks.
        judge_for: take turns with other regions: after so long no further look is begun, and no
            second one while looks wait of a region that goes first; None works all of them off.

    Raises:
        DatabaseUnavailable: what was stored stays; the look at hand is taken up again later.
    """
    outcomes: list[LookOutcome] = []
    begun = time.monotonic()
    bury_the_dead(services)
    while limit is None or len(outcomes) < limit:
        # Asked before each look: one may spend what is left of the month.
        if put_off(services, region_id, sensor) is not None:
            break
        with transaction(services.engine) as s:
            region, now = queries.get_region(s, region_id), datetime.now(UTC)
            if judge_for is not None and outcomes:
                spent = time.monotonic() - begun >= judge_for.total_seconds()
                if spent or backlog.more_urgent(s, region, now, sensor):
                    break
            newest = backlog.waiting(s, region_id, now, sensor) > services.settings.backlog
            claimed = store.claim_look(
                s, region_id, now, services.owner, services.settings.lease, sensor, newest=newest
            )
        if claimed is None:
            break
        outcomes.append(judge_claimed(services, region, claimed))
        log.info("look", region=region_id, **asdict(outcomes[-1]))
    return outcomes


def judge_claimed(services: Services, region: WatchedRegion, claimed: ClaimedLook) -> LookOutcome:
    """Judge a look that this worker holds, and store what comes out.

    One that was taken over meanwhile is the other worker's.

    Raises:
        DatabaseUnavailable: as ``detect_due``.
    """
    try:
        return _attempt(services, region, claimed)
    except LeaseLost:
        item = claimed.acquisition.item_id
        return LookOutcome(item, "due", "taken over by another worker", 0, 0)


def _attempt(services: Services, region: WatchedRegion, claimed: ClaimedLook) -> LookOutcome:
    """Judge one claimed look; whatever goes wrong is named and stored with the look."""
    item = claimed.acquisition.item_id
    if claimed.attempts > services.settings.look_attempts:
        reason = f"given up after {claimed.attempts - 1} attempts; try: scarpwatch scene {item}"
        return _close(services, claimed, "failed", reason)
    try:
        forgiving = claimed.attempts > STRICT_ATTEMPTS
        look = claimed.acquisition
        with charging(services, region.id, look.source, "judge", look.item_id) as settle:

            def at_work() -> None:
                settle()
                _extend(services, claimed)

            judgement = judge_acquisition(
                services, region, look, forgiving=forgiving, at_work=at_work, keep=True
            )
        alerts = store_judgement(services, region, claimed, judgement)
    except (NotEnoughLooks, NothingObserved) as error:
        return _close(services, claimed, "skipped", str(error))
    except (DatabaseUnavailable, LeaseLost):
        raise
    except QuotaSpent as error:
        # Not the look's fault: it waits for the new month, or for a larger quota, uncounted.
        retry_at = min(error.renews_at, datetime.now(UTC) + LONGEST_WAIT)
        with transaction(services.engine) as s:
            store.retry_look(s, claimed.id, services.owner, str(error), retry_at, counts=False)
        return LookOutcome(item, "due", str(error), 0, 0)
    except (TransientError, ConfigurationError, InvalidWeights) as error:
        # Settings and installations can be mended: they must not cost the looks of a day.
        if claimed.attempts >= services.settings.look_attempts:
            return _close(services, claimed, "failed", f"after {claimed.attempts} tries: {error}")
        with transaction(services.engine) as s:
            retry_at = datetime.now(UTC) + backoff(claimed.attempts)
            store.retry_look(s, claimed.id, services.owner, str(error), retry_at)
        return LookOutcome(item, "due", str(error), 0, 0)
    except PermanentError as error:
        return _close(services, claimed, "failed", str(error))
    return LookOutcome(item, "processed", None, len(judgement.detections), alerts)


def _close(services: Services, claimed: ClaimedLook, state: str, reason: str) -> LookOutcome:
    """Store that a look ended without a judgement."""
    with transaction(services.engine) as s:
        store.finish_look(
            s, claimed.id, services.owner, state, reason, None, None, datetime.now(UTC)
        )
    return LookOutcome(claimed.acquisition.item_id, state, reason, 0, 0)


def _extend(services: Services, claimed: ClaimedLook) -> None:
    """Keep a look for another lease: a whole tile takes longer than one.

    Raises:
        LeaseLost: another worker has taken it over.
    """
    with transaction(services.engine) as s:
        until = datetime.now(UTC) + services.settings.lease
        store.extend_look(s, claimed.id, services.owner, until)


def judge_acquisition(
    services: Services,
    region: WatchedRegion,
    acquisition: Acquisition,
    *,
    forgiving: bool = False,
    at_work: Callable[[], None] = lambda: None,
    keep: bool = False,
) -> Judgement:
    """Judge one look against the earlier looks that are known; the database stays as it is.

    Args:
        services: what the step reaches the world through.
        region: what to look at.
        acquisition: the look.
        forgiving: do without earlier looks that cannot be fetched just now.
        at_work: called from block to block, and may raise to end the work.
        keep: write composites and score map of a radar look to files, unless settings forbid it.

    Raises:
        ScarpwatchError: as ``flows.judging.judge``.
    """
    if acquisition.sensor is Sensor.OPTICAL:
        return _survey(services, region, acquisition, forgiving=forgiving, at_work=at_work)
    # Loads the numerical libraries, which an idle poll can do without.
    from flows.despeckled import despeckling
    from flows.histories import PASSES_KNOWN
    from flows.judging import judge
    from flows.keeping import RadarKeeper

    with transaction(services.engine) as s:
        earlier = queries.previous_acquisitions(
            s,
            acquisition,
            # A neighbour of the same pass was taken seconds ago: it is not before anything.
            before=acquisition.sensed_at - SAME_PASS,
            limit_passes=PASSES_KNOWN,
            published_until=_known_until(services, acquisition),
        )
        known = known_changes(s, region, acquisition)
        peers = platforms.peers(services, s, region, platforms.track_of(acquisition))
        shelf = shelf_for(services, s, region, acquisition)
    with ExitStack() as stack:
        keeper = None
        if keep and services.settings.keep_composites_days:
            made = RadarKeeper(services.settings.composites, region, acquisition, earlier)
            keeper = stack.enter_context(made)
        judgement = judge(
            region, acquisition, earlier, services.catalogue_of(acquisition),
            forgiving=forgiving, at_work=at_work, known=known, heights=services.heights,
            keeper=keeper, peers=peers, shelf=shelf, despeckle=despeckling(services.settings),
        )  # fmt: skip
        if keeper is None:
            return judgement
        return replace(judgement, kept=keeper.finish(), not_kept=keeper.not_kept)


def _known_until(services: Services, look: Acquisition) -> datetime:
    """Return until when looks count as published, for the history of one that is judged.

    It is out itself: a clock that was set back must not take away what it is compared with.
    """
    return max(services.clock.now(), look.published_at)


def _survey(
    services: Services,
    region: WatchedRegion,
    look: Acquisition,
    *,
    forgiving: bool,
    at_work: Callable[[], None],
) -> Judgement:
    """Search one optical look for what no radar look has suspected; nothing is stored."""
    from flows.examining import ENSEMBLE
    from flows.surveying import survey

    with transaction(services.engine) as s:
        before = queries.looks_over(
            s, look.footprint, Sensor.OPTICAL, since=look.sensed_at - REACH_BACK,
            until=look.sensed_at - SAME_PASS, published_until=_known_until(services, look),
            sources=region.sources,
        )  # fmt: skip
        standing = platforms.state_of(services, s, region, look)
        track = platforms.track_of(look)
        known = standing is None or standing.may_alert
        peers = set() if known else platforms.peers(services, s, region, track)
        shelf = shelf_for(services, s, region, look)
    return survey(
        region, look, before, services.catalogue_of, forgiving=forgiving, at_work=at_work,
        asked=services.asked(ENSEMBLE), peers=peers, shelf=shelf,
    )  # fmt: skip


def rejudge(services: Services, region_id: str, item_id: str) -> LookOutcome:
    """Judge one look of a region anew, whatever became of it before: ``scarpwatch scene``.

    Raises:
        ConfigurationError: the region has no such look, or it is being judged just now.
    """
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
        looks = queries.list_looks(s, region_id=region_id, item_id=item_id)
        if not looks:
            raise ConfigurationError(f"region {region_id} knows no look {item_id}; poll first")
        store.reopen_look(s, looks[0].id)
        claimed = store.claim_look(
            s, region_id, datetime.now(UTC), services.owner, services.settings.lease,
            looks[0].acquisition.sensor, look_id=looks[0].id,
        )  # fmt: skip
    if claimed is None:
        raise ConfigurationError(f"{item_id} is being judged by another worker just now")
    return judge_claimed(services, region, claimed)
