"""Deploy the flows by module path and run them: ``scarpwatch serve``.

One deployment a flow, one schedule a plan inside that which polls: few of both, whatever the number
of regions, and every run finds all work that is due, so that a missed run costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from detectors.errors import ConfigurationError, TransientError
from flows.planning import distinct, feed_schedule, keep_planned, reading, schedule
from flows.prefect_state import prefect_database
from flows.services import Services
from flows.settings import Settings
from flows.turns import plans
from flows.workers import ROOT, end_with_parent, end_within

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import ConcurrencyLimitConfig

#: Of a folder for temporary files, so that the path of a socket in it is not too long.
_SHORT_PATH = 70
HOST = "127.0.0.1"
#: Until the server answers; one that ended is noticed at once, a loaded machine takes minutes.
START_SECONDS = 300.0
#: From SIGTERM on; runs under way are taken up again at the next start.
END_SECONDS = 40
#: What of Prefect tells the server that a planned run begins.
PROPOSER = "prefect.runner.state_proposer"
#: Runs that poll, side by side: one plan's slow catalogue must not keep the others waiting.
POLLS_AT_ONCE = 2


def prefect_environment(settings: Settings, api_url: str) -> dict[str, str]:
    """Return what Prefect must find in the environment: its own home, no telemetry, our server.

    The folder for its temporary files is made here: by default all users of a machine would share
    one, and only the first of them could write into it.
    """
    home = settings.home.absolute() / "prefect"
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "TMPDIR": str(temporary),
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "15",
        "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_RUNS": "3",
        "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "0:01:00",
        # SQLite has one writer at a time; the server's own services wait for one another.
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        # It tells which workers of a pool are gone.
        "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": str(bool(settings.distribution.work_pool)),
        # No automations are used here.
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    }


def threads_per_run(settings: Settings) -> int:
    """Return how many threads one run may compute with, so that all runs share the cores.

    Runs that each take every core wait for one another's threads: on two cores, two runs at once
    took twice as long as with one thread each.
    """
    return max(1, len(os.sched_getaffinity(0)) // settings.runs_at_once)


def processes(settings: Settings) -> int:
    """Return how many runs go on at once: a poll finds room beside those that judge."""
    return settings.runs_at_once + 1


def free_port() -> int:
    """Return a loopback port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def prefect_server(settings: Settings) -> Iterator[str]:
    """Run a Prefect server on loopback and yield its API address once it answers.

    An operator who runs one already names it in ``PREFECT_API_URL``; then none is started.

    Raises:
        ConfigurationError: the port is taken.
        TransientError: the server did not answer in time; its log says why.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield given
        return
    with starting_prefect(settings) as ready:
        yield ready()


@contextmanager
def starting_prefect(settings: Settings) -> Iterator[Callable[[], str]]:
    """Start a Prefect server on loopback; yield what waits for it and returns its API address.

    It takes some seconds to come up, in which other things can be done.

    Raises:
        ConfigurationError: the port is taken.
        TransientError: when asked for the address: the server did not answer in time.
    """
    port = settings.prefect_port or free_port()
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise ConfigurationError(
                f"port {port} is taken; set SCARPWATCH_PREFECT_PORT to another one, or to 0"
            )
    api_url = f"http://{HOST}:{port}/api"
    environment = {
        **os.environ, **prefect_environment(settings, api_url), **prefect_database(settings)
    }  # fmt: skip
    log = settings.home.absolute() / "logs" / "prefect-server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST]
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            preexec_fn=end_with_parent,
            env=environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield lambda: _answering(api_url, server, log)
    finally:
        stop_group(server)


def _answering(api_url: str, server: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server answers, and return its address."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{api_url}/health", timeout=2).is_success:
                return api_url
        except httpx.HTTPError:
            time.sleep(0.2)
    raise TransientError(f"the Prefect server did not start; see {log}")


def stop_group(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """End a process and everything it started: politely, then not."""
    for wish, patience in ((signal.SIGINT, seconds), (signal.SIGKILL, seconds)):
        try:
            os.killpg(process.pid, wish)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def to_deploy(services: Services) -> list[tuple[Flow[..., Any], dict[str, Any]]]:
    """Return the flows and how each is deployed; a schedule of polls for each plan of regions."""
    from prefect.schedules import Cron, Interval
    from prefect.types.entrypoint import EntrypointType

    from flows import monitor

    followed = distinct(plans(services)).values()
    polls = [schedule(plan, rank) for rank, plan in enumerate(followed)]
    deliveries = [Interval(services.settings.deliver_every)]
    # A week of mornings, so that a machine that was off on the 1st is not left out.
    mornings = [Cron("0 6 1-7 * *", "UTC")]
    # Without feeds it waits, until one is named in the settings.
    feeds = [feed_schedule(every) for every in reading(services.settings).values()]
    judging, alone = _at_most(services.settings.runs_at_once), _at_most(1, waiting=False)
    common = {"entrypoint_type": EntrypointType.MODULE_PATH, "tags": ["scarpwatch"]}
    return [
        (flow, {"name": name, "schedules": schedules, "concurrency_limit": limit, **common})
        for flow, name, schedules, limit in (
            (monitor.poll_regions, "watched", polls, _at_most(POLLS_AT_ONCE)),
            (monitor.judge_region, monitor.WAITING, [], judging),
            (monitor.detect_sar, "on-demand", [], None),
            (monitor.confirm_optical, "on-demand", [], None),
            (monitor.train_models, "on-demand", [], None),
            (monitor.deliver_alerts, "undelivered", deliveries, alone),
            (monitor.verify_month, "monthly", mornings, alone),
            (monitor.watch_triggers, "feeds", feeds, alone),
        )
    ]


def _at_most(limit: int, *, waiting: bool = True) -> ConcurrencyLimitConfig:
    """Return how many runs of a deployment may go on at once, on all machines together.

    Args:
        limit: so many.
        waiting: a run too many waits; False: it is cancelled, since one that runs finds its work.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy

    strategy = ConcurrencyLimitStrategy
    return ConcurrencyLimitConfig(
        limit=limit, collision_strategy=strategy.ENQUEUE if waiting else strategy.CANCEL_NEW
    )


async def _free_slots(deployment_ids: list[UUID]) -> None:
    """Free what the limits of deployments count for runs that were killed.

    A server that was killed forgets who held its slots and keeps them taken: polls would wait for
    ever. Where other machines run some just now, the limits are exceeded once by so many.
    """
    from prefect import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    async with get_client() as client:
        for deployment_id in deployment_ids:
            deployment = await client.read_deployment(deployment_id)
            limit = deployment.global_concurrency_limit
            if limit is not None and limit.active_slots:
                freed = GlobalConcurrencyLimitUpdate(active_slots=0)
                await client.update_global_concurrency_limit(str(limit.id), freed)


def fork_runs() -> None:
    """Have the runs of this process forked from one that has loaded their libraries.

    Prefect begins each run of a flow that it was given as an object (``Runner.aadd_flow``) by the
    method ``spawn`` of ``multiprocessing``, and offers no other.
    """
    from prefect import flow_engine

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["flows.runs_ahead"])
    forking = SimpleNamespace(get_context=lambda _method: context)
    setattr(flow_engine, "multiprocessing", forking)  # noqa: B010 - not theirs to export
    # What is loaded there is what runs here, whatever lies in the working directory.
    found = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ |= {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(found)}
    # A socket's path is 107 bytes long at most, and that of the state folder may be longer.
    usual = tempfile.tempdir
    if len(tempfile.gettempdir()) > _SHORT_PATH:
        tempfile.tempdir = "/tmp"  # noqa: S108 - in a closed folder of its own
    try:
        # Now, so that the first run need not wait for it either.
        forkserver.ensure_running()
    finally:
        tempfile.tempdir = usual


def planned_no_longer(record: logging.LogRecord) -> bool:
    """Say calmly that a run is gone when its turn comes; a filter of logs that keeps all of them.

    Regions that come and go change the plan, and with it Prefect takes back what was planned. A run
    that its runner has fetched just then is not there any more, for which Prefect has a traceback.
    """
    from prefect.exceptions import ObjectNotFound

    if record.exc_info and isinstance(record.exc_info[1], ObjectNotFound):
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        record.msg, record.exc_info = "Flow run '%s' is planned no longer", None
    return True


def serve(services: Services) -> None:
    """Run the flows on their schedules until SIGINT or SIGTERM.

    Regions and feeds that are added, changed, paused or removed meanwhile are followed:
    ``flows.planning``.
    """
    from prefect.runner import Runner

    class Served(Runner):
        def handle_sigterm(self, *_args: Any, **_options: Any) -> None:
            # Prefect's own answer exits from inside the event loop, which prints tracebacks. Nor
            # would SIGINT do: shells start what they put into the background with it ignored.
            end_within(END_SECONDS)
            if task is not None:
                task.get_loop().call_soon_threadsafe(task.cancel)

    fork_runs()
    logging.getLogger(PROPOSER).addFilter(planned_no_longer)
    planned = plans(services)
    flows = to_deploy(services)
    services.engine.dispose()
    runner = Served(limit=processes(services.settings), pause_on_shutdown=False)

    task: asyncio.Task[Any] | None = None

    async def run() -> None:
        nonlocal task
        task = asyncio.current_task()
        ids = [await runner.aadd_flow(flow, **how) for flow, how in flows]
        await _free_slots(ids)
        following = asyncio.create_task(keep_planned(services, ids[0], ids[-1], planned))
        try:
            await runner.start()
        finally:
            following.cancel()

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(run())
