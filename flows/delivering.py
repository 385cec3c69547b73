"""Sending what is due: one message to one target at a time, and what came back.

A kill between sending and storing repeats a message later under the same key. The picture is drawn
before the first message of an alert; without it, or when a channel fails twice with it, the message
goes alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from alerts.deliver import deliver
from db import cap, notices, outbox
from db.engine import transaction
from db.records import CapRecord, ClaimedDelivery
from detectors.errors import ConfigurationError, DeliveryFailed, LeaseLost, ScarpwatchError
from detectors.types import Alert
from flows.alert_pictures import Drawn, picture_for
from flows.drawing import drawing_in_turn
from flows.feeding import write_feeds
from flows.leases import backoff, bury_the_dead
from flows.notifying import notices_waiting, notify_due
from flows.services import Services
from flows.settings import Settings
from flows.summaries import summarise

log = structlog.get_logger()

#: The longest a target may ask to be left alone.
LONGEST_ASKED = timedelta(hours=1)
#: Room between the end of a delivery's time-out and the end of its lease.
LEASE_MARGIN = timedelta(seconds=30)
#: Attempts with the picture; some targets refuse what is large, and few say so.
PICTURE_ATTEMPTS = 2


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
    picture: str | None = None
    """Why it went without its picture, None where it had one."""


def longest_held(settings: Settings) -> timedelta:
    """Return how long one worker may hold a message, its picture included."""
    return (
        timedelta(seconds=settings.delivery_timeout_s + settings.picture_timeout_s) + LEASE_MARGIN
    )


@drawing_in_turn()
def deliver_due(services: Services, now: datetime | None = None) -> list[DeliveryOutcome]:
    """Send every due message, one target at a time, store what came back, and write the feeds.

    Before that, what subscribers wait for is ranked (see ``flows.notifying``); ``now`` is the time
    they live by, None the machine's.

    A channel that fails is left alone until the next call, so that it cannot hold up the others.
    A kill between sending and storing repeats the message later under the same key.

    Raises:
        DatabaseUnavailable: receipts at hand are lost; their messages are repeated.
    """
    limit = services.settings.delivery_timeout_s
    lease = longest_held(services.settings)
    outcomes: list[DeliveryOutcome] = []
    failing: set[str] = set()
    bury_the_dead(services)
    notify_due(services, now)
    summarise(services)
    while True:
        with transaction(services.engine) as s:
            claimed = outbox.claim_delivery(s, datetime.now(UTC), services.owner, lease, failing)
            kept = {} if claimed is None else cap.messages(s, [claimed.alert.id])
        if claimed is None:
            _write_feeds(services)
            return outcomes
        try:
            outcomes.append(_send(services, claimed, kept.get(claimed.alert.id), limit))
        except LeaseLost as error:
            outcomes.append(
                DeliveryOutcome(str(claimed.alert.id), claimed.channel, False, str(error))
            )
        if not outcomes[-1].delivered:
            failing.add(claimed.channel)
        log.info("message", **asdict(outcomes[-1]))


def _send(
    services: Services, claimed: ClaimedDelivery, kept: CapRecord | None, limit: float
) -> DeliveryOutcome:
    """Send one claimed message and store receipt or failure."""
    key = str(claimed.alert.id)
    channels = {channel.name: channel for channel in services.channels}
    retry_at = datetime.now(UTC) + backoff(claimed.attempts)
    try:
        if claimed.channel not in channels:
            raise ConfigurationError(f"no channel {claimed.channel!r} in the settings")
        document = None if kept is None else kept.document
        drawn = _picture(services, claimed)
        receipt = deliver(
            claimed.alert, channels[claimed.channel], limit, claimed.remark,
            picture=drawn.picture, templates=services.settings.templates, cap=document,
        )  # fmt: skip
        if drawn.reason is not None:
            receipt["picture_left_out"] = drawn.reason
    except ScarpwatchError as error:
        if isinstance(error, DeliveryFailed) and error.retry_after_s is not None:
            asked = min(timedelta(seconds=error.retry_after_s), LONGEST_ASKED)
            retry_at = max(retry_at, datetime.now(UTC) + asked)
        last = claimed.attempts >= services.settings.delivery_attempts
        with transaction(services.engine) as s:
            outbox.record_failure(
                s, claimed.id, services.owner, str(error), None if last else retry_at
            )
        return DeliveryOutcome(key, claimed.channel, False, str(error))
    with transaction(services.engine) as s:
        outbox.record_receipt(s, claimed.id, services.owner, receipt, datetime.now(UTC))
        by_whom = str(receipt.get("acknowledged_by", "")).strip()
        if by_whom and isinstance(claimed.alert, Alert):
            _acknowledge(services, s, claimed.alert, claimed.channel, by_whom)
    return DeliveryOutcome(key, claimed.channel, True, None, drawn.reason)


def _picture(services: Services, claimed: ClaimedDelivery) -> Drawn:
    """Return the picture that goes along, or why there is none."""
    if not isinstance(claimed.alert, Alert):
        return Drawn(None, None)
    if claimed.attempts > PICTURE_ATTEMPTS:
        return Drawn(None, f"left out after {PICTURE_ATTEMPTS} failed attempts with it")
    return picture_for(services, claimed.alert)


def _acknowledge(services: Services, s: Session, alert: Alert, channel: str, by_whom: str) -> None:
    """Store that a receipt said who has it in hand, for whoever the channel serves."""
    mine: list[str | None] = [s.name for s in services.subscribers if channel in s.channels]
    for subscriber in mine or [None]:
        notices.acknowledge(s, alert.id, by_whom, subscriber=subscriber, channel=channel)


def _write_feeds(services: Services) -> None:
    """Write the feeds, if there are any; a full disk must not look like an undelivered message."""
    folder = services.settings.feed.folder
    if folder is None:
        return
    try:
        write_feeds(services, folder)
    except OSError as error:
        reason = error.strerror
        log.error("the feeds cannot be written", folder=str(folder), reason=reason)  # noqa: TRY400


def messages_due(services: Services) -> bool:
    """Tell whether a message waits to be sent."""
    bury_the_dead(services)
    if notices_waiting(services):
        return True
    with transaction(services.engine) as s:
        return outbox.any_delivery_due(s, datetime.now(UTC))
