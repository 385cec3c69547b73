"""Alembic owns the schema: up, down, up; nothing twice; the tables are what the program thinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic import command
from sqlalchemy import Engine, text

from db import queries, schema, tables
from db.cluster import Cluster
from db.engine import connection, make_engine, transaction
from detectors.errors import ConfigurationError, DatabaseUnavailable

CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE n.nspname = 'scarpwatch' AND c.relkind = 'r'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'scarpwatch'::regnamespace""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'scarpwatch'",
    "comments": """
        SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c
        WHERE c.relnamespace = 'scarpwatch'::regnamespace AND c.relkind IN ('r', 'v')""",
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


def test_autogenerate_finds_no_difference(engine) -> None:
    with connection(engine) as opened:
        command.check(schema.alembic_config(opened))


def test_migrations_make_what_the_tables_say(engine, empty) -> None:
    # Alembic compares neither checks nor partial indexes; PostgreSQL's own catalogue does.
    with connection(empty) as opened:
        opened.execute(text("CREATE EXTENSION postgis"))
        opened.execute(text("CREATE SCHEMA scarpwatch"))
        tables.Region.metadata.create_all(opened)
    migrated, declared = catalogue(engine), catalogue(empty)
    migrated["comments"] = {row for row in migrated["comments"] if row[0] != "landslides_current"}
    assert migrated == declared


def test_every_geometry_has_exactly_one_spatial_index(engine) -> None:
    with connection(engine) as opened:
        columns = opened.execute(
            text(
                "SELECT f_table_name, f_geometry_column FROM geometry_columns"
                " WHERE f_table_schema = 'scarpwatch' AND f_table_name <> 'landslides_current'"
            )
        ).all()
        assert len(columns) == 4
        for table, column in columns:
            definitions = opened.scalars(
                text(
                    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'scarpwatch'"
                    " AND tablename = :table AND indexdef LIKE '%USING gist%'"
                ),
                {"table": table},
            ).all()
            assert len(definitions) == 1, table
            assert f"({column})" in definitions[0]


def test_everything_is_explained_in_the_database(engine) -> None:
    with connection(engine) as opened:
        silent = opened.execute(
            text(
                "SELECT c.relname, a.attname FROM pg_class c"
                " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
                " WHERE c.relnamespace = 'scarpwatch'::regnamespace AND c.relkind IN ('r', 'v')"
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
