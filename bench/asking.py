"""Statements as the program and tipg write them, and what PostgreSQL does with them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, LiteralString, cast

import asyncpg
import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session
from tipg.collections import PgCollection, pg_get_collection_index
from tipg.database import connection_factory
from tipg.settings import DatabaseSettings

from flows.ogc import SCHEMA, asyncpg_address, make_app

#: A part of the detections, or an index of one.
_PART = re.compile(r"detections_(?:\d{4}|other)_?")


def in_one_table(statement: str) -> str:
    """Return the same question to the table without parts."""
    asked = statement.replace("scarpwatch.detections", "plain.detections")
    return re.sub(r'"?analysts"?\."?detections"?', "plain.seen", asked)


def program_says(engine: Engine, ask: Callable[[Session], object]) -> list[str]:
    """Return what a function of ``db`` has the database do; nothing it writes stays."""
    heard: list[str] = []

    def hear(connection: Any, _: Any, statement: str, values: Any, *__: Any) -> None:
        driver = connection.connection.driver_connection
        heard.append(psycopg.ClientCursor(driver).mogrify(statement, values))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        with Session(engine) as s:
            ask(s)
            s.rollback()
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    return heard


def catalogue(
    url: str,
    ask: Callable[[PgCollection, asyncpg.Connection], Awaitable[object]] | None = None,
    *,
    extents: bool = False,
    hear: Callable[[Any], None] | None = None,
) -> None:
    """Look the collection of detections up as tipg does, and ask it something."""
    make_app(url)  # tells tipg which column is what
    settings = DatabaseSettings(
        _env_file=None, schemas=[SCHEMA], tables=[f"{SCHEMA}.detections"],
        exclude_function_schemas=[SCHEMA, "public", "pg_temp"],
        datetime_extent=extents, spatial_extent=extents,
    )  # fmt: skip

    async def asked() -> None:
        connection = await asyncpg.connect(asyncpg_address(url))
        try:
            await connection_factory([SCHEMA], "pg_temp", None)(connection)
            (found,) = await pg_get_collection_index(connection, settings)
            if hear:
                connection.add_query_logger(hear)
            if ask:
                await ask(found, connection)
        finally:
            await connection.close()

    asyncio.run(asked())


def tipg_says(
    url: str, ask: Callable[[PgCollection, asyncpg.Connection], Awaitable[object]]
) -> list[str]:
    """Return what tipg has the database do for a request to the detections."""
    heard: list[str] = []

    def hear(told: Any) -> None:
        query = told.query
        for number, value in enumerate(told.args, start=1):
            query = query.replace(f"${number}", f"'{value}'")
        heard.append(query)

    catalogue(url, ask, hear=hear)
    return heard


def explained(connection: psycopg.Connection, statement: str) -> tuple[str, int, int]:
    """Return which indexes a statement goes by, parts of detections it reads, pages of 8 KiB."""
    asked = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
    ((told,),) = connection.execute(cast("LiteralString", asked)).fetchall()
    words: dict[str, None] = {}
    parts: set[str] = set()
    for node in _nodes(told[0]["Plan"]):
        if not node["Actual Loops"]:
            continue
        relation = node.get("Relation Name", "")
        if _PART.fullmatch(relation):
            parts.add(relation)
        if index := node.get("Index Name"):
            words[_PART.sub("detections_", index)] = None
        elif node["Node Type"] == "Seq Scan":
            words[f"all of {'detections' if _PART.fullmatch(relation) else relation}"] = None
    plan = told[0]["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return ", ".join(words), len(parts), pages


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
