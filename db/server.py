"""The server of one private cluster folder: made, started, recovered, stopped.

Whoever calls holds the cluster's lock, except for the reads.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from db import place
from db.binaries import Binaries, find_binaries
from db.processes import POLL_S, end_all, processes, send, wait_until
from detectors.errors import ConfigurationError, DatabaseUnavailable

USER = "postgres"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
#: A server that has been started shows up among the processes within this time.
SPAWN_GRACE_S = 2.0
ORPHANS_S = 5.0
SPAWNS = 3
LOG_LIMIT_BYTES = 10_000_000

SETTINGS = {
    "listen_addresses": "",
    "port": str(place.PORT),
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    # Shared memory as files: /dev/shm is small in containers and swept when its user logs out.
    "dynamic_shared_memory_type": "mmap",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # A worker that was killed must not hold its locks while the server computes for it.
    "client_connection_check_interval": "2s",
    "idle_in_transaction_session_timeout": "30min",
}
CRASH_SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
THROWAWAY = dict.fromkeys(CRASH_SAFE, "off")

# The shell leaves at once, so that the server is nobody's child here and leaves no zombie; names
# go in as arguments and are never read as shell.
DETACH = 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null &'


class Server:
    """The server whose files are in one folder that carries our marker."""

    def __init__(self, folder: Path) -> None:
        """Name the folder (links resolved)."""
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.account = place.account_of(folder)

    @property
    def name(self) -> str:
        """The cluster's name: no other data folder of this machine has it, not even a copy."""
        found = self.data.stat()
        # The dot ends the number, so that no name is the beginning of another.
        return f"scarpwatch-{found.st_dev:x}-{found.st_ino:x}."

    @property
    def socket(self) -> Path:
        """Folder of the Unix socket."""
        return place.socket_folder(self.folder, self.name.rstrip("."))

    @property
    def major(self) -> int:
        """Major version of PostgreSQL that made the data."""
        return int((self.data / "PG_VERSION").read_text())

    @property
    def pid(self) -> int | None:
        """The server process, None where it does not run."""
        try:
            noted = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        return noted if noted in self._processes() else None

    def url(self, database: str) -> str:
        """Return the libpq URL of a database."""
        folder = quote(str(self.socket), safe="")
        # The port too, or a PGPORT in the caller's environment would name another socket.
        return f"postgresql://{USER}@/{quote(database)}?host={folder}&port={place.PORT}"

    def answers(self) -> bool:
        """Return whether the server takes connections."""
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2) as connection:
                name = connection.execute("SHOW cluster_name").fetchone()
        except psycopg.OperationalError:
            return False
        return name == (self.name,)

    def initialise(self, *, throwaway: bool) -> None:
        """Make the data folder if there is none; one half made by a killed start is made anew."""
        if (self.data / "PG_VERSION").is_file():
            return
        if self.data.exists():
            raise ConfigurationError(f"{self.data} is no PostgreSQL data and is left alone")
        for leftover in self.folder.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = self.folder / f"data.new-{secrets.token_hex(4)}"
        command = [
            str(find_binaries().folder / "initdb"),
            f"--pgdata={fresh}",
            f"--username={USER}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            *(["--no-sync"] if throwaway else []),
        ]
        made = subprocess.run(
            command,
            cwd="/",
            env=self._environment(),
            capture_output=True,
            text=True,
            umask=0o077,
            check=False,
            **self.account.popen,
        )
        if made.returncode != 0:
            raise ConfigurationError(f"initdb failed: {_tail(made.stderr)}")
        with (fresh / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("include_if_exists = 'scarpwatch.conf'\n")
        fresh.rename(self.data)

    def start(self, *, throwaway: bool) -> None:
        """Start the server unless it runs, and wait until it answers.

        Raises:
            ConfigurationError: the PostgreSQL that made the data is not installed.
            DatabaseUnavailable: it does not come up.
        """
        if self.answers():
            return
        if self.pid is not None and not (self.socket / place.SOCKET_NAME).exists():
            self.stop()  # somebody swept /tmp; nobody can reach this server any more
        deadline = time.monotonic() + START_TIMEOUT_S
        for _ in range(SPAWNS):
            if self.pid is None:
                self._spawn(find_binaries(self.major), throwaway=throwaway)
            if self._came_up(deadline):
                return
        said = _tail(self.log.read_text(errors="replace")) if self.log.exists() else "no log"
        raise DatabaseUnavailable(f"the database does not start, see {self.log}: {said}")

    def stop(self) -> None:
        """Stop the server, if it runs, and whatever a killed one left behind.

        Raises:
            DatabaseUnavailable: it does not end.
        """
        pid = self.pid
        if pid is not None:
            for how in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate
                send(pid, how)
                if wait_until(lambda: not self._processes(), STOP_TIMEOUT_S):
                    return
        self._end_orphans(0.0)

    def _processes(self) -> list[int]:
        return processes(self.name, self.account.uid)

    def _end_orphans(self, patience_s: float) -> None:
        if not end_all(self.name, self.account.uid, patience_s):
            raise DatabaseUnavailable(f"processes of {self.folder} do not end: {self._processes()}")

    def _spawn(self, binaries: Binaries, *, throwaway: bool) -> None:
        # A server that was killed leaves backends, which must be gone before its files are touched,
        # and lock files, whose process number may belong to somebody else by now.
        self._end_orphans(ORPHANS_S)
        place.make_private(self.socket, self.account)
        for stale in (self.data / "postmaster.pid", *self.socket.glob(f"{place.SOCKET_NAME}*")):
            stale.unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = SETTINGS | (THROWAWAY if throwaway else CRASH_SAFE)
        settings["unix_socket_directories"] = str(self.socket)
        place.write(
            self.data / "scarpwatch.conf",
            "".join(f"{key} = '{value}'\n" for key, value in settings.items()),
            self.account,
        )
        subprocess.run(
            [
                *("/bin/sh", "-c", DETACH, "sh", str(self.log), str(binaries.folder / "postgres")),
                *("-D", str(self.data), "-c", f"cluster_name={self.name}"),
            ],
            cwd="/",
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            umask=0o077,
            check=True,
            **self.account.popen,
        )

    def _came_up(self, deadline: float) -> bool:
        seen_at = time.monotonic()
        while time.monotonic() < deadline:
            if self.answers():
                return True
            if self._processes():
                seen_at = time.monotonic()
            elif time.monotonic() - seen_at > SPAWN_GRACE_S:
                return False
            time.sleep(POLL_S)
        return False

    def _environment(self) -> dict[str, str]:
        # Nothing of the caller's PG* variables may leak in.
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}


def _tail(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-5:])
