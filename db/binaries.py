"""Finding the system's PostgreSQL server with PostGIS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detectors.errors import ConfigurationError

#: Where Debian keeps its servers, one folder per major version.
DEBIAN = Path("/usr/lib/postgresql")
OWN_DATABASE = "or set SCARPWATCH_DATABASE_URL to any other PostGIS"


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installed server."""

    folder: Path
    """Where ``postgres`` and ``initdb`` are."""
    major: int
    """Major version."""
    has_postgis: bool
    """Whether the PostGIS extension is installed for this version."""


def find_binaries(major: int | None = None, folders: Iterable[Path] | None = None) -> Binaries:
    """Return the newest server with PostGIS.

    Args:
        major: Take this version only, because the data was made by it.
        folders: Where to look; the usual places by default.

    Raises:
        ConfigurationError: there is none; the message says which packages to install.
    """
    looked = usual_folders() if folders is None else folders
    servers = [server for folder in looked if (server := inspect(folder))]
    fitting = [s for s in servers if s.has_postgis and major in (None, s.major)]
    if fitting:
        return max(fitting, key=lambda server: server.major)
    bare = [s.major for s in servers if major in (None, s.major)]
    if bare:
        missing = f"PostgreSQL {max(bare)} has no PostGIS"
        packages = f"postgresql-{max(bare)}-postgis-3"
    elif major:
        missing = f"the database was made by PostgreSQL {major}, which is not installed"
        packages = f"postgresql-{major} postgresql-{major}-postgis-3"
    else:
        missing = "no PostgreSQL server is installed"
        packages = "postgresql-15 postgresql-15-postgis-3"
    raise ConfigurationError(
        f"{missing}; on Debian 12 run 'apt-get install {packages}' as root, {OWN_DATABASE}"
    )


def usual_folders() -> list[Path]:
    """Return the folders that may hold a server: Debian's, and what ``pg_config`` names."""
    folders = sorted(DEBIAN.glob("*/bin"))
    command = shutil.which("pg_config")
    if command and (told := _ask(command, "--bindir")):
        folders.append(Path(told))
    return list(dict.fromkeys(folders))


def inspect(folder: Path) -> Binaries | None:
    """Return what server a folder holds, None where it holds none (client tools only)."""
    if not all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", _ask(folder / "postgres", "--version"))
    if version is None:
        return None
    major = int(version[1])
    shared = _ask(folder / "pg_config", "--sharedir") or f"/usr/share/postgresql/{major}"
    control = Path(shared) / "extension" / "postgis.control"
    return Binaries(folder=folder, major=major, has_postgis=control.is_file())


def _ask(command: Path | str, question: str) -> str:
    try:
        asked = subprocess.run(
            [command, question], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return ""
    return asked.stdout.strip()
