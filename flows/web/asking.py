"""What an address asks for: a filter that can be shared, checked value by value."""

from __future__ import annotations

import enum
import math
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from db.pages import Box, Wanted
from detectors.types import State, Tier
from flows.web.guards import Problem

#: Names an address may hold; ``from`` and ``to`` are dates, ``least`` and ``most`` hectares.
NAMES = frozenset({"region", "state", "tier", "from", "to", "least", "most", "page"})
MAP_NAMES = NAMES | {"bbox", "zoom"}
#: Landslides on one page of the list.
PAGE = 50
LAST_PAGE = 20_000
#: Between the world at a glance and a house.
ZOOMS = range(20)
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HECTARE = 10_000.0
_LARGEST_HA = 1e8

#: What came in: (name, value) in the order of the address.
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Filter:
    """What an address asks for, as it was typed and as the database takes it."""

    region: str = ""
    """Region id, empty for all."""
    states: tuple[State, ...] = ()
    """Empty for all."""
    tiers: tuple[Tier, ...] = ()
    """Empty for all."""
    first: date | None = None
    """First seen on this day or later, UTC."""
    last: date | None = None
    """First seen on this day or earlier, UTC."""
    least: float | None = None
    """Hectares."""
    most: float | None = None
    """Hectares."""
    page: int = 1
    """Of the list."""

    @property
    def wanted(self) -> Wanted:
        """The filter as the database takes it."""
        return Wanted(
            self.region or None, self.states, self.tiers, _midnight(self.first),
            None if self.last is None else _midnight(self.last + timedelta(days=1)),
            None if self.least is None else self.least * _HECTARE,
            None if self.most is None else self.most * _HECTARE,
        )  # fmt: skip

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return replace(self, page=1) != Filter()

    def query(self, **changes: object) -> str:
        """Return the address's part behind the question mark, with changes; empty for nothing."""
        wanted = replace(self, **changes)  # type: ignore[arg-type]
        pairs: list[tuple[str, str]] = []
        if wanted.region:
            pairs.append(("region", wanted.region))
        pairs += [("state", one.value) for one in wanted.states]
        pairs += [("tier", one.value) for one in wanted.tiers]
        for name, value in (
            ("from", wanted.first), ("to", wanted.last), ("least", wanted.least),
            ("most", wanted.most),
        ):  # fmt: skip
            if value is not None:
                pairs.append((name, f"{value:g}" if isinstance(value, float) else str(value)))
        if wanted.page != 1:
            pairs.append(("page", str(wanted.page)))
        return urlencode(pairs)


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), UTC)


def read_filter(pairs: Pairs, known: frozenset[str] = NAMES) -> Filter:
    """Read a filter.

    Raises:
        Problem: a name or a value that means nothing.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in known:
            raise _wrong(f"The page knows no filter {name[:40]!r}", f"Known: {_list(NAMES)}.")
        if value.strip():
            given.setdefault(name, []).append(value.strip())
    for name, values in given.items():
        if len(values) > 1 and name not in ("state", "tier"):
            raise _wrong(f"The filter {name!r} stands there twice", "Leave one of them out.")
    made = Filter(
        _region(given), _words(given, "state", State), _words(given, "tier", Tier),
        _day(given, "from"), _day(given, "to"), _hectares(given, "least"), _hectares(given, "most"),
        _whole(given, "page", range(1, LAST_PAGE + 1), 1),
    )  # fmt: skip
    if made.first and made.last and made.first > made.last:
        raise _wrong("The time ends before it begins", "Exchange the two dates.")
    if made.least is not None and made.most is not None and made.least > made.most:
        raise _wrong("The smallest size is above the largest", "Exchange the two sizes.")
    return made


def read_box(pairs: Pairs) -> tuple[Box, int]:
    """Read which part of the map is asked for, and how large it is drawn.

    Raises:
        Problem: no box, or none on this earth.
    """
    given: Mapping[str, list[str]] = {name: [value] for name, value in pairs}
    text = given.get("bbox", [""])[0]
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise _box() from None
    inside = -180 <= west < east <= 180 and -90 <= south < north <= 90
    if not inside:
        raise _box()
    return (west, south, east, north), _whole(given, "zoom", ZOOMS, 8)


def read_id(text: str) -> uuid.UUID:
    """Read the id of a landslide or an alert.

    Raises:
        Problem: it is none.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Problem(
            404, "That is no id", "The address of a landslide ends in 36 letters and digits."
        ) from None


def _region(given: Mapping[str, list[str]]) -> str:
    text = given.get("region", [""])[0]
    if text and not _REGION.fullmatch(text):
        raise _wrong("That is no region's id", "Ids are lower-case words joined by dashes.")
    return text


def _words[Word: enum.StrEnum](
    given: Mapping[str, list[str]], name: str, kind: type[Word]
) -> tuple[Word, ...]:
    found = []
    for text in given.get(name, []):
        if text not in list(kind):
            raise _wrong(f"There is no {name} {text[:40]!r}", f"Known: {', '.join(kind)}.")
        found.append(kind(text))
    return tuple(one for one in kind if one in found)


def _day(given: Mapping[str, list[str]], name: str) -> date | None:
    text = given.get(name, [""])[0]
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 1970 <= day.year <= 2200:
        raise _wrong(f"{text[:40]!r} is no date", "Write it like 2023-11-15.")
    return day


def _hectares(given: Mapping[str, list[str]], name: str) -> float | None:
    text = given.get(name, [""])[0]
    if not text:
        return None
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 <= size <= _LARGEST_HA:
        raise _wrong(f"{text[:40]!r} is no size", "Write hectares like 2.5.")
    return size


def _whole(given: Mapping[str, list[str]], name: str, known: range, default: int) -> int:
    text = given.get(name, [""])[0]
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) not in known:
        advice = f"It is a number from {known[0]} to {known[-1]}."
        raise _wrong(f"{text[:40]!r} is no {name}", advice)
    return int(text)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _box() -> Problem:
    return _wrong("That is no part of the map", "bbox is west,south,east,north in degrees.")


def _wrong(title: str, advice: str) -> Problem:
    return Problem(400, title, advice)
