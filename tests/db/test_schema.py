"""Alembic owns the schema: up, down, up; nothing twice; the tables are what the program thinks."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from db import optical, queries, schema, store, tables
from db.cluster import Cluster
from db.engine import connection, make_engine, transaction
from detectors.errors import ConfigurationError, DatabaseUnavailable
from detectors.types import Sensor

CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE n.nspname = 'scarpwatch' AND c.relkind IN ('r', 'p') AND NOT c.relispartition""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(o.oid)
        FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid
        WHERE connamespace = 'scarpwatch'::regnamespace AND conparentid = 0
            AND NOT c.relispartition""",
    "triggers": """
        SELECT c.relname, tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
        JOIN pg_class c ON c.oid = tgrelid
        WHERE c.relnamespace = 'scarpwatch'::regnamespace AND NOT tgisinternal""",
    "views": """
        SELECT c.relname, a.attname, a.attnum, col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'scarpwatch'::regnamespace AND c.relkind = 'v'""",
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes
        JOIN pg_class c ON c.oid = format('%I.%I', schemaname, tablename)::regclass
        WHERE schemaname = 'scarpwatch' AND NOT c.relispartition""",
    "comments": """
        SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c
        WHERE c.relnamespace = 'scarpwatch'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND NOT c.relispartition""",
}

#: What a database of version 0001 may hold, one row per table that 0002 changes.
FIRST_VERSION = """
INSERT INTO scarpwatch.regions (id, name, geometry, sources, detectors, watch_from, min_area_m2,
    poll_every, priority, paused, simulated, tags)
VALUES ('here', 'Here', ST_GeomFromText('MULTIPOLYGON(((0 0,0 1,1 1,1 0,0 0)))', 4326), '{a/b}',
    '{sar_log_ratio}', '2023-01-01Z', 0, '1 hour', 100, false, false, '{}');
INSERT INTO scarpwatch.acquisitions (id, source, item_id, platform, sensed_at, published_at,
    footprint, orbit_state, relative_orbit, track, polarisations, assets, checksums, simulated)
VALUES ('00000000-0000-0000-0000-000000000001', 'a/b', 'x', 'sentinel-1a', '2023-02-01Z',
    '2023-02-01Z', ST_GeomFromText('POLYGON((0 0,0 1,1 1,1 0,0 0))', 4326), 'ascending', 137,
    '137-ascending', '{VV}', '{"VV": "vv.tif"}', '{}', false);
INSERT INTO scarpwatch.looks (id, region_id, acquisition_id, state)
VALUES ('00000000-0000-0000-0000-000000000002', 'here',
    '00000000-0000-0000-0000-000000000001', 'due');
INSERT INTO scarpwatch.detections (id, region_id, acquisition_id, polygon, area_m2, score_max,
    score_mean, evidence, change_db, tier, not_before, not_after, item_ids, detector,
    weights_version, config_hash, simulated)
VALUES ('00000000-0000-0000-0000-000000000003', 'here', '00000000-0000-0000-0000-000000000001',
    ST_GeomFromText('POLYGON((0 0,0 1,1 1,1 0,0 0))', 4326), 9000, 6, 4, 20, 4.3, 'likely',
    '2023-01-20Z', '2023-02-01Z', '{x}', 'sar_log_ratio', 'none', 'abc', false);
INSERT INTO scarpwatch.landslides (id, region_id)
VALUES ('00000000-0000-0000-0000-000000000004', 'here');
INSERT INTO scarpwatch.landslide_versions (landslide_id, revision, state, tier, geometry, area_m2,
    not_before, not_after, detections, looks, score_max, evidence, change_db, cause, simulated)
VALUES ('00000000-0000-0000-0000-000000000004', 1, 'suspected', 'likely',
    ST_GeomFromText('MULTIPOLYGON(((0 0,0 1,1 1,1 0,0 0)))', 4326), 9000, '2023-01-20Z',
    '2023-02-01Z', '{00000000-0000-0000-0000-000000000003}', 1, 6, 20, 4.3, 'first seen', false);
"""


def contents(opened: Connection) -> dict[str, list[str]]:
    """Return every row of the tables that 0002 changes, as text with the columns by name."""
    return {
        table: sorted(
            opened.scalars(text(f"SELECT to_jsonb(held)::text FROM scarpwatch.{table} AS held"))
        )
        for table in ("acquisitions", "detections", "landslide_versions", "landslides_current")
    }


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    made = make_engine(empty_database_url)
    yield made
    made.dispose()


def catalogue(engine: Engine) -> dict[str, set]:
    with connection(engine) as opened:
        return {
            name: {tuple(row) for row in opened.execute(text(query)) if "alembic" not in row[0]}
            for name, query in CATALOGUE.items()
        }


def test_up_down_up(empty) -> None:
    assert schema.current(empty) is None
    schema.upgrade(empty)
    assert schema.current(empty) == schema.head()
    there = catalogue(empty)
    schema.upgrade(empty)
    assert catalogue(empty) == there
    schema.downgrade(empty, "base")
    assert schema.current(empty) is None
    assert {len(found) for found in catalogue(empty).values()} == {0}
    schema.upgrade(empty)
    assert catalogue(empty) == there


def test_a_database_of_the_first_version_keeps_what_it_holds(empty) -> None:
    schema.upgrade(empty, "0001")
    first = catalogue(empty)
    with connection(empty) as opened:
        opened.execute(text(FIRST_VERSION))
        opened.execute(
            text("CREATE VIEW public.mine AS SELECT * FROM scarpwatch.landslides_current")
        )
        held = contents(opened)
    for _ in range(2):
        schema.upgrade(empty)
        with transaction(empty) as s:
            (landslide,) = queries.open_landslides(s, "here")
            (look,) = queries.list_looks(s)
            (detection,) = queries.list_detections(s, "here")
        assert (look.acquisition.sensor, look.acquisition.track) == (Sensor.SAR, "137-ascending")
        assert (look.acquisition.scale, look.acquisition.tile) == ({}, None)
        assert (detection.source, detection.change_db, detection.d_ndvi) == (Sensor.SAR, 4.3, None)
        assert (landslide.source, landslide.change_db) == (Sensor.SAR, 4.3)
        assert (landslide.verdict_at, landslide.ensemble_score) == (None, None)
        with connection(empty) as opened:
            opened.execute(text("DROP VIEW IF EXISTS public.mine"))
        schema.downgrade(empty, "0001")
        assert catalogue(empty) == first
        with connection(empty) as opened:
            assert contents(opened) == held


def test_optical_looks_are_not_forgotten_on_the_way_down(world, make) -> None:
    look = make.optical()
    with world.open() as s:
        store.record_acquisitions(s, world.region, [look])
        optical.record_optical_check(s, make.check(world.landslide, look))
    there = catalogue(world.engine)
    with pytest.raises(ConfigurationError, match="1 optical looks are stored"):
        schema.downgrade(world.engine, "0001")
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    steps = len(list(scripts.iterate_revisions("head", "0001")))
    with pytest.raises(ConfigurationError, match="1 optical looks are stored"):
        schema.downgrade(world.engine, f"-{steps}")
    assert catalogue(world.engine) == there
    assert schema.current(world.engine) == schema.head()
    schema.downgrade(world.engine, "base")  # as it says: every table and all they hold
    assert schema.current(world.engine) is None


def test_autogenerate_finds_no_difference(engine) -> None:
    with connection(engine) as opened:
        command.check(schema.alembic_config(opened))


def test_migrations_make_what_the_tables_say(engine, empty) -> None:
    # Alembic compares neither checks nor partial indexes; PostgreSQL's own catalogue does.
    with connection(empty) as opened:
        opened.execute(text("CREATE EXTENSION postgis"))
        opened.execute(text("CREATE EXTENSION btree_gist"))
        opened.execute(text("CREATE SCHEMA scarpwatch"))
        tables.Region.metadata.create_all(opened)
    migrated, declared = catalogue(engine), catalogue(empty)
    views = {row[0] for row in migrated["views"]}
    migrated["comments"] = {row for row in migrated["comments"] if row[0] not in views}
    # Triggers and views are no part of the tables.
    assert migrated == declared | {name: migrated[name] for name in ("triggers", "views")}


def test_every_geometry_has_exactly_one_spatial_index(engine) -> None:
    with connection(engine) as opened:
        columns = opened.execute(
            text(
                "SELECT f_table_name, f_geometry_column FROM geometry_columns"
                " WHERE f_table_schema = 'scarpwatch' AND f_table_name <> 'landslides_current'"
                " AND f_table_name NOT LIKE 'detections\\_%'"
            )
        ).all()
        assert len(columns) == 13
        for table, column in columns:
            definitions = opened.scalars(
                text(
                    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'scarpwatch'"
                    " AND tablename = :table AND indexdef LIKE '%USING gist%'"
                ),
                {"table": table},
            ).all()
            assert len(definitions) == 1, table
            assert re.search(rf"\({column}[,)]", definitions[0]), table


def test_everything_is_explained_in_the_database(engine) -> None:
    with connection(engine) as opened:
        silent = opened.execute(
            text(
                "SELECT c.relname, a.attname FROM pg_class c"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
                " WHERE c.relnamespace = 'scarpwatch'::regnamespace"
                " AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition"
                " AND c.relname <> 'alembic_version'"
                " AND (col_description(c.oid, a.attnum) IS NULL"
                "      OR obj_description(c.oid, 'pg_class') IS NULL)"
            )
        ).all()
    assert silent == []


def test_two_upgrades_at_once(empty) -> None:
    failures: list[BaseException] = []

    def upgrade() -> None:
        try:
            schema.upgrade(empty)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert schema.current(empty) == schema.head()


@pytest.fixture
def as_user(cluster: Cluster) -> Iterator[Callable[..., Engine]]:
    """Engines on an empty database of the private cluster, for users made for the test."""
    made: list[tuple[str, Engine]] = []
    cluster.create_database("test_users", template="template0")
    admin = cluster.url("test_users")

    def make(role: str, rights: str) -> Engine:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN {rights}")  # type: ignore[call-overload]
        made.append((role, make_engine(admin.replace("://postgres@", f"://{role}@"))))
        return made[-1][1]

    yield make
    cluster.drop_database("test_users")
    for role, engine in made:
        engine.dispose()
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP ROLE {role}")  # type: ignore[call-overload]


def test_a_user_called_like_the_schema_gets_postgis_where_everybody_sees_it(as_user) -> None:
    # "$user" leads PostgreSQL's search path, so this user's unqualified names land in our schema.
    engine = as_user("scarpwatch", "SUPERUSER")
    schema.upgrade(engine)
    with connection(engine) as opened:
        assert opened.scalar(text("SELECT current_user")) == "scarpwatch"
        where = "SELECT extnamespace::regnamespace::text FROM pg_extension"
        assert opened.scalar(text(where + " WHERE extname = 'postgis'")) == "public"
    engine.dispose()  # the next connection begins with the schema there
    with connection(engine) as opened:
        command.check(schema.alembic_config(opened))
    with transaction(engine) as s:
        assert queries.list_regions(s) == []


def test_a_user_without_rights_is_told_what_to_ask_for(as_user) -> None:
    with pytest.raises(ConfigurationError, match="CREATE EXTENSION postgis"):
        schema.upgrade(as_user("modest", ""))


def test_a_database_without_our_schema_says_what_to_run(empty) -> None:
    with pytest.raises(ConfigurationError, match="scarpwatch db upgrade"), transaction(empty) as s:
        queries.list_regions(s)


@pytest.mark.parametrize(
    "url",
    ["mysql://root:hunter2@localhost/x", "nonsense:hunter2", "", "postgresql://u:hunter2@h:p/x"],
)
def test_a_wrong_url_is_refused_without_repeating_it(url) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make_engine(url)
    assert "hunter2" not in str(refused.value)


def test_a_database_that_is_not_there_is_unavailable(url_of) -> None:
    engine = make_engine(url_of("no_such_database"))
    for ask in (lambda: schema.current(engine), lambda: schema.upgrade(engine)):
        with pytest.raises(DatabaseUnavailable, match="no_such_database"):
            ask()
    engine.dispose()
