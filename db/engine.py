"""Connections and transactions, with the driver's errors turned into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy import exc as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from detectors.errors import ConfigurationError, DatabaseUnavailable, PermanentError

DRIVER = "postgresql+psycopg"
CONNECT_TIMEOUT_S = 10

#: SQLSTATE of "no such table", "no such column", "no such function", "no such schema".
SCHEMA_MISSING = {"42P01", "42703", "42883", "3F000"}


def parse_url(url: str) -> URL:
    """Return ``url`` with our driver.

    Raises:
        ConfigurationError: not a PostgreSQL URL; the message never repeats it (passwords).
    """
    try:
        parsed = make_url(url)
    except (sa.ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            "the database URL must look like postgresql://user:password@host:5432/database"
        )
    return parsed.set(drivername=DRIVER)


def make_engine(url: str) -> Engine:
    """Return a pooled engine on a PostGIS database; nothing is connected yet.

    Args:
        url: ``postgresql://...`` in any spelling; the driver is always psycopg 3.

    Raises:
        ConfigurationError: not a PostgreSQL URL.
    """
    parsed = parse_url(url)
    defaults: dict[str, object] = {
        "application_name": "scarpwatch",
        "connect_timeout": CONNECT_TIMEOUT_S,
        # Geometry and times must read the same whatever the server's own zone is.
        "options": "-c timezone=UTC",
    }
    arguments = {key: value for key, value in defaults.items() if key not in parsed.query}
    return create_engine(parsed, pool_pre_ping=True, connect_args=arguments, hide_parameters=True)


@contextmanager
def named_errors() -> Iterator[None]:
    """Turn the driver's errors into ours.

    Raises:
        DatabaseUnavailable: gone, starting, full, deadlocked, out of connections: try again.
        ConfigurationError: the schema is missing or older than the program.
        PermanentError: a constraint or a data type refused the values (a naive time, for instance).
    """
    try:
        yield
    except (sa.OperationalError, sa.InterfaceError, sa.TimeoutError) as error:
        raise DatabaseUnavailable(_first_line(error)) from error
    except (sa.IntegrityError, sa.DataError) as error:
        raise PermanentError(f"the database refused this: {_first_line(error)}") from error
    except sa.DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(_first_line(error)) from error
        if getattr(error.orig, "sqlstate", None) in SCHEMA_MISSING:
            raise ConfigurationError(
                f"the database schema does not fit ({_first_line(error)}); "
                "run: scarpwatch db upgrade"
            ) from error
        raise
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:  # of COPY
        raise DatabaseUnavailable(_first_line(error)) from error
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        raise PermanentError(f"the database refused this: {_first_line(error)}") from error
    except sa.StatementError as error:  # our own column types refused a value
        raise PermanentError(f"this cannot be stored: {error.orig}") from error


def _first_line(error: Exception) -> str:
    """What the server said, without the statement and its parameters."""
    original = getattr(error, "orig", None) or error
    if isinstance(original, psycopg.Error) and original.diag.message_primary:
        return original.diag.message_primary
    return next(iter(str(original).strip().splitlines()), type(original).__name__)


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Open a session in one transaction: commits at the end, rolls back on any exception.

    Raises:
        DatabaseUnavailable: PostGIS did not answer, or went away half-way (nothing is stored).
        PermanentError: a constraint refused the values (nothing is stored).
        ConfigurationError: the schema is missing.
    """
    with named_errors(), Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def connection(engine: Engine) -> Iterator[Connection]:
    """Open a plain connection in one transaction, with the same errors as :func:`transaction`."""
    with named_errors(), engine.begin() as opened:
        yield opened
