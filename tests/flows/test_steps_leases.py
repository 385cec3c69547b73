"""Tries, waits and leases: what fails is tried again with a bound, what is lost is left alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from db import store
from db.records import ClaimedLook
from detectors.errors import LeaseLost
from flows.catalogs.base import CatalogueSettings
from flows.leases import backoff
from flows.steps import judge_acquisition, looks_due, rejudge, store_judgement
from tests.rasters import speckle, write
from tests.series import DAYS

FIRST, SECOND = "2023-11-21", "2023-12-03"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def polled(served):
    """Makes a watched region with everything due; settings can be chosen."""

    def make(**settings):
        w = served(settings=settings)
        w.reach()
        w.poll()
        return w

    return make


def let_waits_end(w) -> None:
    w.sql("UPDATE looks SET retry_at = now() WHERE retry_at IS NOT NULL")


def claim(w, owner: str, lease: timedelta = MINUTE) -> ClaimedLook:
    """Take the oldest look as another worker, of another machine, would."""
    with w.open() as s:
        claimed = store.claim_look(s, w.region.id, datetime.now(UTC), owner, lease)
    assert claimed is not None
    return claimed


def test_waits_double_up_to_six_hours() -> None:
    minutes = [backoff(attempts) / MINUTE for attempts in (1, 2, 3, 8, 9, 10, 1_000)]
    assert minutes == [1, 2, 4, 128, 256, 360, 360]


def test_a_look_that_cannot_be_fetched_waits_and_holds_nobody_up(polled, files) -> None:
    w = polled()
    files.rules({"match": w.item(SECOND), "status": 404})
    began = datetime.now(UTC)
    states = [outcome.state for outcome in w.detect()]
    assert states == [*3 * ["processed"], "due"]
    look = w.looks()[SECOND]
    assert (look.state, look.attempts) == ("due", 1)
    assert look.reason == f"{w.item(SECOND)} VV: HTTP 404"
    assert began + MINUTE <= look.retry_at <= datetime.now(UTC) + MINUTE
    assert w.detect() == []
    files.rules()
    let_waits_end(w)
    (outcome,) = w.detect()
    assert (outcome.state, outcome.detections) == ("processed", 1)
    look = w.looks()[SECOND]
    assert (look.attempts, look.retry_at, look.reason) == (2, None, None)


def test_tries_are_bounded_and_a_parked_look_can_be_taken_up_again(polled, files) -> None:
    w = polled(look_attempts=3)
    files.rules({"match": w.item(SECOND), "status": 404})
    waits = []
    for _ in range(3):
        w.detect()
        look = w.looks()[SECOND]
        waits.append(look.retry_at and round((look.retry_at - datetime.now(UTC)) / MINUTE))
        let_waits_end(w)
    assert waits == [1, 2, None]
    assert (look.state, look.attempts) == ("failed", 3)
    assert look.reason == f"after 3 tries: {w.item(SECOND)} VV: HTTP 404"
    assert w.detect() == []
    files.rules()
    assert rejudge(w.services, w.region.id, w.item(SECOND)).detections == 1
    assert w.states()[SECOND] == "processed"


def test_an_old_look_that_is_gone_for_good_does_not_silence_new_ones(polled, files) -> None:
    w = polled()
    gone = w.item(DAYS[3])
    files.rules({"match": gone, "status": 404})
    for _ in range(3):
        w.detect()
        let_waits_end(w)
    # The oldest has six looks before it with this one; five are too few to do without it.
    assert [w.states()[date] for date in DAYS[6:]] == ["due", *3 * ["processed"]]
    assert w.looks()[FIRST].reason == f"left out: {gone}"
    assert w.looks()[FIRST].attempts == 3
    assert len(w.rows()["landslides"]) == 1


def test_too_many_old_looks_gone_are_not_called_too_few(polled, files) -> None:
    w = polled(look_attempts=3)
    files.rules(*({"match": w.item(date), "status": 404} for date in DAYS[:3]))
    for _ in range(3):
        w.detect()
        let_waits_end(w)
    # 4 of 7 earlier looks remain for the oldest, 5 for the next; 6 are needed.
    assert [w.states()[date] for date in DAYS[6:8]] == ["failed", "failed"]
    assert "HTTP 404" in w.looks()[DAYS[6]].reason


def test_a_missing_token_costs_no_looks(watch, quiet_series) -> None:
    archived = CatalogueSettings(kind="opera-asf", url="http://127.0.0.1:1")
    w = watch(quiet_series, catalogues={"locked": archived})
    w.reach()
    w.poll()
    w.sql("UPDATE acquisitions SET source = 'locked/OPERA_L2_RTC-S1_V1'")
    assert [outcome.state for outcome in w.detect()] == 4 * ["due"]
    look = w.looks()[FIRST]
    assert "token" in look.reason
    assert look.retry_at is not None


def test_a_look_whose_workers_all_died_is_parked(polled) -> None:
    w = polled(look_attempts=3)
    for number in range(3):
        claim(w, f"dead-{number}", timedelta(0))
    outcome = w.detect()[0]
    assert (outcome.item_id, outcome.state) == (w.item(DAYS[6]), "failed")
    reason = f"given up after 3 attempts; try: scarpwatch scene {w.item(DAYS[6])}"
    assert w.looks()[DAYS[6]].reason == reason
    assert [w.states()[date] for date in DAYS[7:]] == 3 * ["processed"]


def test_a_lease_is_respected_until_it_ends(polled) -> None:
    w = polled()
    held = claim(w, "elsewhere")
    assert held.acquisition.item_id == w.item(DAYS[6])
    # Later looks of the region wait for it: what it finds is no part of their history.
    assert w.detect() == []
    w.sql("UPDATE looks SET lease_until = now() WHERE owner = 'elsewhere'")
    assert [outcome.item_id for outcome in w.detect()] == [w.item(date) for date in DAYS[6:]]
    assert w.looks()[DAYS[6]].attempts == 2


@pytest.mark.parametrize("alive", [False, True])
def test_the_lease_of_a_dead_neighbour_is_not_waited_for(polled, alive) -> None:
    w = polled()
    command = [sys.executable, "-c", NEIGHBOUR]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as neighbour:
        held = claim(w, neighbour.stdout.readline().strip(), timedelta(hours=1))
        w.sql("UPDATE looks SET retry_at = now() + interval '1 h' WHERE state = 'due'")
        if not alive:
            neighbour.communicate()
        assert looks_due(w.services, w.region.id) is not alive
        let_waits_end(w)
        taken = [outcome.item_id for outcome in w.detect()]
    assert (held.acquisition.item_id in taken) is not alive


def test_the_lease_of_a_long_job_is_extended(polled, monkeypatch) -> None:
    w = polled()
    held = []

    def kept(s, look_id, owner, until) -> None:
        assert owner == w.services.owner
        held.append(until)

    monkeypatch.setattr(store, "extend_look", kept)
    assert w.detect(limit=1)[0].state == "processed"
    assert held
    assert abs(held[-1] - datetime.now(UTC) - w.services.settings.lease) < MINUTE


def test_a_look_that_is_being_judged_is_not_judged_anew(polled) -> None:
    w = polled()
    claim(w, "elsewhere")
    with pytest.raises(Exception, match="is being judged by another worker just now"):
        rejudge(w.services, w.region.id, w.item(DAYS[6]))


@pytest.mark.parametrize("finished", [False, True])
def test_a_worker_that_lost_its_lease_stores_nothing(polled, finished) -> None:
    w = polled()
    w.detect(limit=2)
    slow = claim(w, w.services.owner, timedelta(0))
    assert slow.acquisition.item_id == w.item(FIRST)
    judgement = judge_acquisition(w.services, w.region, slow.acquisition)
    assert len(judgement.detections) == 1
    claim(w, "faster")
    if finished:
        w.sql("UPDATE looks SET lease_until = now() WHERE owner = 'faster'")
        w.services = w.services.__class__(
            w.services.settings, w.services.engine, w.clock, w.services.channels
        )
        w.detect()
    before = w.rows()
    with pytest.raises(LeaseLost):
        store_judgement(w.services, w.region, slow, judgement)
    assert w.rows() == before
    assert len(before["detections"]) == (2 if finished else 0)


NEIGHBOUR = """
import sys
from flows.workers import worker_name
print(worker_name(), flush=True)
sys.stdin.read()
"""
WORKER = """
import json, sys
from flows import settings, steps
from flows.services import open_services
with open_services(settings.load()) as services:
    for outcome in steps.detect_due(services, "slope"):
        print("said", json.dumps([outcome.item_id, outcome.state, outcome.reason]), flush=True)
"""


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param({}, id="judged"),
        pytest.param({"instead": "degrees.tif"}, id="failed", marks=pytest.mark.long),
        pytest.param({"status": 404}, id="due", marks=pytest.mark.long),
    ],
)
def test_a_slow_worker_goes_on_after_losing_a_look(polled, files, stac, ends) -> None:
    """A second worker takes over while the first one waits for pixels; both see their work out."""
    w = polled()
    write(files.root / "degrees.tif", speckle(64, 64), crs="EPSG:4326")
    files.rules({"match": f"{w.item(SECOND)}.* slow$", "hold": True, **ends})
    catalogues = {"local": {"kind": "stac", "url": stac.server.url}}
    environment = {
        **os.environ,
        "GDAL_HTTP_USERAGENT": "slow",
        "SCARPWATCH_DATABASE_URL": w.services.engine.url.render_as_string(hide_password=False),
        "SCARPWATCH_CATALOGUES": json.dumps(catalogues),
    }
    command = [sys.executable, "-c", WORKER]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as slow:
        _wait(lambda: any(w.item(SECOND) in path for path in files.seen()))
        w.sql("UPDATE looks SET lease_until = now() WHERE state = 'processing'")
        (outcome,) = w.detect(limit=1)
        assert (outcome.item_id, outcome.state) == (w.item(SECOND), "processed")
        files.release()
        lines = slow.communicate(timeout=300)[0].splitlines()
    said = [json.loads(line[5:]) for line in lines if line.startswith("said ")]
    assert slow.returncode == 0
    lost = [w.item(SECOND), "due", "taken over by another worker"]
    assert [line for line in said if line[0] == w.item(SECOND)] == [lost]
    assert [line[1] for line in said] == [*3 * ["processed"], "due"]
    assert {w.states()[date] for date in DAYS[6:]} == {"processed"}


def _wait(until, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.02)
