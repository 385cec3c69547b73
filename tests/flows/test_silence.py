"""Silence alarms, their end, and the answer to a trigger, over a real PostGIS and real files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from shapely.geometry import MultiPolygon, box
from sqlalchemy import Engine

from alerts import journal
from alerts.bulletins import render_bulletin
from db import exclusions, radar, store
from db.engine import transaction
from detectors.errors import ConfigurationError
from detectors.observability import Coverage
from detectors.types import Acquisition, OrbitState, State, WatchedRegion
from flows.answering import answer, send_answer
from flows.clock import FileClock
from flows.delivering import deliver_due
from flows.services import Services
from flows.settings import Settings
from flows.silence import silent_tracks, watch_silence
from tests.records import Make

START = datetime(2026, 4, 1, 5, 51, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass
class Post:
    """A region with a history of looks, a clock, and an operators' channel."""

    engine: Engine
    folder: Path
    services: Services
    region: WatchedRegion
    clock: FileClock

    def look(self, day: float, *, orbit: int = 137, **fields: Any) -> Acquisition:
        sensed = START + day * DAY
        values: dict[str, Any] = {
            "item_id": f"{orbit}-{day}-{fields.get('burst_id')}", "sensed_at": sensed,
            "published_at": sensed + 10 * HOUR, "relative_orbit": orbit,
            "footprint": box(-121, 33, -118, 36),
        }  # fmt: skip
        made = Make().acquisition(**(values | fields))
        with transaction(self.engine) as s:
            store.record_acquisitions(s, self.region, [made])
        return made

    def saw(self, look: Acquisition, share: float, km2: float = 100, **unseen: float) -> None:
        with transaction(self.engine) as s:
            radar.record_observability(
                s, self.region.id, look.id, Coverage(km2, share, unseen), simulated=False
            )

    def at(self, day: float) -> list[str]:
        """Reach a day, watch twice, deliver; return what the operators have read so far."""
        self.clock.set(START + day * DAY)
        for _ in range(2):
            watch_silence(self.services, [self.region.id])
        deliver_due(self.services)
        return [line["body"]["title"] for line in journal.read(self.folder / "ops.jsonl")]


@pytest.fixture
def post(engine: Engine, tmp_path: Path, no_settings: Path) -> Callable[..., Post]:
    def make(**fields: Any) -> Post:
        region = Make().region(watch_from=START, **fields)
        with transaction(engine) as s:
            store.save_region(s, region)
        url = SecretStr((tmp_path / "ops.jsonl").as_uri())
        settings = Settings.model_validate(
            {"home": no_settings, "channels": {"ops": {"url": url}}, "operators": ["ops"]}
        )
        clock = FileClock(no_settings / "clock")
        services = Services(settings, engine, clock, settings.channel_records())
        return Post(engine, tmp_path, services, region, clock)

    return make


def test_one_alarm_for_each_missing_look_and_one_all_clear(post) -> None:
    w = post()
    for day in (0, 12, 24):
        w.look(day)
        w.look(day + 0.0001, burst_id="T137-292321-IW3")
    assert w.at(36 + 34 / 24 - 0.01) == []
    assert w.at(36 + 34 / 24 + 0.01) == [
        "Silence: no look at San Rafael from track 137-ascending, expected 2026-05-07 05:51 UTC"
    ]
    with transaction(w.engine) as s:
        assert silent_tracks(w.services, s, w.region) == {"137-ascending": START + 36 * DAY}
    assert len(w.at(47)) == 1
    assert len(w.at(50)) == 2
    w.look(60)
    told = w.at(61)
    assert told[2:] == [
        "All clear: San Rafael is seen again from track 137-ascending, 2026-05-31 05:51 UTC"
    ]
    (_, _, clear) = journal.read(w.folder / "ops.jsonl")
    assert clear["body"]["content"]["missed"] == 2
    assert len(w.at(72)) == 3, "nothing is missing"
    with transaction(w.engine) as s:
        assert silent_tracks(w.services, s, w.region) == {}


def test_a_track_that_ended_is_left_alone(post) -> None:
    w = post()
    for day in (0, 12, 24):
        w.look(day)
    for day in range(30, 90):
        told = w.at(day)
    assert len(told) == 3
    body = journal.read(w.folder / "ops.jsonl")[-1]["body"]
    assert body["content"]["last_alarm"]
    assert "no further alarm follows" in body["text"]


def test_a_late_look_ends_its_alarm(post) -> None:
    w = post()
    for day in (0, 12, 24):
        w.look(day)
    assert len(w.at(38)) == 1
    w.look(36, published_at=START + 39 * DAY)
    assert len(w.at(38.5)) == 1, "what is not published yet is not known"
    assert len(w.at(39)) == 2
    assert journal.read(w.folder / "ops.jsonl")[-1]["body"]["content"]["missed"] == 0


def test_each_track_by_itself_and_what_the_catalogue_said(post) -> None:
    w = post()
    for day in (0, 12, 24, 36):
        w.look(day)
    for day in (1, 13, 25):
        w.look(day, orbit=35, orbit_state=OrbitState.DESCENDING)
    with transaction(w.engine) as s:
        now = START + 38 * DAY
        store.finish_polls(s, [w.region.id], w.region.sources[0], None, now, error="503")
    told = w.at(39)
    assert [title.split("track ")[1][:14] for title in told] == ["035-descending"]
    text = journal.read(w.folder / "ops.jsonl")[0]["body"]["text"]
    assert "A source cannot be read: local/opera-rtc-s1: 503" in text


@pytest.mark.parametrize("fields", [{"paused": True}, {"simulated": True}])
def test_who_hears_no_alarm(post, fields) -> None:
    # A drill's silence is for exercise channels, and there is none here.
    w = post(**fields)
    for day in (0, 12, 24):
        w.look(day)
    assert w.at(40) == []


def test_nothing_found_after_a_trigger(post) -> None:
    w = post()
    trigger = START + 30 * DAY
    for day in (0, 12, 24):
        w.saw(w.look(day), 1.0)
    w.clock.set(trigger + DAY)
    said = answer(w.services, w.region.id, "M6.1 earthquake 2026-05-01", trigger)
    assert render_bulletin(said).title == (
        "San Rafael: not looked at yet after M6.1 earthquake 2026-05-01; none of the area seen "
        "yet; "
        "next look 7 May 2026"
    )
    # Two bursts of one pass side by side: half of the region each, 90 % and 76 % of it seen.
    west = w.look(36, footprint=box(-120, 34, -119.5, 35), burst_id="T137-292321-IW1")
    east = w.look(36.0001, footprint=box(-119.5, 34, -119, 35), burst_id="T137-292321-IW2")
    w.saw(west, 0.90, layover=0.1)
    w.saw(east, 0.76, layover=0.04, radar_shadow=0.2)
    # Another pass saw less, and partly the same ground: it adds nothing that is certain.
    w.saw(w.look(37, orbit=35, footprint=box(-120, 34, -119.8, 35)), 1.0)
    w.clock.set(trigger + 8 * DAY)
    said = answer(w.services, w.region.id, "M6.1 earthquake 2026-05-01", trigger)
    told = render_bulletin(said)
    assert told.title == (
        "San Rafael: nothing found after M6.1 earthquake 2026-05-01; 83 % of the area seen; "
        "next look 19 May 2026"
    )
    assert "10 % radar shadow" in told.text
    assert "7 % layover" in told.text
    assert "nothing found does not mean that nothing happened" in " ".join(told.text.split())
    for _ in range(2):
        w.clock.set(w.clock.now() + HOUR)
        again = answer(w.services, w.region.id, "M6.1 earthquake 2026-05-01", trigger)
        assert send_answer(w.services, again) == ("ops",)
        deliver_due(w.services)
    (line,) = journal.read(w.folder / "ops.jsonl")
    assert line["body"]["content"]["share_seen"] == pytest.approx(0.83, abs=0.001)


def test_what_was_found_is_listed(post) -> None:
    w = post()
    look = w.look(36)
    make = Make()
    kept, refuted, quarry = (make.detection(look, number) for number in range(3))
    with transaction(w.engine) as s:
        store.store_detections(s, [kept, refuted, quarry])
        store.store_landslide(s, make.landslide(kept))
        store.store_landslide(s, make.landslide(refuted, state=State.REFUTED))
        store.store_landslide(s, make.landslide(quarry))
        exclusions.add_exclusion(s, MultiPolygon([quarry.polygon.buffer(0.001)]), "quarry", "")
    w.clock.set(START + 37 * DAY)
    told = render_bulletin(answer(w.services, w.region.id, "storm", START + 30 * DAY))
    assert told.title.startswith("San Rafael: 1 finding after storm; ")
    assert told.title.endswith("no next look can be told")
    assert "- suspected landslide (tier likely), 3.0 ha, 34.50100,-119.69900" in told.text


def test_a_drill_says_so(post) -> None:
    w = post(simulated=True)
    w.clock.set(START + DAY)
    told = render_bulletin(answer(w.services, w.region.id, "storm", START))
    for words in (told.title, told.text, told.short):
        assert words.startswith("EXERCISE")
        assert "SIMULATED" in words
    assert (told.exercise, told.payload["status"]) == (True, "Exercise")


def test_what_cannot_be_answered(post) -> None:
    w = post()
    w.clock.set(START)
    with pytest.raises(ConfigurationError, match="in the future"):
        answer(w.services, w.region.id, "storm", START + DAY)
    with pytest.raises(ConfigurationError, match="name the trigger"):
        answer(w.services, w.region.id, " ", START)
    with pytest.raises(ConfigurationError, match="no region 'nowhere'"):
        answer(w.services, "nowhere", "storm", START)
