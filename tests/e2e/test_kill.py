"""Killed with ``kill -9`` at the worst moments and started again: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from shapely.geometry import mapping

from db import outbox, schema
from db.engine import make_engine
from flows.activating import activate
from flows.backfilling import backfill
from tests.series import DAYS, WATCH_FROM
from tests.watching import stored_rows, stored_states

#: The first look that shows the landslide, and the last look of all.
FIRST, LAST = "2023-11-21", "2023-12-03"

#: All the work, in the order of the flows: poll, judge everything, then send.
WORKER = """
from flows import delivering, polling, settings, steps
from flows.services import open_services
with open_services(settings.load()) as services:
    polling.poll_region(services, "slope")
    steps.detect_due(services, "slope")
    delivering.deliver_due(services)
"""


@pytest.fixture
def undisturbed(
    watch: Any, make_database: Any, template: str, url_of: Any, files: Any, tmp_path: Any
) -> Iterator[Callable[[], dict[str, list[Any]]]]:
    """Tells what is stored when nothing goes wrong: the same work in another database."""
    engine = make_engine(url_of(make_database(template)))

    def rows() -> dict[str, list[Any]]:
        from pydantic import SecretStr

        from alerts.records import Channel

        told = SecretStr((tmp_path / "undisturbed.jsonl").as_uri())
        w = watch(engine=engine, base_url=files.url, channels=(Channel("duty", told, True),))
        w.run()
        assert [outcome.delivered for outcome in w.deliver()] == [True, True]
        return stored_rows(engine)

    yield rows
    engine.dispose()


def alert_keys(w: Any) -> list[str]:
    """Of the suspicion, and of the second look's update."""
    with w.open() as s:
        records = outbox.list_alerts(s)
    return [str(record.alert.id) for record in sorted(records, key=lambda r: r.recorded_at)]


@pytest.mark.long
def test_after_store_before_send(served, files, operate, receiver, undisturbed, wait_until) -> None:
    w = served()
    operator = operate(w, {"duty": receiver.url})
    w.reach()
    # The worker is kept busy by the look after the one that raised the alert.
    files.rules({"match": w.item(LAST), "hold": True})
    worker = operator.start("-c", WORKER)
    wait_until(lambda: any(w.item(LAST) in asked for asked in files.seen()))
    operator.kill(worker)
    files.release()
    (key,) = alert_keys(w)
    assert stored_states(w.services.engine, "deliveries") == ["due"]
    assert receiver.received() == []

    operator.command("poll")
    received, update = receiver.received()
    assert (received["key"], received["repeated"]) == (key, False)
    assert [received["key"], update["key"]] == alert_keys(w)
    operator.command("poll")
    assert len(receiver.received()) == 2
    assert stored_rows(w.services.engine) == undisturbed()


def test_between_send_and_receipt(
    served, files, operate, receiver, slow_receiver, undisturbed, wait_until
) -> None:
    w = served()
    operator = operate(w, {"duty": slow_receiver.url})
    w.reach()
    worker = operator.start("-c", WORKER)
    wait_until(receiver.received)
    operator.kill(worker)
    assert sorted(stored_states(w.services.engine, "deliveries")) == ["due", "sending"]
    assert stored_rows(w.services.engine)["receipts"] == []

    slow_receiver.answer.set()
    operator.command("poll")
    first, *rest = receiver.received()
    (second,) = (one for one in rest if one["key"] == first["key"])
    assert {one["key"] for one in (first, *rest)} == set(alert_keys(w))
    assert (first["repeated"], second["repeated"]) == (False, True)
    assert first["body"] == second["body"]
    operator.command("poll")
    assert len(receiver.received()) == 3
    assert stored_rows(w.services.engine) == undisturbed()


@pytest.mark.parametrize(
    ("date", "layer"), [(DAYS[6], "VV"), pytest.param(FIRST, "VH", marks=pytest.mark.long)]
)
def test_in_the_middle_of_a_scene(
    served, files, operate, receiver, undisturbed, wait_until, date, layer
) -> None:
    w = served()
    operator = operate(w, {"duty": receiver.url})
    w.reach()
    name = f"{w.item(date)}_{layer}.tif"
    files.rules({"match": name, "hold": True})
    worker = operator.start("-c", WORKER)
    wait_until(lambda: any(name in asked for asked in files.seen()))
    operator.kill(worker)
    files.release()
    assert "processing" in stored_states(w.services.engine, "looks")
    assert stored_rows(w.services.engine)["detections"] == []

    (run,) = operator.command("poll")["regions"]
    assert run["new"] == 0
    assert run["looks"][0]["item_id"] == w.item(date)
    assert {look["state"] for look in run["looks"]} == {"processed"}
    assert [one["key"] for one in receiver.received()] == alert_keys(w)
    assert stored_rows(w.services.engine) == undisturbed()
    (taken_up,) = w.sql(
        "SELECT attempts FROM looks JOIN acquisitions a ON a.id = acquisition_id "
        "WHERE item_id = :item",
        item=w.item(date),
    )
    assert taken_up == (2,)


@pytest.mark.long
def test_two_workers_share_the_work(served, files, operate, receiver, undisturbed) -> None:
    w = served()
    operator = operate(w, {"duty": receiver.url})
    w.reach()
    workers = [operator.start("-m", "flows.cli", "poll", "--json") for _ in range(2)]
    said = [json.loads(worker.communicate(timeout=300)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    looks = [look["item_id"] for one in said for look in one["regions"][0]["looks"]]
    assert sorted(looks) == sorted(w.item(date) for date in DAYS[6:])
    assert sum(len(one["messages"]) for one in said) == len(receiver.received()) == 2
    assert stored_rows(w.services.engine) == undisturbed()


@pytest.mark.long
def test_the_database_killed_while_a_scene_is_judged(
    served, mortal_cluster, files, operate, receiver, undisturbed, wait_until
) -> None:
    engine = make_engine(mortal_cluster.url("scarpwatch"))
    schema.upgrade(engine)
    w = served(engine=engine)
    operator = operate(w, {"duty": receiver.url})
    w.reach()
    files.rules({"match": w.item(FIRST), "hold": True})
    worker = operator.start("-m", "flows.cli", "poll", "--json")
    wait_until(lambda: any(w.item(FIRST) in asked for asked in files.seen()))
    os.kill(mortal_cluster.status().pid, signal.SIGKILL)
    files.release()
    out, err = worker.communicate(timeout=300)
    assert (worker.returncode, out) == (1, "")
    assert "scarpwatch db status" in err
    assert "Traceback" not in err

    mortal_cluster.ensure()
    assert stored_states(engine, "looks")[:7] == [*6 * ["baseline"], "due"]
    (run,) = operator.command("poll")["regions"]
    assert [look["item_id"] for look in run["looks"]] == [w.item(FIRST), w.item(LAST)]
    assert [one["key"] for one in receiver.received()] == alert_keys(w)
    assert stored_rows(engine) == undisturbed()
    engine.dispose()


@pytest.mark.long
def test_in_the_middle_of_a_backfill(
    served, watch, files, operate, receiver, wait_until, make_database, template, url_of
) -> None:
    """It goes on where it was; a look that was begun is done once, and nobody is told."""
    since = datetime(2023, 11, 28, tzinfo=UTC)
    w = served(watch_from=since)
    operator = operate(w, {"duty": receiver.url})
    w.reach()
    files.rules({"match": f"{w.item(FIRST)}_VV.tif", "hold": True})
    typed = ("backfill", "slope", "--since", WATCH_FROM.date().isoformat())
    worker = operator.start("-m", "flows.cli", *typed)
    wait_until(lambda: any(w.item(FIRST) in asked for asked in files.seen()))
    operator.kill(worker)
    files.release()
    assert stored_states(w.services.engine, "looks") == [
        *6 * ["baseline"], *2 * ["processed"], "processing",
    ]  # fmt: skip

    done = operator.command(*typed)
    assert (done["looks"], done["left"], done["complete"]) == ({"processed": 1}, 0, True)
    engine = make_engine(url_of(make_database(template)))
    once = watch(engine=engine, base_url=files.url, watch_from=since)
    once.reach()
    backfill(once.services, "slope", WATCH_FROM)
    assert stored_rows(w.services.engine) == stored_rows(engine)
    assert len(stored_rows(engine)["landslides"]) == 1
    operator.command("poll")
    assert receiver.received() == []
    engine.dispose()


@pytest.mark.long
def test_two_backfills_side_by_side_share_the_work(
    served, watch, files, operate, receiver, wait_until, make_database, template, url_of
) -> None:
    """Of spans that overlap: every look is judged once, and nobody is told."""
    since = datetime(2023, 11, 28, tzinfo=UTC)
    w = served(watch_from=since)
    operator = operate(w, {"duty": receiver.url})
    w.reach()
    files.rules({"match": f"{w.item(DAYS[6])}_VV.tif", "hold": True})

    def begin(*span: str) -> Any:
        return operator.start("-m", "flows.cli", "backfill", "slope", *span, "--json")

    def polled() -> int:
        (found,) = w.sql("SELECT coalesce(sum(requests), 0) FROM costs WHERE work = 'poll'")
        return int(found[0])

    first = begin("--since", WATCH_FROM.date().isoformat())
    wait_until(lambda: any(w.item(DAYS[6]) in asked for asked in files.seen()))
    asked = polled()
    second = begin("--since", DAYS[7], "--until", "2023-11-22")
    wait_until(lambda: polled() > asked)
    files.release()
    said = [json.loads(worker.communicate(timeout=300)[0]) for worker in (first, second)]
    # Whichever ends while the other one still has a look says that one is left.
    assert [worker.returncode == 0 for worker in (first, second)] == [
        one["complete"] for one in said
    ]
    assert any(one["complete"] for one in said)
    assert all(one["left"] == (0 if one["complete"] else 1) for one in said)
    assert sum(one["looks"].get("processed", 0) for one in said) == 3
    assert {look.attempts for look in list(w.looks().values())[6:]} == {1}
    engine = make_engine(url_of(make_database(template)))
    once = watch(engine=engine, base_url=files.url, watch_from=since)
    once.reach()
    backfill(once.services, "slope", WATCH_FROM)
    assert stored_rows(w.services.engine) == stored_rows(engine)
    assert receiver.received() == []
    engine.dispose()


@pytest.mark.long
def test_in_the_middle_of_an_activation(
    served, watch, files, operate, receiver, wait_until, make_database, template, url_of, tmp_path
) -> None:
    """The same command again goes on: one region, every look once, all files."""
    now = datetime(2023, 11, 28, tzinfo=UTC)
    w = served()
    operator = operate(w, {"duty": receiver.url})
    w.reach(now)
    file = tmp_path / "valley.geojson"
    feature = {
        "type": "Feature", "geometry": mapping(w.region.geometry),
        "properties": {"name": "Valley", "detectors": ["sar_log_ratio"],
                       "sources": list(w.region.sources)},
    }  # fmt: skip
    file.write_text(json.dumps(feature))
    typed = ("activate", str(file), "--since", WATCH_FROM.date().isoformat(), "--out")
    files.rules({"match": f"{w.item(FIRST)}_VV.tif", "hold": True})
    worker = operator.start("-m", "flows.cli", *typed, str(tmp_path / "out"))
    wait_until(lambda: any(w.item(FIRST) in asked for asked in files.seen()))
    operator.kill(worker)
    files.release()
    assert list((tmp_path / "out").iterdir()) == [], "no report of half of it"

    done = operator.command(*typed, str(tmp_path / "out"))
    assert (done["new_region"], done["complete"]) == (False, True)
    assert done["looks_judged_now"] == 1
    assert {one.name for one in (tmp_path / "out").iterdir()} == set(done["files"])
    engine = make_engine(url_of(make_database(template)))
    once = watch(engine=engine, base_url=files.url)
    once.reach(now)
    activate(once.services, str(file), WATCH_FROM, out=tmp_path / "once")
    assert stored_rows(w.services.engine) == stored_rows(engine)
    assert len(stored_rows(engine)["landslides"]) == 1
    assert receiver.received() == []
    engine.dispose()
