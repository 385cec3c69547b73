"""What CAP 1.2 messages are made of: elements in their order, how often, and what they may hold.

Written out here because the schema itself may not be shipped; where a copy is at hand,
``scarpwatch cap check --schema`` and the data tests ask it as well. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_HINTS = {f"{_INSTANCE}schemaLocation", f"{_INSTANCE}noNamespaceSchemaLocation"}
#: What the schema takes off both ends of a time, a number or an address.
_BLANKS = " \t\r\n"

Holds = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a message."""

    name: str
    """Which rule it breaks; names are stable, for programs."""
    where: str
    """Path of the element, from the root on, counted from 1 where there are several."""
    says: str
    """What is wrong, in words."""
    grave: bool = True
    """False: the standard allows it, and readers stumble over it all the same."""


@dataclass(frozen=True, slots=True)
class Part:
    """One element among its siblings."""

    name: str
    """Tag without namespace."""
    least: int = 0
    """How often it must be there."""
    most: int | None = 1
    """How often it may be there; None is as often as one likes."""
    holds: Holds | None = None
    """Tells whether a text fits; None takes any."""
    parts: tuple[Part, ...] = ()
    """Elements inside, in their order; empty for an element that holds text."""


def moment(text: str) -> datetime | None:
    """Return a time as CAP writes it, None where it is none: no Z, no fraction, no naive time."""
    text = text.strip(_BLANKS)
    if not _TIME.fullmatch(text):
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = read.utcoffset() or timedelta()
    return read if abs(offset) <= timedelta(hours=14) else None


def _one_of(*words: str) -> Holds:
    return frozenset(words).__contains__


def _like(pattern: str) -> Holds:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text.strip(_BLANKS)) is not None


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d", re.ASCII)


def _time(text: str) -> bool:
    return moment(text) is not None


def _list_entry(name: str) -> Part:
    """Return an element that names a list and an entry of it."""
    return Part(name, most=None, parts=(Part("valueName", 1), Part("value", 1)))


_RESOURCE = (
    Part("resourceDesc", 1),
    Part("mimeType", 1),
    Part("size", holds=_like(r"[-+]?[0-9]+")),
    Part("uri"),
    Part("derefUri"),
    Part("digest"),
)
_DECIMAL = _like(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_AREA = (
    Part("areaDesc", 1),
    Part("polygon", most=None),
    Part("circle", most=None),
    _list_entry("geocode"),
    Part("altitude", holds=_DECIMAL),
    Part("ceiling", holds=_DECIMAL),
)
_INFO = (
    # Empty stands for the default, en-US.
    Part("language", holds=_like(r"([a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*)?")),
    Part(
        "category", 1, None,
        _one_of(
            "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport",
            "Infra", "CBRNE", "Other",
        ),
    ),
    Part("event", 1),
    Part(
        "responseType", 0, None,
        _one_of(
            "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear",
            "None",
        ),
    ),
    Part("urgency", 1, 1, _one_of("Immediate", "Expected", "Future", "Past", "Unknown")),
    Part("severity", 1, 1, _one_of("Extreme", "Severe", "Moderate", "Minor", "Unknown")),
    Part("certainty", 1, 1, _one_of("Observed", "Likely", "Possible", "Unlikely", "Unknown")),
    Part("audience"),
    _list_entry("eventCode"),
    Part("effective", holds=_time),
    Part("onset", holds=_time),
    Part("expires", holds=_time),
    Part("senderName"),
    Part("headline"),
    Part("description"),
    Part("instruction"),
    Part("web"),
    Part("contact"),
    _list_entry("parameter"),
    Part("resource", most=None, parts=_RESOURCE),
    Part("area", most=None, parts=_AREA),
)  # fmt: skip
ALERT = Part(
    "alert", 1, 1,
    parts=(
        Part("identifier", 1),
        Part("sender", 1),
        Part("sent", 1, 1, _time),
        Part("status", 1, 1, _one_of("Actual", "Exercise", "System", "Test", "Draft")),
        Part("msgType", 1, 1, _one_of("Alert", "Update", "Cancel", "Ack", "Error")),
        Part("source"),
        Part("scope", 1, 1, _one_of("Public", "Restricted", "Private")),
        Part("restriction"),
        Part("addresses"),
        Part("code", most=None),
        Part("note"),
        Part("references"),
        Part("incidents"),
        Part("info", most=None, parts=_INFO),
    ),
)  # fmt: skip


def tag(name: str) -> str:
    """Return an element's name with the namespace of CAP 1.2."""
    return f"{{{NAMESPACE}}}{name}"


def structure_faults(root: etree._Element) -> Iterator[Fault]:
    """Yield where a message is not built as CAP 1.2 says: elements, order, number, values."""
    if root.tag != tag("alert"):
        # Some other document altogether: more than this cannot be said of it.
        yield Fault("not-cap", "/", f"the root is no alert of CAP 1.2 ({NAMESPACE})")
        return
    yield from _inside(root, ALERT, "alert")


def _inside(element: etree._Element, part: Part, where: str) -> Iterator[Fault]:
    if strange := [name for name in element.attrib if name not in _HINTS]:
        yield Fault("attribute", where, f"has an attribute CAP does not know: {strange[0]}")
    children = [child for child in element if isinstance(child.tag, str)]
    if not part.parts:
        text = "".join(element.itertext())
        if children:
            yield Fault("element-unknown", where, "holds an element where only text may stand")
        elif part.holds is not None and not part.holds(text):
            yield Fault("value", where, f"{text[:40]!r} is none of the values CAP allows here")
        return
    loose = [element.text, *(child.tail for child in element)]
    if any(text and text.strip(_BLANKS) for text in loose):
        yield Fault("loose-text", where, "holds text between its elements")
    yield from _sequence(children, part, where)


def _sequence(children: list[etree._Element], part: Part, where: str) -> Iterator[Fault]:
    """Yield where children stray from the order and number that their parent asks for."""
    names = {tag(one.name): at for at, one in enumerate(part.parts)}
    counts = [0] * len(part.parts)
    reached, signed = 0, False
    for child in children:
        if part is ALERT and str(child.tag).startswith(f"{{{SIGNATURE}}}"):
            signed = True
            continue
        at = names.get(str(child.tag))
        short = etree.QName(child).localname
        if at is None:
            yield Fault("element-unknown", f"{where}/{short}", "CAP knows no such element here")
            continue
        one = part.parts[at]
        counts[at] += 1
        inner = f"{where}/{short}" + (f"[{counts[at]}]" if one.most is None else "")
        if at < reached or signed:
            later = "the signature" if signed else part.parts[reached].name
            yield Fault("element-order", inner, f"must stand before {later}")
        reached = max(reached, at)
        if one.most is not None and counts[at] > one.most:
            yield Fault("element-repeated", inner, "may be there once only")
        yield from _inside(child, one, inner)
    for one, count in zip(part.parts, counts, strict=True):
        if count < one.least:
            yield Fault("element-missing", f"{where}/{one.name}", "must be there")
