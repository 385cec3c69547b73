"""Detections lie in a part a year: questions read what they need, and nothing else changes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from db import queries, schema, store
from db.engine import connection, transaction
from db.roles import READER, set_login
from detectors.errors import PermanentError
from detectors.types import Acquisition, Detection

FAR = datetime(2061, 5, 4, 3, 2, 1, tzinfo=UTC)
#: What somebody has made of the table for themselves.
MINE = """
CREATE VIEW mine.detections WITH (security_barrier=true) AS SELECT * FROM scarpwatch.detections"""
#: A detection as two thousand of 2024, along a line.
MANY = """
INSERT INTO scarpwatch.detections SELECT (jsonb_populate_record(one, jsonb_build_object(
    'id', gen_random_uuid(), 'polygon', ST_MakeEnvelope(0.01 * n, 0, 0.01 * n + 0.01, 0.01, 4326),
    'not_before', timestamptz '2024-01-01Z' + n * interval '4 h' - interval '12 d',
    'not_after', timestamptz '2024-01-01Z' + n * interval '4 h'))).*
FROM (SELECT one FROM scarpwatch.detections AS one LIMIT 1) AS found, generate_series(1, 2000) AS n
"""
LONG_AGO = datetime(1999, 12, 31, 23, 59, tzinfo=UTC)


def rows(opened: Connection | Session, table: str) -> list[str]:
    """Return what a table holds, geometry bit for bit, whatever order its columns have."""
    asked = text(f"SELECT to_jsonb(t)::text FROM (SELECT * FROM scarpwatch.{table}) AS t")
    return sorted(opened.execute(asked).scalars())


def geometries(opened: Connection) -> list[bytes]:
    asked = text("SELECT id, ST_AsEWKB(polygon) FROM scarpwatch.detections ORDER BY id")
    return [bytes(wkb) for _, wkb in opened.execute(asked)]


def parts_of(opened: Connection, query: str) -> set[str]:
    plan = "\n".join(opened.execute(text(f"EXPLAIN {query}")).scalars())
    return set(re.findall(r"detections_(\d{4}|other)\b", plan))


def test_a_question_about_a_time_is_planned_for_its_part_alone(world) -> None:
    seen = world.acquisition.sensed_at
    here = "geometry && ST_MakeEnvelope(-120, 34, -119, 35, 4326)"
    with connection(world.engine) as opened:
        during = f"not_after BETWEEN '{seen}' AND timestamptz '{seen}' + interval '1 day'"
        asked = f"SELECT id FROM analysts.detections WHERE {here} AND {during}"
        assert parts_of(opened, asked) == {str(seen.year)}
        assert len(opened.execute(text(asked)).all()) == 2
        assert len(parts_of(opened, f"SELECT id FROM analysts.detections WHERE {here}")) > 20


def test_looks_of_years_without_a_part_are_stored_once_too(world, make) -> None:
    looks = [make.acquisition(at.year, sensed_at=at, published_at=at) for at in (FAR, LONG_AGO)]
    found = [make.detection(look, 7) for look in looks]
    with world.open() as s:
        store.record_acquisitions(s, world.region, looks)
        for _ in range(2):
            store.store_detections(s, found)
    with world.open() as s:
        kept = [d for look in looks for d in queries.list_detections(s, world.region.id, look.id)]
        apart = s.scalar(text("SELECT count(*) FROM scarpwatch.detections_other"))
    assert kept == found
    assert apart == 2


def test_a_place_and_a_month_are_one_condition_of_one_index(world) -> None:
    """Or a tile of a month goes through all that was found anywhere in that month."""
    box = "ST_MakeEnvelope(0, 0, 0.1, 0.1, 4326)"
    asked = f"""EXPLAIN SELECT id FROM analysts.detections
        WHERE geometry && {box} AND ST_Intersects(geometry, {box})
        AND not_after BETWEEN '2024-05-01Z' AND '2024-05-31Z'"""
    with connection(world.engine) as opened:
        opened.execute(text(MANY))
        opened.execute(text("ANALYZE scarpwatch.detections"))
        plan = "\n".join(opened.execute(text(asked)).scalars())
        opened.rollback()
    (condition,) = re.findall(r"Index Cond: (.*polygon.*)", plan)
    for part in ("polygon &&", "not_after >=", "not_after <="):
        assert part in condition


def test_a_landslide_of_a_detection_that_is_not_stored_is_refused(world, make) -> None:
    stray = make.detection(world.acquisition, 9)
    with pytest.raises(PermanentError, match="not_after"), world.open() as s:
        store.store_landslide(s, make.landslide(stray))
    with world.open() as s:
        assert queries.get_landslide(s, make.landslide(stray).id) is None


def test_a_database_with_rows_goes_down_and_up_again(world) -> None:
    set_login(world.engine, "reads_parts", groups=None)
    try:
        with connection(world.engine) as opened:
            opened.execute(text(f"GRANT SELECT ON scarpwatch.detections TO {READER}"))
            opened.execute(text("CREATE SCHEMA mine"))
            opened.execute(text(MINE))
        there = held(world.engine)
        schema.downgrade(world.engine, "0017")
        with connection(world.engine) as opened:
            kind = (
                "SELECT relkind::text FROM pg_class WHERE oid = 'scarpwatch.detections'::regclass"
            )
            assert opened.scalar(text(kind)) == "r"
            assert rows(opened, "detections") == there["rows"]
            assert geometries(opened) == there["geometries"]
        schema.upgrade(world.engine)
        assert held(world.engine) == there
        with world.open() as s:
            assert queries.landslide_detections(s, world.landslide.id) == sorted(
                world.detections, key=lambda d: (d.not_after, d.id)
            )
    finally:
        with connection(world.engine) as opened:
            opened.execute(text("DROP OWNED BY reads_parts; DROP ROLE reads_parts"))


def held(engine: Engine) -> dict[str, Any]:
    """Return what a migration must keep: rows, what is shown of them, and to whom."""
    shown = """
        SELECT oid::regclass::text, relacl::text, reloptions::text, pg_get_viewdef(oid),
            obj_description(oid) FROM pg_class
        WHERE relkind = 'v' AND relnamespace IN ('analysts'::regnamespace, 'mine'::regnamespace)
        ORDER BY 1"""
    rights = "SELECT relacl::text FROM pg_class WHERE oid = 'scarpwatch.detections'::regclass"
    with connection(engine) as opened:
        return {
            "rows": rows(opened, "detections"),
            "links": rows(opened, "landslide_detections"),
            "geometries": geometries(opened),
            "views": opened.execute(text(shown)).all(),
            "rights": opened.scalar(text(rights)),
        }


def stored(engine: Engine, detections: list[Detection]) -> list[str]:
    """Return what storing adds, but for the moment; nothing stays."""
    with Session(engine) as s:
        before = set(rows(s, "detections"))
        for _ in range(2):
            store.store_detections(s, detections)
        after = set(rows(s, "detections"))
        s.rollback()
    assert before <= after
    return sorted(re.sub(r'"recorded_at": "[^"]*"', "", row) for row in after - before)


def test_copied_is_as_inserted(world, make, monkeypatch) -> None:
    found = [
        make.detection(world.acquisition, n, advisory='a "b", \\N\t{ü}' if n % 2 else None,
                       item_ids=("one", 'two "2", {3}', ""))
        for n in range(2, 40)
    ]  # fmt: skip
    inserted = stored(world.engine, [*found, *world.detections])
    monkeypatch.setattr(store, "MANY", 1)
    assert stored(world.engine, [*found, *world.detections]) == inserted
    assert len(inserted) == len(found)


@pytest.mark.parametrize("many", [1, 1_000])
def test_what_no_detection_is_is_refused_either_way(world, make, monkeypatch, many: int) -> None:
    monkeypatch.setattr(store, "MANY", many)
    look: Acquisition = world.acquisition
    for wrong in (
        make.detection(replace(look, item_id="unknown"), 3),
        make.detection(look, 3, area_m2=-1.0),
        make.detection(look, 3, advisory="nul \x00"),
        make.detection(look, 3, not_before=datetime(2023, 1, 1)),  # noqa: DTZ001
    ):
        with pytest.raises(PermanentError), transaction(world.engine) as s:
            store.store_detections(s, [wrong])
    with world.open() as s:
        assert len(queries.list_detections(s, world.region.id)) == 2
