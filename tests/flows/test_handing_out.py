"""A Dask cluster that is not as it should be: named errors, soon, and nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from detectors.errors import ConfigurationError, TransientError
from flows import handing_out
from flows.deployments import free_port
from flows.distribution import DistributionSettings


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.started: list[subprocess.Popen[bytes]] = []

    def scheduler(self) -> subprocess.Popen[bytes]:
        port = self.address.rpartition(":")[2]
        return self._start("scheduler", "--host", "127.0.0.1", "--port", port)

    def worker(self, threads: int = 1) -> subprocess.Popen[bytes]:
        return self._start(
            "worker", self.address, "--nthreads", str(threads), "--no-nanny", "--host", "127.0.0.1"
        )

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
        with (self.folder / "dask.log").open("ab") as sink:
            self.started.append(
                subprocess.Popen(
                    command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, cwd=self.folder
                )
            )
        return self.started[-1]

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.end()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, no_settings: Path) -> None:
    """Keep waits short."""
    monkeypatch.setattr(handing_out, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(handing_out, "ALONE_SECONDS", 1.0)
    monkeypatch.setattr(handing_out, "ASK_SECONDS", 0.2)


def connect(dask: Cluster, work: Callable[[Any], Any] = lambda ask: ask) -> Any:
    """Do something on the cluster."""
    settings = DistributionSettings(runner="dask", dask_address=dask.address)
    with handing_out.cluster(settings) as ask:
        return work(ask)


def test_a_cluster_is_named_by_what_it_lacks_and_what_to_do(dask: Cluster) -> None:
    with pytest.raises(TransientError, match=f"no Dask scheduler answers at {dask.address}: start"):
        connect(dask)
    dask.scheduler()
    wait_for(dask, "has no workers: start some with dask worker .* --nthreads 1")
    dask.worker(threads=3)
    wait_for(dask, "runs 3 tasks at once; start every worker with --nthreads 1")


def wait_for(dask: Cluster, said: str) -> None:
    """Wait until connecting fails in these words; workers take their time to join."""
    import re

    told = ""
    deadline = time.monotonic() + 60
    while not re.search(said, told):
        assert time.monotonic() < deadline, told
        with pytest.raises((TransientError, ConfigurationError)) as error:
            connect(dask)
        told = str(error.value)


class Submitted:
    """Prefect's future, of what Dask runs."""

    def __init__(self, inner: Any) -> None:
        self.wrapped_future = inner

    def result(self) -> Any:
        return self.wrapped_future.result()


class Runner:
    """Prefect's runner, without a flow."""

    def __init__(self, client: Any) -> None:
        self.client = client


def test_workers_and_schedulers_that_die_at_work(dask: Cluster) -> None:
    """What waits ends with a name, soon, whoever is gone."""
    from distributed import Client

    scheduler, worker = dask.scheduler(), dask.worker()
    with Client(dask.address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)
        asked = Submitted(client.submit(time.sleep, 600))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        begun = time.monotonic()
        with pytest.raises(TransientError, match="has no workers"):
            handing_out._wait(asked, Runner(client), dask.address)
        assert time.monotonic() - begun < 30

        dask.worker()
        client.wait_for_workers(1, timeout=60)
        assert handing_out._wait(Submitted(client.submit(os.getpid)), Runner(client), dask.address)
        with pytest.raises(ZeroDivisionError):
            handing_out._wait(Submitted(client.submit(divmod, 1, 0)), Runner(client), dask.address)

        asked = Submitted(client.submit(time.sleep, 600))
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait()
        begun = time.monotonic()
        with pytest.raises(TransientError, match="no Dask scheduler answers"):
            handing_out._wait(asked, Runner(client), dask.address)
        assert time.monotonic() - begun < 60
