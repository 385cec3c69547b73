"""An alert as a CAP 1.2 message. Pure.

A message is composed once, when the alert is decided, and kept: what has gone out never changes,
and later messages name earlier ones exactly as they were.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from lxml import etree

from alerts import wording
from alerts.cap_records import CapMessage, Context, Header, Picture, Profile
from alerts.cap_structure import NAMESPACE, moment
from alerts.cap_texts import (
    clean,
    description_of,
    filled_in,
    finite,
    headline_of,
    instruction,
    urgency,
)
from alerts.cap_words import WORDS
from alerts.message import SCORE_UNIT
from alerts.rings import lat_lon, outer_rings
from alerts.rules import is_exercise, marks, severity
from detectors.types import Alert, Landslide, State, require_utc

__all__ = ["CapMessage", "Context", "Header", "Picture", "Profile", "compose"]

#: The largest picture that travels inside a message; larger ones are linked.
LARGEST_INSIDE = 48 * 1024
#: Certainty and what to do, by state. What was refuted keeps a block for readers, though the
#: message as a whole says Cancel.
_BELIEVED = {
    State.SUSPECTED: ("Possible", "Assess"),
    State.CONFIRMED: ("Observed", "Assess"),
    State.UNRESOLVED: ("Possible", "Monitor"),
    State.CLOSED: ("Observed", "AllClear"),
    State.REFUTED: ("Unlikely", "AllClear"),
}


def compose(
    alert: Alert,
    profile: Profile,
    earlier: Sequence[Header],
    at: datetime,
    context: Context | None = None,
) -> CapMessage:
    """Return the CAP message of an alert.

    The first of a landslide is an Alert, a later one an Update, a withdrawal a Cancel. A withdrawal
    that follows nothing is an Alert too: there is nothing it could cancel.

    Args:
        alert: What is told; exercises and simulated landslides become status Exercise.
        profile: Who tells it.
        earlier: The messages it follows, of this landslide and of those it was made of, oldest
            first.
        at: When it is decided, wall clock, aware. An earlier message's time is never undercut.
        context: What else is known.
    """
    context = context or Context()
    earlier = [one for one in earlier if one.identifier != str(alert.id)]
    sent = _time(max([at, *(when for one in earlier if (when := moment(one.sent)))]))
    kind = "Update" if earlier else "Alert"
    if earlier and alert.landslide.state is State.REFUTED:
        kind = "Cancel"
    header = Header(profile.sender, str(alert.id), sent, kind)
    root = etree.Element("alert", nsmap={None: NAMESPACE})
    _lines(
        root,
        ("identifier", header.identifier),
        ("sender", header.sender),
        ("sent", sent),
        ("status", _status(alert, context)),
        ("msgType", kind),
        ("source", "Scarpwatch"),
        ("scope", "Restricted" if context.test_for is None else "Private"),
        ("restriction", clean(profile.restriction) if context.test_for is None else ""),
        ("addresses", context.test_for or ""),
        ("note", _note(alert, profile)),
        ("references", " ".join(dict.fromkeys(one.reference for one in earlier))),
        ("incidents", " ".join(dict.fromkeys([str(alert.landslide.id), *context.incidents]))),
    )
    for language in profile.languages:
        _info(root, alert, profile, context, sent, language)
    xml = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return CapMessage(header, xml.decode())


def _status(alert: Alert, context: Context) -> str:
    if context.test_for is not None:
        return "Test"
    return "Exercise" if is_exercise(alert) else "Actual"


def _note(alert: Alert, profile: Profile) -> str:
    """Return the words for the desk: which exercise, and why a message is taken back."""
    marked = marks(exercise=is_exercise(alert), simulated=alert.landslide.simulated)
    lead = f"{marked}: {clean(profile.exercise_name)}. " if marked else ""
    cause = wording.one_line(alert.landslide.cause, 240)
    return f"{lead}{cause[:1].upper()}{cause[1:]}".strip()


def _info(
    root: etree._Element,
    alert: Alert,
    profile: Profile,
    context: Context,
    sent: str,
    language: str,
) -> None:
    """Add the block of one language; all but the texts is the same in each."""
    landslide, words = alert.landslide, WORDS[language]
    certainty, response = _BELIEVED[landslide.state]
    if context.test_for is not None:
        certainty, response = "Unknown", "None"
    filled = filled_in(alert, context, words)
    info = etree.SubElement(root, "info")
    code = profile.event_codes.get(landslide.kind.value)
    until = datetime.fromisoformat(sent) + profile.expires_after
    _lines(
        info,
        ("language", language),
        ("category", "Geo"),
        ("event", words.events[landslide.kind]),
        ("responseType", response),
        ("urgency", urgency(landslide)),
        ("severity", severity(landslide, alert.exposure).value),
        ("certainty", certainty),
    )
    if code:
        _pair(info, "eventCode", profile.event_list, code)
    _lines(
        info,
        ("effective", sent),
        ("expires", _time(until)),
        ("senderName", clean(profile.sender_name)),
        ("headline", headline_of(alert, words, filled)),
        ("description", description_of(alert, context, words, filled, language)),
        ("instruction", instruction(alert, context, words, language)),
        ("web", profile.web or ""),
        ("contact", clean(profile.contact or "")),
    )
    for name, value in _parameters(alert, context):
        _pair(info, "parameter", f"scarpwatch:{name}", value)
    if context.picture is not None:
        _resource(info, context.picture)
    _area(info, landslide, filled)


def _parameters(alert: Alert, context: Context) -> Iterable[tuple[str, str]]:
    """Yield names and values for programs; a value that is not known is left out."""
    landslide = alert.landslide
    found: dict[str, object] = {
        "alert_kind": alert.kind,
        "kind": landslide.kind.value,
        "state": landslide.state.value,
        "tier": landslide.tier.value,
        "landslide": str(landslide.id),
        "revision": landslide.revision,
        "region": landslide.region_id,
        "area_m2": finite(landslide.area_m2),
        "not_before": landslide.not_before,
        "not_after": landslide.not_after,
        "looks": landslide.looks,
        "score": finite(landslide.score_max),
        "score_unit": SCORE_UNIT,
        "evidence": finite(landslide.evidence),
        "change_db": finite(landslide.change_db),
        "source": landslide.source.value,
        "d_ndvi": finite(landslide.d_ndvi),
        "ensemble_score": finite(landslide.ensemble_score),
        "verdict_at": landslide.verdict_at,
        "observability": finite(context.share_seen),
        "share_clear": finite(context.share_clear),
        "look": wording.one_line(alert.item_id, 200),
        "sensed_at": alert.sensed_at,
        "published_at": alert.published_at,
        "next_look": context.next_look,
        "simulated": "true" if landslide.simulated else "false",
    }
    for name, value in found.items():
        match value:
            case None | "":
                continue
            case datetime():
                yield name, _time(value)
            case float():
                yield name, f"{value:.6g}"
            case _:
                yield name, str(value)


def _resource(info: etree._Element, picture: Picture) -> None:
    """Add a picture: linked where it has an address, inside where it is small."""
    content = picture.content or b""
    small = 0 < len(content) <= LARGEST_INSIDE
    if not small and picture.uri is None:
        return
    _lines(
        etree.SubElement(info, "resource"),
        ("resourceDesc", clean(picture.description, 400)),
        ("mimeType", "image/png"),
        ("size", str(len(content)) if content else ""),
        ("uri", picture.uri or ""),
        ("derefUri", base64.b64encode(content).decode() if small else ""),
        # CAP 1.2 asks for SHA-1; it tells of a broken transfer, not of a forgery.
        ("digest", hashlib.sha1(content, usedforsecurity=False).hexdigest() if content else ""),
    )


def _area(info: etree._Element, landslide: Landslide, filled: Mapping[str, str]) -> None:
    place = f", {filled['lat']},{filled['lon']}" if filled["lat"] else ""
    area = etree.SubElement(info, "area")
    _lines(area, ("areaDesc", f"{filled['region']}{place}"))
    for ring in outer_rings(landslide.geometry):
        _lines(area, ("polygon", " ".join(f"{lat},{lon}" for lat, lon in lat_lon(ring))))


def _lines(parent: etree._Element, *lines: tuple[str, str]) -> None:
    """Add elements that hold text; one without text is left out."""
    for name, text in lines:
        if text:
            etree.SubElement(parent, name).text = text


def _pair(parent: etree._Element, name: str, of: str, value: str) -> None:
    _lines(etree.SubElement(parent, name), ("valueName", of), ("value", value))


def _time(when: datetime) -> str:
    """Return a time as CAP wants it: no Z, no fraction."""
    return require_utc(when, "time").astimezone(UTC).isoformat(timespec="seconds")
