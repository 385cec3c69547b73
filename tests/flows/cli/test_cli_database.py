"""``scarpwatch db``: a private cluster from first start to stop, and somebody else's server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.cluster import Cluster

ROOT = Path(__file__).resolve().parents[3]

Type = Callable[..., subprocess.CompletedProcess[str]]


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
def scarpwatch(private: Path, tmp_path: Path) -> Type:
    """Types a command in a process of its own, as people do."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SCARPWATCH_", "PREFECT_"))}
    environment = {**kept, "SCARPWATCH_HOME": str(private), "PYTHONPATH": str(ROOT)}

    def type_in(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", *words],
            capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return type_in


@pytest.mark.slow
def test_a_private_database(scarpwatch: Type, private: Path) -> None:
    def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(scarpwatch("db", "status", "--json").stdout)
        return found

    assert (status()["state"], status()["kind"]) == ("absent", "private")
    assert not private.exists()
    assert "scarpwatch db start" in scarpwatch("db", "status").stdout
    assert "No database was running" in scarpwatch("db", "stop").stdout

    assert "scarpwatch db upgrade" in scarpwatch("db", "start").stdout
    assert "run: scarpwatch db upgrade" in scarpwatch("regions", "list", status=2).stderr
    assert (status()["state"], status()["schema"]["current"]) == ("running", None)
    assert "ready" in scarpwatch("db", "upgrade").stdout
    assert "up to date" in scarpwatch("db", "upgrade").stdout
    found = status()
    assert found["schema"]["current"] == found["schema"]["head"]
    assert found["postgis"].startswith("3")
    assert "No region is watched yet" in scarpwatch("regions", "list").stdout

    os.kill(found["pid"], signal.SIGKILL)
    # Whatever is typed next finds the database recovered.
    assert "No region is watched yet" in scarpwatch("regions", "list").stdout
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
