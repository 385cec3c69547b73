"""Several workers at once, each with a connection of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from db import outbox, queries, store
from db.engine import transaction
from db.records import ClaimedLook
from detectors.errors import LeaseLost, PermanentError

LEASE = timedelta(minutes=10)
WORKERS = 4


def at_once(work: Callable[[int], None], workers: int = WORKERS) -> None:
    """Run ``work`` in threads that start together; the first failure is raised."""
    together = threading.Barrier(workers)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            together.wait(timeout=30)
            work(number)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive(), "a worker hangs"
    if failures:
        raise failures[0]


@pytest.fixture
def busy(engine, make):
    """A region with 30 looks due."""
    region = make.region()
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [make.acquisition(day) for day in range(30)])
    return engine


def test_the_looks_of_a_region_are_judged_one_after_the_other(busy, make) -> None:
    later = make.now + LEASE
    claimed: list[ClaimedLook | None] = []

    def claim(number: int) -> None:
        with transaction(busy) as s:
            claimed.append(store.claim_look(s, "san-rafael", make.now, f"w{number}", LEASE))

    at_once(claim)
    (first,) = [look for look in claimed if look]
    with transaction(busy) as s:
        assert not store.any_look_due(s, "san-rafael", make.now)
        taken = store.claim_look(s, "san-rafael", later, "other", LEASE)
        assert taken is not None
        assert taken.id == first.id
        store.finish_look(s, taken.id, "other", "processed", None, 1.0, None, later)
        then = store.claim_look(s, "san-rafael", later, "other", LEASE)
        assert then is not None
        assert then.acquisition.sensed_at > first.acquisition.sensed_at


def test_every_look_is_worked_on_exactly_once(busy, make) -> None:
    done: Counter[object] = Counter()

    def work(number: int) -> None:
        owner = f"w{number}"
        while True:
            with transaction(busy) as s:
                look = store.claim_look(s, "san-rafael", make.now, owner, LEASE)
            if look is None:
                return
            with transaction(busy) as s:
                store.store_detections(s, [make.detection(look.acquisition)])
                store.finish_look(s, look.id, owner, "processed", None, 1.0, None, make.now)
            done[look.id] += 1

    at_once(work)
    assert len(done) == 30
    assert set(done.values()) == {1}
    with transaction(busy) as s:
        assert {look.attempts for look in queries.list_looks(s)} == {1}
        assert len(queries.list_detections(s, "san-rafael")) == 30


def test_every_message_is_sent_exactly_once(world, make) -> None:
    with world.open() as s:
        outbox.enqueue(s, make.alert(world.landslide), [f"channel-{n}" for n in range(20)])
    sent: Counter[str] = Counter()

    def work(number: int) -> None:
        owner = f"w{number}"
        while True:
            with world.open() as s:
                delivery = outbox.claim_delivery(s, make.now, owner, LEASE)
            if delivery is None:
                return
            sent[delivery.channel] += 1
            with world.open() as s:
                outbox.record_receipt(s, delivery.id, owner, {"by": owner}, make.now)

    at_once(work)
    assert len(sent) == 20
    assert set(sent.values()) == {1}


def test_a_look_being_finished_is_not_taken_over(world, make) -> None:
    with world.open() as s:
        look = store.claim_look(s, "san-rafael", make.now, "w1", LEASE)
        assert look is not None
    late = make.now + 2 * LEASE
    with world.open() as finishing:
        store.finish_look(finishing, look.id, "w1", "processed", None, 1.0, None, late)
        with world.open() as other:
            assert store.claim_look(other, "san-rafael", late, "w2", LEASE) is None
    with world.open() as s:
        assert queries.list_looks(s)[0].state == "processed"


def test_of_two_finishing_workers_the_one_that_holds_the_lease_wins(world, make) -> None:
    with world.open() as s:
        look = store.claim_look(s, "san-rafael", make.now, "w0", LEASE)
        assert look is not None
    with world.open() as s:
        assert store.claim_look(s, "san-rafael", make.now + LEASE, "w1", LEASE) is not None
    lost: list[int] = []

    def finish(number: int) -> None:
        try:
            with world.open() as s:
                store.store_detections(s, [make.detection(world.acquisition, 10 + number)])
                store.finish_look(s, look.id, f"w{number}", "processed", None, 1.0, None, make.now)
        except LeaseLost:
            lost.append(number)

    at_once(finish, 2)
    assert lost == [0]
    with world.open() as s:
        kept = set(queries.list_detections(s, "san-rafael")) - set(world.detections)
    assert kept == {make.detection(world.acquisition, 11)}


def test_two_polls_at_once_find_each_item_new_once(engine, make) -> None:
    region = make.region()
    items = [make.acquisition(day) for day in range(40)]
    with transaction(engine) as s:
        store.save_region(s, region)
    found: list[object] = []

    def poll(number: int) -> None:
        with transaction(engine) as s:
            # In another order each, which would deadlock if rows were inserted as they come.
            mine = items if number % 2 else items[::-1]
            new = store.record_acquisitions(s, region, mine)
        found.extend(new)

    at_once(poll)
    assert Counter(found) == Counter(item.id for item in items)


def test_tracking_one_region_is_serial_and_regions_do_not_wait_for_each_other(engine) -> None:
    entered = threading.Event()

    def wait_for_it() -> None:
        with transaction(engine) as s:
            store.lock_region(s, "a")
            entered.set()

    with transaction(engine) as s:
        store.lock_region(s, "a")
        store.lock_region(s, "a")
        other = threading.Thread(target=wait_for_it)
        other.start()
        with transaction(engine) as elsewhere:
            store.lock_region(elsewhere, "b")
        assert not entered.wait(timeout=0.3)
    other.join(timeout=10)
    assert entered.is_set()


def test_the_same_version_from_two_workers_is_stored_once(world) -> None:
    second = replace(world.landslide, revision=2, cause="seen again")

    def append(_: int) -> None:
        with world.open() as s:
            store.store_landslide(s, second)

    at_once(append)
    with world.open() as s:
        assert queries.landslide_history(s, second.id) == [world.landslide, second]


def test_of_two_different_versions_under_one_number_one_is_refused(world) -> None:
    refused: list[int] = []

    def append(number: int) -> None:
        try:
            with world.open() as s:
                store.store_landslide(
                    s, replace(world.landslide, revision=2, cause=f"worker {number}")
                )
        except PermanentError:
            refused.append(number)

    at_once(append)
    assert len(refused) == WORKERS - 1
    with world.open() as s:
        assert len(queries.landslide_history(s, world.landslide.id)) == 2
