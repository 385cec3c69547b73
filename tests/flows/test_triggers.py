"""Feeds of earthquakes and warnings: read over HTTP, stored once, and what they raise."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from shapely.geometry import MultiPolygon, box
from sqlalchemy import text

from db import store, triggers
from detectors.errors import CatalogueUnavailable
from detectors.events import Severity, reach_km
from flows.settings import Settings, TriggerSettings
from flows.trigger_feeds import MOST_BYTES, Fetcher, earthquakes, warnings
from flows.triggers import read_triggers
from flows.turns import plans
from tests.series import END

#: The slope lies at 34.62 N, 119.80 W; the clock of these tests stands a day after the quake.
STRUCK = datetime(2023, 11, 15, 4, tzinfo=UTC)
NOW = STRUCK + timedelta(days=1)
TEN = timedelta(minutes=10)
CAP = "urn:oasis:names:tc:emergency:cap:1.2"


class Pages:
    """What the feed's server answers, by path."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.url = ""

    def put(self, path: str, body: Any, status: int = 200) -> str:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = (status, content)
        return f"{self.url}{path}"


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    kept = Pages()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = kept.answers.get(self.path, (404, b""))
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return  # whoever asked had enough

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        kept.url = f"http://127.0.0.1:{server.server_address[1]}"
        Thread(target=server.serve_forever, daemon=True).start()
        yield kept
        server.shutdown()


def quake(magnitude: float | None = 6.0, *, at: datetime = STRUCK, **more: Any) -> dict[str, Any]:
    """A feature as agencies publish it: times in milliseconds."""
    point = more.pop("point", [-119.7, 34.5, 12.0])
    said = {
        "mag": magnitude, "place": "10 km N of Somewhere", "time": at.timestamp() * 1000,
        "updated": at.timestamp() * 1000 + 60_000, "status": "automatic", "type": "earthquake",
        "title": f"M {magnitude} - 10 km N of Somewhere",
    }  # fmt: skip
    return {
        "type": "Feature", "id": more.pop("id", "nn1"), "properties": said | more,
        "geometry": {"type": "Point", "coordinates": point},
    }  # fmt: skip


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "metadata": {}, "features": list(features)}


def warning(identifier: str = "w1", kind: str = "Alert", **more: str) -> str:
    said = {
        "status": "Actual", "severity": "Severe", "sent": "2023-11-15T06:00:00+00:00",
        "onset": "2023-11-15T08:00:00+00:00", "expires": "2023-11-15T20:00:00+00:00",
        "area": "<polygon>34.5,-119.9 34.5,-119.7 34.7,-119.7 34.7,-119.9 34.5,-119.9</polygon>",
        "references": "",
    } | more  # fmt: skip
    return (
        f'<alert xmlns="{CAP}"><identifier>{identifier}</identifier><sender>met.example</sender>'
        f"<sent>{said['sent']}</sent><status>{said['status']}</status><msgType>{kind}</msgType>"
        f"<scope>Public</scope><references>{said['references']}</references>"
        f"<info><category>Met</category><event>rain</event><urgency>Future</urgency>"
        f"<severity>{said['severity']}</severity><certainty>Likely</certainty>"
        f"<onset>{said['onset']}</onset><expires>{said['expires']}</expires>"
        f"<headline>Heavy rain</headline><area><areaDesc>here</areaDesc>{said['area']}</area>"
        "</info></alert>"
    )


def atom(*entries: str) -> bytes:
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries)}</feed>'.encode()


def inside(message: str) -> str:
    return f'<entry><id>e</id><content type="text/xml">{message}</content></entry>'


def read_quakes(url: str) -> Any:
    with Fetcher(url, 5) as fetcher:
        return earthquakes(fetcher, 5.0, 3.0)


def read_warnings(url: str) -> Any:
    with Fetcher(url, 5) as fetcher:
        return warnings(fetcher, Severity.SEVERE)


#: Area in km2 by magnitude as published: on average, and at most. Average at 5.8 and most at 5.8
#: before that earthquake: Jibson and Harp (2012, figure of the epicentral region); the rest from
#: the abstract of Keefer (1984).
MEAN_KM2 = {5.8: 219}
MOST_KM2 = {5.8: 1_500, 9.2: 500_000}
#: The scatter of the relation, in log10 (Keefer and Wilson 1989).
SCATTER = 0.47


def test_the_reach_is_the_radius_of_the_area_that_is_published() -> None:
    for magnitude, km2 in MEAN_KM2.items():
        assert round(math.pi * reach_km(magnitude, 1) ** 2) == km2
    for magnitude, km2 in MOST_KM2.items():
        assert math.pi * reach_km(magnitude, 1) ** 2 < km2 * 10**SCATTER
    assert math.pi * reach_km(4.0, 1) ** 2 < 4, "about nothing"
    assert [round(reach_km(m, 3)) for m in (5, 6, 7, 8)] == [10, 32, 100, 315]
    # Scattered rocks fell up to 60 km from epicentres of 5.8: beyond what is reached by default.
    assert reach_km(5.8, 3) == pytest.approx(25, abs=0.5)
    assert reach_km(5.8, 7.2) == pytest.approx(60, abs=0.5)


def test_earthquakes_are_read_and_what_is_broken_is_left_out(pages) -> None:
    broken = [
        None, {"id": "b1"}, quake(id="b2", time="yesterday"), quake(id="b3", point=[200, 91]),
        quake(99.0, id="b4"), quake(id="b5", time=float(10**18)), quake(id=""),
        quake(float("nan"), id="b6"),
    ]  # fmt: skip
    rest = [quake(None, id="unknown yet"), quake(5.5, id="blast", type="quarry blast")]
    weak = quake(4.0, id="weak")
    url = pages.put("/q", collection(quake(), *broken, *rest, weak))
    feed = read_quakes(url)
    assert [(one.event_id, one.cancelled) for one in feed.events] == [
        ("nn1", False),
        ("weak", True),
    ]
    assert len(feed.left_out) == len(broken)
    (event, _) = feed.events
    assert (event.begins_at, event.ends_at, event.magnitude) == (STRUCK, STRUCK, 6.0)
    assert (event.place.x, event.place.y, round(event.reach_km)) == (-119.7, 34.5, 32)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b"[]", b'{"features": 3}', b"[" * 200_000, b"\xff\xfe\x00"],
    ids=["empty", "html", "cut", "list", "number", "nested", "bytes"],
)
def test_a_broken_feed_is_named(pages, body) -> None:
    url = pages.put("/broken", body)
    with pytest.raises(CatalogueUnavailable):
        read_quakes(url)
    with pytest.raises(CatalogueUnavailable):
        read_warnings(url)


ENTITY = (
    b'<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">'
    b'<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b'<feed xmlns="http://www.w3.org/2005/Atom"><title>&x;&b;</title></feed>'
)


def test_hostile_feeds_are_refused(pages) -> None:
    with pytest.raises(CatalogueUnavailable, match="document type"):
        read_warnings(pages.put("/entity", ENTITY))
    with pytest.raises(CatalogueUnavailable, match="larger than"):
        read_quakes(pages.put("/large", b" " * (MOST_BYTES + 1)))
    with pytest.raises(CatalogueUnavailable, match="HTTP 302"):
        read_quakes(pages.put("/elsewhere", b"http://169.254.169.254/", status=302))
    with pytest.raises(CatalogueUnavailable, match="no answer"):
        read_quakes("http://127.0.0.1:9/secret-key")


def test_a_feed_that_drips_is_given_up(misbehaving, reply) -> None:
    misbehaving.on("/quakes", reply({"type": "FeatureCollection", "features": []}, drip_s=0.05))
    with (
        Fetcher(f"{misbehaving.url}/quakes", timeout_s=0.2) as fetcher,
        pytest.raises(CatalogueUnavailable, match="does not come to an end"),
    ):
        fetcher.get()


def test_warnings_are_read_out_of_a_message_a_feed_and_its_links(pages) -> None:
    (alone,) = read_warnings(pages.put("/alone", warning().encode())).events
    assert (alone.event_id, alone.title, alone.severity) == ("w1", "Heavy rain", "Severe")
    assert (alone.begins_at.hour, alone.ends_at.hour, alone.cancelled) == (8, 20, False)
    assert alone.place.bounds == (-119.9, 34.5, -119.7, 34.7)  # CAP has latitude first
    pages.put("/cap/2", warning("w2", area="<circle>34.6,-119.8 50</circle>").encode())
    linked = '<entry><id>l</id><link type="application/cap+xml" href="{}"/></entry>'
    feed = read_warnings(
        pages.put(
            "/feed",
            atom(
                inside(warning()), linked.format("/cap/2"), linked.format("http://10.0.0.1/x"),
                inside(warning("w3", severity="Minor")), inside(warning("w4", status="Test")),
                inside(warning("w5", area="")), "<entry><id>none</id></entry>",
                inside(warning("w6", onset="2023-11-15T08:00:00")),
                inside(warning("w7", area="<polygon>1,2 3,4</polygon>")),
            ),
        )
    )  # fmt: skip
    assert [(one.event_id, one.cancelled) for one in feed.events] == [
        ("w1", False), ("w2", False), ("w3", True),
    ]  # fmt: skip
    assert len(feed.left_out) == 5
    assert "another server" in feed.left_out[0]
    west, south, _, _ = feed.events[1].place.bounds
    assert (round(west, 2), round(south, 2)) == (-120.35, 34.15)


def test_updates_and_cancellations_end_what_they_refer_to(pages) -> None:
    update = warning("w2", "Update", references="met.example,w1,2023-11-15T06:00:00+00:00")
    events = read_warnings(pages.put("/u", update.encode())).events
    assert [(one.event_id, one.cancelled) for one in events] == [("w1", True), ("w2", False)]
    cancel = warning("w3", "Cancel", references="met.example,w2,2023-11-15T06:00:00+00:00")
    events = read_warnings(pages.put("/c", cancel.encode())).events
    assert [(one.event_id, one.cancelled) for one in events] == [("w2", True)]


@pytest.fixture
def shaken(watch, pages):
    """A watched region with a feed of each kind, a day after."""
    own = {
        name: TriggerSettings.model_validate(
            {"kind": kind, "url": f"{pages.url}/{name}", "lasting": "P3D"}
        )
        for name, kind in (("quakes", "earthquakes"), ("rain", "warnings"))
    }  # fmt: skip
    w = watch(settings={"triggers": own})
    w.clock.set(NOW)
    pages.answers.clear()
    return w


def every(w: Any) -> dict[str, timedelta | None]:
    return {name: plan.every for name, plan in plans(w.services).items()}


def test_an_earthquake_raises_polls_for_a_while_and_a_correction_lowers_them(shaken, pages) -> None:
    w, usual = shaken, shaken.region.poll_every
    pages.put("/quakes", collection(quake()))
    pages.put("/rain", atom())
    assert every(w) == {"slope": usual}
    assert [(one.new, one.error) for one in read_triggers(w.services)] == [(1, None), (0, None)]
    # Read again, nothing is new.
    assert [one.new for one in read_triggers(w.services)] == [0, 0]
    far = MultiPolygon([box(10, 60, 10.1, 60.1)])
    with w.open() as s:
        store.save_region(s, type(w.region)("far", "Far", far, w.region.sources))
        cron = type(w.region)(
            "cron", "Cron", w.region.geometry, w.region.sources, poll_cron="0 6 * * *",
            windows=("06",),
        )  # fmt: skip
        store.save_region(s, cron)
    # Out of its season, and by cron: raised all the same. What lies far away is not.
    assert every(w) == {"cron": TEN, "far": usual, "slope": TEN}
    # Polls that are frequent already are not lowered.
    w.sql("UPDATE regions SET poll_every = '5 min' WHERE id = 'slope'")
    assert every(w)["slope"] == timedelta(minutes=5)
    w.sql("UPDATE regions SET poll_every = '30 min' WHERE id = 'slope'")
    # For three days.
    w.clock.set(STRUCK + timedelta(days=3, minutes=1))
    assert every(w) == {"far": usual, "slope": usual}
    w.clock.set(NOW)
    # Weaker by now; then strong again; then it never was.
    for minutes, magnitude, more, raised in (
        (5, 4.2, {}, False), (6, 6.1, {}, True), (7, None, {"status": "deleted"}, False),
    ):  # fmt: skip
        updated = (STRUCK + timedelta(minutes=minutes)).timestamp() * 1000
        pages.put("/quakes", collection(quake(magnitude, updated=updated, **more)))
        assert read_triggers(w.services)[0].new == 1
        assert (every(w)["slope"] == TEN) is raised
    assert len(w.rows()["trigger_events"]) == 4


def test_a_feed_that_is_down_stops_nothing_and_says_so(shaken, pages) -> None:
    w = shaken
    pages.put("/quakes", collection(quake()))
    pages.put("/rain", warning().encode())
    assert [one.new for one in read_triggers(w.services)] == [1, 1]
    pages.put("/quakes", b"", status=503)
    pages.put("/rain", ENTITY)
    for _ in range(2):
        told = [one.error for one in read_triggers(w.services)]
        assert told[0] == "HTTP 503"
        assert "document type" in told[1]
    # What was known goes on, and so do polls.
    assert every(w) == {"slope": TEN}
    w.reach(NOW)
    assert w.poll().errors == ()
    with w.open() as s:
        quakes, rain = triggers.feed_states(s)
        assert (quakes.failures, quakes.error, quakes.succeeded_at) == (2, "HTTP 503", NOW)
        assert rain.failures == 2
        raised = triggers.raised(s, NOW)["slope"]
        assert raised.regions == ("slope",)
    # A warning that another message takes back.
    cancel = warning(
        "w9", "Cancel", references="met.example,w1,x", sent="2023-11-15T09:00:00+00:00"
    )
    pages.put("/rain", cancel.encode())
    read_triggers(w.services)
    with w.open() as s:
        assert {one.event_id: one.cancelled for one in triggers.list_events(s, STRUCK)} == {
            "nn1": False, "w1": True,
        }  # fmt: skip


def test_events_that_fit_a_landslide_are_candidates(shaken, pages) -> None:
    w = shaken
    later = quake(id="later", at=STRUCK + timedelta(days=60))
    pages.put("/quakes", collection(quake(), later))
    pages.put("/rain", b"")
    w.clock.set(END)
    read_triggers(w.services)
    w.run()
    with w.open() as s:
        found = s.execute(text("SELECT * FROM analysts.candidate_triggers")).mappings().all()
    assert {row["event_id"] for row in found} == {"nn1"}
    assert {row["trigger"] for row in found} == {"quakes"}
    assert 0 < found[0]["distance_km"] < 32


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "file:///etc/passwd"},
        {"kind": "tides"},
        {"lasting": "-P1D"},
        {"poll_every": 5},
        {"x": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(no_settings, wrong) -> None:
    own = {"kind": "earthquakes", "url": "https://agency.example/feed"} | wrong
    with pytest.raises(ValueError, match="triggers"):
        Settings(home=no_settings, triggers={"quakes": own})
