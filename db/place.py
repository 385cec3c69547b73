"""Where a private cluster lives and whom it belongs to: folders, owner, marker, lock, socket."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors.errors import ConfigurationError

LOG = logging.getLogger(__name__)

MARKER = "scarpwatch-cluster.json"
FORMAT = 1
#: For data of root whose home folder the server's user cannot enter.
SYSTEM_ROOT = Path("/var/lib/scarpwatch")
#: sun_path is 108 bytes with its final zero.
SOCKET_PATH_LIMIT = 107
#: Part of the socket's name; nothing listens on the network.
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")


@dataclass(frozen=True, slots=True)
class Account:
    """The user the server runs as."""

    uid: int
    """User."""
    gid: int
    """Group."""

    @property
    def popen(self) -> dict[str, Any]:
        """Arguments that make ``subprocess`` start a program as this user."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if os.geteuid() != self.uid:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def new_account() -> Account:
    """Return the user that new data is to belong to.

    Raises:
        ConfigurationError: we are root and there is no ``postgres`` user to become.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        # PostgreSQL refuses to run as root; Debian's server packages bring this user along.
        found = pwd.getpwnam("postgres")
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL does not run as root and there is no user 'postgres' to run it as; "
            "run 'adduser --system --group postgres'"
        ) from None
    return Account(found.pw_uid, found.pw_gid)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the home folder's cluster lock; others wait. A killed holder lets go of it.

    Raises:
        ConfigurationError: the folder belongs to somebody else.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = os.open(home / "pg.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError as error:
        raise ConfigurationError(f"{home} belongs to another user ({error.strerror})") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def existing(home: Path) -> Path | None:
    """Return the cluster folder of a home folder, None where there is none yet.

    Raises:
        ConfigurationError: something is there that is not ours to touch.
    """
    link = home / "pg"
    try:
        if not link.exists():
            if link.is_symlink():
                raise ConfigurationError(
                    f"{link} points to {link.readlink()}, which is gone; bring it back, or remove "
                    "the link to begin with an empty database"
                )
            return None
        folder = link.resolve()
        if not (folder / MARKER).is_file():
            raise ConfigurationError(f"{folder} was not made by Scarpwatch and is left alone")
    except PermissionError as error:
        raise ConfigurationError(f"{link} belongs to another user") from error
    owner = folder.stat().st_uid
    if os.geteuid() not in (0, owner):
        raise ConfigurationError(f"{folder} belongs to another user (uid {owner})")
    return folder


def create(home: Path, *, throwaway: bool) -> Path:
    """Make the cluster folder of a home folder, complete with its marker or not at all.

    The server's user must be able to enter it. Where a folder above is closed to that user (root's
    own home, for instance), the data goes below ``/var/lib/scarpwatch`` and ``pg`` is a link to it.
    """
    for leftover in home.glob("pg.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    account = new_account()
    token = secrets.token_hex(4)
    marker = {"format": FORMAT, "home": str(home), "throwaway": throwaway}
    folder = home / f"pg.new-{token}"
    if _make(folder, account, marker):
        folder.rename(home / "pg")
        return (home / "pg").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    if os.geteuid() != 0:
        raise ConfigurationError(f"{home} does not let us keep private files in it")
    if not SYSTEM_ROOT.exists():
        SYSTEM_ROOT.mkdir(parents=True)
        SYSTEM_ROOT.chmod(0o755)  # whatever our umask is
    folder = SYSTEM_ROOT / f"{_home_name(home)}-{token}"
    if not _make(folder, account, marker):
        raise ConfigurationError(f"user {account.uid} cannot use {folder}")
    (home / "pg").symlink_to(folder)
    LOG.info("%s is closed to the database's user; the data is in %s", home, folder)
    return folder


def abandoned(home: Path) -> list[Path]:
    """Return folders whose data went elsewhere for this home folder and lost their link since."""
    linked = existing(home)
    earlier = SYSTEM_ROOT.glob(f"{_home_name(home)}-*")
    return [folder for folder in sorted(earlier) if folder != linked and os.access(folder, os.W_OK)]


def _home_name(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:12]


def _make(folder: Path, account: Account, marker: dict[str, Any]) -> bool:
    """Make a folder and say whether the account can really work in it."""
    folder.mkdir(mode=0o700)
    write(folder / MARKER, json.dumps(marker, indent=2) + "\n", account)
    account.own(folder)
    probe = subprocess.run(
        ["test", "-O", folder, "-a", "-w", folder, "-a", "-x", folder],
        cwd="/",
        check=False,
        **account.popen,
    )
    return probe.returncode == 0


def account_of(folder: Path) -> Account:
    """Return the user an existing cluster folder belongs to."""
    found = folder.stat()
    return Account(found.st_uid, found.st_gid)


def is_throwaway(folder: Path) -> bool:
    """Return whether a cluster was made to be lost."""
    return bool(json.loads((folder / MARKER).read_text())["throwaway"])


def write(path: Path, text: str, account: Account) -> None:
    """Write a file whole or not at all, for the account to read."""
    # A fresh name is never a link that leads elsewhere.
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    account.own(fresh)
    fresh.replace(path)


def socket_folder(folder: Path, name: str) -> Path:
    """Return where the socket goes: with the data, or below /tmp where that path is too long."""
    beside = folder / "run"
    path = str(beside / SOCKET_NAME)
    if PLAIN_PATH.fullmatch(path) and len(path) <= SOCKET_PATH_LIMIT:
        return beside
    return Path("/tmp") / name  # noqa: S108 - checked to be private before use


def make_private(path: Path, account: Account) -> None:
    """Make sure that a folder is the account's and closed to everybody else.

    Raises:
        ConfigurationError: somebody else was there first.
    """
    try:
        path.mkdir(mode=0o700)
        account.own(path)
    except FileExistsError:
        found = path.lstat()
        private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
        if not private or found.st_uid != account.uid:
            raise ConfigurationError(f"{path} is not a private folder of ours; remove it") from None
