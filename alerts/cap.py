"""An alert as a CAP 1.2 message. Pure.

A message is composed once, when the alert is decided, and kept: what has gone out never changes,
and later messages name earlier ones exactly as they were.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lxml import etree

from alerts import wording
from alerts.cap_structure import NAMESPACE, moment
from alerts.cap_words import WORDS, Words
from alerts.message import SCORE_UNIT, credits_line
from alerts.rings import lat_lon, outer_rings
from alerts.rules import is_exercise, marks, severity
from detectors.errors import ConfigurationError
from detectors.types import Alert, Kind, Landslide, State, require_utc

#: The largest picture that travels inside a message; larger ones are linked.
LARGEST_INSIDE = 48 * 1024
_NAME = re.compile(r"[^\s,<&]+")
#: Certainty and what to do, by state. What was refuted keeps a block for readers, though the
#: message as a whole says Cancel.
_BELIEVED = {
    State.SUSPECTED: ("Possible", "Assess"),
    State.CONFIRMED: ("Observed", "Assess"),
    State.UNRESOLVED: ("Possible", "Monitor"),
    State.CLOSED: ("Observed", "AllClear"),
    State.REFUTED: ("Unlikely", "AllClear"),
}
#: States in which dammed water may still come.
_OPEN = {State.SUSPECTED, State.CONFIRMED, State.UNRESOLVED}


@dataclass(frozen=True, slots=True)
class Header:
    """What later messages must say of this one, character by character."""

    sender: str
    """Who sent it."""
    identifier: str
    """Idempotency key of the alert."""
    sent: str
    """When, as it stands in the message."""
    msg_type: str
    """Alert, Update or Cancel."""

    @property
    def reference(self) -> str:
        """The triple that ``references`` is made of."""
        return f"{self.sender},{self.identifier},{self.sent}"


@dataclass(frozen=True, slots=True)
class CapMessage:
    """One message, ready to be kept and sent."""

    header: Header
    """What later messages refer to."""
    xml: str
    """The document, with an XML declaration that says UTF-8."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What every message of one agency says alike."""

    sender: str
    """Unique among all senders, such as a domain name: no blanks, commas, < or &."""
    sender_name: str
    """What people call the sender."""
    restriction: str
    """Who may see what is restricted."""
    contact: str | None = None
    """Whom to call."""
    web: str | None = None
    """Page about the alerts."""
    languages: tuple[str, ...] = ("en", "nb")
    """One block each, in this order."""
    event_list: str = "OET:v1.2"
    """Name of the list that ``event_codes`` are of."""
    event_codes: Mapping[str, str] = field(default_factory=lambda: {"landslide": "OET-119"})
    """Code by kind of finding; a kind without one goes without."""
    expires_after: timedelta = timedelta(days=30)
    """How long a message stands where no later one replaces it."""
    exercise_name: str = "Scarpwatch exercise"
    """Which exercise, for ``note``."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.sender):
            raise ConfigurationError(
                "the sender of CAP messages must be there and hold no blanks, commas, < or &"
            )
        if strange := [one for one in self.languages if one not in WORDS]:
            raise ConfigurationError(
                f"no CAP texts in {', '.join(strange)}; there are: {', '.join(WORDS)}"
            )
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise ConfigurationError("CAP messages need a language, and each one once")
        if self.expires_after <= timedelta():
            raise ConfigurationError("CAP messages must be in force for some time")
        if self.web is not None and not re.fullmatch(r"https?://[^\s<>\"]+", self.web):
            raise ConfigurationError("the web page in CAP messages must begin with https://")
        if not self.restriction.strip():
            raise ConfigurationError("CAP messages are restricted, and must say to whom")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that explains an alert."""

    content: bytes
    """PNG."""
    description: str
    """What it shows, with its credits."""
    uri: str | None = None
    """Where it can be had; None where nowhere."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the alert itself."""

    share_seen: float | None = None
    """Share of the region's ground inside the look that radar could judge, 0 to 1."""
    share_clear: float | None = None
    """Share of the outline that the optical look could judge, 0 to 1."""
    next_look: datetime | None = None
    """When the next look is expected, UTC."""
    incidents: tuple[str, ...] = ()
    """Landslides that this one was joined from or split off; its own id comes by itself."""
    exposure: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What lies near, in words, by language."""
    instructions: Mapping[str, str] = field(default_factory=dict)
    """What to do, by language; where there is none, our own few words."""
    picture: Picture | None = None
    """Explains the alert."""


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
        ("status", "Exercise" if is_exercise(alert) else "Actual"),
        ("msgType", kind),
        ("source", "Scarpwatch"),
        ("scope", "Restricted"),
        ("restriction", _clean(profile.restriction)),
        ("note", _note(alert, profile)),
        ("references", " ".join(dict.fromkeys(one.reference for one in earlier))),
        ("incidents", " ".join(dict.fromkeys([str(alert.landslide.id), *context.incidents]))),
    )
    for language in profile.languages:
        _info(root, alert, profile, context, sent, language)
    xml = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return CapMessage(header, xml.decode())


def headline(alert: Alert, language: str = "en") -> str:
    """Return an alert in one line, with the marks EXERCISE and SIMULATED."""
    words = WORDS[language]
    return _headline(alert, words, _filled(alert, Context(), words))


def description(alert: Alert, language: str = "en") -> str:
    """Return what is known of an alert, one fact a line, and what to do."""
    words, context = WORDS[language], Context()
    known = _description(alert, context, words, _filled(alert, context, words), language)
    return f"{known}\n{_instruction(alert, context, words, language)}"


def _note(alert: Alert, profile: Profile) -> str:
    """Return the words for the desk: which exercise, and why a message is taken back."""
    marked = marks(exercise=is_exercise(alert), simulated=alert.landslide.simulated)
    lead = f"{marked}: {_clean(profile.exercise_name)}. " if marked else ""
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
    filled = _filled(alert, context, words)
    info = etree.SubElement(root, "info")
    code = profile.event_codes.get(landslide.kind.value)
    until = datetime.fromisoformat(sent) + profile.expires_after
    _lines(
        info,
        ("language", language),
        ("category", "Geo"),
        ("event", words.events[landslide.kind]),
        ("responseType", response),
        ("urgency", _urgency(landslide)),
        ("severity", severity(landslide).value),
        ("certainty", certainty),
    )
    if code:
        _pair(info, "eventCode", profile.event_list, code)
    _lines(
        info,
        ("effective", sent),
        ("expires", _time(until)),
        ("senderName", _clean(profile.sender_name)),
        ("headline", _headline(alert, words, filled)),
        ("description", _description(alert, context, words, filled, language)),
        ("instruction", _instruction(alert, context, words, language)),
        ("web", profile.web or ""),
        ("contact", _clean(profile.contact or "")),
    )
    for name, value in _parameters(alert, context):
        _pair(info, "parameter", f"scarpwatch:{name}", value)
    if context.picture is not None:
        _resource(info, context.picture)
    _area(info, landslide, filled)


def _urgency(landslide: Landslide) -> str:
    """Return how soon to act: a landslide is over when it is seen, water behind one is not."""
    awaited = landslide.kind is Kind.PONDING and landslide.state in _OPEN
    return "Expected" if awaited else "Past"


def _filled(alert: Alert, context: Context, words: Words) -> dict[str, str]:
    """Return what the braces in the texts stand for."""
    landslide = alert.landslide
    point = wording.place(landslide.geometry)
    swapped = str.maketrans({".": words.decimal, ",": words.thousands})
    number = _finite(landslide.area_m2)
    seen, clear = _finite(context.share_seen), _finite(context.share_clear)
    return {
        "what": words.whats[landslide.kind],
        "subject": words.subjects[landslide.kind],
        "cause": wording.one_line(landslide.cause, 240).rstrip("."),
        "region": wording.one_line(alert.region_name) or landslide.region_id,
        "area": words.unknown if number is None else wording.area(number).translate(swapped),
        "lat": "" if point is None else f"{point[1]:.5f}",
        "lon": "" if point is None else f"{point[0]:.5f}",
        "not_before": wording.moment(landslide.not_before),
        "not_after": wording.moment(landslide.not_after),
        "looks": str(landslide.looks),
        "sensed": wording.moment(alert.sensed_at),
        "tier": words.terms.get(landslide.tier.value, landslide.tier.value),
        "state": words.terms.get(landslide.state.value, landslide.state.value),
        "score": _spoken(landslide.score_max, words, swapped),
        "evidence": _spoken(landslide.evidence, words, swapped),
        "advisory": wording.one_line(landslide.advisory or ""),
        "share": "" if seen is None else f"{100 * seen:.0f}",
        "clear": "" if clear is None else f"{100 * clear:.0f}",
        "next_look": "" if context.next_look is None else wording.moment(context.next_look),
    }


def _spoken(number: float, words: Words, swapped: Mapping[int, str]) -> str:
    return wording.amount(number).translate(swapped) if math.isfinite(number) else words.unknown


def _chosen(texts: Mapping[str, str], alert: Alert) -> str:
    """Return the text for a kind of alert, or else for the state it speaks of."""
    return texts.get(alert.kind) or texts[alert.landslide.state.value]


def _headline(alert: Alert, words: Words, filled: Mapping[str, str]) -> str:
    marked = marks(exercise=is_exercise(alert), simulated=alert.landslide.simulated)
    head = _chosen(words.heads, alert).format_map(filled)
    return f"{marked}: {head}" if marked else head


def _description(
    alert: Alert, context: Context, words: Words, filled: Mapping[str, str], language: str
) -> str:
    """Return what is known, one fact a line; what is not known has no line."""
    lines = []
    if is_exercise(alert):
        lines += [words.exercise, words.simulated if alert.landslide.simulated else words.replay]
    near = "; ".join(_clean(one) for one in context.exposure.get(language, ()))
    facts = (
        (_chosen(words.openings, alert), True),
        (words.place, bool(filled["lat"])),
        (words.size, True),
        (words.when, True),
        (words.why, bool(filled["cause"])),
        (words.caution, bool(filled["advisory"])),
        (words.exposure, bool(near)),
        (words.seen, True),
        (words.scores, True),
        (words.share, bool(filled["share"])),
        (words.clear, bool(filled["clear"])),
        (words.next_look, bool(filled["next_look"])),
    )
    known = {**filled, "exposure": near}
    lines += [text.format_map(known) for text, there in facts if there]
    return "\n".join([*lines, credits_line(alert)])


def _instruction(alert: Alert, context: Context, words: Words, language: str) -> str:
    told = context.instructions.get(language) or _chosen(words.instructions, alert)
    if _urgency(alert.landslide) == "Expected" and language not in context.instructions:
        told = f"{told} {words.downstream}"
    return "\n".join(_clean(line, 2_000) for line in told.splitlines())


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
        "area_m2": _finite(landslide.area_m2),
        "not_before": landslide.not_before,
        "not_after": landslide.not_after,
        "looks": landslide.looks,
        "score": _finite(landslide.score_max),
        "score_unit": SCORE_UNIT,
        "evidence": _finite(landslide.evidence),
        "change_db": _finite(landslide.change_db),
        "source": landslide.source.value,
        "d_ndvi": _finite(landslide.d_ndvi),
        "ensemble_score": _finite(landslide.ensemble_score),
        "verdict_at": landslide.verdict_at,
        "observability": _finite(context.share_seen),
        "share_clear": _finite(context.share_clear),
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
    small = len(picture.content) <= LARGEST_INSIDE
    if not small and picture.uri is None:
        return
    _lines(
        etree.SubElement(info, "resource"),
        ("resourceDesc", _clean(picture.description, 400)),
        ("mimeType", "image/png"),
        ("size", str(len(picture.content))),
        ("uri", picture.uri or ""),
        ("derefUri", base64.b64encode(picture.content).decode() if small else ""),
        # CAP 1.2 asks for SHA-1; it tells of a broken transfer, not of a forgery.
        ("digest", hashlib.sha1(picture.content, usedforsecurity=False).hexdigest()),
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


def _clean(text: str, limit: int = 240) -> str:
    """Return text from the settings or from outside as one line that XML can hold."""
    return wording.one_line(text, limit)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _time(when: datetime) -> str:
    """Return a time as CAP wants it: no Z, no fraction."""
    return require_utc(when, "time").astimezone(UTC).isoformat(timespec="seconds")
