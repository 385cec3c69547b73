"""Feeds for programs that fetch: Atom with GeoRSS, GeoJSON, and one of CAP messages. Pure.

The first two hold one entry per event, whose id never changes; a withdrawn event keeps its entry,
and its title says so. The third holds one entry per message. The same events make the same bytes.
Real alerts and exercises are never in one feed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree
from shapely.geometry import mapping

from alerts import wording
from alerts.cap_records import Header
from alerts.cap_texts import description, headline
from alerts.message import credits_line
from alerts.rings import Ring, lat_lon, outer_rings
from alerts.rules import is_exercise, severity
from detectors.types import Alert, State, derive_id, require_utc

ATOM_NS = "http://www.w3.org/2005/Atom"
GEORSS_NS = "http://www.georss.org/georss"
CAP_TYPE = "application/cap+xml"
#: Exercises have a folder of their own, so that no subscription to the other can meet one.
EXERCISES = "exercise"
#: An empty feed has not been updated since.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """One alert that was told."""

    alert: Alert
    """What."""
    at: datetime
    """When it was decided, UTC."""
    header: Header | None
    """Its CAP message; None where it has none."""
    picture: bool = False
    """There is a picture of it beside the feeds."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed says of itself."""

    author: str
    """Who speaks."""
    sender: str
    """The sender of the CAP messages: makes the feed's id."""
    exercise: bool
    """Holds exercises only; else real alerts only."""
    url: str = ""
    """Of the folder it stands in, ending in a slash; empty leaves links relative."""


def cap_path(key: uuid.UUID) -> str:
    """Return where the CAP message of an alert lies, seen from the feeds."""
    return f"cap/{key}.xml"


def picture_path(key: uuid.UUID) -> str:
    """Return where the picture of an alert lies, seen from the feeds."""
    return f"pictures/{key}.png"


def atom(told: Iterable[Told], feed: Feed) -> bytes:
    """Return one entry per event, the latest first, with its place in GeoRSS."""
    events = _events(told, feed)
    root = _root(feed, "alerts.atom", "alerts", [event[-1].at for event in events])
    for event in events:
        latest = event[-1]
        entry = etree.SubElement(root, "entry")
        _text(entry, "id", f"urn:uuid:{latest.alert.landslide.id}")
        _text(entry, "title", headline(latest.alert))
        _text(entry, "updated", _iso(latest.at))
        _text(entry, "published", _iso(event[0].at))
        if latest.header is not None:
            # Both: alternate for readers that follow it, related as earthquake feeds have it.
            for relation in ("alternate", "related"):
                _link(entry, relation, feed.url + cap_path(latest.alert.id), CAP_TYPE)
        if latest.picture:
            _link(entry, "enclosure", feed.url + picture_path(latest.alert.id), "image/png")
        for term in _terms(latest.alert):
            etree.SubElement(entry, "category", term=term)
        _text(entry, "summary", headline(latest.alert))
        _text(entry, "content", description(latest.alert), type="text")
        _place(entry, latest.alert)
    return _bytes(root)


def cap_atom(told: Iterable[Told], feed: Feed) -> bytes:
    """Return one entry per CAP message, the latest first, with a link to it."""
    sent = [one for event in _events(told, feed) for one in event if one.header is not None]
    sent.sort(key=lambda one: (one.at, str(one.alert.id)), reverse=True)
    root = _root(feed, "cap.atom", "CAP messages", [one.at for one in sent])
    for one in sent:
        assert one.header is not None  # noqa: S101 - chosen above
        entry = etree.SubElement(root, "entry")
        _text(entry, "id", f"urn:uuid:{one.alert.id}")
        _text(entry, "title", headline(one.alert))
        _text(entry, "updated", _iso(datetime.fromisoformat(one.header.sent)))
        _link(entry, "alternate", feed.url + cap_path(one.alert.id), CAP_TYPE)
        for term in (one.header.msg_type, *_terms(one.alert)):
            etree.SubElement(entry, "category", term=term)
        _text(entry, "summary", headline(one.alert))
        _place(entry, one.alert)
    return _bytes(root)


def geojson(told: Iterable[Told], feed: Feed) -> bytes:
    """Return a FeatureCollection of the events, lon/lat, the latest first."""
    events = _events(told, feed)
    document = {
        "type": "FeatureCollection",
        "title": _title(feed, "alerts"),
        "updated": _iso(max((event[-1].at for event in events), default=_NEVER)),
        "exercise": feed.exercise,
        "features": [_feature(event, feed) for event in events],
    }
    text = json.dumps(wording.strict_json(document), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _feature(event: Sequence[Told], feed: Feed) -> dict[str, object]:
    latest = event[-1]
    alert, landslide = latest.alert, latest.alert.landslide
    path = feed.url + cap_path(alert.id)
    return {
        "type": "Feature",
        "id": str(landslide.id),
        "geometry": None if landslide.geometry.is_empty else mapping(landslide.geometry),
        "properties": {
            "title": headline(alert),
            "text": description(alert),
            "exercise": is_exercise(alert),
            "simulated": landslide.simulated,
            "withdrawn": landslide.state is State.REFUTED,
            "alert": alert.kind,
            "kind": landslide.kind.value,
            "state": landslide.state.value,
            "tier": landslide.tier.value,
            "severity": severity(landslide, alert.exposure).value,
            "region": landslide.region_id,
            "area_m2": landslide.area_m2,
            "not_before": _iso(landslide.not_before),
            "not_after": _iso(landslide.not_after),
            "published": _iso(event[0].at),
            "updated": _iso(latest.at),
            "key": str(alert.id),
            "keys": [str(one.alert.id) for one in event],
            "cap": None if latest.header is None else path,
            "picture": feed.url + picture_path(alert.id) if latest.picture else None,
            "credits": credits_line(alert),
        },
    }


def _events(told: Iterable[Told], feed: Feed) -> list[list[Told]]:
    """Return what a feed may hold, by event, each oldest first; the latest event first."""
    events: dict[uuid.UUID, list[Told]] = {}
    for one in sorted(told, key=lambda one: (one.at, one.alert.landslide.revision)):
        if is_exercise(one.alert) is feed.exercise:
            events.setdefault(one.alert.landslide.id, []).append(one)
    ordered = sorted(events.values(), key=lambda event: str(event[0].alert.landslide.id))
    return sorted(ordered, key=lambda event: event[-1].at, reverse=True)


def _title(feed: Feed, what: str) -> str:
    author = wording.one_line(feed.author)
    return f"EXERCISE: {author}: {what}" if feed.exercise else f"{author}: {what}"


def _root(feed: Feed, name: str, what: str, times: Sequence[datetime]) -> etree._Element:
    root = etree.Element("feed", nsmap={None: ATOM_NS, "georss": GEORSS_NS})
    kind = "exercise" if feed.exercise else "actual"
    _text(root, "id", f"urn:uuid:{derive_id('feed', feed.sender, kind, name)}")
    _text(root, "title", _title(feed, what))
    _text(root, "updated", _iso(max(times, default=_NEVER)))
    _text(etree.SubElement(root, "author"), "name", wording.one_line(feed.author))
    _link(root, "self", feed.url + name, "application/atom+xml")
    return root


def _terms(alert: Alert) -> list[str]:
    """Return the words an entry can be found by."""
    landslide = alert.landslide
    words = [alert.kind, landslide.kind.value, landslide.state.value, landslide.tier.value]
    if is_exercise(alert):
        words.append("exercise")
    if landslide.simulated:
        words.append("simulated")
    return list(dict.fromkeys(words))


def _place(entry: etree._Element, alert: Alert) -> None:
    """Add a point inside, and the outline; of several parts the box around them all."""
    point = wording.place(alert.landslide.geometry)
    if point is None:
        return
    _georss(entry, "point", [(f"{point[1]:.5f}", f"{point[0]:.5f}")])
    rings = outer_rings(alert.landslide.geometry)
    if len(rings) == 1:
        _georss(entry, "polygon", lat_lon(rings[0]))
    elif rings:
        lons, lats = zip(*(corner for ring in rings for corner in ring), strict=True)
        box: Ring = ((min(lons), min(lats)), (max(lons), max(lats)))
        _georss(entry, "box", lat_lon(box))


def _georss(entry: etree._Element, name: str, corners: Iterable[tuple[str, str]]) -> None:
    element = etree.SubElement(entry, f"{{{GEORSS_NS}}}{name}")
    element.text = " ".join(f"{lat} {lon}" for lat, lon in corners)


def _text(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, name, attributes).text = text


def _link(parent: etree._Element, relation: str, href: str, kind: str) -> None:
    etree.SubElement(parent, "link", rel=relation, type=kind, href=href)


def _iso(when: datetime) -> str:
    return require_utc(when, "time").isoformat(timespec="seconds").replace("+00:00", "Z")


def _bytes(root: etree._Element) -> bytes:
    found: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return found
