"""Never more than the budget at once, nothing lost, the same answer every time."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from alerts.budget import WEEK, decide, rank
from alerts.rules import LADDER, Severity, severity
from alerts.sample import sample_alert
from alerts.subscribers import QuietHours, Subscriber
from detectors.types import Alert, Kind, State, derive_id

START = datetime(2024, 3, 4, tzinfo=UTC)
_SAMPLE = sample_alert(START)
_STATES = {"suspected": State.SUSPECTED, "confirmed": State.CONFIRMED, "withdrawn": State.REFUTED}

_zones = st.sampled_from(["UTC", "Europe/Oslo", "America/St_Johns", "Pacific/Apia"]).map(ZoneInfo)
_times = st.times(max_value=time(23, 59))
_subscribers = st.builds(
    Subscriber,
    name=st.just("duty"),
    channels=st.just(("pager",)),
    zone=_zones,
    quiet=st.none() | st.builds(QuietHours, _times, _times, st.sampled_from(Severity)),
    budget=st.integers(0, 5),
    weekly=st.booleans(),
    digest_at=_times,
)


@st.composite
def _lives(draw: st.DrawFn) -> list[tuple[datetime, Alert]]:
    """Alerts of several landslides over five weeks; each life goes on as the rules let it."""
    told = []
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(Kind))
        area = draw(st.floats(1e3, 1e6))
        at = START
        first = replace(
            _SAMPLE.landslide, id=derive_id("life", number), kind=kind, area_m2=area,
            simulated=False,
        )  # fmt: skip
        kinds = draw(st.sampled_from([["suspected"], ["confirmed"], ["suspected", "confirmed"],
                                      ["suspected", "withdrawn"],
                                      ["suspected", "confirmed", "withdrawn"]]))  # fmt: skip
        for revision, what in enumerate(kinds, start=1):
            at += timedelta(hours=draw(st.just(0) | st.integers(0, 40) | st.integers(0, 300)))
            landslide = replace(first, revision=revision, state=_STATES[what])
            told.append((at, replace(_SAMPLE, landslide=landslide, kind=what, exercise=False)))
    return sorted(told, key=lambda one: (one[0], one[1].landslide.revision))


@st.composite
def _weeks(draw: st.DrawFn) -> tuple[Subscriber, list[tuple[datetime, Alert]], timedelta]:
    return draw(_subscribers), draw(_lives()), timedelta(hours=draw(st.integers(1, 30)))


def _live(subscriber: Subscriber, life: list[tuple[datetime, Alert]], every: timedelta):
    """Let time pass as ``flows.notifying`` does: decide, then the digest that is due."""
    waiting, kept, told, at_once, digests = [], [], set(), [], {}
    sent: list[datetime] = []
    now, life = START, list(life)
    for _ in range(5_000):
        while life and life[0][0] <= now:
            waiting.append(life.pop(0)[1])
        for decision in decide(subscriber, waiting, told, sent, now):
            (alert,) = (one for one in waiting if one.id == decision.alert_id)
            if decision.at_once:
                at_once.append((now, alert, decision.follows))
                told.add(alert.landslide.id)
                if not decision.follows:
                    sent.append(now)
            else:
                assert decision.reason
                kept.append((now, alert))
        waiting = []
        until = subscriber.digest_before(now)
        listed = [alert for at, alert in kept if at < until]
        if listed and until not in digests:
            digests[until] = listed
            kept = [(at, alert) for at, alert in kept if at >= until]
            told |= {alert.landslide.id for alert in listed}
        if not life and not kept:
            break
        now += every
    return at_once, digests, kept


@given(_weeks())
def test_the_budget_holds_and_nothing_is_lost(
    weeks: tuple[Subscriber, list[tuple[datetime, Alert]], timedelta],
) -> None:
    subscriber, life, every = weeks
    at_once, digests, kept = _live(subscriber, life, every)
    assert kept == [], "what is kept comes in a digest in the end"
    counted = [at for at, _, follows in at_once if not follows]
    for at in counted:
        assert sum(at - WEEK < other <= at for other in counted) <= (subscriber.budget or 0)
    learned = Counter(alert.id for _, alert, _ in at_once)
    learned.update(alert.id for listed in digests.values() for alert in listed)
    assert learned == Counter({alert.id: 1 for _, alert in life}), "each in exactly one way"
    for at, alert, follows in at_once:
        worst = severity(alert.landslide, alert.exposure)
        assert follows or not subscriber.holds(worst, at)
        if follows:
            assert alert.kind != "suspected"
    told_first = {}
    for at, alert, _ in at_once:
        told_first.setdefault(alert.landslide.id, (at, alert.kind))
    for _, alert in life:
        if alert.landslide.id in told_first and alert.kind == "withdrawn":
            assert alert.id in {one.id for _, one, _ in at_once}, "whoever was told hears the end"


@given(_weeks(), st.randoms())
def test_the_order_of_storing_does_not_matter(
    weeks: tuple[Subscriber, list[tuple[datetime, Alert]], timedelta], chance: random.Random
) -> None:
    subscriber, life, _ = weeks
    alerts = [alert for _, alert in life]
    shuffled = alerts.copy()
    chance.shuffle(shuffled)
    first = decide(subscriber, alerts, set(), [START], START)
    assert decide(subscriber, shuffled, set(), [START], START) == first
    by_id = {alert.id: alert for alert in alerts}
    ranks = [rank(by_id[one.alert_id]) for one in first]
    assert ranks == sorted(ranks, reverse=True)


@given(_weeks())
def test_the_worst_is_sent_before_the_mild(
    weeks: tuple[Subscriber, list[tuple[datetime, Alert]], timedelta],
) -> None:
    subscriber, life, _ = weeks
    awake = replace(subscriber, quiet=None)
    alerts = {alert.id: alert for _, alert in life if alert.kind != "withdrawn"}
    steps = [
        LADDER.index(severity(alerts[one.alert_id].landslide))
        for one in decide(awake, alerts.values(), set(), [], START)
        if not one.at_once
    ]
    sent = [
        LADDER.index(severity(alerts[one.alert_id].landslide))
        for one in decide(awake, alerts.values(), set(), [], START)
        if one.at_once
    ]
    assert not sent or not steps or min(sent) >= max(steps)


@given(_subscribers, st.integers(0, 365 * 24 * 4))
def test_a_digest_is_due_at_its_hour(subscriber: Subscriber, quarters: int) -> None:
    now = START + timedelta(minutes=15 * quarters)
    until = subscriber.digest_before(now)
    local = until.astimezone(subscriber.zone)
    assert until <= now < until + timedelta(days=8 if subscriber.weekly else 2)
    if not subscriber.weekly:
        return
    assert local.weekday() == 0 or local.time() != subscriber.digest_at
