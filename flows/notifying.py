"""What subscribers learn at once, in a digest, or because somebody else did not answer.

Every step is one transaction under a lock of the subscriber, and may be killed and run again.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from alerts import budget
from alerts.budget import WEEK
from alerts.bulletins import digest_content
from alerts.rules import is_exercise
from alerts.subscribers import Subscriber, channels_of
from db import notices, outbox
from db.engine import transaction
from detectors.bulletins import Bulletin, Sort
from detectors.types import Alert, derive_id
from flows.services import Services

log = structlog.get_logger()


def notify_due(services: Services, now: datetime | None = None) -> None:
    """Decide on what waits, put digests together, and tell second targets.

    Args:
        services: Settings, channels, subscribers.
        now: Wall clock, aware; None: the machine's. Subscribers live by it, in replays too.
    """
    now = now or datetime.now(UTC)
    for subscriber in services.subscribers:
        with transaction(services.engine) as s:
            notices.lock_subscriber(s, subscriber.name)
            _decide(services, s, subscriber, now)
            _digest(services, s, subscriber, now)
            _escalate(services, s, subscriber, now)


def notices_waiting(services: Services) -> bool:
    """Tell whether an alert waits for a decision."""
    names = [one.name for one in services.subscribers]
    with transaction(services.engine) as s:
        return bool(names) and notices.any_waiting(s, names)


def _decide(services: Services, s: Session, subscriber: Subscriber, now: datetime) -> None:
    """Rank what waits against the budget; drills and reality each have theirs."""
    waiting = notices.waiting(s, subscriber.name)
    for exercise in (False, True):
        alerts = {one.id: one for one in waiting if is_exercise(one) is exercise}
        if not alerts:
            continue
        slides = {one.landslide.id for one in alerts.values()}
        told = notices.told_landslides(s, subscriber.name, slides)
        sent = notices.sent_since(s, subscriber.name, now - WEEK, exercise=exercise)
        for decision in budget.decide(subscriber, alerts.values(), told, sent, now):
            alert = alerts[decision.alert_id]
            escalation = subscriber.escalation
            awaited = decision.at_once and alert.kind != "withdrawn" and escalation is not None
            notices.decide(
                s, subscriber.name, alert.id, at_once=decision.at_once, follows=decision.follows,
                reason=decision.reason, now=now,
                escalate_at=now + escalation.after if awaited and escalation else None,
            )  # fmt: skip
            if decision.at_once:
                _send(services, s, subscriber, alert, follows=decision.follows)


def _send(
    services: Services, s: Session, subscriber: Subscriber, alert: Alert, *, follows: bool
) -> None:
    """Write the deliveries of an alert that goes at once."""
    exercise = is_exercise(alert)
    names = channels_of(subscriber, services.channels, exercise=exercise)
    if follows and notices.escalated(s, subscriber.name, alert.landslide.id):
        # Whoever was alerted hears how it went on.
        names += _second(services, subscriber, exercise=exercise)
    if not names:
        log.error("nobody is told: the subscriber has lost its channels", name=subscriber.name)
    outbox.add_deliveries(s, alert.id, names)


def _digest(services: Services, s: Session, subscriber: Subscriber, now: datetime) -> None:
    """Put what was kept until the last digest time into one message for each sort."""
    until = subscriber.digest_before(now)
    kept = notices.kept(s, subscriber.name, until)
    for exercise in (False, True):
        mine = [(a, why) for a, why in kept if is_exercise(a) is exercise]
        channels = channels_of(subscriber, services.channels, exercise=exercise)
        if not mine or not channels:
            continue  # without a channel it stays kept, and is listed once there is one again
        mine.sort(key=lambda one: budget.rank(one[0]), reverse=True)
        bulletin = Bulletin(
            id=derive_id("digest", subscriber.name, until.isoformat(), exercise),
            sort=Sort.DIGEST,
            region_id=None,
            exercise=exercise,
            simulated=exercise and all(alert.landslide.simulated for alert, _ in mine),
            issued_at=now,
            content=digest_content(subscriber.name, until, mine),
        )
        if outbox.enqueue_bulletin(s, bulletin, channels):
            notices.list_in(s, subscriber.name, [alert.id for alert, _ in mine], bulletin.id)
        # Else this digest left already: what was kept since is in the next.


def _escalate(services: Services, s: Session, subscriber: Subscriber, now: datetime) -> None:
    """Tell the second target of what the first did not acknowledge in time."""
    escalation = subscriber.escalation
    if escalation is None:
        return
    minutes = escalation.after.total_seconds() / 60
    remark = f"ESCALATED: {subscriber.name} has not acknowledged within {minutes:.0f} minutes."
    for alert in notices.unanswered(s, subscriber.name, now):
        second = _second(services, subscriber, exercise=is_exercise(alert))
        if not second:
            log.error("no second target of this sort", name=subscriber.name)
        outbox.add_deliveries(s, alert.id, second, remark)
        notices.mark_escalated(s, subscriber.name, alert.id, now)


def _second(services: Services, subscriber: Subscriber, *, exercise: bool) -> tuple[str, ...]:
    escalation = subscriber.escalation
    return tuple(
        channel.name
        for channel in services.channels
        if escalation is not None
        and channel.name == escalation.channel
        and channel.exercise is exercise
    )
