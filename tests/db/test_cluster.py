"""The private cluster: made, started, killed, recovered, and never mistaken for another."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import db.server
from db import place
from db.cluster import Cluster
from db.processes import processes, wait_until
from db.server import Server
from detectors.errors import ConfigurationError, DatabaseUnavailable

ROOT = Path(__file__).resolve().parents[2]
NOBODY: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": "/"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder that the user the server runs as can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-own-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(open_path: Path) -> Path:
    return open_path / "state"


@pytest.fixture
def make_cluster() -> Iterator[Callable[[Path], Cluster]]:
    made: list[Cluster] = []

    def make(home: Path) -> Cluster:
        made.append(Cluster(home, throwaway=True))
        return made[-1]

    yield make
    for cluster in made:
        cluster.destroy()


def ask(cluster: Cluster, query: str, database: str = "postgres") -> object:
    with psycopg.connect(cluster.url(database), autocommit=True) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
    return row and row[0]


def server_of(cluster: Cluster) -> Server:
    folder = cluster.status().folder
    assert folder is not None
    return Server(folder)


def kill(cluster: Cluster) -> None:
    pid = cluster.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_start_status_stop_start(home, make_cluster) -> None:
    cluster = make_cluster(home)
    assert cluster.status().state == "absent"
    cluster.stop()
    with pytest.raises(ConfigurationError, match="scarpwatch db start"):
        cluster.url("x")
    cluster.ensure()
    running = cluster.status()
    assert (running.state, running.relocated) == ("running", False)
    assert running.folder == home / "pg"
    cluster.ensure()
    assert cluster.status() == running
    cluster.create_database("scarpwatch")
    cluster.create_database("scarpwatch")
    assert ask(cluster, "SELECT current_database()", "scarpwatch") == "scarpwatch"
    cluster.stop()
    assert (cluster.status().state, cluster.status().pid) == ("stopped", None)
    cluster.stop()
    with pytest.raises(DatabaseUnavailable):
        cluster.create_database("other")
    cluster.start()
    assert ask(cluster, "SELECT current_database()", "scarpwatch") == "scarpwatch"
    cluster.drop_database("scarpwatch")
    cluster.drop_database("scarpwatch")
    with pytest.raises(psycopg.OperationalError):
        ask(cluster, "SELECT 1", "scarpwatch")


def test_utf8_utc_and_closed_to_the_network_and_to_other_users(home, make_cluster) -> None:
    cluster = make_cluster(home)
    cluster.ensure()
    told = {
        name: ask(cluster, f"SHOW {name}")
        for name in ("listen_addresses", "server_encoding", "lc_collate", "timezone", "fsync")
    }
    assert told == {
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "lc_collate": "C.UTF-8",
        "timezone": "UTC",
        "fsync": "off",
    }
    status = cluster.status()
    for folder in (status.folder, status.socket, status.folder / "data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert ask(cluster, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'")
    assert not ask(
        cluster,
        "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust' AND type <> 'local'",
    )


def test_the_real_one_is_crash_safe_and_not_destroyed(home) -> None:
    cluster = Cluster(home)
    cluster.ensure()
    assert [ask(cluster, f"SHOW {name}") for name in ("fsync", "full_page_writes")] == ["on"] * 2
    with pytest.raises(ConfigurationError, match="not meant to be thrown away"):
        cluster.destroy()
    with pytest.raises(ConfigurationError, match="other kind"):
        Cluster(home, throwaway=True).ensure()
    assert cluster.status().state == "running"
    cluster.stop()


@pytest.mark.parametrize("name", ['it\'s a $HOME `of` "quotes", ü', "deep/" * 25 + "state"])
def test_awkward_and_long_paths(open_path, make_cluster, name) -> None:
    home = open_path / name
    home.mkdir(parents=True)
    cluster = make_cluster(home)
    cluster.ensure()
    status = cluster.status()
    assert status.state == "running"
    assert status.socket.parent == Path("/tmp")
    assert stat.S_IMODE(status.socket.stat().st_mode) == 0o700
    cluster.stop()
    cluster.ensure()
    assert ask(cluster, "SELECT 1") == 1


def test_somebody_elses_folder_in_tmp_is_not_used(open_path, make_cluster) -> None:
    cluster = make_cluster(open_path / ("deep/" * 25 + "state"))
    cluster.ensure()
    cluster.stop()
    socket = cluster.status().socket
    shutil.rmtree(socket)
    socket.symlink_to(open_path)
    with pytest.raises(ConfigurationError, match="not a private folder of ours"):
        cluster.ensure()
    socket.unlink()


@as_root
def test_data_goes_elsewhere_when_a_folder_above_is_closed(open_path, make_cluster) -> None:
    closed = open_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = make_cluster(closed / "state")
    cluster.ensure()
    status = cluster.status()
    assert status.relocated
    assert status.folder.parent == place.SYSTEM_ROOT
    assert (closed / "state" / "pg").readlink() == status.folder
    assert ask(cluster, "SELECT 1") == 1
    cluster.destroy()
    assert not status.folder.exists()
    assert cluster.status().state == "absent"


@as_root
def test_a_home_folder_made_anew_does_not_get_the_old_data(open_path, make_cluster, caplog) -> None:
    closed = open_path / "closed"
    closed.mkdir(mode=0o700)
    first = Cluster(closed / "state")
    first.ensure()
    first.create_database("old")
    kept = first.status().folder
    shutil.rmtree(closed / "state")
    second = make_cluster(closed / "state")
    second.ensure()
    try:
        assert second.status().folder != kept
        assert not ask(second, "SELECT count(*) FROM pg_database WHERE datname = 'old'")
        # Nobody could reach the old server any more; what it held may still be wanted.
        assert Server(kept).pid is None
        assert str(kept) in caplog.text
    finally:
        Server(kept).stop()
        shutil.rmtree(kept)


@as_root
def test_a_link_to_data_that_is_gone_is_not_replaced(open_path, make_cluster) -> None:
    closed = open_path / "closed"
    closed.mkdir(mode=0o700)
    cluster = make_cluster(closed / "state")
    cluster.ensure()
    cluster.stop()
    folder = cluster.status().folder
    away = folder.rename(folder.with_name("away"))
    with pytest.raises(ConfigurationError, match="which is gone"):
        cluster.ensure()
    away.rename(folder)
    cluster.ensure()


def test_after_kill_9_it_starts_again_with_everything_in_it(home, make_cluster) -> None:
    cluster = make_cluster(home)
    cluster.ensure()
    cluster.create_database("kept")
    for _ in range(3):
        kill(cluster)
        cluster.ensure()
        assert ask(cluster, "SELECT current_database()", "kept") == "kept"


def test_a_busy_child_of_a_killed_server_is_seen_off(home, make_cluster, monkeypatch) -> None:
    monkeypatch.setattr(db.server, "ORPHANS_S", 0.5)
    cluster = make_cluster(home)
    cluster.ensure()
    server = server_of(cluster)
    busy = psycopg.connect(cluster.url("postgres"), autocommit=True)
    child = busy.info.backend_pid

    def compute() -> None:
        with pytest.raises(psycopg.OperationalError):
            busy.execute("SELECT count(*) FROM generate_series(1, 1e13::bigint)")

    thread = threading.Thread(target=compute)
    thread.start()
    assert wait_until(
        lambda: (
            ask(
                cluster,
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE state = 'active' AND query LIKE '%1e13%' AND pid <> pg_backend_pid()",
            )
            == 1
        ),
        10,
    )
    kill(cluster)
    assert wait_until(lambda: processes(server.name, server.account.uid) == [child], 10)
    cluster.ensure()
    assert child not in processes(server.name, server.account.uid)
    assert ask(cluster, "SELECT 1") == 1
    thread.join(timeout=10)
    busy.close()


def test_a_server_whose_socket_was_swept_away_is_started_again(home, make_cluster) -> None:
    cluster = make_cluster(home)
    cluster.ensure()
    before = cluster.status()
    (before.socket / place.SOCKET_NAME).unlink()
    cluster.ensure()
    assert cluster.status().state == "running"
    assert cluster.status().pid != before.pid


def test_a_stale_pid_that_now_belongs_to_somebody_else(home, make_cluster) -> None:
    cluster = make_cluster(home)
    cluster.ensure()
    data = server_of(cluster).data
    kill(cluster)
    # The same user runs it, so a check of the number alone would take it for the server.
    stranger = subprocess.Popen(["sleep", "600"], **server_of(cluster).account.popen)
    lines = (data / "postmaster.pid").read_text().splitlines()
    (data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
    assert cluster.status().state == "stopped"
    cluster.stop()
    cluster.ensure()
    assert cluster.status().pid != stranger.pid
    cluster.stop()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_clusters_do_not_touch_each_other_not_even_a_copy(open_path, make_cluster) -> None:
    first, second = make_cluster(open_path / "a"), make_cluster(open_path / "b")
    first.ensure()
    first.create_database("mine")
    first.stop()
    subprocess.run(["cp", "-a", open_path / "a", open_path / "b"], check=True)
    first.ensure()
    second.ensure()
    assert first.status().pid != second.status().pid
    second.drop_database("mine")
    second.stop()
    assert ask(first, "SELECT current_database()", "mine") == "mine"
    kill(second) if second.status().pid else None
    assert first.status().state == "running"


def test_a_folder_that_is_not_ours_is_left_alone(home, make_cluster) -> None:
    other = home / "pg"
    (other / "data").mkdir(parents=True)
    (other / "data" / "PG_VERSION").write_text("15\n")
    cluster = Cluster(home, throwaway=True)
    for touch in (cluster.ensure, cluster.stop, cluster.destroy, cluster.status):
        with pytest.raises(ConfigurationError, match="left alone"):
            touch()
    assert [p.name for p in sorted(other.rglob("*"))] == ["data", "PG_VERSION"]


def test_data_that_is_half_there_is_left_alone(home, make_cluster) -> None:
    cluster = make_cluster(home)
    cluster.ensure()
    cluster.stop()
    data = server_of(cluster).data
    version = (data / "PG_VERSION").rename(data / "hidden")
    with pytest.raises(ConfigurationError, match="no PostgreSQL data"):
        cluster.ensure()
    version.rename(data / "PG_VERSION")


def test_starts_at_the_same_time_make_one_server(home, make_cluster) -> None:
    clusters = [make_cluster(home) for _ in range(4)]
    failures: list[BaseException] = []

    def start(cluster: Cluster) -> None:
        try:
            cluster.ensure()
            cluster.create_database("same")
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=start, args=(cluster,)) for cluster in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({cluster.status().pid for cluster in clusters}) == 1


def run_python(script: str, home: Path, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,  # type: ignore[call-overload]
    )


START = """
import sys
from pathlib import Path
from db.cluster import Cluster
cluster = Cluster(Path(sys.argv[1]), throwaway=True)
cluster.ensure()
print(cluster.status())
"""


def test_a_first_start_killed_half_way_is_done_again(home, make_cluster) -> None:
    cluster = make_cluster(home)
    starting = run_python(START, home)
    assert wait_until(lambda: any((home / "pg").glob("data.new-*/base")), 60)
    starting.kill()
    starting.communicate()
    assert cluster.status().state == "absent"
    cluster.ensure()
    assert cluster.status().state == "running"
    assert ask(cluster, "SELECT 1") == 1


def test_leftovers_of_killed_starts_are_cleared_away(home, make_cluster) -> None:
    (home / "pg.new-0123abcd").mkdir(parents=True)
    cluster = make_cluster(home)
    cluster.ensure()
    cluster.stop()
    assert sorted(p.name for p in home.iterdir()) == ["pg", "pg.lock"]


@as_root
def test_an_ordinary_user_gets_a_cluster_of_their_own(home, open_path) -> None:
    home.mkdir()
    shutil.chown(home, "nobody")
    try:
        readable = ["test", "-x", sys.executable, "-a", "-r", ROOT / "db" / "cluster.py"]
        if subprocess.run(readable, check=False, **NOBODY).returncode != 0:
            pytest.skip("other users cannot run this Python")
        ran = run_python(START, home, **NOBODY)
        said, _ = ran.communicate(timeout=60)
        assert "state='running'" in said, said
        # Root may look at it and stop it; the server runs as its owner all the same.
        cluster = Cluster(home, throwaway=True)
        assert Path(f"/proc/{cluster.status().pid}").owner() == "nobody"
        kill(cluster)
        cluster.ensure()
        assert Path(f"/proc/{cluster.status().pid}").owner() == "nobody"
    finally:
        Cluster(home, throwaway=True).destroy()


@as_root
def test_another_users_cluster_is_refused_by_name(home, make_cluster) -> None:
    if subprocess.run(["test", "-x", sys.executable], check=False, **NOBODY).returncode != 0:
        pytest.skip("other users cannot run this Python")
    make_cluster(home).ensure()
    ran = run_python(START, home, **NOBODY)
    said, _ = ran.communicate(timeout=60)
    assert ran.returncode != 0
    assert "ConfigurationError" in said
    assert "belongs to another user" in said


def test_the_callers_environment_does_not_leak_in(home, make_cluster, monkeypatch) -> None:
    for name in ("PGDATA", "PGHOST", "PGUSER", "PGDATABASE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    cluster = make_cluster(home)
    cluster.ensure()
    assert ask(cluster, "SHOW timezone") == "UTC"
    assert ask(cluster, "SHOW port") == "5432"


def test_a_server_that_cannot_start_says_why(home, make_cluster) -> None:
    cluster = make_cluster(home)
    cluster.ensure()
    cluster.stop()
    conf = server_of(cluster).data / "postgresql.auto.conf"
    before = conf.read_text()
    conf.write_text("shared_preload_libraries = 'no_such_library'\n")
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="no_such_library"):
        cluster.ensure()
    assert time.monotonic() - began < 30
    conf.write_text(before)
    cluster.ensure()
