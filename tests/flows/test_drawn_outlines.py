"""Outlines that people drew stand, whatever looks come afterwards and however late; on PostGIS."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import text
from sqlalchemy.orm import Session

from db import queries
from detectors.types import Finding, Landslide, State
from flows.services import Services
from tests.property.test_arrival_order import (
    BOTH,
    EAST,
    WEST,
    Shown,
    World,
    ground,
    services,  # noqa: F401
)


def radar(day: int, *patches: tuple[int, int, int]) -> Shown:
    return Shown(day, False, Finding.DISAGREES, patches)


def optical(day: int, finding: Finding) -> Shown:
    return Shown(day, True, finding, ())


@pytest.fixture
def session(services: Services) -> Iterator[Session]:  # noqa: F811
    with Session(services.engine, expire_on_commit=False) as s:
        yield s
        s.rollback()


def begin(services: Services, s: Session, shown: list[Shown], first: int) -> World:  # noqa: F811
    """All looks are known beforehand; the first of them come before anybody draws."""
    world = World(services, s, shown)
    for one in shown[:first]:
        world.arrive(one)
    return world


def redraw(s: Session, landslide_id: uuid.UUID, drawn: BaseGeometry) -> None:
    s.execute(
        text(
            "UPDATE analysts.landslides_edit SET"
            " geometry = ST_Multi(ST_GeomFromWKB(:drawn, 4326)) WHERE id = :id"
        ),
        {"drawn": shapely.to_wkb(drawn), "id": landslide_id},
    )


def known(s: Session) -> list[Landslide]:
    return [one for one in queries.list_landslides(s) if one.merged_into is None]


#: A stronger look that comes in its turn, one that comes late, and both.
AFTERWARDS = {
    "next": [radar(36, (*WEST, 30))],
    "late": [radar(6, (*WEST, 30))],
    "both": [radar(36, (*WEST, 40)), radar(6, (*WEST, 30))],
}


@pytest.mark.parametrize("afterwards", AFTERWARDS.values(), ids=AFTERWARDS)
def test_no_look_moves_what_a_person_drew(
    services: Services, session: Session, afterwards: list[Shown]  # noqa: F811
) -> None:  # fmt: skip
    looks = [radar(0, (*WEST, 16)), radar(24, (*WEST, 16)), *afterwards]
    world = begin(services, session, looks, 2)
    (before,) = known(session)
    drawn = ground(1, 5)
    redraw(session, before.id, drawn)
    for one in afterwards:
        world.arrive(one)
    (now,) = known(session)
    assert now.id == before.id
    assert now.geometry == MultiPolygon([drawn])
    assert now.drawn_by == "postgres"
    assert len(now.detections) == 2 + len(afterwards), "the looks count all the same"
    assert now.evidence > before.evidence


def test_a_look_may_still_confirm_it(services: Services, session: Session) -> None:  # noqa: F811
    looks = [radar(0, (*WEST, 16)), optical(30, Finding.AGREES)]
    world = begin(services, session, looks, 1)
    (before,) = known(session)
    redraw(session, before.id, ground(1, 5))
    world.arrive(looks[1])
    (now,) = known(session)
    stands = queries.landslide_timeline(session, now.id)
    # The look is years older than the drawing: by then it had closed.
    assert [one.state for one in stands] == [
        State.SUSPECTED, State.CONFIRMED, State.CLOSED, State.CLOSED,
    ]  # fmt: skip
    assert now.drawn_by == "postgres"
    assert now.geometry == MultiPolygon([ground(1, 5)])


def test_what_a_person_made_one_stays_one(services: Services, session: Session) -> None:  # noqa: F811
    apart = ((*WEST, 16), (*EAST, 16))
    looks = [radar(0, *apart), radar(24, *apart), radar(12, (*WEST, 30), (*EAST, 30))]
    world = begin(services, session, looks, 2)
    west, east = sorted(known(session), key=lambda one: one.geometry.bounds)
    session.execute(
        text("UPDATE analysts.landslides_edit SET merged_into = :west WHERE id = :east"),
        {"west": west.id, "east": east.id},
    )
    (one,) = known(session)
    world.arrive(looks[2])
    (now,) = known(session)
    assert (now.id, now.geometry, now.drawn_by) == (west.id, one.geometry, "postgres")
    assert now.merged_from == (east.id,)
    gone = queries.get_landslide(session, east.id)
    assert gone is not None
    assert (gone.state, gone.merged_into) == (State.CLOSED, west.id)


@pytest.mark.parametrize("day", [6, 36])
def test_what_a_person_made_two_stays_two(
    services: Services, session: Session, day: int  # noqa: F811
) -> None:  # fmt: skip
    looks = [radar(0, (*BOTH, 16)), radar(24, (*BOTH, 16)), radar(day, (*BOTH, 30))]
    world = begin(services, session, looks, 2)
    (whole,) = known(session)
    part = uuid.uuid4()
    session.execute(
        text(
            "INSERT INTO analysts.landslides_edit (id, split_from, geometry)"
            " VALUES (:part, :whole, ST_Multi(ST_GeomFromWKB(:drawn, 4326)))"
        ),
        {"part": part, "whole": whole.id, "drawn": shapely.to_wkb(ground(*EAST))},
    )
    outlines = {one.id: one.geometry for one in known(session)}
    assert outlines[part] == MultiPolygon([ground(*EAST)])
    world.arrive(looks[2])
    now: dict[Any, Landslide] = {one.id: one for one in known(session)}
    assert {one.id: one.geometry for one in now.values()} == outlines
    assert now[part].split_from == whole.id
    assert now[whole.id].split_into == (part,)
