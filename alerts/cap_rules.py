"""Is this a good CAP 1.2 message? Structure, values, and the rules that no schema checks. Pure.

A grave fault breaks the standard. The others are allowed by it, and make readers stumble.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from alerts.cap_parts import circles, heights, infos, polygons, resources, text_of
from alerts.cap_structure import Fault, moment, structure_faults, tag

#: A message with a picture inside stays far below.
LARGEST_BYTES = 4 * 1024 * 1024
_FORBIDDEN = re.compile(r"[\s,<&]")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]+")
#: What the blocks of one message, one for each language, must say alike.
_ALIKE = ("category", "urgency", "severity", "certainty", "effective", "expires")
_FOLLOWS = {"Update", "Cancel", "Ack", "Error"}


def parse(content: bytes) -> etree._Element:
    """Return the root of an XML document that somebody else may have written.

    Entities are not resolved and nothing is fetched.

    Raises:
        ValueError: too large, not well-formed, or with a document type, which CAP has no use for.
    """
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"larger than {LARGEST_BYTES // 1024**2} MiB")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        huge_tree=False,
    )  # fmt: skip
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(f"not well-formed XML: {str(error)[:200]}") from None
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("has a document type, which may hide entities")
    return root


def faults(content: bytes) -> list[Fault]:
    """Return everything that is wrong with a message; never raises on what is inside.

    Args:
        content: The XML as it came.
    """
    try:
        root = parse(content)
    except ValueError as error:
        return [Fault("not-xml", "/", str(error))]
    broken = list(structure_faults(root))
    if any(fault.name == "not-cap" for fault in broken):
        return broken
    if not (root.getroottree().docinfo.encoding or "").upper().startswith("UTF-"):
        broken.append(Fault("encoding", "/", "is not written in UTF-8", grave=False))
    for rule in RULES:
        broken.extend(rule(root))
    return broken


def schema_faults(content: bytes, schema: bytes) -> list[Fault]:
    """Return what an XML schema says against a message.

    Raises:
        ValueError: the schema cannot be used.
    """
    try:
        judge = etree.XMLSchema(parse(schema))
    except etree.XMLSchemaParseError as error:
        raise ValueError(f"no usable XML schema: {str(error)[:200]}") from None
    try:
        root = parse(content)
    except ValueError as error:
        return [Fault("not-xml", "/", str(error))]
    judge.validate(root)
    return [Fault("schema", f"line {one.line}", one.message[:300]) for one in judge.error_log]


def _path(element: etree._Element) -> str:
    """Return where an element lies, without the numbers."""
    above = [etree.QName(one).localname for one in element.iterancestors()]
    return "/".join([*reversed(above), etree.QName(element).localname])


def _names(root: etree._Element) -> Iterator[Fault]:
    for name in ("identifier", "sender"):
        value = root.findtext(tag(name)) or ""
        if _FORBIDDEN.search(value) or not value:
            yield Fault(
                "identifier-characters", f"alert/{name}",
                "must be there, without blanks, commas, < and &: references are made of it",
            )  # fmt: skip


def _scope(root: etree._Element) -> Iterator[Fault]:
    scope, restriction = text_of(root, "scope"), text_of(root, "restriction")
    if scope == "Restricted" and not restriction:
        yield Fault("restriction-missing", "alert/restriction", "scope Restricted must say to whom")
    if restriction and scope != "Restricted":
        yield Fault("restriction-without-scope", "alert/restriction", f"but the scope is {scope}")
    if scope == "Private" and not text_of(root, "addresses"):
        yield Fault("addresses-missing", "alert/addresses", "scope Private must say to whom")


@dataclass(frozen=True, slots=True)
class _Reference:
    sender: str
    identifier: str
    sent: datetime


def _read_reference(text: str) -> _Reference | None:
    pieces = text.split(",")
    when = moment(pieces[2]) if len(pieces) == 3 else None
    if when is None or not all(pieces):
        return None
    return _Reference(pieces[0], pieces[1], when)


def _references(root: etree._Element) -> Iterator[Fault]:
    where = "alert/references"
    texts = text_of(root, "references").split()
    kind = text_of(root, "msgType")
    if not texts and kind in _FOLLOWS:
        yield Fault("references-missing", where, f"{kind} must name the messages it follows")
    if len(set(texts)) < len(texts):
        yield Fault("references-repeated", where, "names a message twice", grave=False)
    sender, identifier = text_of(root, "sender"), text_of(root, "identifier")
    sent = moment(text_of(root, "sent"))
    for text in texts:
        found = _read_reference(text)
        if found is None:
            yield Fault("references-form", where, f"{text[:80]!r} is not sender,identifier,sent")
            continue
        if (found.sender, found.identifier) == (sender, identifier):
            yield Fault("references-itself", where, "a message cannot follow itself")
        elif sent is not None and found.sent > sent:
            yield Fault("references-later", where, f"{found.identifier} was sent later")
        if found.sender != sender:
            yield Fault(
                "references-sender", where,
                f"{found.identifier} is of another sender; readers may not find it", grave=False,
            )  # fmt: skip


def _exercises(root: etree._Element) -> Iterator[Fault]:
    if text_of(root, "status") == "Exercise" and not text_of(root, "note"):
        yield Fault("note-missing", "alert/note", "an exercise should be named", grave=False)


def _blocks(root: etree._Element) -> Iterator[Fault]:
    blocks = infos(root)
    if not blocks and text_of(root, "msgType") in {"Alert", "Update"}:
        yield Fault("info-missing", "alert/info", "says nothing to readers", grave=False)
    languages = [text_of(info, "language") or "en-US" for _, info in blocks]
    if len(set(languages)) < len(languages):
        yield Fault("language-repeated", "alert/info", "two blocks in one language", grave=False)
    for where, info in blocks[1:]:
        for name in _ALIKE:
            first, here = (
                [(one.text or "").strip() for one in block.findall(tag(name))]
                for block in (blocks[0][1], info)
            )
            if first != here:
                yield Fault(
                    "info-differs", f"{where}/{name}", "differs from the first block", grave=False
                )


def _times(root: etree._Element) -> Iterator[Fault]:
    sent = moment(text_of(root, "sent"))
    for where, info in infos(root):
        if not text_of(info, "expires"):
            yield Fault(
                "expires-missing", f"{where}/expires", "stays in readers' lists for ever",
                grave=False,
            )  # fmt: skip
            continue
        expires = moment(text_of(info, "expires"))
        begins = moment(text_of(info, "effective")) or sent
        if expires is not None and begins is not None and expires <= begins:
            yield Fault("expires-early", f"{where}/expires", "is over before it begins")


def _empty(root: etree._Element) -> Iterator[Fault]:
    for element in root.iter(tag("*")):
        if len(element) == 0 and not (element.text or "").strip():
            yield Fault(
                "element-empty", _path(element), "is empty; it should be left out", grave=False
            )


def _addresses(root: etree._Element) -> Iterator[Fault]:
    for element in root.iter(tag("web"), tag("uri")):
        text = (element.text or "").strip()
        if text and not _ADDRESS.fullmatch(text):
            says = "is no whole address such as https://..."
            yield Fault("address-form", _path(element), says, grave=False)


RULES: tuple[Callable[[etree._Element], Iterator[Fault]], ...] = (
    _names, _scope, _references, _exercises, _blocks, _times, _empty, polygons, circles,
    heights, resources, _addresses,
)  # fmt: skip
