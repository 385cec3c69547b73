"""The past is judged like the present, survives kills, and is told to nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from alerts.records import Channel
from db import outbox, queries, store
from detectors.errors import ConfigurationError
from detectors.types import State, Tier
from flows import backfilling
from flows.backfilling import backfill
from tests.series import DAYS, WATCH_FROM, day

FIRST, LAST = "2023-11-21", "2023-12-03"
#: Between the look that shows the landslide and the one after it.
BETWEEN = datetime(2023, 11, 28, tzinfo=UTC)


def landslides(w):
    with w.open() as s:
        return queries.list_landslides(s)


def told(w):
    with w.open() as s:
        return [record.alert.kind for record in outbox.list_alerts(s)]


@pytest.fixture
def past(watch, tmp_path):
    """A region that is watched from between the two looks after the landslide on."""

    def make(**fields):
        told = SecretStr((tmp_path / "told.jsonl").as_uri())
        w = watch(**{"watch_from": BETWEEN, "channels": (Channel("duty", told, True),), **fields})
        w.reach()
        return w

    return make


def test_the_past_is_found_and_nobody_is_told_then_or_later(past) -> None:
    w = past()
    steps = []
    done = backfill(w.services, "slope", WATCH_FROM, progress=steps.append)
    assert (done.new, done.looks, done.complete) == (9, {"processed": 3}, True)
    assert [step.done for step in steps] == [0, 1, 2, 3]
    assert (steps[1].left, steps[-1].left, day(steps[-1].sensed_at)) == (2, 0, FIRST)
    (found,) = landslides(w)
    assert (found.state, found.tier, day(found.not_after)) == (State.SUSPECTED, Tier.LIKELY, FIRST)
    assert w.states() == {
        **dict.fromkeys(DAYS[:6], "baseline"), **dict.fromkeys(DAYS[6:9], "processed"),
    }  # fmt: skip

    # Watching goes on: the same landslide is seen again, which is no news of a new one.
    w.poll()
    (look,) = w.detect()
    assert (look.state, look.alerts) == ("processed", 0)
    assert landslides(w)[0].looks == 2
    assert told(w) == []
    again = backfill(w.services, "slope", WATCH_FROM)
    assert (again.new, again.looks, again.complete) == (0, {}, True)


def test_without_a_backfill_the_same_look_would_have_been_told(past) -> None:
    w = past(watch_from=BETWEEN - timedelta(days=9))
    backfill(w.services, "slope", WATCH_FROM)
    assert landslides(w) == []
    w.poll()
    w.detect()
    assert told(w) == ["updated", "suspected"]


def test_what_is_stored_is_what_watching_then_would_have_stored(past, watch) -> None:
    w = past()
    backfill(w.services, "slope", WATCH_FROM)
    w.poll()
    w.detect()
    (found,) = landslides(w)
    with w.open() as s:
        store.save_region(s, replace(w.region, id="then", watch_from=WATCH_FROM))
    then = replace(w, region=replace(w.region, id="then"))
    then.poll()
    then.detect()
    same = next(one for one in landslides(w) if one.region_id == "then")
    for name in ("geometry", "state", "tier", "evidence", "not_before", "not_after", "looks"):
        assert getattr(found, name) == getattr(same, name), name


def test_a_region_that_spent_its_month_waits_and_goes_on(past) -> None:
    w = past(requests_a_month=1)
    first = backfill(w.services, "slope", WATCH_FROM)
    assert "has spent its month" in first.put_off
    assert (first.left, first.complete) == (3, False)
    with w.open() as s:
        store.save_region(s, replace(w.region, requests_a_month=None))
    assert backfill(w.services, "slope", WATCH_FROM).looks == {"processed": 3}


def test_only_the_time_asked_for(past) -> None:
    w = past()
    end = datetime(2023, 11, 10, 12, tzinfo=UTC)
    done = backfill(w.services, "slope", WATCH_FROM, end)
    assert done.looks == {"processed": 2}
    assert tuple(w.states()) == DAYS[:8]
    with pytest.raises(ConfigurationError, match="is watched since 2023-11-28"):
        backfill(w.services, "slope", BETWEEN)


def test_a_catalogue_that_does_not_answer_is_named(past, monkeypatch) -> None:
    w = past(sources=("local/slide", "local/nothing-there"))
    monkeypatch.setattr(backfilling, "READ_AT_ONCE", timedelta(days=60))
    done = backfill(w.services, "slope", WATCH_FROM)
    assert (done.looks, done.complete) == ({"processed": 3}, False)
    assert "nothing-there" in done.errors[0]
