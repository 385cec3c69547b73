"""Many rows at once: COPY into a table of the transaction, then what is new into their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Dialect
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.elements import KeyedColumnElement

from db.base import SCHEMA
from detectors.errors import PermanentError


def copy_new(s: Session, model: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Store rows that have the same columns; those whose key is known are left as they are.

    Raises:
        PermanentError: a value is none for its column.
        psycopg.Error: the server refuses a row, or is gone; ``db.engine.transaction`` names it.
    """
    opened = s.connection()
    driver = opened.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"the driver is psycopg, not {type(driver)}")
    table = model.__table__
    columns = [table.columns[name] for name in rows[0]]
    parts = {
        "table": sql.Identifier(SCHEMA, model.__tablename__),
        "coming": sql.Identifier(f"coming_{model.__tablename__}"),
        "columns": sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
    }
    make = "CREATE TEMP TABLE {coming} AS SELECT {columns} FROM {table} WITH NO DATA"
    take = "INSERT INTO {table} ({columns}) SELECT {columns} FROM {coming} ON CONFLICT DO NOTHING"
    with driver.cursor() as cursor:
        cursor.execute(sql.SQL(make).format(**parts))
        with cursor.copy(sql.SQL("COPY {coming} ({columns}) FROM STDIN").format(**parts)) as copy:
            for values in _bound(rows, columns, opened.dialect):
                copy.write_row(values)
        cursor.execute(sql.SQL(take).format(**parts))
        cursor.execute(sql.SQL("DROP TABLE {coming}").format(**parts))


def _bound(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[KeyedColumnElement[Any]], dialect: Dialect
) -> Iterator[list[Any]]:
    """Yield values as the types of their columns bind them: times without a zone are refused."""
    binds = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
    try:
        for row in rows:
            yield [
                bind(row[column.key]) if bind else row[column.key]
                for bind, column in zip(binds, columns, strict=True)
            ]
    except ValueError as error:
        raise PermanentError(f"this cannot be stored: {error}") from error
