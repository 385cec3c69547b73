"""The database goes away in the middle: a named error, nothing half stored, then on as before."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from db import queries, schema, store
from db.cluster import Cluster
from db.engine import make_engine, transaction
from detectors.errors import DatabaseUnavailable


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A cluster for tests that kill it, as crash-safe as the real one."""
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-own-"))
    folder.chmod(0o755)
    cluster = Cluster(folder / "state")
    cluster.ensure()
    cluster.create_database("scarpwatch")
    yield cluster
    cluster.stop()
    shutil.rmtree(folder)


@pytest.fixture
def doomed(own_cluster: Cluster) -> Iterator[Engine]:
    engine = make_engine(own_cluster.url("scarpwatch"))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def kill(cluster: Cluster) -> None:
    pid = cluster.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_killed_in_the_middle_of_a_transaction(own_cluster, doomed, make) -> None:
    region, items = make.region(), [make.acquisition(day) for day in range(3)]
    with transaction(doomed) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, items[:1])
    with pytest.raises(DatabaseUnavailable), transaction(doomed) as s:  # noqa: PT012
        store.record_acquisitions(s, region, items)
        kill(own_cluster)
        # The server's children go when they notice; the commit comes after that.
        store.lock_region(s, region.id)
        os.kill(s.scalar(text("SELECT pg_backend_pid()")), signal.SIGKILL)
        store.set_paused(s, region.id, True)
    with pytest.raises(DatabaseUnavailable), transaction(doomed) as s:
        queries.list_regions(s)
    own_cluster.ensure()
    with transaction(doomed) as s:
        assert queries.list_regions(s) == [region]
        assert [look.acquisition for look in queries.list_looks(s)] == items[:1]
        assert store.record_acquisitions(s, region, items) == [items[1].id, items[2].id]


def test_stopped_in_the_middle_of_a_transaction(own_cluster, doomed, make) -> None:
    with pytest.raises(DatabaseUnavailable), transaction(doomed) as s:  # noqa: PT012
        store.save_region(s, make.region())
        own_cluster.stop()
        store.save_region(s, make.region("other"))
    with pytest.raises(DatabaseUnavailable):
        schema.current(doomed)
    own_cluster.ensure()
    with transaction(doomed) as s:
        assert queries.list_regions(s) == []


def test_a_connection_cut_just_before_the_commit(world, make) -> None:
    def cut(s) -> None:
        pid = s.scalar(text("SELECT pg_backend_pid()"))
        with transaction(world.engine) as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    with pytest.raises(DatabaseUnavailable), world.open() as s:  # noqa: PT012
        store.remove_region(s, world.region.id)
        cut(s)
    with world.open() as s:
        assert queries.list_regions(s) == [world.region]


def test_a_connection_that_died_while_idle_is_replaced(world) -> None:
    with world.open() as s:
        pid = s.scalar(text("SELECT pg_backend_pid()"))
    killer = make_engine(world.engine.url.render_as_string(hide_password=False))
    with transaction(killer) as s:
        s.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    killer.dispose()
    with world.open() as s:
        assert queries.list_regions(s) == [world.region]
