"""After downtime: one region does not starve the others, newest first, and no burst of messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from alerts.records import Channel
from db import backlog, queries
from db.engine import make_engine, transaction
from detectors.bulletins import Sort
from detectors.types import Sensor
from flows import steps
from flows.steps import LookOutcome
from flows.summaries import summarise
from tests.series import DAYS
from tests.watching import Watch

LAST = [*DAYS[6:]]
#: Derived from the first detection of a landslide, which is another one in another order.
IDENTITY = {"id", "landslide_id", "revision", "detection_id"}


def duty(path: Any) -> tuple[Channel, ...]:
    return (Channel("duty", SecretStr(path.as_uri()), True),)


def believed(w: Watch) -> list[Any]:
    """What is believed in the end, and what each look says: without identities."""
    with w.open() as s:
        found = [
            (one.state, one.tier, one.geometry.wkb, one.not_before, one.not_after, one.looks,
             one.score_max, one.evidence)
            for one in queries.list_landslides(s, w.region.id)
        ]  # fmt: skip
    said = sorted(
        json.dumps(
            {key: value for key, value in row.items() if key not in IDENTITY}, sort_keys=True
        )
        for row in w.rows()["radar_checks"]
    )
    detections = sorted(json.dumps(row["polygon"]) for row in w.rows()["detections"])
    return [found, said, detections]


@pytest.fixture
def elsewhere(make_database, template, url_of):
    """A second database."""
    made = make_engine(url_of(make_database(template)))
    yield made
    made.dispose()


def test_newest_first_ends_where_oldest_first_does(watch, elsewhere, tmp_path, record_property):
    """And costs: the looks after the one that reveals a landslide are judged twice."""
    judged: dict[str, list[str]] = {}
    ends = {}
    for name, settings, engine in (
        ("oldest", {"backlog": 100}, {}), ("newest", {"backlog": 1}, {"engine": elsewhere}),
    ):  # fmt: skip
        w = watch(settings=settings, **engine)
        days = {w.item(date): date for date in LAST}
        judged[name] = [days[one.item_id] for one in w.run()]
        ends[name] = believed(w)
        assert set(w.states().values()) == {"baseline", "processed"}
    assert judged["oldest"] == LAST
    newest_first = list(reversed(LAST))
    assert judged["newest"][:3] == newest_first[:3]
    assert set(judged["newest"]) == set(LAST)
    # The landslide is in the looks of 21 November and 3 December: only the last is judged again.
    record_property("judged twice", len(judged["newest"]) - len(LAST))
    assert len(judged["newest"]) == len(LAST) + 1
    assert ends["newest"] == ends["oldest"]


def test_a_region_lets_the_urgent_go_first_and_never_takes_more_than_its_share(watch) -> None:
    w = watch(id="slow", priority=200)
    w.reach()
    w.poll()
    urgent = watch(id="urgent", priority=1)
    urgent.reach()
    urgent.poll()
    with w.open() as s:
        now = datetime.now(UTC)
        assert backlog.more_urgent(s, w.region, now, Sensor.SAR)
        assert not backlog.more_urgent(s, urgent.region, now, Sensor.SAR)
        assert not backlog.more_urgent(s, w.region, now, Sensor.OPTICAL)
        assert backlog.waiting(s, "slow", now, Sensor.SAR) == len(LAST)

    def turn(region_id: str, judge_for: timedelta = timedelta(hours=1)) -> list[LookOutcome]:
        return steps.detect_due(w.services, region_id, 3, judge_for=judge_for)

    # In turns: one look of the one, the share of the other, until both are done.
    assert len(turn("slow")) == 1
    assert len(turn("urgent")) == 3
    assert len(turn("slow")) == 1
    assert len(turn("urgent")) == 1
    # Alone it has its time.
    assert len(turn("slow", timedelta.resolution)) == 1
    assert len(turn("slow")) == 1


def test_what_old_looks_show_is_told_in_one_summary(watch, tmp_path) -> None:
    inbox = tmp_path / "inbox.jsonl"
    w = watch(
        channels=duty(inbox), simulated=True,
        settings={"alert_within": timedelta(days=20), "exercise": True},
    )  # fmt: skip
    w.reach()
    w.poll()
    # 10 November to 3 December are judged in January, the first of them only.
    w.detect(limit=3)
    (alert,) = w.rows()["alerts"]
    assert alert["kind"] == "suspected"
    assert [row["state"] for row in w.rows()["deliveries"]] == ["kept"]
    # It waits for the rest of the backlog.
    assert w.deliver() == []
    assert not inbox.exists()
    w.detect()
    assert {row["state"] for row in w.rows()["deliveries"]} == {"kept"}
    (sent,) = w.deliver()
    assert sent.delivered
    assert w.deliver() == []
    (message,) = [json.loads(line)["body"] for line in inbox.read_text().splitlines()]
    assert message["kind"] == Sort.SUMMARY
    assert "1 landslide in looks of the past" in message["title"]
    assert message["exercise"]
    assert message["title"].startswith("EXERCISE")
    assert "found in a look of 2023-1" in message["text"]
    assert len(message["content"]["alerts"]) == 1
    assert sorted({row["state"] for row in w.rows()["deliveries"]}) == ["delivered", "listed"]
    assert summarise(w.services) == 0


def test_what_fresh_looks_show_is_told_at_once(watch, tmp_path) -> None:
    inbox = tmp_path / "inbox.jsonl"
    w = watch(
        channels=duty(inbox), simulated=True,
        settings={"alert_within": timedelta(days=20), "exercise": True},
    )  # fmt: skip
    w.run(datetime(2023, 11, 25, tzinfo=UTC))
    w.deliver()
    assert len(inbox.read_text().splitlines()) == 1
    # What follows goes where the first went, however late it is judged.
    w.run()
    w.deliver()
    kinds = [json.loads(line)["body"]["kind"] for line in inbox.read_text().splitlines()]
    assert kinds == ["suspected", "updated"]
    with transaction(w.services.engine) as s:
        assert not backlog.kept_alerts(s)
