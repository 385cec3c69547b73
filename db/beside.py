"""A second database on the same server, for another program, whose role can do nothing in ours.

Roles that are no superusers may connect to any database; tables of ours have been granted to
nobody but our own roles, so that this one finds nothing there. Into its own nobody else may.
"""

from __future__ import annotations

from psycopg import sql
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from db.engine import named_errors
from db.roles import NOT_ALLOWED, run, verifier
from detectors.errors import ConfigurationError

#: SQLSTATE: there already.
_EXISTS = {"42710", "42P04", "23505"}


def ensure_beside(engine: Engine, name: str, password: str) -> URL:
    """Make a database and a role of one name, unless they are there; return the role's URL.

    Args:
        engine: ours; its user must be allowed to make roles and databases.
        name: of both; lower-case letters, digits and underscores.
        password: sent as a SCRAM verifier; what the role had before is replaced.

    Raises:
        ConfigurationError: the name is taken by ours, or the database user may not make it.
        DatabaseUnavailable: the server did not answer.
    """
    if name in (engine.url.database, engine.url.username):
        raise ConfigurationError(f"{name} is ours; choose another name for the second database")
    with named_errors(), engine.connect() as opened:
        opened = opened.execution_options(isolation_level="AUTOCOMMIT")
        try:
            _make(opened, name, password)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == NOT_ALLOWED:
                raise ConfigurationError(
                    "the database user may not make roles or databases; let an administrator run "
                    "'ALTER ROLE ... CREATEROLE CREATEDB' for it, and try again"
                ) from error
            raise
    return engine.url.set(username=name, password=password, database=name)


def _make(opened: Connection, name: str, password: str) -> None:
    _unless_there(opened, "CREATE ROLE {} LOGIN", name)
    who = opened.execute(
        text("SELECT rolsuper, current_user FROM pg_roles WHERE rolname = current_user")
    ).one()
    mighty = opened.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = :n"), {"n": name})
    if mighty:
        raise ConfigurationError(f"{name} is a superuser; choose another name")
    run(opened, "ALTER ROLE {} LOGIN PASSWORD {}", name, verifier(opened, name, password))
    if not who.rolsuper:
        run(opened, "GRANT {} TO {}", name, who.current_user)  # or it may not own what we make
    there = text("SELECT count(*) FROM pg_database WHERE datname = :n")
    if not opened.scalar(there, {"n": name}):
        _unless_there(opened, "CREATE DATABASE {} OWNER {} TEMPLATE template0", name, name)
    run(opened, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)


def _unless_there(opened: Connection, statement: str, *parts: str | sql.Literal) -> None:
    """Make what may be there already, or be made by somebody else at this moment."""
    try:
        run(opened, statement, *parts)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _EXISTS:
            raise
