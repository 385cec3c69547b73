"""The schema's version: Alembic, run from the program, with no ini file and no shell."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from db.base import SCHEMA
from db.engine import connection
from db.styles import store_styles
from detectors.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"

#: SQLSTATE of "not available on this server" and "not allowed".
EXTENSION_MISSING = {"0A000", "58P01"}
NOT_ALLOWED = "42501"


def alembic_config(opened: Connection | None = None) -> Config:
    """Return Alembic's configuration, bound to an open connection where it is to run."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = opened
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to ``revision``, in one transaction; two at once wait for each other.

    The styles of the layers that analysts see are renewed with it.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
        ConfigurationError: the server lacks PostGIS, or the user may not create it.
    """
    try:
        with connection(engine) as opened:
            _wait_for_others(opened)
            command.upgrade(alembic_config(opened), revision)
            if revision == "head":
                store_styles(opened)
    except DBAPIError as error:
        raise _explained(error) from error


def downgrade(engine: Engine, revision: str) -> None:
    """Bring the schema down to ``revision``; ``base`` drops every table and all they hold.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
    """
    with connection(engine) as opened:
        _wait_for_others(opened)
        command.downgrade(alembic_config(opened), revision)


def current(engine: Engine) -> str | None:
    """Return the revision the database has, None where it has none.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
    """
    with connection(engine) as opened:
        context = MigrationContext.configure(opened, opts={"version_table_schema": SCHEMA})
        return context.get_current_revision()


def head() -> str:
    """Return the revision the program needs."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if revision is None:
        raise ConfigurationError("the program came without its database migrations")
    return revision


def _wait_for_others(opened: Connection) -> None:
    key = func.hashtextextended("scarpwatch:schema", 0)
    opened.execute(select(func.pg_advisory_xact_lock(key)))


def _explained(error: DBAPIError) -> Exception:
    state = getattr(error.orig, "sqlstate", None)
    if state in EXTENSION_MISSING:
        return ConfigurationError(
            "this PostgreSQL server has no PostGIS, or lacks the contrib module btree_gist; on "
            "Debian 12 install postgresql-15-postgis-3"
        )
    if state == NOT_ALLOWED:
        return ConfigurationError(
            "the database user may not set up the schema; let an administrator run "
            "'CREATE EXTENSION postgis', 'CREATE EXTENSION btree_gist' and grant CREATE on the "
            "database"
        )
    return error
