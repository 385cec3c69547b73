"""A real PostGIS for every test that asks for one; each test gets a database of its own.

``SCARPWATCH_TEST_DATABASE_URL`` (a superuser of any PostGIS) replaces the private cluster.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import psycopg
import pytest
import typer.testing
from hypothesis import settings
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from db import schema
from db.cluster import Cluster
from db.engine import make_engine
from detectors.errors import ScarpwatchError

pytest_plugins = [
    "tests.rude", "tests.series", "tests.watching", "tests.optical_watch", "tests.maps",
    "tests.mapped",
]  # fmt: skip

# A slow machine is no fault of the code; all else stays as Hypothesis has it, in CI too.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")

# The tree of all commands is built once, not for each command that is typed: that takes longer than
# most of them.
typer.testing._get_command = cache(typer.testing._get_command)

#: Followed by the number of the pytest process and a random word.
PREFIX = "scarpwatch-test-"
#: Files in memory, and what must be free there, bytes: a run of four processes takes a quarter.
MEMORY, ROOM = Path("/dev/shm"), 8 * 2**30


def _quickest() -> Path:
    """Return where a thrown-away cluster lies best.

    A database for each test is 400 new files, which some disks take a second for.
    """
    usable = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    return MEMORY if usable else Path(tempfile.gettempdir())


def _remove_abandoned() -> None:
    """Stop the servers of test runs that were killed before they could."""
    places = (Path(tempfile.gettempdir()), MEMORY)
    for folder in (found for place in places for found in place.glob(f"{PREFIX}*-*")):
        run = folder.name.removeprefix(PREFIX).split("-")[0]
        ours = folder.is_dir() and folder.stat().st_uid == os.geteuid()
        if ours and run.isdigit() and not Path("/proc", run).exists():
            # Another run may be at it, or was killed at it: what is half removed goes all the same.
            with suppress(ScarpwatchError):
                Cluster(folder / "state", throwaway=True).destroy()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A private cluster that is thrown away at the end."""
    _remove_abandoned()
    # pytest's own temporary folders are closed to the user the server runs as when root tests.
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_quickest()))
    folder.chmod(0o755)
    private = Cluster(folder / "state", throwaway=True)
    try:
        private.ensure()
        yield private
    finally:
        private.destroy()
        shutil.rmtree(folder)


@pytest.fixture
def mortal_cluster() -> Iterator[Cluster]:
    """A cluster for a test that kills it, as crash-safe as the real one, with an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-own-"))
    folder.chmod(0o755)
    private = Cluster(folder / "state")
    private.ensure()
    private.create_database("scarpwatch")
    yield private
    private.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def url_of(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The URL of a database of the test server, by its name."""
    given = os.environ.get("SCARPWATCH_TEST_DATABASE_URL")
    if not given:
        cluster: Cluster = request.getfixturevalue("cluster")
        return cluster.url
    parsed = make_url(given).set(drivername="postgresql")
    return lambda name: parsed.set(database=name).render_as_string(hide_password=False)


def _run(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_database(url_of: Callable[[str], str]) -> Iterator[Callable[[str], str]]:
    """Makes databases from a template; all are dropped at the end of the session."""
    made: list[str] = []

    def make(template: str) -> str:
        made.append(f"test_{uuid.uuid4().hex[:12]}")
        # Copying files takes half the time of writing them to the log first.
        copy = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        _run(url_of("postgres"), copy, made[-1], template)
        return made[-1]

    yield make
    for name in reversed(made):
        _run(url_of("postgres"), "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def template(make_database: Callable[[str], str], url_of: Callable[[str], str]) -> str:
    """A database with PostGIS and our schema, to copy: much faster than migrating each time."""
    name = make_database("template0")
    engine = make_engine(url_of(name))
    schema.upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture
def database_url(
    make_database: Callable[[str], str], template: str, url_of: Callable[[str], str]
) -> Iterator[str]:
    """A fresh database with our schema."""
    name = make_database(template)
    yield url_of(name)
    _run(url_of("postgres"), "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture
def empty_database_url(
    make_database: Callable[[str], str], url_of: Callable[[str], str]
) -> Iterator[str]:
    """A fresh database with nothing in it, not even PostGIS."""
    name = make_database("template0")
    yield url_of(name)
    _run(url_of("postgres"), "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh database with our schema."""
    made = make_engine(database_url)
    yield made
    made.dispose()
