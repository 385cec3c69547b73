"""What no schema checks of parts of a CAP message: places on the ground, resources. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections.abc import Iterator

from lxml import etree
from shapely.geometry import Polygon

from alerts.cap_structure import Fault, tag

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_PAIR = re.compile(rf"({_NUMBER}),({_NUMBER})", re.ASCII)
_CIRCLE = re.compile(rf"({_NUMBER}),({_NUMBER})\s+({_NUMBER})", re.ASCII)


def text_of(element: etree._Element, name: str) -> str:
    """Return the text of the first child of a name; empty where there is none."""
    return (element.findtext(tag(name)) or "").strip()


def infos(root: etree._Element) -> list[tuple[str, etree._Element]]:
    """Return the blocks of a message with their paths."""
    return [(f"alert/info[{n}]", one) for n, one in enumerate(root.findall(tag("info")), 1)]


def _areas(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    for where, info in infos(root):
        for number, area in enumerate(info.findall(tag("area")), 1):
            yield f"{where}/area[{number}]", area


def _on_earth(lat: float, lon: float) -> bool:
    return abs(lat) <= 90 and abs(lon) <= 180


def polygons(root: etree._Element) -> Iterator[Fault]:
    """Yield what is wrong with the rings of areas."""
    for where, area in _areas(root):
        for number, element in enumerate(area.findall(tag("polygon")), 1):
            yield from _ring(element.text or "", f"{where}/polygon[{number}]")


def _ring(text: str, where: str) -> Iterator[Fault]:
    found = [_PAIR.fullmatch(pair) for pair in text.split()]
    pairs = [(float(one[1]), float(one[2])) for one in found if one]
    if not found or len(pairs) < len(found):
        yield Fault("polygon-form", where, "is not made of lat,lon pairs with blanks between")
        return
    if not all(_on_earth(*pair) for pair in pairs):
        yield Fault("off-the-earth", where, "latitude comes first; is it lon,lat?")
        return
    if len(pairs) < 4:
        yield Fault("polygon-short", where, f"has {len(pairs)} pairs, 4 are the least")
    elif pairs[0] != pairs[-1]:
        yield Fault("polygon-open", where, "the last pair is not the first one")
    elif not Polygon(pairs).is_valid:
        yield Fault("polygon-crossed", where, "crosses or touches itself")


def circles(root: etree._Element) -> Iterator[Fault]:
    """Yield what is wrong with circles."""
    for where, area in _areas(root):
        for number, element in enumerate(area.findall(tag("circle")), 1):
            found = _CIRCLE.fullmatch((element.text or "").strip())
            place = f"{where}/circle[{number}]"
            if found is None or float(found[3]) < 0:
                yield Fault("circle-form", place, "is not lat,lon radius (in kilometres)")
            elif not _on_earth(float(found[1]), float(found[2])):
                yield Fault("off-the-earth", place, "latitude comes first; is it lon,lat?")
            elif float(found[3]) > math.pi * 6371:
                yield Fault("circle-large", place, "is larger than the earth; is it in metres?")


def heights(root: etree._Element) -> Iterator[Fault]:
    """Yield ceilings that have no floor."""
    for where, area in _areas(root):
        if text_of(area, "ceiling") and not text_of(area, "altitude"):
            yield Fault("ceiling-alone", f"{where}/ceiling", "needs an altitude below it")


def resources(root: etree._Element) -> Iterator[Fault]:
    """Yield resources that are not what they say."""
    for block, info in infos(root):
        for number, resource in enumerate(info.findall(tag("resource")), 1):
            yield from _resource(resource, f"{block}/resource[{number}]")


def _resource(resource: etree._Element, where: str) -> Iterator[Fault]:
    packed = text_of(resource, "derefUri")
    if not packed:
        if not text_of(resource, "uri"):
            yield Fault("resource-nowhere", where, "has neither uri nor content", grave=False)
        return
    try:
        content = base64.b64decode("".join(packed.split()), validate=True)
    except binascii.Error:
        yield Fault("resource-content", f"{where}/derefUri", "is not base64")
        return
    size, digest = text_of(resource, "size"), text_of(resource, "digest").lower()
    if size.isdigit() and int(size) != len(content):
        yield Fault("resource-size", f"{where}/size", f"the content has {len(content)} bytes")
    if digest and digest != hashlib.sha1(content, usedforsecurity=False).hexdigest():
        yield Fault("resource-digest", f"{where}/digest", "is not the SHA-1 of the content")
