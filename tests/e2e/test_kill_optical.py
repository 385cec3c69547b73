"""Optical verdicts by workers that are killed, or that work side by side: each is given once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from alerts.records import Channel
from db import outbox, store
from db.engine import make_engine, transaction
from detectors.types import Finding, Landslide, State, Tier
from flows import delivering
from tests.optical_watch import DEBRIS, EVENT, OpticalWatch
from tests.optical_world import EVERYWHERE, clouds
from tests.watching import stored_rows, stored_states

#: The optical part of ``judge-region``.
WORKER = """
from flows import confirming, delivering, settings
from flows.services import open_services
with open_services(settings.load()) as services:
    confirming.confirm_due(services, "slope")
    delivering.deliver_due(services)
"""
#: The checks of known landslides alone; says how many were made.
CHECKER = """
from flows import confirming, settings
from flows.services import open_services
with open_services(settings.load()) as services:
    print(len(confirming._check_all(services, "slope")))
"""
#: The checks, and what is to be told of them; looks are left to others.
TELLER = """
from flows import confirming, delivering, settings
from flows.services import open_services
with open_services(settings.load()) as services:
    confirming._check_all(services, "slope")
    delivering.deliver_due(services)
"""
#: Days of the looks after the radar look, and the day of the last poll.
FIRST, SECOND, END = 4, 9, 20
#: A worker loads its model first; a busy machine takes its time, seconds.
STARTED = 120


@dataclass
class Scene:
    """A suspected landslide and two looks that decide it, seen by nobody yet."""

    world: OpticalWatch
    operator: Any
    landslide: Landslide
    state: State
    first: str
    second: str
    undisturbed: Callable[[], dict[str, list[Any]]]

    @property
    def kind(self) -> str:
        """What is told of the verdict."""
        return "confirmed" if self.state is State.CONFIRMED else "withdrawn"

    @property
    def engine(self) -> Engine:
        return self.world.services.engine

    def start(self, work: str = WORKER) -> Any:
        return self.operator.start("-c", work)

    def finish(self) -> None:
        """Let another worker, which is this process, do what is left."""
        self.world.confirm(END)
        delivering.deliver_due(self.world.services)

    def key(self) -> str:
        """Return the key of the one alert that tells of the verdict."""
        with transaction(self.engine) as s:
            keys = [r.alert.id for r in outbox.list_alerts(s) if r.alert.kind == self.kind]
        (key,) = keys
        return str(key)

    def received(self, receiver: Any) -> list[dict[str, Any]]:
        """Return what arrived of the verdict."""
        return [one for one in receiver.received() if one["body"]["kind"] == self.kind]

    def assert_settled(self) -> None:
        """One check a pair, one verdict, versions without gaps, everything as if undisturbed."""
        history = self.world.history(self.landslide)
        assert [version.revision for version in history] == list(range(1, len(history) + 1))
        assert [version.state for version in history] == [State.SUSPECTED, self.state]
        checks = stored_rows(self.engine)["optical_checks"]
        pairs = [(check["landslide_id"], check["acquisition_id"]) for check in checks]
        assert len(pairs) == len(set(pairs)) == 1
        assert stored_rows(self.engine) == self.undisturbed()


@contextmanager
def held(engine: Engine, what: str) -> Iterator[None]:
    """Keep others from going on where they would need the region, or a table."""
    with transaction(engine) as s:
        if what == "region":
            store.lock_region(s, "slope")
        else:
            # Reading goes on, writing waits.
            s.execute(text(f"LOCK TABLE scarpwatch.{what} IN SHARE MODE"))
        yield


def waiting(engine: Engine) -> int:
    """Return how many sessions of this database wait for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with transaction(engine) as s:
        return int(s.execute(query).scalar_one())


@pytest.fixture
def suspected(
    watch_optically, operate, files, receiver, make_database, template, url_of, tmp_path
) -> Iterator[Callable[..., Scene]]:
    """Makes a landslide that was told of, and two clear looks after it."""
    spare = make_engine(url_of(make_database(template)))

    def make(state: State, url: str = receiver.url, *, clear: bool = True, **keys: Any) -> Scene:
        patches = (DEBRIS,) if state is State.CONFIRMED else ()
        scl = None if clear else clouds(EVERYWHERE)
        # A watch landslide was not told of: then the verdict is the first message.
        tier = Tier.WATCH if state is State.CONFIRMED else Tier.LIKELY

        def watched(told: str, **options: Any) -> OpticalWatch:
            return watch_optically(channels=(Channel("duty", SecretStr(told), True),), **options)

        world = watched(url, folder=files.root, base_url=files.url)
        looks = [world.take(days, *patches, scl=scl) for days in (FIRST, SECOND)]
        world.store(*looks)
        optical = tuple(world.stored)
        landslide = world.suspect(tier=tier)
        delivering.deliver_due(world.services)
        world.clock.set(EVENT + timedelta(days=END))

        def undisturbed() -> dict[str, list[Any]]:
            other = watched((tmp_path / "undisturbed.jsonl").as_uri(), engine=spare, before=())
            other.store(*optical)
            other.suspect(tier=tier)
            delivering.deliver_due(other.services)
            other.confirm(END)
            delivering.deliver_due(other.services)
            return other.rows()

        operator = operate(world, {"duty": url}, **keys)
        names = [look.item_id for look in looks]
        return Scene(world, operator, landslide, state, *names, undisturbed)

    yield make
    spare.dispose()


@pytest.fixture(params=[State.CONFIRMED, State.REFUTED])
def scene(request: pytest.FixtureRequest, suspected: Callable[..., Scene]) -> Scene:
    return suspected(request.param)


@pytest.mark.long
def test_after_reading_before_storing(suspected, receiver, wait_until) -> None:
    scene = suspected(State.REFUTED)
    with held(scene.engine, "region"):
        worker = scene.start()
        wait_until(lambda: waiting(scene.engine) == 1, STARTED)
        scene.operator.kill(worker)
    assert stored_rows(scene.engine)["optical_checks"] == []
    scene.finish()
    assert [one["key"] for one in scene.received(receiver)] == [scene.key()]
    scene.assert_settled()


@pytest.mark.long
def test_inside_the_transaction(scene, receiver, wait_until) -> None:
    # Check and version are written, their alert waits for the table: nothing of it may remain.
    with held(scene.engine, "alerts"):
        worker = scene.start()
        wait_until(lambda: waiting(scene.engine) == 1, STARTED)
        scene.operator.kill(worker)
    assert scene.world.now(scene.landslide).state is State.SUSPECTED
    assert stored_rows(scene.engine)["optical_checks"] == []
    scene.finish()
    assert [one["key"] for one in scene.received(receiver)] == [scene.key()]
    scene.assert_settled()


@pytest.mark.long
def test_after_the_verdict_before_the_message(suspected, files, receiver, wait_until) -> None:
    scene = suspected(State.CONFIRMED)
    # The worker is kept busy by the look after the one that decided.
    files.rules({"match": scene.second, "hold": True})
    worker = scene.start()
    wait_until(lambda: any(scene.second in asked for asked in files.seen()), STARTED)
    scene.operator.kill(worker)
    files.release()
    assert scene.world.now(scene.landslide).state is scene.state
    key = scene.key()
    assert "due" in stored_states(scene.engine, "deliveries")
    assert scene.received(receiver) == []
    scene.finish()
    scene.finish()
    assert [(one["key"], one["repeated"]) for one in scene.received(receiver)] == [(key, False)]
    scene.assert_settled()


@pytest.mark.long
def test_between_send_and_receipt(suspected, receiver, slow_receiver, wait_until) -> None:
    scene = suspected(State.CONFIRMED, slow_receiver.url)
    worker = scene.start()
    wait_until(receiver.received, STARTED)
    scene.operator.kill(worker)
    assert stored_states(scene.engine, "deliveries") == ["sending"]
    slow_receiver.answer.set()
    scene.finish()
    first, second = scene.received(receiver)
    assert first["key"] == second["key"] == scene.key()
    assert (first["repeated"], second["repeated"]) == (False, True)
    assert first["body"] == second["body"]
    scene.assert_settled()


@pytest.mark.long
@pytest.mark.parametrize("clear", [True, False], ids=["clear", "cloudy"])
def test_two_workers_have_judged_the_same_pair(suspected, receiver, wait_until, clear) -> None:
    # Leases run out at once: what they are there for has failed. Without a look's lease the two
    # would take it from each other, by turns, until it is given up.
    scene = suspected(State.CONFIRMED, clear=clear, lease="PT0S")
    with held(scene.engine, "region"):
        workers = [scene.start(TELLER) for _ in range(2)]
        wait_until(lambda: waiting(scene.engine) == 2, STARTED)
    for worker in workers:
        _, err = worker.communicate(timeout=300)
        assert worker.returncode == 0, err
    scene.finish()
    if clear:
        assert [one["key"] for one in scene.received(receiver)] == [scene.key()]
        scene.assert_settled()
        return
    assert scene.world.findings(scene.landslide) == [Finding.NOT_SEEN] * 2
    assert scene.world.history(scene.landslide) == [scene.landslide]
    assert receiver.received() == []
    assert stored_rows(scene.engine) == scene.undisturbed()


def test_of_two_workers_one_fetches(suspected, files, wait_until) -> None:
    scene = suspected(State.CONFIRMED, clear=False)
    files.rules({"match": scene.first, "hold": True})
    first = scene.start(CHECKER)
    wait_until(lambda: any(scene.first in asked for asked in files.seen()), STARTED)
    time.sleep(0.5)  # it may ask for several files at once
    asked = files.seen()
    out, err = scene.start(CHECKER).communicate(timeout=300)
    assert (out, err) == ("0\n", ""), "the landslide is the first worker's, whatever the look"
    assert files.seen() == asked, "not a byte was fetched twice"
    files.release()
    out, err = first.communicate(timeout=300)
    assert (out.splitlines()[-1], err) == ("2", "")
    assert scene.world.findings(scene.landslide) == [Finding.NOT_SEEN] * 2
    assert stored_rows(scene.engine)["optical_leases"] == []
