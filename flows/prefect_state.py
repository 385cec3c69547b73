"""Where Prefect keeps its own state: SQLite in the state folder, or a database beside ours."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from db.beside import ensure_beside
from db.engine import make_engine
from flows.services import database_url
from flows.settings import Settings

#: Prefect's server speaks to PostgreSQL through asyncpg.
DRIVER = "postgresql+asyncpg"


def prefect_database(settings: Settings) -> dict[str, str]:
    """Return what tells a Prefect server, and no client, where its database is.

    The database and its role are made where they are missing. The password is this folder's own:
    a server started from another state folder takes the role over.

    Raises:
        ConfigurationError: the database user may not make them.
        DatabaseUnavailable: the server did not answer.
    """
    name = settings.distribution.prefect_database
    if name is None:
        return {}
    engine = make_engine(database_url(settings))
    try:
        url = ensure_beside(engine, name, _password(settings.home / "prefect"))
    finally:
        engine.dispose()
    text = url.set(drivername=DRIVER).render_as_string(hide_password=False)
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": text}


def _password(folder: Path) -> str:
    """Return the role's password, made once and readable by its owner alone."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "database-password"
    try:
        handle = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if password := kept.read_text(encoding="ascii").strip():
            return password
        kept.unlink()  # a full disk, or a kill at the worst moment
        return _password(folder)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        password = secrets.token_urlsafe(32)
        stream.write(password)
    return password
