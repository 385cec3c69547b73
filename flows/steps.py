"""The use cases as plain functions: poll, detect, deliver. Every one may run twice.

The state of the work lives in PostGIS; Prefect, the command line and replays only call these.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from alerts.deliver import deliver
from alerts.rules import channels_for, should_alert
from db import outbox, queries, store
from db.engine import transaction
from db.records import ClaimedDelivery, ClaimedLook
from detectors.errors import (
    CatalogueUnavailable,
    ConfigurationError,
    DatabaseUnavailable,
    LeaseLost,
    NotEnoughLooks,
    NothingObserved,
    PermanentError,
    ScarpwatchError,
    TransientError,
)
from detectors.tracking import track
from detectors.types import SAME_PASS, Acquisition, Alert, Landslide, WatchedRegion
from flows.catalogs.base import Refused
from flows.catalogs.registry import split_source
from flows.services import Services
from flows.workers import is_dead

if TYPE_CHECKING:
    from flows.judging import Judgement

log = structlog.get_logger()

#: First wait before another try, doubled each time up to the longest.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
#: Tries of a look that insist on every earlier look; later ones do without what cannot be fetched.
STRICT_ATTEMPTS = 2
#: Room between the end of a delivery's time-out and the end of its lease.
LEASE_MARGIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """What one poll of one region brought."""

    new: int
    """Looks that are new to the region."""
    refused: int
    """Items that cannot be used, each stored with its reason."""
    errors: tuple[str, ...]
    """Sources that could not be read, and why."""


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


def backoff(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts."""
    return min(FIRST_WAIT * (1 << min(attempts - 1, 16)), LONGEST_WAIT)


def poll_region(services: Services, region_id: str) -> PollOutcome:
    """Ask every source of a region what is new, and store it.

    One source that fails does not keep the others from being read; its watermark stays.

    Raises:
        ConfigurationError: no such region.
        DatabaseUnavailable: nothing could be stored; asking again loses nothing.
    """
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
    if region.paused:
        return PollOutcome(0, 0, ())
    new = refused = 0
    errors = []
    for source in region.sources:
        try:
            found, unusable = _poll_source(services, region, source)
        except (CatalogueUnavailable, ConfigurationError) as error:
            errors.append(f"{source}: {error}")
            with transaction(services.engine) as s:
                now = services.clock.now()
                store.finish_poll(s, region.id, source, None, now, error=str(error))
            log.warning("poll failed", region=region.id, source=source, reason=str(error))
            continue
        new, refused = new + found, refused + unusable
    log.info("polled", region=region.id, new=new, refused=refused, failed=len(errors))
    return PollOutcome(new, refused, tuple(errors))


def _poll_source(services: Services, region: WatchedRegion, source: str) -> tuple[int, int]:
    """Read one source from its watermark on; return counts of new and unusable items."""
    name, collection = split_source(source)
    now = services.clock.now()
    with transaction(services.engine) as s:
        watermark = queries.poll_watermark(s, region.id, source)
    usable: list[Acquisition] = []
    refused: list[tuple[str, str]] = []
    for item in services.catalogue(name).search(
        collection,
        region.geometry,
        sensed_after=min(region.watch_from, now) - services.settings.history,
        until=now,
        published_after=watermark - services.settings.overlap if watermark else None,
    ):
        if isinstance(item, Refused):
            refused.append((item.item_id, item.reason))
        else:
            usable.append(item)
    with transaction(services.engine) as s:
        new = store.record_acquisitions(s, region, usable)
        store.record_refusals(s, region.id, source, refused)
        store.finish_poll(s, region.id, source, now, now)
    return len(new), len(refused)


def looks_due(services: Services, region_id: str) -> bool:
    """Tell whether a region has looks to judge, so that an idle poll need not load a detector."""
    _bury_the_dead(services)
    with transaction(services.engine) as s:
        return store.any_look_due(s, region_id, datetime.now(UTC))


def messages_due(services: Services) -> bool:
    """Tell whether a message waits to be sent."""
    _bury_the_dead(services)
    with transaction(services.engine) as s:
        return outbox.any_delivery_due(s, datetime.now(UTC))


def _bury_the_dead(services: Services) -> None:
    """End the leases of this machine's dead workers, instead of waiting until they run out."""
    now = datetime.now(UTC)
    with transaction(services.engine) as s:
        store.release_looks(s, [o for o in store.look_owners(s) if is_dead(o)], now)
        dead = [o for o in outbox.delivery_owners(s) if is_dead(o)]
        outbox.release_deliveries(s, dead, now)


def detect_due(services: Services, region_id: str, limit: int | None = None) -> list[LookOutcome]:
    """Judge every due look of a region, oldest first, and store what comes out.

    Raises:
        DatabaseUnavailable: what was stored stays; the look at hand is taken up again later.
    """
    outcomes: list[LookOutcome] = []
    _bury_the_dead(services)
    while limit is None or len(outcomes) < limit:
        with transaction(services.engine) as s:
            region = queries.get_region(s, region_id)
            claimed = store.claim_look(
                s, region_id, datetime.now(UTC), services.owner, services.settings.lease
            )
        if claimed is None:
            break
        outcomes.append(_work(services, region, claimed))
        log.info("look", region=region_id, **asdict(outcomes[-1]))
    return outcomes


def _work(services: Services, region: WatchedRegion, claimed: ClaimedLook) -> LookOutcome:
    """Judge one claimed look; one that was taken over meanwhile is the other worker's."""
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
        judgement = judge_acquisition(services, region, claimed.acquisition, forgiving=forgiving)
        alerts = store_judgement(services, region, claimed, judgement)
    except (NotEnoughLooks, NothingObserved) as error:
        return _close(services, claimed, "skipped", str(error))
    except (DatabaseUnavailable, LeaseLost):
        raise
    except (TransientError, ConfigurationError) as error:
        # A setting can be mended: a token that is missing today must not cost the looks of a day.
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


def judge_acquisition(
    services: Services, region: WatchedRegion, acquisition: Acquisition, *, forgiving: bool = False
) -> Judgement:
    """Judge one look against the earlier looks that are known; nothing is stored.

    Args:
        services: what the step reaches the world through.
        region: what to look at.
        acquisition: the look.
        forgiving: do without earlier looks that cannot be fetched just now.

    Raises:
        ScarpwatchError: as ``flows.judging.judge``.
    """
    # Loads the numerical libraries, which an idle poll can do without.
    from detectors.normalise import MAXIMUM_LOOKS
    from flows.judging import SPARE_PASSES, judge

    with transaction(services.engine) as s:
        earlier = queries.previous_acquisitions(
            s,
            acquisition,
            # A neighbour of the same pass was taken seconds ago: it is not before anything.
            before=acquisition.sensed_at - SAME_PASS,
            limit_passes=MAXIMUM_LOOKS + SPARE_PASSES,
            published_until=services.clock.now(),
        )
    name, _ = split_source(acquisition.source)
    return judge(region, acquisition, earlier, services.catalogue(name), forgiving=forgiving)


def store_judgement(
    services: Services, region: WatchedRegion, claimed: ClaimedLook, judgement: Judgement
) -> int:
    """Store detections, landslides, alerts and the end of the look in ONE transaction.

    So an alert is in the outbox if and only if its landslide is stored, and a worker that lost its
    lease stores nothing.

    Returns:
        How many alerts were written to the outbox.
    """
    with transaction(services.engine) as s:
        store.lock_region(s, region.id)
        store.store_detections(s, judgement.detections)
        known = {landslide.id: landslide for landslide in queries.open_landslides(s, region.id)}
        alerts = 0
        earlier = [
            held
            for landslide in known.values()
            if any(landslide.geometry.intersects(d.polygon) for d in judgement.detections)
            for held in queries.landslide_detections(s, landslide.id)
        ]
        for version in track(judgement.detections, tuple(known.values()), earlier):
            store.store_landslide(s, version)
            kind = should_alert(version, known.get(version.id))
            known[version.id] = version
            if kind is not None:
                alert = _alert(services, region, claimed.acquisition, version, kind)
                channels = channels_for(alert, services.channels)
                outbox.enqueue(s, alert, channels)
                if not channels:
                    log.error("nobody is told: no channel takes this alert", region=region.id)
                alerts += 1
        reason = f"left out: {', '.join(judgement.left_out)}" if judgement.left_out else None
        store.finish_look(
            s, claimed.id, services.owner, "processed", reason, judgement.share_seen,
            judgement.advisory, datetime.now(UTC),
        )  # fmt: skip
    return alerts


def _alert(
    services: Services, region: WatchedRegion, look: Acquisition, version: Landslide, kind: str
) -> Alert:
    """Say what is to be told of a landslide's version."""
    return Alert(
        landslide=version,
        kind=kind,
        region_name=region.name,
        tags=region.tags,
        item_id=look.item_id,
        sensed_at=look.sensed_at,
        published_at=look.published_at,
        exercise=services.settings.exercise or version.simulated,
    )


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of one message to one channel."""

    alert_id: str
    """Idempotency key."""
    channel: str
    """Name of the channel."""
    delivered: bool
    """The channel took it."""
    reason: str | None
    """Why not, where it did not."""


def deliver_due(services: Services) -> list[DeliveryOutcome]:
    """Send every due message, one target at a time, and store what came back.

    A channel that fails is left alone until the next call, so that it cannot hold up the others.
    A kill between sending and storing repeats the message later under the same key.

    Raises:
        DatabaseUnavailable: receipts at hand are lost; their messages are repeated.
    """
    limit = services.settings.delivery_timeout_s
    lease = timedelta(seconds=limit) + LEASE_MARGIN
    outcomes: list[DeliveryOutcome] = []
    failing: set[str] = set()
    _bury_the_dead(services)
    while True:
        with transaction(services.engine) as s:
            claimed = outbox.claim_delivery(s, datetime.now(UTC), services.owner, lease, failing)
        if claimed is None:
            return outcomes
        try:
            outcomes.append(_send(services, claimed, limit))
        except LeaseLost as error:
            outcomes.append(
                DeliveryOutcome(str(claimed.alert.id), claimed.channel, False, str(error))
            )
        if not outcomes[-1].delivered:
            failing.add(claimed.channel)
        log.info("message", **asdict(outcomes[-1]))


def _send(services: Services, claimed: ClaimedDelivery, limit: float) -> DeliveryOutcome:
    """Send one claimed message and store receipt or failure."""
    key = str(claimed.alert.id)
    channels = {channel.name: channel for channel in services.channels}
    retry_at: datetime | None = datetime.now(UTC) + backoff(claimed.attempts)
    try:
        if claimed.channel not in channels:
            raise ConfigurationError(f"no channel {claimed.channel!r} in the settings")
        receipt = deliver(claimed.alert, channels[claimed.channel], limit)
    except ScarpwatchError as error:
        if claimed.attempts >= services.settings.delivery_attempts:
            retry_at = None
        with transaction(services.engine) as s:
            outbox.record_failure(s, claimed.id, services.owner, str(error), retry_at)
        return DeliveryOutcome(key, claimed.channel, False, str(error))
    with transaction(services.engine) as s:
        outbox.record_receipt(s, claimed.id, services.owner, receipt, datetime.now(UTC))
    return DeliveryOutcome(key, claimed.channel, True, None)


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
            look_id=looks[0].id,
        )  # fmt: skip
    if claimed is None:
        raise ConfigurationError(f"{item_id} is being judged by another worker just now")
    return _work(services, region, claimed)
