"""Feeds of earthquakes (GeoJSON summaries) and of warnings (CAP 1.2, alone or in Atom), read.

Feeds are written by others: sizes are bounded, XML has no document type, numbers must be what they
can be, links are followed on the feed's own server only. One entry that is broken is left out and
named; the rest counts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
import shapely
from lxml import etree
from pyproj import Geod
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from alerts.cap_rules import parse
from detectors.errors import CatalogueUnavailable, HostileFile
from detectors.events import Severity, TriggerEvent, reach_km
from flows.hostile import parse_json

#: A feed, or one message of it, may weigh so much.
MOST_BYTES = 10 * 10**6
#: Entries of a feed that are read, and messages that are fetched for them.
MOST_ENTRIES = 5_000
MOST_LINKS = 100
TIMEOUT_S = 30.0
#: So many time-outs an answer may take as a whole: bytes may drip without end.
_WHOLE = 4
_CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
_ATOM = "{http://www.w3.org/2005/Atom}"
_LONGEST_TEXT = 300
#: A warning that does not say when it ends, and the longest that is believed.
_UNSAID, _LONGEST = timedelta(days=1), timedelta(days=30)
_EARTH = Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed held."""

    events: tuple[TriggerEvent, ...]
    """What could be read."""
    left_out: tuple[str, ...]
    """What could not, and why."""


class Fetcher:
    """Gets feeds and what they link to."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self.url, self._timeout_s = url, timeout_s
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, link: str | None = None) -> bytes:
        """Return a document of the feed's server, the feed itself without a link.

        Raises:
            CatalogueUnavailable: it cannot be had, is too large, or lies elsewhere.
        """
        url = self.url if link is None else urljoin(self.url, link)
        if urlsplit(url)[:2] != urlsplit(self.url)[:2]:
            raise CatalogueUnavailable("a link to another server is not followed")
        content, deadline = bytearray(), time.monotonic() + _WHOLE * self._timeout_s
        try:
            with self._client.stream("GET", url) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise CatalogueUnavailable(f"HTTP {answer.status_code}")
                for part in answer.iter_bytes():
                    content += part
                    if time.monotonic() > deadline:
                        raise CatalogueUnavailable("it does not come to an end")
                    if len(content) > MOST_BYTES:
                        raise CatalogueUnavailable(f"larger than {MOST_BYTES:,} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The address may hold a key.
            raise CatalogueUnavailable(f"no answer: {type(error).__name__}") from None
        return bytes(content)


def earthquakes(fetcher: Fetcher, least: float, factor: float) -> Feed:
    """Read a GeoJSON summary of earthquakes; weaker ones than ``least`` count as cancelled.

    Raises:
        CatalogueUnavailable: it cannot be had, or is none.
    """
    try:
        document = parse_json(fetcher.get(), "feed")
        features = document["features"]
    except HostileFile as error:
        raise CatalogueUnavailable(str(error)) from None
    except (ValueError, TypeError, KeyError):
        features = None
    if not isinstance(features, list):
        raise CatalogueUnavailable("no GeoJSON FeatureCollection")
    events, left_out = [], []
    for feature in features[:MOST_ENTRIES]:
        try:
            event = _earthquake(feature, least, factor)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            name = feature.get("id") if isinstance(feature, dict) else None
            left_out.append(f"{_text(name) or 'a feature'}: cannot be read")
            continue
        if event is not None:
            events.append(event)
    return Feed(tuple(events), tuple(left_out))


def _earthquake(feature: dict[str, Any], least: float, factor: float) -> TriggerEvent | None:
    said = feature["properties"]
    if said.get("type", "earthquake") != "earthquake":
        return None  # quarry blasts, ice quakes
    magnitude = said["mag"]
    deleted = said.get("status") == "deleted"
    if magnitude is None and not deleted:
        return None  # not known yet; the next version says
    magnitude = float(0 if magnitude is None else magnitude)
    lon, lat = (float(one) for one in feature["geometry"]["coordinates"][:2])
    if not (-2 < magnitude < 11 and -180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(magnitude)
    moment, title = _epoch(said["time"]), _text(said.get("title")) or _text(said.get("place"))
    return TriggerEvent(
        event_id=_required(feature["id"]), version=_epoch(said.get("updated") or said["time"]),
        title=title or f"M {magnitude:.1f}", begins_at=moment, ends_at=moment,
        place=Point(lon, lat), reach_km=reach_km(magnitude, factor), magnitude=magnitude,
        cancelled=deleted or magnitude < least,
    )  # fmt: skip


def warnings(fetcher: Fetcher, least: Severity) -> Feed:
    """Read a CAP message or an Atom feed of them; milder ones than ``least`` count as cancelled.

    An update or a cancellation also cancels what it refers to.

    Raises:
        CatalogueUnavailable: it cannot be had, or is neither.
    """
    try:
        root = parse(fetcher.get())
    except ValueError as error:
        raise CatalogueUnavailable(str(error)) from None
    if root.tag not in (f"{_CAP}alert", f"{_ATOM}feed"):
        raise CatalogueUnavailable("neither CAP 1.2 nor an Atom feed")
    events: list[TriggerEvent] = []
    left_out: list[str] = []
    for name, alert in _messages(fetcher, root, left_out):
        try:
            events += _warning(alert, least)
        except (ValueError, OverflowError) as error:
            left_out.append(f"{name}: {str(error)[:100] or 'cannot be read'}")
    return Feed(tuple(events), tuple(left_out))


def _messages(
    fetcher: Fetcher, root: etree._Element, left_out: list[str]
) -> Iterator[tuple[str, etree._Element]]:
    """Yield the messages of a feed: written into it, or linked to."""
    if root.tag == f"{_CAP}alert":
        yield "the message", root
        return
    fetched = 0
    for entry in root.findall(f"{_ATOM}entry")[:MOST_ENTRIES]:
        name = _text(entry.findtext(f"{_ATOM}id")) or "an entry"
        inside = entry.find(f".//{_CAP}alert")
        if inside is not None:
            yield name, inside
            continue
        links = [
            link.get("href", "")
            for link in entry.findall(f"{_ATOM}link")
            if link.get("type") == "application/cap+xml"
        ]
        if not links or fetched >= MOST_LINKS:
            left_out.append(f"{name}: no CAP message" if not links else f"{name}: too many links")
            continue
        fetched += 1
        try:
            yield name, parse(fetcher.get(links[0]))
        except (ValueError, CatalogueUnavailable) as error:
            left_out.append(f"{name}: {str(error)[:100]}")


def _warning(alert: etree._Element, least: Severity) -> list[TriggerEvent]:
    """Return what one message says: itself, and the end of what it refers to."""
    said = {name: _text(alert.findtext(f"{_CAP}{name}")) for name in ("status", "msgType", "sent")}
    if alert.tag != f"{_CAP}alert":
        raise ValueError("no CAP 1.2 message")
    if said["status"] != "Actual" or said["msgType"] not in ("Alert", "Update", "Cancel"):
        return []
    own = _required(alert.findtext(f"{_CAP}identifier"))
    sent = _moment(said["sent"])
    over = [
        TriggerEvent(
            part.split(",")[1][:_LONGEST_TEXT], sent, f"replaced by {own}"[:_LONGEST_TEXT], sent,
            sent, Point(), cancelled=True,
        )
        for part in (alert.findtext(f"{_CAP}references") or "").split()[:MOST_LINKS]
        if part.count(",") == 2
    ]  # fmt: skip
    if said["msgType"] == "Cancel":
        return over
    info = alert.find(f"{_CAP}info")
    if info is None:
        raise ValueError("nothing is warned of")
    text = {
        name: _text(info.findtext(f"{_CAP}{name}"))
        for name in ("event", "headline", "severity", "onset", "effective", "expires")
    }
    begins = _moment(text["onset"] or text["effective"] or said["sent"])
    ends = _moment(text["expires"]) if text["expires"] else begins + _UNSAID
    ladder = list(Severity)
    mild = text["severity"] not in ladder or ladder.index(
        Severity(text["severity"])
    ) < ladder.index(least)
    own_event = TriggerEvent(
        own, sent, text["headline"] or text["event"] or own, begins,
        min(max(begins, ends), begins + _LONGEST), _area(info), severity=text["severity"] or None,
        cancelled=mild,
    )  # fmt: skip
    return [*over, own_event]


def _area(info: etree._Element) -> BaseGeometry:
    """Return the warned ground.

    Raises:
        ValueError: none is given, or what is given is no ground.
    """
    parts: list[BaseGeometry] = []
    for ring in info.iterfind(f".//{_CAP}polygon"):
        pairs = [_pair(one) for one in (ring.text or "").split()[:10_000]]
        parts.append(shapely.make_valid(Polygon(pairs)))
    for circle in info.iterfind(f".//{_CAP}circle"):
        where, _, radius = (circle.text or "").strip().partition(" ")
        lon, lat = _pair(where)
        reach = float(radius)
        if not 0 <= reach <= 5_000:
            raise ValueError("a circle of no size")
        around = range(0, 360, 10)
        lons, lats, _ = _EARTH.fwd(
            [lon] * 36, [lat] * 36, list(around), [max(reach, 1.0) * 1000] * 36
        )
        if max(lons) - min(lons) > 180:
            raise ValueError("a circle over the 180th meridian")
        parts.append(Polygon(list(zip(lons, lats, strict=True))))
    union = shapely.union_all(parts)
    ground = [one for one in getattr(union, "geoms", [union]) if isinstance(one, Polygon)]
    if not ground or union.is_empty:
        raise ValueError("no area")
    return shapely.union_all(ground)


def _pair(text: str) -> tuple[float, float]:
    """Return longitude, latitude of CAP's ``lat,lon``."""
    lat, lon = (float(one) for one in text.split(","))
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise ValueError("a place beyond the Earth")
    return lon, lat


def _epoch(milliseconds: Any) -> datetime:
    value = float(milliseconds) / 1000
    if not math.isfinite(value) or not 0 <= value < 4e9:
        raise ValueError(value)
    return datetime.fromtimestamp(value, UTC)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC)


def _required(value: Any) -> str:
    text = _text(value)
    if not text:
        raise ValueError("no identifier")
    return text


def _text(value: Any) -> str:
    """Return a line of text, of what others wrote, without control characters."""
    words = " ".join(str(value if value is not None else "").split())
    return "".join(one for one in words if one.isprintable())[:_LONGEST_TEXT]
