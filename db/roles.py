"""Who may read the views, edit through them, and see which regions.

Roles belong to the whole server and databases are many: the two roles hold no more than rights on
views, database by database, and which regions a login sees stands in each database's own
``readers``. A login that is not listed there sees no rows, so that one made for another database
sees nothing in this one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from db.engine import connection
from db.tables import Reader, Region
from detectors.errors import ConfigurationError

READER = "scarpwatch_reader"
EDITOR = "scarpwatch_editor"
NOT_ALLOWED = "42501"
STILL_NEEDED = "2BP01"
#: What psql takes without quotes; names that begin with pg_ are PostgreSQL's own.
_LOGIN = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """A login that reads this database."""

    login: str
    """Its name."""
    exists: bool
    """The server knows it; one that was dropped by other means is listed all the same."""
    editor: bool
    """It may draw, merge and split outlines, and describe landslides."""
    groups: tuple[str, ...] | None
    """Tags of the regions it sees; None: all regions."""


def ensure_roles(engine: Engine) -> None:
    """Make the two roles where the server lacks them, and give them their rights in this database.

    Raises:
        ConfigurationError: the database user may not make roles; the message says what to run.
    """
    with _explained(), connection(engine) as opened:
        _ensure(opened)
        _guard(opened)  # views that a migration made are open


def set_login(
    engine: Engine,
    login: str,
    *,
    editor: bool = False,
    groups: Collection[str] | None = None,
    password: str | None = None,
) -> None:
    """Make a login for a person or a program, or change what it may.

    Args:
        engine: The database it is to read.
        login: Lower-case letters, digits and underscores.
        editor: It may edit.
        groups: Tags of the regions it is to see; None: all.
        password: Sent as a SCRAM verifier, so that it is in no log; None: left as it is.

    Raises:
        ConfigurationError: the name cannot be used, no region has such a tag, or the database user
            may not make roles.
    """
    if not _LOGIN.fullmatch(login) or login in (READER, EDITOR):
        raise ConfigurationError(
            f"{login!r} cannot be a login: lower-case letters, digits and underscores, not {READER}"
            f" or {EDITOR}, not beginning with a digit or pg_"
        )
    if groups is not None and not groups:
        raise ConfigurationError("name a group, or leave groups out to let it see all regions")
    with _explained(), connection(engine) as opened:
        _ensure(opened)
        _refuse_unknown(opened, groups or ())
        mighty = opened.scalar(
            text("SELECT rolsuper FROM pg_roles WHERE rolname = :l"), {"l": login}
        )
        if mighty:
            raise ConfigurationError(f"{login} is a superuser, who sees and may do everything")
        if mighty is None:
            run(opened, "CREATE ROLE {} LOGIN", login)
        run(opened, "ALTER ROLE {} LOGIN", login)
        if password is not None:
            run(opened, "ALTER ROLE {} PASSWORD {}", login, verifier(opened, login, password))
        run(opened, "GRANT {} TO {}", EDITOR if editor else READER, login)
        if not editor and _is_member(opened, login, EDITOR):
            run(opened, "REVOKE {} FROM {}", EDITOR, login)
        sees = None if groups is None else sorted(set(groups))
        opened.execute(
            insert(Reader)
            .values(login=login, groups=sees)
            .on_conflict_do_update(index_elements=["login"], set_={"groups": sees})
        )
        _guard(opened)


def remove_login(engine: Engine, login: str) -> None:
    """Drop a login of this database from the server.

    Raises:
        ConfigurationError: it is none of ours, or owns something somewhere on the server.
    """
    with _explained(), connection(engine) as opened:
        known = opened.execute(
            Reader.__table__.delete().where(Reader.login == login).returning(Reader.login)  # type: ignore[attr-defined]
        ).scalar()
        if known is None:
            raise ConfigurationError(f"{login!r} does not read this database; see: db roles list")
        run(opened, "DROP ROLE IF EXISTS {}", login)
        _guard(opened)


def list_logins(engine: Engine) -> list[LoginRecord]:
    """Return the logins that read this database, by name."""
    with connection(engine) as opened:
        return [
            LoginRecord(
                row.login,
                bool(_exists(opened, row.login)),
                _is_member(opened, row.login, EDITOR),
                None if row.groups is None else tuple(row.groups),
            )
            for row in opened.execute(select(Reader.login, Reader.groups).order_by(Reader.login))
        ]


def _ensure(opened: Connection) -> None:
    for role in (READER, EDITOR):
        if not _exists(opened, role):
            try:
                with opened.begin_nested():
                    run(opened, "CREATE ROLE {} NOLOGIN", role)
            except DBAPIError as error:
                if not _exists(opened, role):  # nobody else was a moment faster
                    raise error from None
    if not _is_member(opened, EDITOR, READER):
        run(opened, "GRANT {} TO {}", READER, EDITOR)
    run(opened, "GRANT USAGE ON SCHEMA analysts TO {}", READER)
    run(opened, "GRANT SELECT ON ALL TABLES IN SCHEMA analysts TO {}", READER)
    run(opened, "GRANT INSERT, UPDATE, DELETE ON analysts.landslides_edit TO {}", EDITOR)


def _guard(opened: Connection) -> None:
    """Let views keep hidden rows from whatever a query computes, once some reader has limits.

    A barrier keeps boxes from the index too, unless comparing boxes is known to give nothing away:
    it compares corners and says nothing else. Only a superuser can tell PostgreSQL so.
    """
    limited = opened.scalar(select(Reader.login).where(Reader.groups.is_not(None)).limit(1))
    unlike = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'analysts'::regnamespace"
        " AND relkind = 'v' AND :wanted <> coalesce("
        "'security_barrier=true' = ANY (reloptions), false)"
    )
    for view in opened.scalars(unlike, {"wanted": limited is not None}).all():
        run(
            opened,
            f"ALTER VIEW analysts.{{}} SET (security_barrier = {str(limited is not None).lower()})",
            view,
        )
    if limited and opened.scalar(
        text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    ):
        overlaps = opened.scalar(
            text("SELECT oprcode::regprocedure::text FROM pg_operator"
                 " WHERE oid = to_regoperator('&&(geometry,geometry)')")
        )  # fmt: skip
        opened.execute(text(f"ALTER FUNCTION {overlaps} LEAKPROOF"))


def _refuse_unknown(opened: Connection, groups: Collection[str]) -> None:
    tags = opened.scalars(select(text("DISTINCT unnest(tags)")).select_from(Region.__table__)).all()
    unknown = sorted(set(groups) - set(tags))
    if unknown:
        known = ", ".join(sorted(map(str, tags))) or "none yet"
        raise ConfigurationError(f"no region is tagged {', '.join(unknown)}; known tags: {known}")


def _exists(opened: Connection, role: str) -> bool:
    query = text("SELECT count(*) FROM pg_roles WHERE rolname = :role")
    return bool(opened.scalar(query, {"role": role}))


def _is_member(opened: Connection, role: str, of: str) -> bool:
    query = text(
        "SELECT count(*) FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid"
        " JOIN pg_roles AS u ON u.oid = m.member WHERE g.rolname = :of AND u.rolname = :role"
    )
    return bool(opened.scalar(query, {"role": role, "of": of}))


def verifier(opened: Connection, login: str, password: str) -> sql.Literal:
    """Return what the server is told of a password: no log can give it away."""
    driver = _driver(opened)
    made = driver.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    return sql.Literal(made.decode())


def _driver(opened: Connection) -> psycopg.Connection[Any]:
    found = opened.connection.driver_connection
    if not isinstance(found, psycopg.Connection):
        raise TypeError(f"the driver is psycopg, not {type(found)}")
    return found


def run(opened: Connection, statement: str, *parts: str | sql.Literal) -> None:
    """Run a statement that takes no parameters, with its names quoted."""
    quoted = [sql.Identifier(one) if isinstance(one, str) else one for one in parts]
    whole = sql.SQL(statement).format(*quoted).as_string(_driver(opened))
    opened.exec_driver_sql(whole.replace("%", "%%"))


@contextmanager
def _explained() -> Iterator[None]:
    """Say what to do where the database user may not.

    Raises:
        ConfigurationError: what an administrator has to do.
    """
    try:
        yield
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == NOT_ALLOWED:
            raise ConfigurationError(
                "the database user may not make roles; let an administrator run 'ALTER ROLE"
                " ... CREATEROLE' for it, and try again"
            ) from error
        if state == STILL_NEEDED:
            raise ConfigurationError(
                "the login owns something on this server; let an administrator run 'REASSIGN"
                " OWNED' for it, and try again"
            ) from error
        raise
