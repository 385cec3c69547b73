"""Numbers, places and times in the words of a message. Pure."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from shapely.geometry.base import BaseGeometry

from detectors.types import Kind, require_utc

#: Invisible, yet Persian and the Indic scripts cannot be written without them.
_JOINERS = {"\u200c", "\u200d"}


def one_line(text: str, limit: int = 80) -> str:
    """Return foreign text (names, causes) as one printable line of at most ``limit`` characters."""
    # Line ends forge headers, lone surrogates break encodings, and bidirectional controls show
    # "EXERCISE" somewhere else on the screen than where it stands.
    printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 3].rstrip()}..."


def finding(kind: Kind) -> str:
    """Return what a finding of a kind is called."""
    return {Kind.LANDSLIDE: "landslide", Kind.PONDING: "new water"}[kind]


def amount(number: float, unit: str = "") -> str:
    """Return a measured number to one decimal, with its unit where it has one."""
    return f"{number:.1f} {unit}".strip() if math.isfinite(number) else "unknown"


def area(area_m2: float) -> str:
    """Return an area in hectares, with no more digits than 30 m pixels deserve."""
    hectares = area_m2 / 10_000
    if not math.isfinite(hectares):
        return "area unknown"
    if hectares < 1:
        return f"{hectares:.2f} ha"
    return f"{hectares:.1f} ha" if hectares < 100 else f"{hectares:,.0f} ha"


def parts(count: int) -> str:
    """Return a remark on an outline of several parts, empty for one."""
    return f" in {count} parts" if count > 1 else ""


def change(change_db: float | None) -> str:
    """Return what happened to the backscatter, as a verb with its amount; None is not seen."""
    if change_db is None:
        return "is unknown: radar has not seen it"
    if not math.isfinite(change_db):
        return "changed by an unknown amount"
    return f"{'fell' if change_db < 0 else 'rose'} {abs(change_db):.1f} dB"


def hundredths(number: float | None, *, signed: bool = False) -> str:
    """Return an index or a score (NDVI, the ensemble's) to two decimals."""
    if number is None or not math.isfinite(number):
        return "unknown"
    return f"{number:+z.2f}" if signed else f"{number:z.2f}"


def moment(when: datetime) -> str:
    """Return a time to the minute, in UTC and saying so.

    Raises:
        ValueError: the time has no zone.
    """
    return f"{require_utc(when, 'time'):%Y-%m-%d %H:%M} UTC"


def span(length: timedelta) -> str:
    """Return a time bracket's length: hours below two days, else days."""
    hours = length / timedelta(hours=1)
    if abs(hours) < 48:
        return f"{hours:.0f} hours"
    return f"{hours / 24:.0f} days"


def place(outline: BaseGeometry) -> tuple[float, float] | None:
    """Return a point inside the outline as (lon, lat) in degrees, None where there is none.

    A centroid can lie beside a curved landslide, on the wrong side of a river.
    """
    point = outline.representative_point()
    if point.is_empty or not (math.isfinite(point.x) and math.isfinite(point.y)):
        return None
    return (round(point.x, 5), round(point.y, 5))


def strict_json(value: Any) -> Any:
    """Return a copy in which every non-finite number is None: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): strict_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict_json(v) for v in value]
    return value
