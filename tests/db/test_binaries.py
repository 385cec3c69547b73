"""Finding PostgreSQL with PostGIS, and saying exactly what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db.binaries import find_binaries, inspect, usual_folders
from detectors.errors import ConfigurationError


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., Path]:
    """Installs a server that can say its version, with or without PostGIS."""

    def make(major: int, *, postgis: bool = True, server: bool = True) -> Path:
        folder, shared = tmp_path / str(major) / "bin", tmp_path / str(major) / "share"
        folder.mkdir(parents=True)
        (shared / "extension").mkdir(parents=True)
        if postgis:
            (shared / "extension" / "postgis.control").touch()
        programs = {"pg_config": str(shared)}
        if server:
            programs |= {"initdb": "", "postgres": f"postgres (PostgreSQL) {major}.4 (Debian)"}
        for name, answer in programs.items():
            (folder / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
            (folder / name).chmod(0o755)
        return folder

    return make


def test_this_machine_has_one() -> None:
    found = find_binaries()
    assert found.has_postgis
    assert found.folder in usual_folders()


def test_the_newest_with_postgis_is_taken(install) -> None:
    folders = [install(9), install(15), install(17, postgis=False), install(16), install(14)]
    assert find_binaries(folders=folders).major == 16
    assert find_binaries(14, folders).folder == folders[-1]


def test_client_tools_are_no_server(install) -> None:
    assert inspect(install(15, server=False)) is None


@pytest.mark.parametrize(
    ("installed", "major", "packages"),
    [
        ([], None, "postgresql-15 postgresql-15-postgis-3"),
        ([(17, False)], None, "postgresql-17-postgis-3"),
        ([(16, True)], 15, "postgresql-15 postgresql-15-postgis-3"),
        ([(16, True), (15, False)], 15, "postgresql-15-postgis-3"),
    ],
)
def test_what_is_missing_is_named_by_package(install, installed, major, packages) -> None:
    folders = [install(version, postgis=postgis) for version, postgis in installed]
    with pytest.raises(ConfigurationError, match=f"apt-get install {packages}'") as refused:
        find_binaries(major, folders)
    assert "SCARPWATCH_DATABASE_URL" in str(refused.value)


def test_a_program_that_does_not_run_is_no_server(tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_bytes(b"\x7fELF broken")
        (tmp_path / name).chmod(0o755)
    assert inspect(tmp_path) is None
