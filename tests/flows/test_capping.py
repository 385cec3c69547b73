"""The CAP messages of a landslide's life, as the monitoring makes and keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.cap_rules import faults
from db import cap, outbox, store
from db.engine import transaction
from detectors.types import State
from flows.capping import keep_cap, picture_link
from flows.settings import CapSettings, FeedSettings, Settings
from tests.cap_reader import Read, read
from tests.optical_watch import DEBRIS, OpticalWatch, drill_channel
from tests.records import Make


@pytest.fixture
def world(watch_optically) -> OpticalWatch:
    """Three clear looks before, nothing after."""
    return watch_optically(channels=(drill_channel("team", "valley"),))


def messages(world: OpticalWatch) -> list[Read]:
    """Return the messages, oldest first; every one of them is a good one."""
    with transaction(world.services.engine) as s:
        records = outbox.list_alerts(s)[::-1]
        kept = cap.messages(s, [record.alert.id for record in records])
    assert [str(record.alert.id) for record in records] == [
        kept[record.alert.id].identifier for record in records
    ]
    for one in kept.values():
        assert faults(one.document.encode()) == []
        assert read(one.document).plain["sent"] == one.sent
    return [read(kept[record.alert.id].document) for record in records]


@pytest.mark.parametrize(
    ("patches", "state", "msg_type", "certainty"),
    [
        ((DEBRIS,), State.CONFIRMED, "Update", "Observed"),
        ((), State.REFUTED, "Cancel", "Unlikely"),
    ],
)
def test_the_verdict_follows_the_suspicion(
    world: OpticalWatch, patches: tuple, state: State, msg_type: str, certainty: str
) -> None:
    landslide = world.suspect()
    world.see(9, *patches)
    world.confirm(10)
    assert world.now(landslide).state is state
    first, second = messages(world)
    assert (first.plain["msgType"], second.plain["msgType"]) == ("Alert", msg_type)
    assert first.references == []
    assert second.references == [
        (first.plain["sender"], first.plain["identifier"], first.plain["sent"])
    ]
    assert first.plain["incidents"] == second.plain["incidents"] == str(landslide.id)
    assert first.blocks["en"].parameters["scarpwatch:observability"] == "1"
    assert second.blocks["en"].plain["certainty"] == certainty
    assert float(second.blocks["en"].parameters["scarpwatch:share_clear"]) > 0.8
    status = "Exercise" if landslide.simulated else "Actual"
    assert [one.plain["status"] for one in (first, second)] == [status, status]


@pytest.mark.parametrize("exercise", [True, False])
def test_the_picture_is_linked_where_the_feeds_have_an_address(
    tmp_path: Path, no_settings: Path, exercise: bool
) -> None:
    make = Make()
    slide = make.landslide(make.detection(make.acquisition()))
    alert = make.alert(slide, exercise=exercise)
    feed = FeedSettings(folder=tmp_path, url="https://alerts.example.org/slides/")
    settings = Settings(home=no_settings, feed=feed)
    linked = picture_link(settings, alert)
    assert linked is not None
    below = "exercise/" if exercise else ""
    assert linked.uri == f"{feed.url}{below}pictures/{alert.id}.png"
    assert "Copernicus Sentinel" in linked.description
    for other in (
        {"picture_timeout_s": 0.0},
        {"feed": FeedSettings(folder=tmp_path)},
        {"feed": FeedSettings(url=feed.url)},
    ):
        assert picture_link(settings.model_copy(update=other), alert) is None


def test_real_messages_and_exercises_do_not_follow_each_other(engine) -> None:
    make = Make()
    look = make.acquisition()
    detection = make.detection(look)
    first = make.alert(make.landslide(detection), exercise=False)
    second = make.alert(make.landslide(detection, revision=2, cause="seen again"), exercise=True)
    profile = CapSettings().profile()
    with transaction(engine) as s:
        store.save_region(s, make.region())
        store.record_acquisitions(s, make.region(), [look])
        store.store_detections(s, [detection])
        for alert in (first, second):
            store.store_landslide(s, alert.landslide)
            earlier = outbox.list_alerts(s)
            outbox.enqueue(s, alert, [])
            keep_cap(s, profile, alert, earlier)
        assert len(earlier) == 1
        kept = cap.messages(s, [first.id, second.id])
    real, drill = (read(kept[alert.id].document) for alert in (first, second))
    assert [one.plain["status"] for one in (real, drill)] == ["Actual", "Exercise"]
    assert [one.plain["msgType"] for one in (real, drill)] == ["Alert", "Alert"]
    assert drill.references == []
