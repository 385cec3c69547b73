"""What goes at once and what goes into the digest: ranking against a budget. Pure.

Nothing is lost: what is not sent at once is kept for the next digest. What follows an alert that a
subscriber was told and changes what it does (confirmed, withdrawn) goes at once, whatever the hour
and the budget; the rest that follows (updated, unresolved, closed) waits in quiet hours, and never
counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.rules import FOLLOWING, LADDER, Severity, severity
from alerts.subscribers import Subscriber
from detectors.exposure import Exposure, Thing
from detectors.types import Alert

#: The time over which alerts are counted.
WEEK = timedelta(days=7)
#: Share of the budget that a severity leaves to what is worse, so that a busy Monday does not use
#: up what a dangerous Friday needs.
LEFT = {Severity.EXTREME: 0.0, Severity.SEVERE: 0.25, Severity.MODERATE: 0.5, Severity.MINOR: 1.0}
#: Alerts that follow earlier ones and change what is to be done.
URGENT = ("confirmed", "withdrawn")


@dataclass(frozen=True, slots=True)
class Decision:
    """How a subscriber learns of an alert."""

    alert_id: uuid.UUID
    """Alert."""
    at_once: bool
    """False: in the next digest."""
    follows: bool
    """Follows an alert it was told; outside the budget."""
    reason: str | None
    """Why not at once."""


def rank(alert: Alert) -> tuple[int, int, float, str]:
    """Return what alerts are sorted by, the most urgent highest: severity, exposure, size.

    The last part only makes the order one and the same for everybody.
    """
    return (
        LADDER.index(severity(alert.landslide, alert.exposure)),
        0 if alert.exposure is None else hit(alert.exposure),
        alert.landslide.area_m2,
        str(alert.id),
    )


def hit(exposure: Exposure) -> int:
    """Return how much lies there, as one number to sort by: buildings count most."""
    below = exposure.downstream
    along = 0 if below is None else below.buildings + 5 * len(below.places) + len(below.roads)
    ways = len(exposure.crossed(Thing.RAIL)) + len(exposure.crossed(Thing.ROAD))
    return 100 * exposure.buildings_inside + 20 * ways + 10 * exposure.buildings_near + along


def allowance(budget: int, worst: Severity) -> int:
    """Return up to how many alerts a week one of a severity may be sent at once."""
    return budget - int(budget * LEFT[worst])


def decide(
    subscriber: Subscriber,
    waiting: Iterable[Alert],
    told: Collection[uuid.UUID],
    sent: Sequence[datetime],
    now: datetime,
) -> list[Decision]:
    """Decide on all alerts that wait for a subscriber, the most urgent first.

    Args:
        subscriber: Who is to be told.
        waiting: Alerts nobody has decided on, of one sort (all exercises or all real).
        told: Landslides of which it was told anything before.
        sent: When alerts were sent to it at once, outside follow-ups; older ones do not matter.
        now: Aware.

    Returns:
        One decision for each, in the order of sending.
    """
    alerts = sorted(waiting, key=rank, reverse=True)
    over = {a.landslide.id for a in alerts if a.kind == "withdrawn"} - set(told)
    used = sum(now - WEEK < at <= now for at in sent)
    decisions = []
    for alert in alerts:
        known = alert.landslide.id in told
        follows = known and (alert.kind in URGENT or alert.kind in FOLLOWING)
        reason = None
        if follows and alert.kind not in URGENT:
            asleep = subscriber.holds(severity(alert.landslide, alert.exposure), now)
            reason = "quiet hours" if asleep else None
        elif alert.kind in FOLLOWING and alert.kind not in URGENT:
            reason = "follows what stands in a digest"
        elif not follows:
            reason = _kept_back(subscriber, alert, used, now, over=alert.landslide.id in over)
            used += reason is None
        decisions.append(Decision(alert.id, reason is None, follows, reason))
    return decisions


def _kept_back(
    subscriber: Subscriber, alert: Alert, used: int, now: datetime, *, over: bool
) -> str | None:
    """Return why an alert is not sent at once, None where it is."""
    worst = severity(alert.landslide, alert.exposure)
    if over:
        return "withdrawn before it was told"
    if subscriber.holds(worst, now):
        return "quiet hours"
    if subscriber.budget is None:
        return None
    allowed = allowance(subscriber.budget, worst)
    if used >= subscriber.budget:
        return f"the budget of {subscriber.budget} a week is spent"
    if used >= allowed:
        return f"what is left of {subscriber.budget} a week is kept for worse than {worst}"
    return None
