"""Putting an archive into pgstac look by look, as if the satellite flew now."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb, set_json_dumps, set_json_loads

from detectors.errors import ConfigurationError, DatabaseUnavailable
from flows.archive.manifest import Archive, iso

#: Property that catches up with the replay clock; the catalogue client searches by it.
PUBLISHED = "published"


def connection_arguments(database_url: str) -> dict[str, Any]:
    """Return the libpq parameters of a database URL, SQLAlchemy's spelling included.

    Raises:
        ConfigurationError: it is no PostgreSQL URL.
    """
    try:
        return conninfo_to_dict(re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", database_url))
    except psycopg.ProgrammingError:
        # From None: the URL may hold a password, and the error quotes it.
        raise ConfigurationError("the database URL is no PostgreSQL URL") from None


@contextmanager
def _connect(database_url: str, *, autocommit: bool = False) -> Iterator[psycopg.Connection[Any]]:
    arguments = connection_arguments(database_url)
    try:
        with psycopg.connect(**arguments, autocommit=autocommit, connect_timeout=10) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailable(f"PostGIS does not answer: {_first_line(error)}") from error


@contextmanager
def _pgstac(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield a transaction that finds pgstac's names."""
    try:
        with _connect(database_url) as connection:
            connection.execute("SET search_path TO pgstac, public")
            yield connection
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction) as error:
        raise ConfigurationError("schema pgstac is missing: migrate the archive first") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def migrate(database_url: str) -> str:
    """Install or upgrade schema ``pgstac``; return its version. Other schemas are not touched.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
        ConfigurationError: the role may not create extensions or roles.
    """
    from psycopg_pool import ConnectionPool
    from pypgstac.db import PgstacDB
    from pypgstac.migrate import Migrate

    # Importing pypgstac swaps psycopg's JSON codec for the whole process. Ours stays.
    set_json_dumps(json.dumps)
    set_json_loads(json.loads)
    try:
        with _connect(database_url, autocommit=True) as connection:
            # pgstac would create PostGIS inside its own schema when that comes first on the path,
            # where the tables of schema scarpwatch could not see it.
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public")
        with (
            ConnectionPool(
                kwargs=connection_arguments(database_url), min_size=1, max_size=1, timeout=10,
                open=True,
            ) as pool
        ):  # fmt: skip
            database = PgstacDB(pool=pool)
            try:
                version = str(Migrate(database).run_migration())
                database.connect().execute(_QUERYABLES, {"name": PUBLISHED})
            finally:
                database.disconnect()
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the database role may not install pgstac: {_first_line(error)}; "
            "let an administrator run `pypgstac migrate` once"
        ) from error
    return version


# Without this pgstac would compare publication times as JSON strings and could not use an index.
_QUERYABLES = """
INSERT INTO pgstac.queryables (name, collection_ids, definition, property_wrapper)
SELECT %(name)s, NULL,
       '{"title": "Published", "type": "string", "format": "date-time"}'::jsonb, 'to_tstz'
WHERE NOT EXISTS (SELECT 1 FROM pgstac.queryables WHERE name = %(name)s)
"""


def announce(database_url: str, archive: Archive) -> None:
    """Make the collection known, without any looks yet.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
        ConfigurationError: schema ``pgstac`` is missing.
    """
    with _pgstac(database_url) as connection:
        _ensure_collection(connection, archive)


def publish(database_url: str, archive: Archive, until: datetime, base_url: str) -> list[str]:
    """Make every look visible that was published up to ``until``.

    ``created`` becomes the wall clock of this call. Looks that are visible already stay as they
    are, except that their hrefs follow the server when it moved to another address.

    Args:
        database_url: a database that was migrated with ``migrate``.
        archive: the looks.
        until: replay clock, UTC.
        base_url: of the server that serves the COGs.

    Returns:
        The ids that became visible now, oldest publication first.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
        ConfigurationError: schema ``pgstac`` is missing.
    """
    clock = iso(until)
    due = [item for item in archive.items() if item["properties"][PUBLISHED] <= clock]
    root = f"{base_url.rstrip('/')}/cogs/{archive.id}/"
    with _pgstac(database_url) as connection:
        _ensure_collection(connection, archive)
        visible = _visible(connection, archive.id)
        new = [item for item in due if item["id"] not in visible]
        moved = [
            item
            for item in due
            if item["id"] in visible and not visible[item["id"]][1].startswith(root)
        ]
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        rows = [_served(item, root, now) for item in new]
        rows += [_served(item, root, visible[item["id"]][0]) for item in moved]
        if rows:
            connection.execute("SELECT upsert_items(%s)", [Jsonb(rows)])
    return [item["id"] for item in new]


def _ensure_collection(connection: psycopg.Connection[Any], archive: Archive) -> None:
    served = {
        **archive.collection,
        "links": [],
        "summaries": {"scarpwatch:simulated": [archive.simulated]},
    }
    stored = connection.execute(
        "SELECT content FROM collections WHERE id = %s", [archive.id]
    ).fetchone()
    # Writing the collection locks out every search, so it is done only when it changed.
    if stored is None or stored[0] != served:
        connection.execute("SELECT upsert_collection(%s)", [Jsonb(served)])


def _visible(connection: psycopg.Connection[Any], collection: str) -> dict[str, tuple[str, str]]:
    """Creation time and one href of every item of the collection, by id."""
    rows: Sequence[tuple[str, str, dict[str, Any]]] = connection.execute(
        "SELECT id, content->'properties'->>'created', content->'assets' "
        "FROM items WHERE collection = %s",
        [collection],
    ).fetchall()
    return {
        item_id: (created, next((asset["href"] for asset in assets.values()), ""))
        for item_id, created, assets in rows
    }


def _served(item: dict[str, Any], root: str, created: str) -> dict[str, Any]:
    assets = {
        name: {**asset, "href": root + Path(asset["href"]).name}
        for name, asset in item["assets"].items()
    }
    properties = {**item["properties"], "created": created}
    return {**item, "links": [], "assets": assets, "properties": properties}
