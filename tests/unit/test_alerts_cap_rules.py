"""Every fault of a CAP message is found by its name, and hostile XML stays harmless."""

from __future__ import annotations

import base64
import re
import time
from datetime import UTC, datetime

import pytest

from alerts.cap import Context, Picture, Profile, compose
from alerts.cap_rules import LARGEST_BYTES, faults, schema_faults
from alerts.sample import sample_alert

AT = datetime(2023, 1, 1, 14, 15, tzinfo=UTC)
PROFILE = Profile("alerts.example.org", "Example agency", "Duty desks")


@pytest.fixture(scope="module")
def good() -> str:
    """An Update with a picture inside."""
    first = compose(sample_alert(AT), PROFILE, (), AT)
    context = Context(picture=Picture(b"\x89PNG", "A picture"))
    return compose(sample_alert(AT, "confirmed"), PROFILE, (first.header,), AT, context).xml


def named(xml: str | bytes) -> set[str]:
    return {one.name for one in faults(xml.encode() if isinstance(xml, str) else xml)}


def put(xml: str, tag: str, value: str) -> str:
    """Return a message with another text in every element of a name."""
    changed = re.sub(rf"(<{tag}>)[^<]*(</{tag}>)", rf"\g<1>{value}\g<2>", xml)
    assert changed != xml
    return changed


def drop(xml: str, tag: str) -> str:
    changed = re.sub(rf"\s*<{tag}>.*?</{tag}>", "", xml, flags=re.DOTALL)
    assert changed != xml
    return changed


def once(xml: str, old: str, new: str) -> str:
    assert old in xml
    return xml.replace(old, new, 1)


def swapped(xml: str, first: str, second: str) -> str:
    a, b = (re.search(rf"<{name}>.*?</{name}>", xml, re.DOTALL)[0] for name in (first, second))
    return xml.replace(a, "\0", 1).replace(b, a, 1).replace("\0", b, 1)


RING = "1,2 1,3 2,3 1,2"
LATER = "alerts.example.org,x,2023-01-01T14:15:01+00:00"
SELF = "alerts.example.org,01243d1f-f100-5b9a-994c-09b7d78a3608,2023-01-01T14:15:00+00:00"


def test_a_good_message_has_no_fault(good: str) -> None:
    assert faults(good.encode()) == []
    assert faults(put(good, "polygon", RING).encode()) == []


@pytest.mark.parametrize(
    ("fault", "break_it"),
    [
        ("element-order", lambda m: swapped(m, "note", "references")),
        ("element-order", lambda m: swapped(m, "urgency", "severity")),
        ("element-missing", lambda m: drop(m, "category")),
        ("element-missing", lambda m: drop(m, "sent")),
        ("element-repeated", lambda m: once(m, "<note>", "<note>x</note><note>")),
        ("element-unknown", lambda m: once(m, "<note>", "<remark>x</remark><note>")),
        ("element-unknown", lambda m: once(m, "<note>", "<note><b>x</b>")),
        ("loose-text", lambda m: once(m, "<note>", "loose<note>")),
        ("attribute", lambda m: once(m, "<note>", '<note lang="en">')),
        ("value", lambda m: put(m, "status", "Real")),
        ("value", lambda m: put(m, "severity", "severe")),
        ("value", lambda m: put(m, "responseType", "Run")),
        ("value", lambda m: put(m, "sent", "2023-01-01T14:15:00Z")),
        ("value", lambda m: put(m, "sent", "2023-01-01T14:15:00.5+00:00")),
        ("value", lambda m: put(m, "sent", "2023-01-01T14:15:00")),
        ("value", lambda m: put(m, "sent", "2023-02-30T14:15:00+00:00")),
        ("value", lambda m: put(m, "expires", "2023-03-01T14:15:00,00:00")),
        ("value", lambda m: put(m, "size", "4 kB")),
        ("not-cap", lambda m: m.replace("cap:1.2", "cap:1.1")),
        ("identifier-characters", lambda m: put(m, "identifier", "a b")),
        ("identifier-characters", lambda m: put(m, "sender", "a,b")),
        ("identifier-characters", lambda m: put(m, "sender", "a&amp;b")),
        ("restriction-missing", lambda m: drop(m, "restriction")),
        ("restriction-without-scope", lambda m: put(m, "scope", "Public")),
        ("addresses-missing", lambda m: put(drop(m, "restriction"), "scope", "Private")),
        ("references-missing", lambda m: drop(m, "references")),
        ("references-form", lambda m: put(m, "references", "only-an-identifier")),
        ("references-form", lambda m: put(m, "references", "a,b,2023-01-01T14:15:00Z")),
        ("references-itself", lambda m: put(m, "references", SELF)),
        ("references-later", lambda m: put(m, "references", LATER)),
        ("references-sender", lambda m: once(m, "<references>alerts.", "<references>other.")),
        ("references-repeated", lambda m: put(m, "references", f"{LATER} {LATER}")),
        ("note-missing", lambda m: drop(m, "note")),
        ("info-missing", lambda m: drop(m, "info")),
        ("language-repeated", lambda m: once(m, ">nb<", ">en<")),
        ("info-differs", lambda m: once(m, "<certainty>Observed", "<certainty>Likely")),
        ("expires-missing", lambda m: drop(m, "expires")),
        ("expires-early", lambda m: put(m, "expires", "2023-01-01T14:15:00+00:00")),
        ("element-empty", lambda m: put(m, "contact", "") if "<contact>" in m
            else once(m, "<note>", "<code/><note>")),
        ("polygon-form", lambda m: put(m, "polygon", "1 2 3 4")),
        ("polygon-form", lambda m: put(m, "polygon", "1,2, 1,3, 2,3, 1,2")),
        ("polygon-form", lambda m: put(m, "polygon", "1,nan 1,3 2,3 1,nan")),
        ("polygon-short", lambda m: put(m, "polygon", "1,2 1,3 1,2")),
        ("polygon-open", lambda m: put(m, "polygon", "1,2 1,3 2,3 2,2")),
        ("polygon-crossed", lambda m: put(m, "polygon", "0,0 1,1 0,1 1,0 0,0")),
        ("off-the-earth", lambda m: put(m, "polygon", "139,35 139,36 140,36 139,35")),
        ("circle-form", lambda m: once(m, "</area>", "<circle>1,2</circle></area>")),
        ("circle-form", lambda m: once(m, "</area>", "<circle>1,2 -3</circle></area>")),
        ("circle-large", lambda m: once(m, "</area>", "<circle>1,2 50000</circle></area>")),
        ("off-the-earth", lambda m: once(m, "</area>", "<circle>91,2 5</circle></area>")),
        ("ceiling-alone", lambda m: once(m, "</area>", "<ceiling>9</ceiling></area>")),
        ("resource-size", lambda m: put(m, "size", "5")),
        ("resource-digest", lambda m: put(m, "digest", "00")),
        ("resource-content", lambda m: put(m, "derefUri", "!!!")),
        ("resource-nowhere", lambda m: drop(m, "derefUri")),
        ("address-form", lambda m: once(m, "<parameter>", "<web>page</web><parameter>")),
        ("not-xml", lambda m: m[:-20]),
    ],
)  # fmt: skip
def test_each_fault_is_found_by_its_name(good: str, fault: str, break_it: object) -> None:
    broken = break_it(good)
    assert fault in named(broken)


def test_a_fault_says_where(good: str) -> None:
    (fault,) = faults(put(good, "polygon", "1,2 1,3 2,3 2,2").encode())[:1]
    assert fault.where == "alert/info[1]/area[1]/polygon[1]"


def test_an_encoding_is_read_as_it_is_declared(good: str) -> None:
    latin = put(good, "restriction", "Bø").replace("UTF-8", "ISO-8859-1").replace("\u00a0", " ")
    assert named(latin.encode("latin-1", "xmlcharrefreplace")) == {"encoding"}


def test_a_signature_may_follow(good: str) -> None:
    signature = '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><x/></Signature>'
    assert named(once(good, "</alert>", f"{signature}</alert>")) == set()
    assert "element-order" in named(once(good, "<info>", f"{signature}<info>"))


BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 50}">' for n in range(9))


@pytest.mark.parametrize(
    "document_type",
    [
        f"<!DOCTYPE alert [{BOMB}]>",
        '<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE alert SYSTEM "http://127.0.0.1:9/cap.dtd">',
        '<!DOCTYPE alert [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>',
    ],
    ids=["bomb", "file", "dtd", "parameter"],
)
def test_hostile_xml_is_refused_at_once(good: str, document_type: str) -> None:
    entity = "&l8;" if "l8" in document_type else "&x;" if "ENTITY x" in document_type else "x"
    body = put(good, "note", entity).split("?>", 1)[1]
    began = time.monotonic()
    found = faults(f"{document_type}{body}".encode())
    assert [one.name for one in found] == ["not-xml"]
    assert "root:" not in str(found)
    assert time.monotonic() - began < 2


def test_what_is_too_large_is_not_even_read(good: str) -> None:
    padded = good.encode() + b" " * LARGEST_BYTES
    assert [one.says for one in faults(padded)] == ["larger than 4 MiB"]


LONE = "<a>\ud800</a>".encode("utf-16", "surrogatepass")


@pytest.mark.parametrize("content", [b"", b"\x00", b"<", b"text", LONE])
def test_rubbish_is_named(content: bytes) -> None:
    assert [one.name for one in faults(content)] == ["not-xml"]


def test_a_schema_is_asked_where_there_is_one(good: str) -> None:
    schema = b"""<schema xmlns="http://www.w3.org/2001/XMLSchema"
        targetNamespace="urn:oasis:names:tc:emergency:cap:1.2"><element name="other"/></schema>"""
    assert [one.name for one in schema_faults(good.encode(), schema)] == ["schema"]
    with pytest.raises(ValueError, match="no usable XML schema"):
        schema_faults(good.encode(), b"<a/>")


def test_line_ends_in_base64_are_fine(good: str) -> None:
    content = base64.b64encode(b"\x89PNG").decode()
    assert named(put(good, "derefUri", f"\n{content[:4]}\n{content[4:]}\n")) == set()
