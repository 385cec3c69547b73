"""Numbers, places and times in the words of a message. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shapely.geometry.base import BaseGeometry

from detectors.types import Kind, require_utc

#: Words that stand inside sentences; ``templates/LANGUAGE/words.toml`` has those of others.
#: What stands in brackets is filled in; ``decimal`` is what stands before a fraction.
ENGLISH: Mapping[str, str] = {
    "decimal": ".",
    "landslide": "landslide",
    "ponding": "new water",
    "unknown": "unknown",
    "area_unknown": "area unknown",
    "parts": " in {n} parts",
    "rose": "rose {n} dB",
    "fell": "fell {n} dB",
    "changed_unknown": "changed by an unknown amount",
    "not_seen_by_radar": "is unknown: radar has not seen it",
    "hours": "{n} hours",
    "days": "{n} days",
    "one_look": "1 look",
    "looks": "{n} looks",
    "by_radar": "radar",
    "by_optical": "an optical look",
    "by_both": "radar and an optical look",
    "watch": "watch",
    "likely": "likely",
    "suspected": "suspected",
    "confirmed": "confirmed",
    "refuted": "refuted",
    "unresolved": "unresolved",
    "closed": "closed",
    "Extreme": "extreme",
    "Severe": "severe",
    "Moderate": "moderate",
    "Minor": "minor",
    "downstream": ", danger downstream",
    "lies_there": "WHAT LIES THERE (by the loaded maps)",
    "one_road": "1 road",
    "road": "{n} roads",
    "one_rail": "1 railway",
    "rail": "{n} railways",
    "one_building": "1 building",
    "building": "{n} buildings",
    "one_river": "1 river",
    "river": "{n} rivers",
    # What lies there (``alerts.exposed``); ``winds`` are eight words, clockwise from north.
    "inside": "{count} inside the outline",
    "near": "{count} within {length}",
    "one_more": "1 more building",
    "more": "{n} more buildings",
    "over": "{verb} the {thing} over {length}",
    "over_more": "{verb} {n} more {things}",
    "crosses": "crosses",
    "reaches_into": "reaches into",
    "covers": "covers",
    "stands_in": "stands in",
    "away": "{thing} {length} away",
    "touches": "touches the {thing}",
    "noun_road": "road",
    "noun_rail": "railway",
    "noun_river": "river",
    "plural_road": "roads",
    "plural_rail": "railways",
    "plural_river": "rivers",
    "plural_building": "buildings",
    "plural_place": "places",
    "and": "and",
    "or": "or",
    "and_more": "{names} and {n} more",
    "none_near": "no {things} within {length} on the map",
    "no_map": "no map of {things} is loaded here",
    "in_place": "in {place}",
    "from_place": "{length} {wind} of {place}",
    "winds": "north north-east east south-east south south-west west north-west",
    "down": "downstream",
    "up_or_down": "up- or downstream",
    "if_it_blocks": "if it blocks the river, ",
    "the_river": "river",
    "along_river": "{case}{way} along the {river} within {length}:",
    "nothing_mapped": "nothing on the loaded map",
    "near_water": "{count} within {length} of the water",
    "one_line": "1 railway line",
    "lines": "{n} railway lines",
    "place_away": "{place} ({length} away)",
}
#: Invisible, yet Persian and the Indic scripts cannot be written without them.
_JOINERS = {"\u200c", "\u200d"}


def one_line(text: str, limit: int = 80) -> str:
    """Return foreign text (names, causes) as one printable line of at most ``limit`` characters."""
    # Line ends forge headers, lone surrogates break encodings, and bidirectional controls show
    # "EXERCISE" somewhere else on the screen than where it stands.
    printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= limit else f"{line[: limit - 3].rstrip()}..."


def finding(kind: Kind, say: Mapping[str, str] = ENGLISH) -> str:
    """Return what a finding of a kind is called."""
    return say[kind.value]


def amount(number: float, unit: str = "", say: Mapping[str, str] = ENGLISH) -> str:
    """Return a measured number to one decimal, with its unit where it has one."""
    if not math.isfinite(number):
        return say["unknown"]
    return f"{_decimal(f'{number:.1f}', say)} {unit}".strip()


def area(area_m2: float, say: Mapping[str, str] = ENGLISH) -> str:
    """Return an area in hectares, with no more digits than 30 m pixels deserve."""
    hectares = area_m2 / 10_000
    if not math.isfinite(hectares):
        return say["area_unknown"]
    if hectares < 100:
        return _decimal(f"{hectares:.{2 if hectares < 1 else 1}f} ha", say)
    thousands = "," if say["decimal"] == "." else " "
    return f"{hectares:,.0f} ha".replace(",", thousands)


def parts(count: int, say: Mapping[str, str] = ENGLISH) -> str:
    """Return a remark on an outline of several parts, empty for one."""
    return _counted(say["parts"], count) if count > 1 else ""


def looks(count: int, say: Mapping[str, str] = ENGLISH) -> str:
    """Return a number of looks."""
    return say["one_look"] if count == 1 else _counted(say["looks"], count)


def exposed(what: str, number: int | str, say: Mapping[str, str] = ENGLISH) -> str:
    """Return how much of something is exposed, empty for nothing; words are taken as they are."""
    if isinstance(number, str):
        return one_line(number, 60)
    if number < 1:
        return ""
    return say[f"one_{what}"] if number == 1 else _counted(say[what], number)


def change(change_db: float | None, say: Mapping[str, str] = ENGLISH) -> str:
    """Return what happened to the backscatter, as a verb with its amount; None is not seen."""
    if change_db is None:
        return say["not_seen_by_radar"]
    if not math.isfinite(change_db):
        return say["changed_unknown"]
    return _counted(
        say["fell" if change_db < 0 else "rose"], _decimal(f"{abs(change_db):.1f}", say)
    )


def hundredths(
    number: float | None, *, signed: bool = False, say: Mapping[str, str] = ENGLISH
) -> str:
    """Return an index or a score (NDVI, the ensemble's) to two decimals."""
    if number is None or not math.isfinite(number):
        return say["unknown"]
    return _decimal(f"{number:+z.2f}" if signed else f"{number:z.2f}", say)


def _decimal(number: str, say: Mapping[str, str]) -> str:
    return number.replace(".", say["decimal"])


def fill(pattern: str, **words: str) -> str:
    """Put words where their names stand in brackets; other brackets stay as they are.

    In one pass, and by no more than a name: what is put in may hold brackets, and patterns may be
    an agency's.
    """
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), pattern)


def blanks(pattern: str) -> set[str]:
    """Return the names that stand in brackets."""
    return set(re.findall(r"\{(\w+)\}", pattern))


def _counted(words: str, number: object) -> str:
    """Put a number into words; whatever else stands in brackets there stays as it is."""
    return words.replace("{n}", str(number))


def moment(when: datetime) -> str:
    """Return a time to the minute, in UTC and saying so.

    Raises:
        ValueError: the time has no zone.
    """
    return f"{require_utc(when, 'time'):%Y-%m-%d %H:%M} UTC"


def span(length: timedelta, say: Mapping[str, str] = ENGLISH) -> str:
    """Return a time bracket's length: hours below two days, else days."""
    hours = length / timedelta(hours=1)
    if abs(hours) < 48:
        return _counted(say["hours"], f"{hours:.0f}")
    return _counted(say["days"], f"{hours / 24:.0f}")


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
