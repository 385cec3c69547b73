"""Outlines of regions as text that people can type, and back: corners, or GeoJSON."""

from __future__ import annotations

import json
import re
from typing import Any

from shapely.geometry import MultiPolygon, mapping

from detectors.errors import InvalidRegion
from flows.regions import feature_of

#: Fewest corners of a polygon.
LEAST = 3


def as_text(outline: MultiPolygon) -> str:
    """Return an outline as ``longitude, latitude`` line by line, parts apart by an empty line.

    An outline with holes is GeoJSON. Either way nothing is rounded.
    """
    if any(part.interiors for part in outline.geoms):
        return json.dumps(mapping(outline))
    parts = (
        "\n".join(f"{x!r}, {y!r}" for x, y, *_ in part.exterior.coords[:-1])
        for part in outline.geoms
    )
    return "\n\n".join(parts)


def read_outline(text: str) -> Any:
    """Return the GeoJSON geometry that was typed, not yet checked for what it covers.

    Raises:
        InvalidRegion: no outline can be read; by line where it is one of the lines.
    """
    if not text.strip():
        raise _wrong("draw an outline, choose a file, or type its corners")
    if text.lstrip().startswith(("{", "[")):
        try:
            return feature_of(json.loads(text)).get("geometry")
        except (ValueError, RecursionError):
            raise _wrong("begins like GeoJSON and cannot be read as JSON") from None
        except InvalidRegion as error:
            raise _wrong(str(error)) from None
    parts: list[list[list[float]]] = [[]]
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            parts[-1].append(_corner(number, line))
        elif parts[-1]:
            parts.append([])
    rings = [_ring(part) for part in parts if part]
    return {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}


def _corner(number: int, line: str) -> list[float]:
    words = re.split(r"[,;\s]+", line.strip())
    try:
        longitude, latitude = map(float, words)
    except ValueError:
        raise _wrong(
            f"line {number}: {line.strip()[:40]!r} is no longitude, latitude like -119.85, 34.62"
        ) from None
    if not (abs(longitude) <= 180 and abs(latitude) <= 90):
        raise _wrong(f"line {number}: longitude is up to 180 degrees, latitude up to 90")
    return [longitude, latitude]


def _ring(corners: list[list[float]]) -> list[list[float]]:
    open_ring = corners[:-1] if len(corners) > 1 and corners[0] == corners[-1] else corners
    if len(open_ring) < LEAST:
        raise _wrong(f"a part has {len(open_ring)} corners; it takes {LEAST} or more")
    return [*open_ring, open_ring[0]]


def _wrong(words: str) -> InvalidRegion:
    return InvalidRegion(words, {"geometry": words})
