"""Deployments: what Prefect is told to run, and the processes around it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from db import store
from db.engine import make_engine
from detectors.errors import ConfigurationError, DatabaseUnavailable
from flows.deployments import (
    PROPOSER,
    planned_no_longer,
    prefect_environment,
    prefect_server,
    stop_group,
    threads_per_run,
    to_deploy,
)
from flows.settings import Settings, TriggerSettings
from flows.turns import regions_of


def test_one_schedule_per_plan_that_regions_follow(watch) -> None:
    slow = watch(id="slow", poll_every=timedelta(hours=2))
    watch(id="asleep", paused=True, poll_every=timedelta(hours=3))
    watch(id="urgent", priority=1, poll_every=timedelta(minutes=5))
    watch(id="slow-too", poll_every=timedelta(hours=2))
    watch(id="mornings", priority=200, poll_cron="0 6,18 * * 1-5 Europe/Oslo")
    made = to_deploy(slow.services)
    schedules = [how["schedules"] for _, how in made]
    polls, judge, detect, confirm, train, deliver, verify, feeds = schedules
    told = [(s.parameters, s.slug) for s in polls]
    slugs = ["every-300-s", "every-7200-s", "at-0-6and18-x-x-1to5-europebyoslo"]
    assert told == [({"plan": slug}, slug) for slug in slugs]
    assert polls[1].interval == timedelta(hours=2)
    assert polls[2].cron == "0 6,18 * * 1-5"
    assert polls[2].timezone == "Europe/Oslo"
    assert [region.id for region in regions_of(slow.services, slugs[1])] == ["slow", "slow-too"]
    assert [region.id for region in regions_of(slow.services, slugs[1], ["slow-too"])] == [
        "slow-too"
    ]
    assert not any((judge, detect, confirm, train, feeds))
    (every,) = deliver
    assert every.interval == slow.services.settings.deliver_every
    (mornings,) = verify
    assert mornings.cron == "0 6 1-7 * *"
    entrypoints = [f"{flow.fn.__module__}.{flow.fn.__name__}" for flow, _ in made]
    assert entrypoints == [
        "flows.monitor.poll_regions", "flows.monitor.judge_region", "flows.monitor.detect_sar",
        "flows.monitor.confirm_optical",
        "flows.monitor.train_models", "flows.monitor.deliver_alerts", "flows.monitor.verify_month",
        "flows.monitor.watch_triggers",
    ]  # fmt: skip


def test_feeds_are_read_where_there_are_any(watch) -> None:
    quakes = TriggerSettings(kind="earthquakes", url="https://agency.example/feed")
    w = watch(settings={"triggers": {"quakes": quakes}})
    *_, (flow, feeds) = to_deploy(w.services)
    assert flow.fn.__name__ == "watch_triggers"
    (every,) = feeds["schedules"]
    assert every.interval == w.services.settings.read_triggers_every
    assert every.slug == "feeds"
    assert feeds["concurrency_limit"].limit == 1


def test_prefect_keeps_to_its_own_folder_and_tells_nobody(no_settings) -> None:
    environment = prefect_environment(Settings(home=no_settings), "http://127.0.0.1:1/api")
    assert environment["PREFECT_HOME"] == str(no_settings / "prefect")
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


@pytest.mark.parametrize(
    ("cores", "at_once", "threads"), [(2, 2, 1), (2, 1, 2), (8, 2, 4), (1, 2, 1), (8, 3, 2)]
)
def test_runs_share_the_cores(no_settings, monkeypatch, cores, at_once, threads) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert threads_per_run(Settings(home=no_settings, runs_at_once=at_once)) == threads


def test_a_server_that_runs_already_is_used(no_settings, monkeypatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    with prefect_server(Settings(home=no_settings)) as api:
        assert api == "http://127.0.0.1:1/api"
    assert list(no_settings.iterdir()) == []


@pytest.mark.long
def test_a_run_that_is_planned_no_longer_is_told_in_a_line(
    no_settings, caplog, monkeypatch
) -> None:
    """A real server that does not know it, asked by Prefect as when its turn comes."""
    from prefect.client.orchestration import PrefectClient
    from prefect.runner._state_proposer import StateProposer

    async def begin(api: str) -> bool:
        async with PrefectClient(api=api) as client:
            return await StateProposer(client=client).propose_pending(SimpleNamespace(id=gone))

    gone, proposer = uuid4(), logging.getLogger(PROPOSER)
    # Whether Prefect's loggers hand on what they are told hangs on who has set them up before.
    monkeypatch.setattr(proposer, "propagate", False)
    proposer.addHandler(caplog.handler)
    proposer.addFilter(planned_no_longer)
    try:
        with prefect_server(Settings(prefect_port=0)) as api, caplog.at_level("INFO", PROPOSER):
            assert not asyncio.run(begin(api))
            proposer.error("else", exc_info=OSError("something else"))
    finally:
        proposer.removeFilter(planned_no_longer)
        proposer.removeHandler(caplog.handler)
    calm, loud = (one for one in caplog.records if one.name == PROPOSER)
    assert (calm.levelname, calm.exc_info) == ("INFO", None)
    assert calm.getMessage() == f"Flow run '{gone}' is planned no longer"
    assert (loud.levelname, bool(loud.exc_info)) == ("ERROR", True)


def test_a_port_that_is_taken(no_settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        asked = prefect_server(Settings(home=no_settings, prefect_port=port))
        with (
            pytest.raises(ConfigurationError, match=f"port {port} is taken; set SCARPWATCH"),
            asked,
        ):
            pass


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("started", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("stubborn", [True, False])
def test_a_process_and_what_it_started_are_ended(stubborn) -> None:
    code = STUBBORN if stubborn else STUBBORN.replace("SIG_IGN", "SIG_DFL")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout.readline() == b"started\n"
        stop_group(process, seconds=0.5)
        assert process.returncode == (-signal.SIGKILL if stubborn else -signal.SIGINT)
        # The child holds the other end of this pipe as long as it lives.
        assert process.stdout.read() == b""


def test_a_region_is_polled_by_one_run_at_a_time_and_never_by_a_dead_one(engine, watch) -> None:
    watch()
    other = make_engine(engine.url.render_as_string(hide_password=False))
    with store.polling(engine, "slope") as mine:
        assert mine
        with store.polling(other, "slope") as second, store.polling(other, "else") as elsewhere:
            assert (second, elsewhere) == (False, True)
    killed = store.polling(other, "slope")
    assert killed.__enter__()
    with engine.connect() as opened:
        opened.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE"
            " datname = current_database())"
        )
    with store.polling(engine, "slope") as taken_over:
        assert taken_over
    with pytest.raises(DatabaseUnavailable):
        killed.__exit__(None, None, None)
    other.dispose()
