"""What lies where ground moved, in words a human reads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from alerts.wording import one_line
from detectors.exposure import BANK_M, NEAR_M, REACH_M, Exposed, Exposure, NearPlace, OnRiver, Thing
from detectors.types import Kind

_WINDS = (
    "north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west",
)  # fmt: skip
#: No more than so many roads, rivers and places by name; the rest is counted.
NAMED = 4
_VERBS = {
    Kind.LANDSLIDE: {
        Thing.ROAD: "crosses", Thing.RAIL: "crosses", Thing.RIVER: "reaches into",
    },
    Kind.PONDING: {Thing.ROAD: "covers", Thing.RAIL: "covers", Thing.RIVER: "stands in"},
}  # fmt: skip
_NOUN = {Thing.ROAD: "road", Thing.RAIL: "railway", Thing.RIVER: "river"}
_PLURAL = {
    Thing.ROAD: "roads", Thing.RAIL: "railways", Thing.RIVER: "rivers",
    Thing.BUILDING: "buildings", Thing.PLACE: "places",
}  # fmt: skip


def lines(exposure: Exposure, kind: Kind = Kind.LANDSLIDE) -> list[str]:
    """Return what lies there, one thing a line, the worst first.

    What no loaded map shows is said too: an empty map and an empty slope are not the same.
    """
    told = [*_inside(exposure, kind), *_beside(exposure)]
    known = [
        _PLURAL[one] for one in (Thing.BUILDING, Thing.ROAD, Thing.RAIL) if one in exposure.mapped
    ]
    if not told and known:
        told.append(f"no {_listed(known, 'or')} within {NEAR_M:.0f} m on the map")
    if exposure.place is not None:
        told.append(place(exposure.place))
    if exposure.downstream is not None:
        told.append(river(exposure.downstream, kind))
    missing = [_PLURAL[one] for one in Thing if one not in exposure.mapped]
    if missing:
        told.append(f"no map of {_listed(missing, 'and')} is loaded here")
    return told


def in_the_way(exposure: Exposure | None) -> dict[str, int | str] | None:
    """Return what is hit, as actions are chosen by it; None where nobody knows."""
    if exposure is None:
        return None
    hit: dict[str, int | str] = {
        Thing.BUILDING.value: exposure.buildings_inside + exposure.buildings_near
    }
    for what in (Thing.ROAD, Thing.RAIL, Thing.RIVER):
        crossed = exposure.crossed(what)
        names = [one.name for one in crossed]
        hit[what.value] = _named(names) if names and all(names) else len(crossed)
    return {what: much for what, much in hit.items() if much}


def place(near: NearPlace) -> str:
    """Return distance and direction from a place: ``1.4 km south-east of Årdal``."""
    name = one_line(near.name, 60)
    if near.distance_m <= 0:
        return f"in {name}"
    return f"{distance(near.distance_m)} {wind(near.azimuth)} of {name}"


def river(on: OnRiver, kind: Kind) -> str:
    """Return what lies along the river, and which way that is."""
    way = "downstream" if on.known else "up- or downstream"
    names = _named(on.rivers)
    along = f" along the {names}" if names else " along the river"
    case = "" if kind is Kind.PONDING else "if it blocks the river, "
    lead = f"{case}{way}{along} within {REACH_M / 1000:.0f} km:"
    if not on.anything:
        return f"{lead} nothing on the loaded map"
    things = []
    if on.buildings:
        things.append(f"{_some(on.buildings, 'building')} within {BANK_M:.0f} m of the water")
    if on.roads:
        things.append(f"{'road' if len(on.roads) == 1 else 'roads'} {_named(on.roads)}")
    if on.rails:
        things.append(_some(on.rails, "railway line"))
    if on.places:
        far = (f"{one_line(p.name, 60)} ({distance(p.distance_m)} away)" for p in on.places[:NAMED])
        rest = len(on.places) - NAMED
        things.append(", ".join(far) + (f" and {rest} more" if rest > 0 else ""))
    return f"{lead} {'; '.join(things)}"


def distance(metres: float) -> str:
    """Return a distance: tens of metres below 950 m, else kilometres to one decimal."""
    if metres < 950:
        return f"{max(round(metres, -1), 10):.0f} m"
    return f"{metres / 1000:.1f} km"


def wind(azimuth: float) -> str:
    """Return one of eight compass directions for degrees clockwise from north."""
    return _WINDS[round(azimuth / 45.0) % 8]


def payload(exposure: Exposure, kind: Kind) -> dict[str, Any]:
    """Return it for machines, with the words."""
    document: dict[str, Any] = asdict(exposure)
    document["mapped"] = [one.value for one in exposure.mapped]
    document["things"] = [asdict(one) | {"kind": one.kind.value} for one in exposure.things]
    document["loaded_at"] = exposure.loaded_at.isoformat().replace("+00:00", "Z")
    return document | {"words": lines(exposure, kind)}


def _inside(exposure: Exposure, kind: Kind) -> Iterator[str]:
    if exposure.buildings_inside:
        yield f"{_some(exposure.buildings_inside, 'building')} inside the outline"
    for what in (Thing.RAIL, Thing.ROAD, Thing.RIVER):
        crossed = exposure.crossed(what)
        for one in crossed[:NAMED]:
            yield f"{_VERBS[kind][what]} the {_called(one)} over {distance(one.length_m)}"
        if len(crossed) > NAMED:
            yield f"{_VERBS[kind][what]} {len(crossed) - NAMED} more {_PLURAL[what]}"


def _beside(exposure: Exposure) -> Iterator[str]:
    if exposure.buildings_near:
        count = _some(exposure.buildings_near, "building")
        more = "more " if exposure.buildings_inside else ""
        yield f"{count.replace(' ', f' {more}', 1)} within {NEAR_M:.0f} m"
    for what in (Thing.RAIL, Thing.ROAD, Thing.RIVER):
        near = exposure.near(what)
        for one in near[:1]:
            # Less than a pixel away is as good as touching; the outline is no better than that.
            away = distance(one.distance_m)
            yield f"{_called(one)} {away} away" if one.distance_m else f"touches the {_called(one)}"


def _called(one: Exposed) -> str:
    """Return ``road Fv53``, ``stream``, ``railway``."""
    noun = _NOUN[one.kind]
    name = one_line(one.name, 60)
    if name:
        return f"{noun} {name}"
    return f"{noun} ({one_line(one.what, 40)})" if one.what else noun


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(names: Iterable[str]) -> str:
    known = [one_line(name, 60) for name in names]
    rest = len(known) - NAMED
    return ", ".join(known[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _listed(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
