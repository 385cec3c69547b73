"""CAP messages as a reader sees them: the standard library's parser, and none of our code."""

from __future__ import annotations

import xml.etree.ElementTree as Tree
from dataclasses import dataclass, field

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"


@dataclass
class Block:
    """What one language says."""

    plain: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    event_codes: dict[str, str] = field(default_factory=dict)
    resources: list[dict[str, str]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    polygons: list[list[tuple[float, float]]] = field(default_factory=list)
    """(lat, lon)."""


@dataclass
class Read:
    """One message."""

    plain: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)

    @property
    def references(self) -> list[tuple[str, ...]]:
        return [tuple(one.split(",")) for one in self.plain.get("references", "").split()]


def read(xml: str | bytes) -> Read:
    root = Tree.fromstring(xml)
    assert root.tag == f"{CAP}alert"
    found = Read()
    for child in root:
        name = child.tag.removeprefix(CAP)
        if name != "info":
            assert name not in found.plain
            found.plain[name] = child.text or ""
            continue
        block = _block(child)
        assert block.plain["language"] not in found.blocks
        found.blocks[block.plain["language"]] = block
    return found


def _pair(element: Tree.Element) -> tuple[str, str]:
    return element.findtext(f"{CAP}valueName") or "", element.findtext(f"{CAP}value") or ""


def _block(info: Tree.Element) -> Block:
    block = Block()
    for child in info:
        match child.tag.removeprefix(CAP):
            case "parameter":
                name, value = _pair(child)
                assert name not in block.parameters
                block.parameters[name] = value
            case "eventCode":
                block.event_codes.update([_pair(child)])
            case "resource":
                block.resources.append({one.tag.removeprefix(CAP): one.text for one in child})
            case "area":
                block.places.append(child.findtext(f"{CAP}areaDesc") or "")
                for ring in child.findall(f"{CAP}polygon"):
                    pairs = [pair.split(",") for pair in (ring.text or "").split(" ")]
                    block.polygons.append([(float(lat), float(lon)) for lat, lon in pairs])
            case name:
                assert name not in block.plain
                block.plain[name] = child.text or ""
    return block
