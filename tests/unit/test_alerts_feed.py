"""Feeds as programs read them, with the standard library's parser."""

from __future__ import annotations

import json
import uuid
import xml.etree.ElementTree as Tree
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shapely.geometry import MultiPolygon, box, shape

from alerts.cap import Header
from alerts.feed import Feed, Told, atom, cap_atom, cap_path, geojson
from alerts.sample import sample_alert
from detectors.types import Alert

ATOM, GEORSS = "{http://www.w3.org/2005/Atom}", "{http://www.georss.org/georss}"
AT = datetime(2023, 1, 1, 14, 15, tzinfo=UTC)
REAL = Feed("Example agency", "alerts.example.org", False, "https://alerts.example.org/feeds/")
DRILL = replace(REAL, exercise=True)
PLACE = MultiPolygon([box(10.40, 63.40, 10.41, 63.41)])


def told(kind: str = "suspected", days: float = 0, *, real: bool = True, at: datetime = AT) -> Told:
    alert = sample_alert(at, kind)
    if real:
        slide = replace(alert.landslide, simulated=False, geometry=PLACE)
        alert = replace(alert, exercise=False, landslide=slide)
    when = at + timedelta(days=days)
    stamp = when.isoformat(timespec="seconds")
    return Told(alert, when, Header("alerts.example.org", str(alert.id), stamp, "Alert"))


def entries(feed: bytes) -> list[Tree.Element]:
    return Tree.fromstring(feed).findall(f"{ATOM}entry")


def links(element: Tree.Element) -> dict[str, tuple[str, str]]:
    found = element.findall(f"{ATOM}link")
    return {one.attrib["rel"]: (one.attrib["type"], one.attrib["href"]) for one in found}


def test_an_event_is_one_entry_whose_id_never_changes() -> None:
    first, last = told(), told("confirmed", 3)
    before, after = entries(atom([first], REAL)), entries(atom([last, first], REAL))
    assert len(before) == len(after) == 1
    slide = first.alert.landslide.id
    assert before[0].findtext(f"{ATOM}id") == after[0].findtext(f"{ATOM}id") == f"urn:uuid:{slide}"
    assert after[0].findtext(f"{ATOM}published") == "2023-01-01T14:15:00Z"
    assert after[0].findtext(f"{ATOM}updated") == "2023-01-04T14:15:00Z"
    href = f"https://alerts.example.org/feeds/cap/{last.alert.id}.xml"
    assert links(after[0])["related"] == ("application/cap+xml", href)


def test_a_withdrawn_event_keeps_its_entry_and_says_so() -> None:
    (entry,) = entries(atom([told(), told("withdrawn", 3)], REAL))
    assert entry.findtext(f"{ATOM}title").startswith("Withdrawn: ")
    assert entry.findtext(f"{ATOM}updated") == "2023-01-04T14:15:00Z"
    (feature,) = json.loads(geojson([told(), told("withdrawn", 3)], REAL))["features"]
    assert feature["properties"]["withdrawn"] is True
    assert feature["properties"]["title"].startswith("Withdrawn: ")


def test_a_feed_has_what_atom_asks_for_and_the_latest_comes_first() -> None:
    other = told(at=AT + timedelta(days=1))
    root = Tree.fromstring(atom([told(), other, told("confirmed", 2)], REAL))
    assert root.findtext(f"{ATOM}updated") == "2023-01-03T14:15:00Z"
    assert root.findtext(f"{ATOM}author/{ATOM}name") == "Example agency"
    assert links(root)["self"][1] == "https://alerts.example.org/feeds/alerts.atom"
    assert uuid.UUID(root.findtext(f"{ATOM}id"))
    titles = [one.findtext(f"{ATOM}title") for one in root.findall(f"{ATOM}entry")]
    assert [title.split()[0] for title in titles] == ["Confirmed", "Suspected"]
    ids = {root.findtext(f"{ATOM}id") for root in map(Tree.fromstring, (
        atom([], REAL), atom([], DRILL), cap_atom([], REAL), cap_atom([], DRILL),
    ))}  # fmt: skip
    assert len(ids) == 4


def test_georss_has_latitude_first() -> None:
    (entry,) = entries(atom([told()], REAL))
    lat, lon = map(float, entry.findtext(f"{GEORSS}point").split(" "))
    assert (round(lat), round(lon)) == (63, 10)
    ring = [float(one) for one in entry.findtext(f"{GEORSS}polygon").split(" ")]
    assert ring[:2] == ring[-2:]
    corners = list(zip(ring[1::2], ring[::2], strict=True))
    assert shape({"type": "Polygon", "coordinates": [corners]}).covers(PLACE)
    parts = told()
    two = MultiPolygon([*PLACE.geoms, box(10.5, 63.4, 10.51, 63.41)])
    slide = replace(parts.alert.landslide, geometry=two)
    (entry,) = entries(atom([replace(parts, alert=replace(parts.alert, landslide=slide))], REAL))
    south, west, north, east = map(float, entry.findtext(f"{GEORSS}box").split(" "))
    assert box(west, south, east, north).covers(two)


def test_exercises_and_real_alerts_never_meet() -> None:
    real, drill = told(), told(real=False, at=AT + timedelta(hours=1))
    forgotten = replace(drill, alert=replace(drill.alert, exercise=False))  # simulated all the same
    for make in (atom, cap_atom):
        (entry,) = entries(make([real, forgotten], REAL))
        assert "EXERCISE" not in entry.findtext(f"{ATOM}title")
        (entry,) = entries(make([real, forgotten], DRILL))
        assert entry.findtext(f"{ATOM}title").startswith("EXERCISE SIMULATED: ")
        title = Tree.fromstring(make([], DRILL)).findtext(f"{ATOM}title")
        assert title.startswith("EXERCISE: ")
    keys = [
        [f["properties"]["key"] for f in json.loads(geojson([real, forgotten], feed))["features"]]
        for feed in (REAL, DRILL)
    ]
    assert keys == [[str(real.alert.id)], [str(drill.alert.id)]]


def test_the_cap_feed_has_an_entry_for_each_message() -> None:
    without = replace(told("withdrawn", 4), header=None)
    found = entries(cap_atom([told(), told("confirmed", 3), without], REAL))
    assert [one.findtext(f"{ATOM}updated")[:10] for one in found] == ["2023-01-04", "2023-01-01"]
    assert links(found[1])["alternate"][1].endswith(cap_path(told().alert.id))
    assert found[1].findtext(f"{ATOM}id") == f"urn:uuid:{told().alert.id}"


def test_geojson_is_strict_and_has_longitude_first() -> None:
    one = told()
    slide = replace(one.alert.landslide, area_m2=float("nan"))
    content = geojson([replace(one, alert=replace(one.alert, landslide=slide))], REAL)
    (feature,) = json.loads(content, parse_constant=lambda name: 1 / 0)["features"]
    assert shape(feature["geometry"]).equals(PLACE)
    assert feature["id"] == str(slide.id)
    assert feature["properties"]["area_m2"] is None


def test_the_same_events_make_the_same_bytes_and_nowhere_is_no_place() -> None:
    def nowhere(alert: Alert) -> Alert:
        return replace(alert, landslide=replace(alert.landslide, geometry=MultiPolygon()))

    events = [told(), told("confirmed", 3), told(at=AT + timedelta(days=1))]
    events[2] = replace(events[2], alert=nowhere(events[2].alert))
    for make in (atom, cap_atom, geojson):
        assert make(events, REAL) == make(events[::-1], REAL)
        assert make(events, replace(REAL, url="")) != make(events, REAL)
