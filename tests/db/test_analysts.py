"""What analysts query: views by name, what they hold, what was known then, and how fast."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import MultiPolygon, box
from sqlalchemy import Engine, text

from db import queries, schema, store
from db.engine import connection, make_engine, transaction
from db.radar import record_observability
from detectors.attributes import Movement, Trigger
from detectors.errors import ConfigurationError, PermanentError
from detectors.observability import Coverage
from detectors.projections import to_lonlat
from detectors.types import Cause, State, Tier
from tests.db.conftest import World
from tests.records import DAY, START, Make

PUBLISHED = {
    "landslides_current", "landslides_confirmed", "landslide_history", "landslide_beliefs",
    "landslide_attributes", "inventory_landslides", "detections", "observability",
    "negative_reports", "landslides_edit",
    "composites", "ledger", "candidate_triggers",
}  # fmt: skip


def rows(engine: Engine, query: str, **values: Any) -> list[dict[str, Any]]:
    with connection(engine) as opened:
        return [dict(row) for row in opened.execute(text(query), values).mappings()]


def test_every_view_says_what_it_is_and_whether_it_is_real(world: World) -> None:
    columns = rows(
        world.engine,
        "SELECT c.relname AS view, a.attname AS name, obj_description(c.oid, 'pg_class') AS what,"
        " col_description(c.oid, a.attnum) AS says FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relnamespace = 'analysts'::regnamespace AND c.relkind = 'v'",
    )
    assert {row["view"] for row in columns} == PUBLISHED
    assert [row for row in columns if not row["says"] or not row["what"]] == []
    by_view = {view: {r["name"] for r in columns if r["view"] == view} for view in PUBLISHED}
    # An inventory is of no region, and says itself whether it happened.
    unwatched = {view for view, names in by_view.items() if "exercise" not in names}
    assert unwatched == {"inventory_landslides"}
    # What people say has no pixels; its landslide's row tells.
    silent = {view for view, names in by_view.items() if "simulated" not in names}
    assert silent == {"landslide_attributes"}
    tables = rows(
        world.engine,
        "SELECT relname FROM pg_class WHERE relnamespace = 'analysts'::regnamespace"
        " AND relkind NOT IN ('v')",
    )
    assert tables == []


def test_the_views_hold_what_the_program_believes(world: World, make: Make) -> None:
    confirmed = replace(
        world.landslide, revision=2, state=State.CONFIRMED, cause_kind=Cause.OPTICAL_LOOK,
        valid_from=START + DAY, cause="confirmed",
    )  # fmt: skip
    closed = replace(
        confirmed, revision=3, state=State.CLOSED, valid_from=START + 200 * DAY, cause="closed"
    )
    assert rows(world.engine, "SELECT * FROM analysts.landslides_confirmed") == []
    for version in (confirmed, closed):
        with world.open() as s:
            store.store_landslide(s, version)
    (row,) = rows(
        world.engine, "SELECT *, ST_AsBinary(geometry) AS wkb FROM analysts.landslides_current"
    )
    for name in ("id", "region_id", "revision", "area_m2", "cause", "evidence", "not_after"):
        assert row[name] == getattr(closed, name)
    assert (row["state"], row["type"], row["mapping_source"]) == ("closed", "unknown", "radar look")
    assert (row["exercise"], row["simulated"]) == (False, False)
    absent = ("trigger", "land_cover", "elevation_min_m", "elevation_max_m", "slope_deg")
    assert [row[name] for name in absent] == [None] * len(absent), "not known is not nought"
    assert shapely.from_wkb(bytes(row["wkb"])).equals(closed.geometry)
    (inventory,) = rows(world.engine, "SELECT * FROM analysts.landslides_confirmed")
    assert (inventory["id"], inventory["state"]) == (closed.id, "closed")
    with world.open() as s:
        store.store_landslide(s, replace(closed, revision=4, state=State.REFUTED, cause="no"))
        store.store_landslide(s, replace(closed, revision=5, cause="closed again"))
    assert rows(world.engine, "SELECT * FROM analysts.landslides_confirmed") == []
    history = rows(world.engine, "SELECT * FROM analysts.landslide_history ORDER BY revision")
    assert [row["state"] for row in history] == [
        "suspected", "confirmed", "closed", "refuted", "closed",
    ]  # fmt: skip
    assert [row["known_until"] is None for row in history] == [True, True, False, False, True]
    found = rows(world.engine, "SELECT * FROM analysts.detections ORDER BY id")
    assert [row["id"] for row in found] == sorted(one.id for one in world.detections)
    assert {row["item_id"] for row in found} == {"item-0"}


def test_what_a_backfill_found_says_so(world: World) -> None:
    views = ("landslides_current", "landslide_history", "landslide_beliefs", "detections")
    asked = [f"SELECT found_by FROM analysts.{view}" for view in views]
    asked.append("SELECT found_by FROM analysts.landslides_as_of(now())")
    assert {row["found_by"] for query in asked for row in rows(world.engine, query)} == {"watch"}
    later = world.landslide.not_after + DAY
    with world.open() as s:
        store.save_region(s, replace(world.region, watch_from=later))
    told = [{row["found_by"] for row in rows(world.engine, query)} for query in asked]
    assert told == [{"backfill"}] * len(asked)


def test_a_negative_report_is_a_look_that_saw_ground_and_found_nothing(
    world: World, make: Make
) -> None:
    looks = {day: make.acquisition(day) for day in (12, 24, 36)}
    with world.open() as s:
        store.record_acquisitions(s, world.region, list(looks.values()))
        for look, share in ((world.acquisition, 0.9), (looks[12], 0.7), (looks[24], 0.0)):
            coverage = Coverage(100.0, share, {"layover": 1 - share})
            record_observability(s, world.region.id, look.id, coverage, simulated=False)
        s.execute(
            text(
                "UPDATE scarpwatch.looks SET state = 'processed', finished_at = now()"
                " WHERE acquisition_id <> :waits"
            ),
            {"waits": looks[36].id},
        )
    query = "SELECT item_id, km2_seen, unseen, exercise FROM analysts.negative_reports"
    nothing = {"item_id": "item-12", "km2_seen": 70.0, "exercise": False}
    (report,) = rows(world.engine, query)
    assert report == nothing | {"unseen": {"layover": pytest.approx(0.3)}}
    with world.open() as s:  # judged again, the first look no longer says so
        s.execute(text("UPDATE scarpwatch.detections SET superseded_at = now()"))
    assert [row["item_id"] for row in rows(world.engine, query + " ORDER BY sensed_at")] == [
        "item-0", "item-12",
    ]  # fmt: skip
    seen = rows(world.engine, "SELECT item_id, share_seen FROM analysts.observability")
    assert {row["item_id"]: row["share_seen"] for row in seen} == {
        "item-0": 0.9, "item-12": 0.7, "item-24": 0.0,
    }  # fmt: skip


def test_an_exercise_is_marked_in_every_view(engine: Engine, make: Make) -> None:
    region, look = make.region(simulated=True), make.acquisition()
    found = make.detection(look, simulated=True)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [look])
        store.store_detections(s, [found])
        store.store_landslide(s, make.landslide(found, simulated=True))
        record_observability(s, region.id, look.id, Coverage(1.0, 1.0, {}), simulated=True)
    for view in ("landslides_current", "landslide_history", "landslides_edit", "detections",
                 "observability", "landslides_as_of(now())"):  # fmt: skip
        (row,) = rows(engine, f"SELECT exercise, simulated FROM analysts.{view}")
        assert row == {"exercise": True, "simulated": True}, view


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([State.SUSPECTED, State.CONFIRMED, State.REFUTED, State.UNRESOLVED]),
            st.floats(-5, 60), st.sampled_from(Tier),
        ),
        max_size=5,
    ),
    asked=st.lists(st.floats(-10, 70), min_size=1, max_size=3),
)  # fmt: skip
def test_as_of_is_what_the_program_would_have_said(world: World, steps: Any, asked: Any) -> None:
    """Any history, late looks among it: SQL and Python know the same at any pair of times."""
    number = uuid.uuid4()
    first = replace(world.landslide, id=number)
    with world.open() as s:
        store.store_landslide(s, first)
    for revision, (state, day, tier) in enumerate(steps, start=2):
        version = replace(
            first, revision=revision, state=state, tier=tier, valid_from=START + day * DAY
        )
        with world.open() as s:
            store.store_landslide(s, version)
    with world.open() as s:
        known = s.scalars(
            text("SELECT recorded_at FROM scarpwatch.landslide_versions WHERE landslide_id = :i"),
            {"i": number},
        ).all()
        for at in (*known, min(known) - timedelta(microseconds=1), max(known) + DAY):
            for of in (None, *(START + day * DAY for day in asked)):
                call = ":at" if of is None else ":at, :of"
                said = s.execute(
                    text(
                        "SELECT id, revision, state, tier, valid_from"
                        f" FROM analysts.landslides_as_of({call}) WHERE id = :i"
                    ),
                    {"at": at, "i": number} | ({} if of is None else {"of": of}),
                ).all()
                ours = [one for one in queries.landslides_as_of(s, at, of) if one.id == number]
                assert [tuple(row) for row in said] == [
                    (one.id, one.revision, one.state, one.tier, one.valid_from) for one in ours
                ]


def test_the_current_view_is_the_newest_version_of_each(world: World) -> None:
    for number in range(3):
        one = replace(world.landslide, id=uuid.uuid4())
        with world.open() as s:
            for revision in range(1, number + 2):
                store.store_landslide(s, replace(one, revision=revision))
    with world.open() as s:
        ours = {(one.id, one.revision) for one in queries.list_landslides(s)}
        theirs = s.execute(text("SELECT id, revision FROM analysts.landslides_current")).all()
    assert {tuple(row) for row in theirs} == ours


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    length=st.floats(40, 5_000), share=st.floats(0.05, 0.999), turn=st.floats(0, 180),
    epsg=st.sampled_from([32633, 32719, 32601, 32660]), north=st.floats(1_000_000, 7_500_000),
)  # fmt: skip
def test_length_and_width_are_metres_on_the_ground(
    engine: Engine, length: float, share: float, turn: float, epsg: int, north: float
) -> None:
    width = length * share
    drawn = affinity.rotate(box(0, 0, length, width), turn, origin=(0, 0))
    # On the middle meridian of the zone the scale is 0.9996.
    outline = to_lonlat(affinity.translate(drawn, 500_000, north), epsg)
    (size,) = rows(
        engine,
        "SELECT * FROM scarpwatch.outline_size(ST_GeomFromText(:wkt, 4326))",
        wkt=MultiPolygon([outline]).wkt,
    )
    assert size["length_m"] == pytest.approx(length / 0.9996, rel=2e-3)
    assert size["width_m"] == pytest.approx(width / 0.9996, rel=2e-3, abs=0.5)


def test_what_has_no_rectangle_is_stored_without(world: World) -> None:
    with world.open() as s:
        size = s.execute(
            text("SELECT * FROM scarpwatch.outline_size(ST_GeomFromText('POINT(1 1)', 4326))")
        ).one()
    assert tuple(size) == (None, None)


def test_words_of_the_database_are_words_of_the_program(engine: Engine) -> None:
    with connection(engine) as opened:
        checks = opened.scalars(
            text(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname IN"
                " ('ck_landslide_attributes_type', 'ck_landslide_attributes_trigger')"
            )
        ).all()
    for word in (*Movement, *Trigger):
        assert any(f"'{word}'::text" in check for check in checks), word
    assert len(Movement) == 33  # the 32 of 2014, and unknown


MANY = """
INSERT INTO scarpwatch.landslides (id, region_id)
SELECT md5(n::text)::uuid, 'san-rafael' FROM generate_series(1, :many) AS n;
"""
MANY_VERSIONS = """
INSERT INTO scarpwatch.landslide_versions (landslide_id, revision, state, tier, geometry, area_m2,
    not_before, not_after, detections, looks, score_max, evidence, source, change_db, cause,
    simulated, kind, valid_from, cause_kind, merged_from, split_into)
SELECT md5(n::text)::uuid, r, 'suspected', 'likely',
    ST_Multi(ST_MakeEnvelope(w, s, w + 0.001, s + 0.001, 4326)), 9000,
    '2023-01-01Z'::timestamptz + n * interval '1 hour',
    '2023-01-13Z'::timestamptz + n * interval '1 hour', detections, 1, 6, 20, 'sar', 4.3,
    'planted', true, 'landslide', '2023-01-13Z'::timestamptz + (n + r) * interval '1 hour',
    'radar look', '{}', '{}'
FROM (SELECT n, -120 + (n % 200) * 0.005 AS w, 34 + (n / 200) * 0.005 AS s
      FROM generate_series(1, :many) AS n) AS placed,
    generate_series(1, 2) AS r,
    (SELECT array_agg(id) AS detections FROM scarpwatch.detections) AS found;
"""
HERE = "geometry && ST_MakeEnvelope(-119.8, 34.1, -119.79, 34.11, 4326)"
THEN = "not_after BETWEEN '2023-06-01Z' AND '2023-06-02Z'"


@pytest.fixture(scope="module")
def crowded(make_database, template, url_of) -> Any:
    """Ten thousand landslides of two versions each."""
    made = make_engine(url_of(make_database(template)))
    make = Make()
    region, look = make.region(tags=("coast",)), make.acquisition()
    with transaction(made) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [look])
        store.store_detections(s, [make.detection(look)])
        s.execute(text("ALTER TABLE scarpwatch.landslide_versions DISABLE TRIGGER keeps_measures"))
        s.execute(text(MANY), {"many": 10_000})
        s.execute(text(MANY_VERSIONS), {"many": 10_000})
    with made.connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
        opened.execute(text("VACUUM ANALYZE"))
    yield made
    made.dispose()


def plan(engine: Engine, query: str) -> str:
    with connection(engine) as opened:
        return "\n".join(opened.scalars(text(f"EXPLAIN (ANALYZE, TIMING OFF) {query}")))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (f"SELECT * FROM analysts.landslides_current WHERE {HERE}", "geometry"),
        (f"SELECT * FROM analysts.landslides_current WHERE {HERE} AND {THEN}", "geometry"),
        (f"SELECT * FROM analysts.landslides_current WHERE {THEN}", "not_after"),
        (f"SELECT * FROM analysts.landslides_edit WHERE {HERE}", "geometry"),
        (f"SELECT * FROM analysts.landslide_history WHERE {HERE} AND {THEN}", "geometry"),
        (f"SELECT * FROM analysts.landslides_as_of(now()) WHERE {HERE} AND {THEN}", "geometry"),
    ],
)
def test_a_box_and_a_time_reach_the_indexes(crowded: Engine, query: str, index: str) -> None:
    planned = plan(crowded, query)
    wanted = {"geometry": "idx_landslide_versions_geometry",
              "not_after": "ix_landslide_versions_not_after"}  # fmt: skip
    both = HERE in query and THEN in query
    assert wanted[index] in planned or (both and wanted["not_after"] in planned), planned
    assert "Seq Scan on landslide_versions" not in planned, planned


def test_going_back_asks_what_people_drew_and_said(world: World) -> None:
    with world.open() as s:
        s.execute(
            text(
                "INSERT INTO scarpwatch.landslide_attributes (landslide_id, author)"
                " VALUES (:id, 'kari')"
            ),
            {"id": world.landslide.id},
        )
    for statement in ("UPDATE scarpwatch.landslide_attributes SET note = 'x'",
                      "DELETE FROM scarpwatch.landslide_attributes",
                      "TRUNCATE scarpwatch.landslide_attributes"):  # fmt: skip
        with pytest.raises(PermanentError, match="append-only"), world.open() as s:
            s.execute(text(statement))
    with pytest.raises(ConfigurationError, match="1 rows tell what people drew"):
        schema.downgrade(world.engine, "0006")
    assert schema.current(world.engine) == schema.head()


def test_up_down_up_with_landslides_in_it(world: World) -> None:
    before = rows(world.engine, "SELECT * FROM analysts.landslides_current")
    assert math.isclose(before[0]["length_m"], 1_107, rel_tol=0.01)
    schema.downgrade(world.engine, "0006")
    with world.open() as s:
        s.execute(text("SELECT * FROM scarpwatch.landslides_current"))
    schema.upgrade(world.engine)
    assert rows(world.engine, "SELECT * FROM analysts.landslides_current") == before
