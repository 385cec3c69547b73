"""What lies where ground moved, in words a human reads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from alerts.wording import ENGLISH, exposed, fill, one_line
from detectors.exposure import BANK_M, NEAR_M, REACH_M, Exposed, Exposure, NearPlace, OnRiver, Thing
from detectors.types import Kind

#: No more than so many roads, rivers and places by name; the rest is counted.
NAMED = 4
_VERBS = {
    Kind.LANDSLIDE: {Thing.ROAD: "crosses", Thing.RAIL: "crosses", Thing.RIVER: "reaches_into"},
    Kind.PONDING: {Thing.ROAD: "covers", Thing.RAIL: "covers", Thing.RIVER: "stands_in"},
}


def lines(
    exposure: Exposure, kind: Kind = Kind.LANDSLIDE, say: Mapping[str, str] = ENGLISH
) -> list[str]:
    """Return what lies there, one thing a line, the worst first.

    What no loaded map shows is said too: an empty map and an empty slope are not the same.

    Args:
        exposure: what is known.
        kind: of the finding.
        say: the words of a language (``alerts.languages``).
    """
    told = [*_inside(exposure, kind, say), *_beside(exposure, say)]
    known = [one for one in (Thing.BUILDING, Thing.ROAD, Thing.RAIL) if one in exposure.mapped]
    if not told and known:
        near = distance(NEAR_M, say)
        told.append(fill(say["none_near"], things=_listed(known, "or", say), length=near))
    if exposure.place is not None:
        told.append(place(exposure.place, say))
    if exposure.downstream is not None:
        told.append(river(exposure.downstream, kind, say))
    missing = [one for one in Thing if one not in exposure.mapped]
    if missing:
        told.append(fill(say["no_map"], things=_listed(missing, "and", say)))
    return told


def in_the_way(
    exposure: Exposure | None, say: Mapping[str, str] = ENGLISH
) -> dict[str, int | str] | None:
    """Return what is hit, as actions are chosen by it; None where nobody knows."""
    if exposure is None:
        return None
    hit: dict[str, int | str] = {
        Thing.BUILDING.value: exposure.buildings_inside + exposure.buildings_near
    }
    for what in (Thing.ROAD, Thing.RAIL, Thing.RIVER):
        crossed = exposure.crossed(what)
        names = [one.name for one in crossed]
        hit[what.value] = _named(names, say) if names and all(names) else len(crossed)
    return {what: much for what, much in hit.items() if much}


def place(near: NearPlace, say: Mapping[str, str] = ENGLISH) -> str:
    """Return distance and direction from a place: ``1.4 km south-east of Årdal``."""
    name = one_line(near.name, 60)
    if near.distance_m <= 0:
        return fill(say["in_place"], place=name)
    far, way = distance(near.distance_m, say), wind(near.azimuth, say)
    return fill(say["from_place"], length=far, wind=way, place=name)


def river(on: OnRiver, kind: Kind, say: Mapping[str, str] = ENGLISH) -> str:
    """Return what lies along the river, and which way that is."""
    lead = fill(
        say["along_river"],
        case="" if kind is Kind.PONDING else say["if_it_blocks"],
        way=say["down" if on.known else "up_or_down"],
        river=_named(on.rivers, say) or say["the_river"],
        length=f"{REACH_M / 1000:.0f} km",
    )
    if not on.anything:
        return f"{lead} {say['nothing_mapped']}"
    things = []
    if on.buildings:
        count, near = exposed("building", on.buildings, say), distance(BANK_M, say)
        things.append(fill(say["near_water"], count=count, length=near))
    if on.roads:
        noun = say["noun_road" if len(on.roads) == 1 else "plural_road"]
        things.append(f"{noun} {_named(on.roads, say)}")
    if on.rails:
        things.append(say["one_line"] if on.rails == 1 else fill(say["lines"], n=str(on.rails)))
    if on.places:
        far = [
            fill(say["place_away"], place=one_line(p.name, 60), length=distance(p.distance_m, say))
            for p in on.places
        ]
        things.append(_first(far, say))
    return f"{lead} {'; '.join(things)}"


def distance(metres: float, say: Mapping[str, str] = ENGLISH) -> str:
    """Return a distance: tens of metres below 950 m, else kilometres to one decimal."""
    if metres < 950:
        return f"{max(round(metres, -1), 10):.0f} m"
    return f"{metres / 1000:.1f} km".replace(".", say["decimal"])


def wind(azimuth: float, say: Mapping[str, str] = ENGLISH) -> str:
    """Return one of eight compass directions for degrees clockwise from north."""
    winds = say["winds"].split()
    return winds[round(azimuth / 45.0) % len(winds)]


def payload(exposure: Exposure, kind: Kind, say: Mapping[str, str] = ENGLISH) -> dict[str, Any]:
    """Return it for machines, with the words."""
    document: dict[str, Any] = asdict(exposure)
    document["mapped"] = [one.value for one in exposure.mapped]
    document["things"] = [asdict(one) | {"kind": one.kind.value} for one in exposure.things]
    document["loaded_at"] = exposure.loaded_at.isoformat().replace("+00:00", "Z")
    return document | {"words": lines(exposure, kind, say)}


def _inside(exposure: Exposure, kind: Kind, say: Mapping[str, str]) -> Iterator[str]:
    if exposure.buildings_inside:
        yield fill(say["inside"], count=exposed("building", exposure.buildings_inside, say))
    for what in (Thing.RAIL, Thing.ROAD, Thing.RIVER):
        crossed, verb = exposure.crossed(what), say[_VERBS[kind][what]]
        for one in crossed[:NAMED]:
            length = distance(one.length_m, say)
            yield fill(say["over"], verb=verb, thing=_called(one, say), length=length)
        if len(crossed) > NAMED:
            rest, things = str(len(crossed) - NAMED), say[f"plural_{what.value}"]
            yield fill(say["over_more"], verb=verb, n=rest, things=things)


def _beside(exposure: Exposure, say: Mapping[str, str]) -> Iterator[str]:
    if number := exposure.buildings_near:
        if not exposure.buildings_inside:
            count = exposed("building", number, say)
        else:
            count = fill(say["one_more" if number == 1 else "more"], n=str(number))
        yield fill(say["near"], count=count, length=distance(NEAR_M, say))
    for what in (Thing.RAIL, Thing.ROAD, Thing.RIVER):
        for one in exposure.near(what)[:1]:
            # Less than a pixel away is as good as touching; the outline is no better than that.
            pattern = say["away" if one.distance_m else "touches"]
            away = distance(one.distance_m, say)
            yield fill(pattern, thing=_called(one, say), length=away)


def _called(one: Exposed, say: Mapping[str, str]) -> str:
    """Return ``road Fv53``, ``stream``, ``railway``."""
    noun = say[f"noun_{one.kind.value}"]
    name = one_line(one.name, 60)
    if name:
        return f"{noun} {name}"
    return f"{noun} ({one_line(one.what, 40)})" if one.what else noun


def _named(names: Iterable[str], say: Mapping[str, str]) -> str:
    return _first([one_line(name, 60) for name in names], say)


def _first(known: Sequence[str], say: Mapping[str, str]) -> str:
    """Return the first few, and how many more there are."""
    some, rest = ", ".join(known[:NAMED]), len(known) - NAMED
    return fill(say["and_more"], names=some, n=str(rest)) if rest > 0 else some


def _listed(things: Sequence[Thing], last: str, say: Mapping[str, str]) -> str:
    words = [say[f"plural_{one.value}"] for one in things]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {say[last]} {words[-1]}"
