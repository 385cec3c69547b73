"""Alerts leave the outbox once per channel, with a receipt each, and survive everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from db import counts, outbox, queries, store
from detectors.errors import ConfigurationError, LeaseLost, PermanentError

LEASE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def queued(world, make):
    """A world whose landslide has an alert for two channels."""
    alert = make.alert(world.landslide, exposure=make.exposure())
    with world.open() as s:
        outbox.enqueue(s, alert, ["webhook", "file"])
    return world, alert


def test_the_alert_comes_back_as_it_was_decided(queued, make) -> None:
    world, alert = queued
    with world.open() as s:
        # What became of the landslide since then is another message's business.
        store.store_landslide(s, replace(world.landslide, revision=2, cause="seen again"))
        claimed = [outbox.claim_delivery(s, make.now, "w1", LEASE) for _ in range(3)]
    assert [c and c.channel for c in claimed] in (
        ["webhook", "file", None],
        ["file", "webhook", None],
    )
    for delivery in claimed[:2]:
        assert delivery.alert == alert
        assert delivery.alert.id == alert.id
        assert (delivery.attempts, delivery.lease_until) == (1, make.now + LEASE)


def test_enqueueing_twice_is_once(queued) -> None:
    world, alert = queued
    with world.open() as s:
        outbox.enqueue(s, alert, ["webhook", "webhook", "mail"])
        outbox.enqueue(s, alert, [])
        (stored,) = outbox.list_alerts(s)
    assert stored.alert == alert
    assert [d.channel for d in stored.deliveries] == ["file", "mail", "webhook"]
    assert {d.state for d in stored.deliveries} == {"due"}


def test_an_alert_without_channels_is_still_kept(world, make) -> None:
    with world.open() as s:
        outbox.enqueue(s, make.alert(world.landslide), [])
        (stored,) = outbox.list_alerts(s)
    assert stored.deliveries == ()


def test_alert_and_landslide_commit_or_roll_back_together(world, make) -> None:
    second = replace(world.landslide, revision=2, cause="grown")

    class Crash(Exception):
        pass

    with pytest.raises(Crash), world.open() as s:  # noqa: PT012 - one transaction
        store.store_landslide(s, second)
        outbox.enqueue(s, make.alert(second), ["file"])
        raise Crash
    with world.open() as s:
        assert queries.get_landslide(s, second.id) == world.landslide
        assert outbox.list_alerts(s) == []
    with world.open() as s:
        store.store_landslide(s, second)
        outbox.enqueue(s, make.alert(second), ["file"])
    with world.open() as s:
        assert queries.get_landslide(s, second.id) == second
        assert len(outbox.list_alerts(s)) == 1


def test_nothing_is_told_of_a_version_that_is_not_stored(world, make) -> None:
    with pytest.raises(PermanentError, match="foreign key"), world.open() as s:
        outbox.enqueue(s, make.alert(replace(world.landslide, revision=2)), ["file"])


def test_a_drill_never_goes_out_as_real(world, make) -> None:
    drill = replace(world.landslide, revision=2, simulated=True)
    with pytest.raises(PermanentError, match="exercise"), world.open() as s:  # noqa: PT012
        store.store_landslide(s, drill)
        outbox.enqueue(s, make.alert(drill, exercise=False), ["file"])
    with world.open() as s:
        assert queries.get_landslide(s, drill.id) == world.landslide


def test_a_receipt_closes_a_delivery(queued, make) -> None:
    world, _ = queued
    receipt = {"status": 200, "receipt": "r-1", "received_at": "2024-06-01T00:00:01+00:00"}
    with world.open() as s:
        first = outbox.claim_delivery(s, make.now, "w1", LEASE)
        outbox.record_receipt(s, first.id, "w1", receipt, make.now + HOUR)
        with pytest.raises(LeaseLost):
            outbox.record_receipt(s, first.id, "w1", receipt, make.now + HOUR)
    with world.open() as s:
        (stored,) = outbox.list_alerts(s)
        delivery = next(d for d in stored.deliveries if d.id == first.id)
        assert (delivery.state, delivery.attempts, delivery.reason) == ("delivered", 1, None)
        (kept,) = delivery.receipts
        assert (kept.attempt, kept.received_at, kept.content) == (1, make.now + HOUR, receipt)
        found = counts.summary(s)
        assert (found.alerts, found.deliveries("delivered"), found.deliveries("due")) == (1, 1, 1)


def test_a_failure_waits_and_is_given_up_in_the_end(queued, make) -> None:
    world, _ = queued
    with world.open() as s:
        first = outbox.claim_delivery(s, make.now, "w1", LEASE)
        outbox.record_failure(s, first.id, "w1", "HTTP 503", make.now + HOUR)
        other = outbox.claim_delivery(s, make.now, "w1", LEASE)
        assert other.id != first.id
        outbox.record_failure(s, other.id, "w1", "HTTP 410", None)
        assert outbox.claim_delivery(s, make.now + HOUR / 2, "w1", LEASE) is None
        again = outbox.claim_delivery(s, make.now + HOUR, "w1", LEASE)
        assert (again.id, again.attempts) == (first.id, 2)
        (stored,) = outbox.list_alerts(s)
    states = {d.id: (d.state, d.reason) for d in stored.deliveries}
    assert states == {first.id: ("sending", "HTTP 503"), other.id: ("abandoned", "HTTP 410")}


def test_a_sender_that_was_killed_is_replaced_under_the_same_key(queued, make) -> None:
    world, alert = queued
    with world.open() as s:
        lost = outbox.claim_delivery(s, make.now, "w1", LEASE)
        outbox.claim_delivery(s, make.now, "w1", 2 * LEASE)
    with world.open() as s:
        assert outbox.claim_delivery(s, make.now + LEASE / 2, "w2", LEASE) is None
        taken = outbox.claim_delivery(s, make.now + LEASE, "w2", LEASE)
        assert (taken.id, taken.alert.id, taken.attempts) == (lost.id, alert.id, 2)
    for late in (
        lambda s: outbox.record_receipt(s, lost.id, "w1", {}, make.now),
        lambda s: outbox.record_failure(s, lost.id, "w1", "slow", None),
    ):
        with pytest.raises(LeaseLost), world.open() as s:
            late(s)
    with world.open() as s:
        outbox.record_receipt(s, taken.id, "w2", {"status": 200}, make.now)


def test_a_resend_keeps_the_key_and_the_first_receipt(queued, make) -> None:
    world, alert = queued
    with world.open() as s:
        for _ in range(2):
            delivery = outbox.claim_delivery(s, make.now, "w1", LEASE)
            outbox.record_receipt(s, delivery.id, "w1", {"n": 1}, make.now)
        assert outbox.requeue(s, alert.id, ["mail"]) == 3
        seen = [outbox.claim_delivery(s, make.now, "w1", LEASE) for _ in range(3)]
        assert {d.alert.id for d in seen} == {alert.id}
        # One that is on its way just now is not sent a second time.
        assert outbox.requeue(s, alert.id) == 0
        for delivery in seen:
            outbox.record_receipt(s, delivery.id, "w1", {"n": 2}, make.now + HOUR)
        (stored,) = outbox.list_alerts(s)
        receipts = {d.channel: [r.content["n"] for r in d.receipts] for d in stored.deliveries}
        assert receipts == {"file": [1, 2], "webhook": [1, 2], "mail": [2]}
        with pytest.raises(ConfigurationError, match="no alert"):
            outbox.requeue(s, world.landslide.id)


def test_alerts_are_listed_by_region_and_time_newest_first(queued, make) -> None:
    world, first = queued
    second = replace(world.landslide, revision=2, cause="grown")
    with world.open() as s:
        store.store_landslide(s, second)
        outbox.enqueue(s, make.alert(second), ["file"])
        newest, oldest = outbox.list_alerts(s, region_id=world.region.id)
        assert (newest.alert.landslide, oldest.alert) == (second, first)
        assert outbox.list_alerts(s, limit=1) == [newest]
        assert outbox.list_alerts(s, since=newest.recorded_at) == [newest]
        assert outbox.list_alerts(s, region_id="elsewhere") == []
        assert outbox.list_alerts(s, alert_id=first.id) == [oldest]
        assert outbox.list_alerts(s, landslide_id=second.id) == [newest, oldest]
        assert outbox.list_alerts(s, landslide_id=first.id) == []
