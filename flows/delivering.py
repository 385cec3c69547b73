"""Sending what is due: one message to one target at a time, and what came back.

A kill between sending and storing repeats a message later under the same key. The picture is drawn
before the first message of an alert; without it, or when a channel fails twice with it, the message
goes alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import structlog

from alerts.deliver import deliver
from db import outbox
from db.engine import transaction
from db.records import ClaimedDelivery
from detectors.errors import ConfigurationError, LeaseLost, ScarpwatchError
from flows.alert_pictures import Drawn, picture_for
from flows.leases import backoff, bury_the_dead
from flows.services import Services

log = structlog.get_logger()

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


def deliver_due(services: Services) -> list[DeliveryOutcome]:
    """Send every due message, one target at a time, and store what came back.

    A channel that fails is left alone until the next call, so that it cannot hold up the others.
    A kill between sending and storing repeats the message later under the same key.

    Raises:
        DatabaseUnavailable: receipts at hand are lost; their messages are repeated.
    """
    limit = services.settings.delivery_timeout_s
    drawing = services.settings.picture_timeout_s
    lease = timedelta(seconds=limit + drawing) + LEASE_MARGIN
    outcomes: list[DeliveryOutcome] = []
    failing: set[str] = set()
    bury_the_dead(services)
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
        drawn = _picture(services, claimed)
        receipt = deliver(
            claimed.alert, channels[claimed.channel], limit,
            picture=drawn.picture, templates=services.settings.templates,
        )  # fmt: skip
        if drawn.reason is not None:
            receipt["picture_left_out"] = drawn.reason
    except ScarpwatchError as error:
        if claimed.attempts >= services.settings.delivery_attempts:
            retry_at = None
        with transaction(services.engine) as s:
            outbox.record_failure(s, claimed.id, services.owner, str(error), retry_at)
        return DeliveryOutcome(key, claimed.channel, False, str(error))
    with transaction(services.engine) as s:
        outbox.record_receipt(s, claimed.id, services.owner, receipt, datetime.now(UTC))
    return DeliveryOutcome(key, claimed.channel, True, None, drawn.reason)


def _picture(services: Services, claimed: ClaimedDelivery) -> Drawn:
    """Return the picture that goes along, or why there is none."""
    if claimed.attempts > PICTURE_ATTEMPTS:
        return Drawn(None, f"left out after {PICTURE_ATTEMPTS} failed attempts with it")
    return picture_for(services, claimed.alert)


def messages_due(services: Services) -> bool:
    """Tell whether a message waits to be sent."""
    bury_the_dead(services)
    with transaction(services.engine) as s:
        return outbox.any_delivery_due(s, datetime.now(UTC))
