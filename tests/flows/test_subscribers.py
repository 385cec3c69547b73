"""Subscribers over a real PostGIS and real channels: at once, in a digest, escalated."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from shapely.geometry import MultiPolygon, box
from sqlalchemy import Engine, text

from alerts import journal
from alerts.records import Channel
from alerts.rules import Severity
from alerts.subscribers import Escalation, QuietHours, Subscriber
from db import counts, exclusions, notices, outbox, queries, store
from db.engine import transaction
from detectors.types import Landslide, State, WatchedRegion
from flows.clock import SystemClock
from flows.delivering import deliver_due, messages_due
from flows.notifying import notify_due
from flows.services import Services
from flows.settings import Settings
from flows.telling import tell
from tests.records import Make

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OSLO = ZoneInfo("Europe/Oslo")


@dataclass
class Office:
    """Subscribers, their channels as files, and a region whose landslides are told."""

    engine: Engine
    folder: Path
    services: Services
    region: WatchedRegion
    make: Make = field(default_factory=Make)

    def found(self, *areas: float, day: float = 0, **fields: Any) -> list[Landslide]:
        """Store landslides of one look, and tell of them in the same transaction."""
        look = self.make.acquisition(day)
        stored = []
        with transaction(self.engine) as s:
            store.record_acquisitions(s, self.region, [look])
            for number, area in enumerate(areas):
                west = -119.7 + 0.01 * number + day / 1_000
                here = self.make.detection(look, polygon=box(west, 34.5, west + 0.002, 34.502))
                store.store_detections(s, [here])
                one = self.make.landslide(here, area_m2=area, **fields)
                store.store_landslide(s, one)
                tell(self.services, s, self.region, look, one, None)
                stored.append(one)
        return stored

    def becomes(self, landslide: Landslide, state: State, **fields: Any) -> None:
        look = self.make.acquisition()
        with transaction(self.engine) as s:
            before = queries.get_landslide(s, landslide.id)
            assert before is not None
            values = {"revision": before.revision + 1, "state": state, "cause": "a clear look"}
            now = replace(before, **(values | fields))
            store.store_landslide(s, now)
            tell(self.services, s, self.region, look, now, before)

    def at(self, now: datetime) -> None:
        """Do what the flow does at a moment, twice: nothing is told twice."""
        for _ in range(2):
            deliver_due(self.services, now)

    def told(self, channel: str) -> list[str]:
        """Return what a channel got: the kind of each message and the areas it speaks of."""
        said = []
        for line in journal.read(self.folder / f"{channel}.jsonl"):
            body = line["body"]
            if body["kind"] == "digest":
                listed = "+".join(
                    f"{one['kind']} {one['area']}" for one in body["content"]["alerts"]
                )
                said.append(f"digest {listed}")
            else:
                said.append(f"{body['kind']} {body['landslide']['area_m2'] / 1e4:.1f} ha")
        return said


@pytest.fixture
def office(engine: Engine, tmp_path: Path, no_settings: Path) -> Callable[..., Office]:
    def make(
        *subscribers: Subscriber,
        region: Any = None,
        alert_within: timedelta = 36_500 * DAY,  # the looks are of 2023
        **channels: Any,
    ) -> Office:
        names = {"pager": False, "chief": False, "open": False, "drill": True} | channels
        made = tuple(
            Channel(name, SecretStr((tmp_path / f"{name}.jsonl").as_uri()), exercise)
            for name, exercise in names.items()
        )
        region = Make().region(tags=("coast",), **(region or {}))
        with transaction(engine) as s:
            store.save_region(s, region)
        services = Services(
            # Drawing takes seconds: the tests of the pictures ask for them.
            Settings(home=no_settings, picture_timeout_s=0, alert_within=alert_within),
            engine,
            SystemClock(),
            made,
            tuple(subscribers),
        )
        return Office(engine, tmp_path, services, region)

    return make


@contextmanager
def robot() -> Iterator[str]:
    """A webhook receiver that takes every alert in hand at once."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"receipt": "1", "acknowledged_by": "on-call robot"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def duty(**wishes: Any) -> Subscriber:
    return Subscriber(**({"name": "duty", "channels": ("pager",), "zone": OSLO} | wishes))


def test_the_largest_goes_at_once_and_the_rest_into_one_digest(office) -> None:
    w = office(duty(budget=2))
    # Moderate ones may take half of the budget; a channel nobody subscribed to gets them all.
    w.found(9_000.0, 50_000.0, 20_000.0)
    assert messages_due(w.services)
    w.at(MONDAY)
    assert w.told("pager") == ["suspected 5.0 ha"]
    assert sorted(w.told("open")) == ["suspected 0.9 ha", "suspected 2.0 ha", "suspected 5.0 ha"]
    assert w.told("drill") == []
    w.at(MONDAY + 12 * HOUR)
    assert len(w.told("pager")) == 1
    w.at(MONDAY + DAY)
    assert w.told("pager")[1:] == ["digest suspected 2.0 ha+suspected 0.90 ha"]
    w.at(MONDAY + 2 * DAY)
    assert len(w.told("pager")) == 2, "nothing new, no digest"
    with transaction(w.engine) as s:
        (record,) = outbox.list_bulletins(s)
    assert record.bulletin.issued_at == MONDAY + DAY
    assert [delivery.state for delivery in record.deliveries] == ["delivered"]


def test_what_follows_is_outside_the_budget_and_the_hour(office) -> None:
    night = QuietHours(time(22), time(6), Severity.EXTREME)
    w = office(duty(budget=1, quiet=night))
    (first,) = w.found(50_000.0)
    w.at(MONDAY)
    (second,) = w.found(60_000.0, day=1)
    w.at(MONDAY + HOUR)
    assert w.told("pager") == ["suspected 5.0 ha"]
    w.becomes(first, State.CONFIRMED)
    w.at(MONDAY + 11 * HOUR)
    w.becomes(first, State.REFUTED)
    w.becomes(second, State.REFUTED)
    w.at(MONDAY + 12 * HOUR)
    assert w.told("pager")[1:] == ["confirmed 5.0 ha", "withdrawn 5.0 ha"]
    w.at(MONDAY + DAY)
    # It was never told of the second, and hears both in one list.
    assert w.told("pager")[3:] == ["digest suspected 6.0 ha+withdrawn 6.0 ha"]


def test_quiet_hours_hold_all_but_the_worst(office) -> None:
    w = office(duty(quiet=QuietHours(time(22), time(6), Severity.SEVERE)))
    w.found(50_000.0)
    w.found(60_000.0, day=1, state=State.CONFIRMED)
    w.at(datetime(2026, 3, 2, 21, 30, tzinfo=UTC))  # 22:30 in Oslo
    assert w.told("pager") == ["confirmed 6.0 ha"]
    w.at(datetime(2026, 3, 3, 6, 1, tzinfo=UTC))
    assert w.told("pager")[1:] == ["digest suspected 5.0 ha"]


def test_what_old_looks_show_is_for_the_digest(office) -> None:
    w = office(duty(), alert_within=60 * DAY)
    w.found(50_000.0, 20_000.0)
    now = datetime.now(UTC)
    w.at(now)
    assert w.told("pager") == []
    with transaction(w.engine) as s:
        alerts = [record.alert.id for record in outbox.list_alerts(s)]
        heard = [notice for known in notices.notices_of(s, alerts).values() for notice in known]
    assert {(notice.state, notice.reason) for notice in heard} == {
        ("kept", f"found in a look of {w.make.acquisition().sensed_at:%Y-%m-%d}, judged late")
    }
    w.at(now + 2 * DAY)
    assert w.told("pager") == ["digest suspected 5.0 ha+suspected 2.0 ha"]


def test_areas_kinds_and_tags_choose(office) -> None:
    west = MultiPolygon([box(-119.71, 34, -119.695, 35)])
    w = office(
        duty(area=west),
        Subscriber("north", ("chief",), tags=("north",)),
    )
    w.found(10_000.0, 20_000.0)
    w.at(MONDAY)
    assert w.told("pager") == ["suspected 1.0 ha"]
    assert w.told("chief") == []


def test_drills_have_a_budget_of_their_own(office) -> None:
    w = office(duty(budget=2, channels=("pager", "drill")))
    w.found(10_000.0, simulated=True)
    w.found(20_000.0, day=1)
    w.at(MONDAY)
    assert (w.told("drill"), w.told("pager")) == (["suspected 1.0 ha"], ["suspected 2.0 ha"])


def test_the_second_target_is_told_once_when_nobody_answers(office) -> None:
    w = office(duty(escalation=Escalation("chief", timedelta(minutes=30))))
    (unanswered, answered) = w.found(50_000.0, 60_000.0)
    w.at(MONDAY)
    with transaction(w.engine) as s:
        alerts = {one.alert.landslide.id: one.alert.id for one in outbox.list_alerts(s)}
        assert notices.acknowledge(s, alerts[answered.id], "Kari")
        assert not notices.acknowledge(s, alerts[answered.id], "Kari"), "twice is once"
    w.at(MONDAY + timedelta(minutes=29))
    assert w.told("chief") == []
    w.at(MONDAY + timedelta(minutes=30))
    w.at(MONDAY + timedelta(minutes=40))
    assert w.told("chief") == ["suspected 5.0 ha"]
    (line,) = journal.read(w.folder / "chief.jsonl")
    assert line["body"]["remark"] == "ESCALATED: duty has not acknowledged within 30 minutes."
    assert line["body"]["text"].startswith("ESCALATED: ")
    # Whoever was alerted hears how it went on.
    w.becomes(unanswered, State.REFUTED)
    w.becomes(answered, State.REFUTED)
    w.at(MONDAY + HOUR)
    assert w.told("chief")[1:] == ["withdrawn 5.0 ha"]
    assert len(w.told("pager")) == 4


def test_what_is_withdrawn_is_not_escalated(office) -> None:
    w = office(duty(escalation=Escalation("chief", timedelta(minutes=30))))
    (one,) = w.found(50_000.0)
    w.at(MONDAY)
    w.becomes(one, State.REFUTED)
    w.at(MONDAY + timedelta(minutes=40))
    assert w.told("chief") == []


def test_a_receipt_may_acknowledge(office) -> None:
    w = office(duty(escalation=Escalation("chief", timedelta(minutes=30))))
    with robot() as url:
        pager = Channel("pager", SecretStr(url), exercise=False)
        others = [one for one in w.services.channels if one.name != "pager"]
        w.services = replace(w.services, channels=(pager, *others))
        w.found(50_000.0)
        w.at(MONDAY)
    w.at(MONDAY + HOUR)
    assert w.told("chief") == []
    with transaction(w.engine) as s:
        (record,) = outbox.list_alerts(s)
    (ack,) = record.acknowledged
    assert (ack.by_whom, ack.subscriber, ack.channel) == ("on-call robot", "duty", "pager")


def test_workers_side_by_side_decide_once(office) -> None:
    w = office(duty(budget=2))
    w.found(9_000.0, 50_000.0, 20_000.0)
    for now in (MONDAY, MONDAY + DAY):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: notify_due(w.services, now), range(4)))  # noqa: B023
    with transaction(w.engine) as s:
        (digest,) = outbox.list_bulletins(s)
        alerts = outbox.list_alerts(s)
    assert len(digest.deliveries) == 1
    assert len(digest.bulletin.content["alerts"]) == 2
    states = sorted(notice.state for record in alerts for notice in record.notices)
    assert states == ["listed", "listed", "sent"]
    assert sum(one.channel == "pager" for record in alerts for one in record.deliveries) == 1


def test_a_broken_map_costs_no_alert(office) -> None:
    w = office()
    with transaction(w.engine) as s:
        s.execute(text("ALTER TABLE scarpwatch.exposure_features RENAME TO gone"))
    w.found(50_000.0)
    w.at(MONDAY)
    assert w.told("open") == ["suspected 5.0 ha"]


def test_a_subscriber_without_its_channel_waits(office) -> None:
    w = office(duty(budget=0))
    w.found(50_000.0)
    w.at(MONDAY)
    channels = w.services.channels
    w.services = replace(w.services, channels=())
    w.at(MONDAY + DAY)
    w.services = replace(w.services, channels=channels)
    w.at(MONDAY + 2 * DAY)
    assert w.told("pager") == ["digest suspected 5.0 ha"]


def exclude(w: Office, *boxes: tuple[float, float, float, float], reason: str = "quarry") -> None:
    with transaction(w.engine) as s:
        for one in boxes:
            exclusions.add_exclusion(s, MultiPolygon([box(*one)]), reason, "Pit")


def test_a_quarry_is_counted_and_never_alerted(office) -> None:
    w = office()
    # The two halves of the first overlap, and cover 60 % of it; the second is covered by 40 %.
    exclude(w, (-119.71, 34, -119.6988, 35), (-119.7005, 34, -119.6988, 35))
    exclude(w, (-119.70, 34, -119.6892, 35), reason="works")
    with transaction(w.engine) as s:
        for one in exclusions.list_exclusions(s):
            if one.reason == "works":
                exclusions.end_exclusion(s, one.id)
    exclude(w, (-119.695, 34, -119.6892, 35), reason="reservoir")
    inside, beside = w.found(10_000.0, 20_000.0)
    w.at(MONDAY)
    assert w.told("open") == ["suspected 2.0 ha"]
    w.becomes(inside, State.CONFIRMED)
    w.becomes(inside, State.REFUTED)
    w.becomes(beside, State.CONFIRMED)
    w.at(MONDAY)
    assert w.told("open")[1:] == ["confirmed 2.0 ha"]
    with transaction(w.engine) as s:
        held = {one.reason: one for one in exclusions.list_exclusions(s) if one.withheld}
        (quarry,) = held.values()
        assert (quarry.reason, quarry.landslides, quarry.detections) == ("quarry", 1, 1)
        assert quarry.withheld == 2, "what would have been suspected, and confirmed"
        assert counts.summary(s).regions[w.region.id].withheld == 2
        assert exclusions.covered_landslides(s, [inside, beside], 0.5).keys() == {inside.id}


def test_what_was_told_before_the_exclusion_is_still_withdrawn(office) -> None:
    w = office()
    (one,) = w.found(10_000.0)
    exclude(w, (-119.8, 34, -119.6, 35))
    w.becomes(one, State.REFUTED)
    w.at(MONDAY)
    assert w.told("open") == ["suspected 1.0 ha", "withdrawn 1.0 ha"]


def test_what_outgrows_the_quarry_is_alerted(office) -> None:
    w = office()
    exclude(w, (-119.8, 34, -119.6, 34.502))
    (one,) = w.found(10_000.0)
    larger = MultiPolygon([box(-119.7, 34.5, -119.698, 34.51)])
    w.becomes(one, State.SUSPECTED)
    w.becomes(one, State.SUSPECTED, geometry=larger, area_m2=50_000.0)
    w.becomes(one, State.SUSPECTED, geometry=larger, area_m2=60_000.0)
    w.at(MONDAY)
    assert w.told("open") == ["suspected 5.0 ha"]


def test_a_person_outranks_a_line_on_a_map(office) -> None:
    w = office()
    exclude(w, (-119.8, 34, -119.6, 35))
    (one,) = w.found(10_000.0)
    w.becomes(one, State.CONFIRMED, reviewed_by="Kari")
    w.at(MONDAY)
    assert w.told("open") == ["confirmed 1.0 ha"]
