"""A private PostGIS below the state folder: a Unix socket, no password, no network.

It runs the system's PostgreSQL under the calling user, or under ``postgres`` when root calls, since
PostgreSQL refuses root. The socket's folder is closed to other users, which is what keeps them out.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from db import place
from db.server import Server
from detectors.errors import ConfigurationError, DatabaseUnavailable

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What is known of a cluster without touching it."""

    state: str
    """``absent``, ``stopped``, ``starting`` or ``running``."""
    folder: Path | None
    """Where its files are, links resolved; None where absent."""
    relocated: bool
    """The data had to go elsewhere than the home folder (see ``db.place.create``)."""
    socket: Path | None
    """Folder of the Unix socket."""
    pid: int | None
    """Server process."""
    major: int | None
    """Major version of PostgreSQL that made the data."""


class Cluster:
    """The private cluster of one home folder."""

    def __init__(self, home: Path, *, throwaway: bool = False) -> None:
        """Name a cluster; nothing is touched yet.

        Args:
            home: State folder; the cluster is ``home/pg``.
            throwaway: For tests: no crash safety, may be destroyed.
        """
        # The folder may be named through links; one cluster must have one name.
        self.home = home.absolute()
        self.throwaway = throwaway

    def ensure(self) -> None:
        """Make the cluster if there is none and start it if it does not run, also after a kill.

        Raises:
            ConfigurationError: PostgreSQL or PostGIS is not installed, or a folder is not ours.
            DatabaseUnavailable: the server does not come up; the end of its log is in the message.
        """
        with place.locked(self.home):
            folder = place.existing(self.home)
            if folder is None:
                folder = place.create(self.home, throwaway=self.throwaway)
                self._retire(place.abandoned(self.home))
            if place.is_throwaway(folder) != self.throwaway:
                raise ConfigurationError(f"{folder} holds a database of the other kind (throwaway)")
            server = Server(folder)
            server.initialise(throwaway=self.throwaway)
            server.start(throwaway=self.throwaway)

    #: Starting is ensuring.
    start = ensure

    def stop(self) -> None:
        """Stop the server; transactions under way are rolled back. No error where none runs.

        Raises:
            DatabaseUnavailable: it does not end.
        """
        folder = place.existing(self.home)
        if folder is None or not (folder / "data").exists():
            return
        with place.locked(self.home):
            Server(folder).stop()

    def status(self) -> ClusterStatus:
        """Return what is known of the cluster without changing anything."""
        folder = place.existing(self.home)
        if folder is None or not (folder / "data").exists():
            return ClusterStatus("absent", folder, False, None, None, None)
        server = Server(folder)
        pid = server.pid
        state = "stopped"
        if pid is not None:
            state = "running" if server.answers() else "starting"
        return ClusterStatus(
            state=state,
            folder=folder,
            relocated=(self.home / "pg").is_symlink(),
            socket=server.socket,
            pid=pid,
            major=server.major,
        )

    def url(self, database: str) -> str:
        """Return the libpq URL of a database, running or not.

        Raises:
            ConfigurationError: there is no cluster yet.
        """
        return self._server().url(database)

    def create_database(self, name: str, template: str = "template1") -> None:
        """Create a database; it may be there already.

        Raises:
            DatabaseUnavailable: the server does not run.
        """
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        try:
            self._run(statement.format(sql.Identifier(name), sql.Identifier(template)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # there already, or made by somebody else at this moment

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, whoever is connected to it.

        Raises:
            DatabaseUnavailable: the server does not run.
        """
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def destroy(self) -> None:
        """Stop a throwaway cluster and remove its files.

        Raises:
            ConfigurationError: the cluster is not a throwaway one.
        """
        folder = place.existing(self.home)
        if folder is None:
            return
        if not place.is_throwaway(folder):
            raise ConfigurationError(f"{folder} holds data that is not meant to be thrown away")
        self.stop()
        with place.locked(self.home):
            if (folder / "data").exists():
                shutil.rmtree(Server(folder).socket, ignore_errors=True)
            shutil.rmtree(folder)
            if (self.home / "pg").is_symlink():
                (self.home / "pg").unlink()

    def _retire(self, earlier: list[Path]) -> None:
        """Stop servers whose home folder was removed under them; data is never removed unasked."""
        for folder in earlier:
            if (folder / "data" / "PG_VERSION").is_file():
                Server(folder).stop()
            if place.is_throwaway(folder):
                shutil.rmtree(folder)
            else:
                LOG.warning("%s holds an earlier database of %s, now stopped", folder, self.home)

    def _server(self) -> Server:
        folder = place.existing(self.home)
        if folder is None or not (folder / "data").exists():
            raise ConfigurationError(
                f"there is no database in {self.home} yet; run: scarpwatch db start"
            )
        return Server(folder)

    def _run(self, statement: sql.Composed) -> None:
        try:
            with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
                connection.execute(statement)
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(str(error).strip()) from error
