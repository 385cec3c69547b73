"""The database as one file, and back: PostgreSQL's own ``pg_dump`` and ``pg_restore``.

Logins belong to the server and are in no file; who reads which regions is data and is. What a
reader may is given anew after a restore (``db.roles.ensure_roles``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from db.base import SCHEMA
from db.binaries import DEBIAN
from detectors.errors import ConfigurationError, DatabaseUnavailable

#: What pg_dump is told of a server, by libpq's name of it; a password never stands in a command.
_VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "user": "PGUSER",
    "password": "PGPASSWORD", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
}  # fmt: skip
#: Owners and rights name roles of one server; the file is for any.
_PLAIN = ("--no-owner", "--no-privileges")


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup that was written."""

    path: Path
    """The file."""
    size_bytes: int
    """Of the file."""
    revision: str | None
    """Version of the schema in it."""


def backup(url: str, path: Path) -> Saved:
    """Write a database to a file as of one moment, while work goes on; whole or not at all.

    Args:
        url: libpq URL of the database.
        path: the file, readable by its owner alone; what is there is kept.

    Raises:
        ConfigurationError: the file is there already, or no fitting ``pg_dump`` is installed.
        DatabaseUnavailable: the server does not answer, or went away.
    """
    if path.exists():
        raise ConfigurationError(f"{path} is there already; give the backup another name")
    with _connected(url) as connection:
        revision = _revision(connection)
        program = _program("pg_dump", connection.info.server_version // 10_000)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _run([program, "--format=custom", *_PLAIN, f"--file={part}"], url)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return Saved(path, path.stat().st_size, revision)


def restore(url: str, path: Path, *, aside: bool = False) -> str | None:
    """Read a backup into a database without our tables, in one transaction.

    Args:
        url: libpq URL of the database.
        path: what ``backup`` wrote.
        aside: a database that has our tables is kept under another name, and a new one takes its
            place.

    Returns:
        The name under which the one before is kept, None where there was none.

    Raises:
        ConfigurationError: the file is no backup, or the database has our tables already.
        DatabaseUnavailable: the server does not answer.
    """
    with _connected(url) as connection:
        held = _has_schema(connection)
        program = _program("pg_restore", connection.info.server_version // 10_000)
        name = connection.info.dbname
    _check(program, path)
    if held and not aside:
        raise ConfigurationError(
            f"the database {name} is in use; --aside keeps it under another name and puts the "
            "backup in its place"
        )
    kept = _put_aside(url, name) if held else None
    _run([program, *_PLAIN, "--single-transaction", "--exit-on-error", f"--dbname={name}",
          str(path)], url)  # fmt: skip
    return kept


def _check(program: str, path: Path) -> None:
    """Refuse what is no backup of ours before anything is changed."""
    listed = subprocess.run(
        [program, "--list", str(path)], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        reason = (listed.stderr.strip().splitlines() or ["unreadable"])[-1]
        raise ConfigurationError(f"{path} is no backup that can be read ({reason})")
    if f" SCHEMA - {SCHEMA} " not in listed.stdout:
        raise ConfigurationError(f"{path} is a backup of something else: no schema {SCHEMA} in it")


def _put_aside(url: str, name: str) -> str:
    """Give a database another name and make an empty one in its place."""
    kept = f"{name}_before_{datetime.now(UTC):%Y%m%dt%H%M%S}"[:63]
    told = conninfo_to_dict(url) | {"dbname": "postgres"}
    try:
        with psycopg.connect(**told, autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(name), sql.Identifier(kept)))
            create = sql.SQL("CREATE DATABASE {} TEMPLATE template0")
            connection.execute(create.format(sql.Identifier(name)))
    except psycopg.errors.ObjectInUse:
        raise DatabaseUnavailable(
            f"{name} is in use: end scarpwatch serve and its services first"
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the database user may not rename {name} ({error.diag.message_primary}); let an "
            "administrator make an empty database, and restore into that"
        ) from None
    return kept


def _connected(url: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(url, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(str(error).strip().splitlines()[0]) from None


def _has_schema(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    found = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (SCHEMA,)).fetchone()
    return bool(found and found[0])


def _revision(connection: psycopg.Connection[tuple[object, ...]]) -> str | None:
    if not _has_schema(connection):
        raise ConfigurationError("the database is empty; there is nothing to back up")
    asked = sql.SQL("SELECT version_num FROM {}.alembic_version").format(sql.Identifier(SCHEMA))
    found = connection.execute(asked).fetchone()
    return None if found is None else str(found[0])


def _program(name: str, server: int) -> str:
    """Return a client program of at least the server's major version.

    Raises:
        ConfigurationError: there is none.
    """
    found = {
        int(folder.parent.name): folder / name
        for folder in DEBIAN.glob("*/bin")
        if folder.parent.name.isdigit() and (folder / name).is_file()
    }
    fitting = {major: path for major, path in found.items() if major >= server}
    if fitting:
        # The server's own: a newer one may write what an older server cannot read back.
        return str(fitting[min(fitting)])
    if anywhere := shutil.which(name):
        return anywhere
    raise ConfigurationError(
        f"{name} of PostgreSQL {server} is not installed; on Debian: apt-get install "
        f"postgresql-client-{server}"
    )


def _run(command: list[str], url: str) -> None:
    told = conninfo_to_dict(url)
    server = {_VARIABLES[key]: str(value) for key, value in told.items() if key in _VARIABLES}
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    done = subprocess.run(
        command, env=clean | server, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it ended without a word"]
        name = Path(command[0]).name
        raise DatabaseUnavailable(f"{name}: {' '.join(said[:3])[:600]}; nothing was changed by it")
