"""``scarpwatch db``: a private cluster from first start to stop, and somebody else's server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.cluster import Cluster

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def private(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty state folder that the database's user can enter, too."""
    request.getfixturevalue("cluster")  # skips or fails like every test where there is no PostGIS
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-cli-"))
    folder.chmod(0o755)
    try:
        yield folder / "state"
    finally:
        Cluster(folder / "state").stop()
        shutil.rmtree(folder)


@pytest.fixture
def scarpwatch(private: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Types a command where nothing is set but the state folder."""
    monkeypatch.delenv("SCARPWATCH_DATABASE_URL")
    monkeypatch.setenv("SCARPWATCH_HOME", str(private))
    return cli


def in_a_process_of_its_own(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.slow
def test_a_private_database(scarpwatch: Any, private: Path) -> None:
    def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(scarpwatch("db", "status", "--json").stdout)
        return found

    assert (status()["state"], status()["kind"]) == ("absent", "private")
    assert not private.exists()
    assert "scarpwatch db start" in scarpwatch("db", "status").stdout
    assert "No database was running" in scarpwatch("db", "stop").stdout

    begun = scarpwatch("db", "start").stdout
    assert "scarpwatch db upgrade, or scarpwatch db restore" in begun
    told = in_a_process_of_its_own("regions", "list")
    assert (told.returncode, told.stdout) == (2, "")
    assert "run: scarpwatch db upgrade" in told.stderr
    assert (status()["state"], status()["schema"]["current"]) == ("running", None)
    assert "ready" in scarpwatch("db", "upgrade").stdout
    assert "up to date" in scarpwatch("db", "upgrade").stdout
    found = status()
    assert found["schema"]["current"] == found["schema"]["head"]
    assert found["postgis"].startswith("3")

    os.kill(found["pid"], signal.SIGKILL)
    # Whatever is typed next finds the database recovered.
    told = in_a_process_of_its_own("regions", "list", "--json")
    assert json.loads(told.stdout) == {"regions": []}
    assert "stopped" in scarpwatch("db", "stop").stdout
    assert status()["state"] == "stopped"


def test_another_server_is_left_alone(cli: Any, read: Any, home: Path) -> None:
    for word in ("start", "stop"):
        assert "names another server" in cli("db", word).stdout
    found = read("db", "status")
    assert (found["kind"], found["state"]) == ("another server", "running")
    assert found["schema"]["current"] == found["schema"]["head"]
    assert "fits" in cli("db", "status").stdout
    assert not (home / "pg").exists()


def test_another_server_that_is_gone(cli: Any, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://scarp:hush@127.0.0.1:1/scarpwatch"
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", url)
    found = read("db", "status")
    assert found["state"] == "unreachable"
    assert "hush" not in str(found)
    told = cli("regions", "list", status=1).stderr
    assert "scarpwatch db status" in told
    assert "hush" not in told


def test_upgrade_of_another_server(
    cli: Any, read: Any, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", empty_database_url)
    assert read("db", "status")["schema"]["current"] is None
    assert "ready (empty ->" in cli("db", "upgrade").stdout
    assert read("regions", "list") == {"regions": []}
