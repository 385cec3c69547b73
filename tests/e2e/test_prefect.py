"""``scarpwatch serve``: a real Prefect server on PostgreSQL, and a real Dask cluster."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy.engine import URL

from db import store
from flows.deployments import free_port
from tests.optical_world import debris_over, ground, tile
from tests.series import DAYS, EPSG, OUTLINE
from tests.watching import Watch

#: The first look that shows the landslide is published by then.
SHOWN = datetime(2023, 11, 22, tzinfo=UTC)
LAST = "2023-12-03"
#: The optical look that confirms it.
AFTER = datetime(2023, 11, 26, 18, tzinfo=UTC)

#: What a scheduler and its workers would otherwise import in the midst of their work.
PRELOAD = ("--preload", "flows.monitor")


@dataclass
class Serving:
    """``scarpwatch serve`` as a process, with its output in a file."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def api(self) -> str | None:
        found = re.search(r"Runs and logs: (http://\S+)", self.output.read_text())
        return f"{found[1]}/api" if found else None

    def runs(self, state: str, flow: str = "poll-regions") -> list[dict[str, Any]]:
        """Return the runs of a flow, of the region where it is of one, that are in a state."""
        found = self.ask("flow_runs")
        of = "slope" if flow != "poll-regions" else ""
        return [
            r for r in found
            if r["state_type"] == state and r["name"].startswith(f"{flow} {of}")
        ]  # fmt: skip

    def ask(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:  # at most 200 come at once, and a slow machine has more runs than that
            page = {"offset": len(found), "sort": "ID_DESC"} if what == "flow_runs" else {}
            part = httpx.post(f"{self.api}/{what}/filter", json=page).raise_for_status().json()
            found += part
            if not page or len(part) < 200:
                return found


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    started: list[subprocess.Popen[bytes]] = []

    def start(environment: dict[str, str]) -> Serving:
        output = tmp_path / "serve.log"
        with output.open("wb") as sink:
            command = [sys.executable, "-m", "flows.cli", "serve"]
            # As shells start what they put into the background: SIGTERM alone has to do.
            heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
            started.append(
                subprocess.Popen(
                    command, env=environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL
                )
            )
            signal.signal(signal.SIGINT, heard)
        return Serving(started[-1], output)

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Any]:
    """Starts a Dask scheduler and two workers of one thread, each a process of its own."""
    started: list[subprocess.Popen[bytes]] = []
    log = tmp_path / "dask.log"

    def begin(environment: dict[str, str], *words: str) -> int:
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard", *PRELOAD]
        with log.open("ab") as sink:
            started.append(
                subprocess.Popen(
                    command, env=environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL,
                    cwd=tmp_path,
                )
            )  # fmt: skip
        return started[-1].pid

    def start(environment: dict[str, str]) -> tuple[str, set[int]]:
        port = free_port()
        begin(environment, "scheduler", "--host", "127.0.0.1", "--port", str(port))
        address = f"tcp://127.0.0.1:{port}"
        one = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        return address, {begin(environment, "worker", address, *one) for _ in range(2)}

    yield start
    for process in started:
        process.kill()
        process.wait()


def kept_by_prefect(url: URL, database: str, table: str) -> int:
    """Count the rows of a table of another database of the same server."""
    whole = url.set(drivername="postgresql", database=database)
    with psycopg.connect(whole.render_as_string(hide_password=False)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def owners(w: Watch) -> list[dict[str, Any]]:
    """Return who holds which look, and how often it was taken."""
    found = w.sql(
        "SELECT item_id, state, owner, attempts FROM looks JOIN acquisitions a ON a.id ="
        " acquisition_id"
    )
    return [dict(row._mapping) for row in found]


def see(w: Watch, folder: Path) -> None:
    """Let optical looks of forest become known, and one after the landslide that shows debris."""
    grid, debris = debris_over(OUTLINE, EPSG)
    days = [datetime(2023, 9, 20, 18, tzinfo=UTC), datetime(2023, 10, 5, 18, tzinfo=UTC), AFTER]
    looks = [
        tile(
            folder, day, ground(number, *([debris] if day == AFTER else [])),
            grid=grid, source=w.region.sources[0],
        )
        for number, day in enumerate(days)
    ]  # fmt: skip
    with w.open() as s:
        store.record_acquisitions(s, w.region, looks)


def follow_ups(serving: Serving) -> list[str]:
    """Return the runs of deployments that no schedule asked for, whatever became of them, by id."""
    runs = serving.ask("flow_runs")
    return [r["id"] for r in runs if r["deployment_id"] and not r["auto_scheduled"]]


def descended(home: Path) -> dict[int, str]:
    """Return the processes that have the state folder in their environment."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(home).encode() in (process / "environ").read_bytes():
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(process.name)] = command.decode(errors="replace")
        except OSError:
            continue
    return found


def children(process: int) -> list[int]:
    """Return what a process has begun and not cleared away."""
    listed = Path(f"/proc/{process}/task/{process}/children")
    try:
        return [int(number) for number in listed.read_text().split()]
    except OSError:
        return []


def is_zombie(process: int) -> bool:
    """Tell whether a process has ended and nobody has cleared it away."""
    try:
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def ignores(process: int, wished: signal.Signals) -> bool:
    """Tell whether a process ignores a signal."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (line,) = (one for one in status.splitlines() if one.startswith("SigIgn"))
    return bool(int(line.split()[1], 16) >> (wished - 1) & 1)


@pytest.mark.slow
@pytest.mark.timeout(900)  # loaded machines take their time; waits end when it is done
def test_served_killed_served_again_on_a_cluster_and_ended(
    served, files, operate, receiver, serve, dask, no_settings, wait_until, tmp_path
) -> None:
    w = served(poll_every=timedelta(seconds=60))
    operator = operate(
        w, {"duty": receiver.url}, prefect_port=0, deliver_every="PT60S", judge_for="PT0.001S"
    )
    beside = f"prefect_{uuid.uuid4().hex[:12]}"
    operator.environment["SCARPWATCH_DISTRIBUTION__PREFECT_DATABASE"] = beside
    w.reach(SHOWN)
    others = set(descended(no_settings))
    serving = serve(operator.environment)

    # On its schedule: poll, judge, tell.
    wait_until(lambda: serving.process.poll() is not None or receiver.received(), 400)
    assert serving.process.poll() is None, serving.output.read_text()
    (received,) = receiver.received()
    assert received["exercise"]
    assert [w.states()[date] for date in DAYS[6:9]] == 3 * ["processed"]
    wait_until(lambda: w.rows()["deliveries"][0]["state"] == "delivered", 120)

    # Three looks: the poll judged for its moment, and asked for a run that judged the others.
    followed = follow_ups(serving)
    assert 1 <= len(followed) <= 2

    # Prefect's own state lies in PostgreSQL, in a database that its role alone may enter.
    url = w.services.engine.url
    assert kept_by_prefect(url, beside, "flow_run") > 0
    assert not list((no_settings / "prefect").rglob("*.db"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        kept_by_prefect(url.set(username=beside), str(url.database), "scarpwatch.looks")

    # Killed, it leaves no server behind; started again, it goes on where it was, on a cluster now.
    assert len(set(descended(no_settings)) - others) >= 2
    serving.process.send_signal(signal.SIGKILL)
    serving.process.wait()
    wait_until(lambda: not set(descended(no_settings)) - others, 120)
    w.reach()
    see(w, tmp_path)
    files.rules({"match": w.item(LAST), "hold": True})
    address, workers = dask(operator.environment)
    others = set(descended(no_settings))
    operator.environment |= {
        "SCARPWATCH_DISTRIBUTION__RUNNER": "dask", "SCARPWATCH_DISTRIBUTION__DASK_ADDRESS": address,
        "SCARPWATCH_JUDGE_FOR": "PT5M",
    }  # fmt: skip
    serving = serve(operator.environment)

    # One of two workers dies at a look: the other one takes it over, and nothing is done twice.
    wait_until(lambda: any(w.item(LAST) in asked for asked in files.seen()), 400)
    (owner,) = {row["owner"] for row in owners(w) if row["state"] == "processing"}
    died = int(owner.split("/")[1])
    assert died in workers
    os.kill(died, signal.SIGKILL)
    # Runs are forks of the process that loaded their libraries; this one waits for the cluster.
    commands = descended(no_settings)
    forks = [number for number, command in commands.items() if "forkserver" in command]
    assert len(forks) >= 2
    # Each run has another one ready, that draws, and is cleared away with it.
    ahead = min(forks)
    wait_until(lambda: children(ahead) and all(map(children, children(ahead))), 60)
    assert not any("prefect.engine" in command for command in commands.values())
    # ``runs_ahead`` was loaded: the first of them leaves SIGTERM to the runs.
    assert [ignores(number, signal.SIGTERM) for number in sorted(forks)] == [
        True, *(False for _ in forks[1:])
    ]  # fmt: skip
    files.release()
    wait_until(lambda: w.states().get(LAST) == "processed", 240)
    attempts = {row["item_id"]: row["attempts"] for row in owners(w)}
    assert attempts[w.item(LAST)] == 2
    assert set(attempts.values()) <= {0, 1, 2}
    wait_until(lambda: len(receiver.received()) == 3, 240)
    kinds = [one["body"]["kind"] for one in receiver.received()]
    assert kinds == ["suspected", "updated", "confirmed"]
    states = [row["state"] for row in w.rows()["landslide_versions"]]
    assert states.count("suspected") == 2
    assert set(states) == {"confirmed", "suspected"}

    # What Prefect knows of it: deployments by module path, a schedule for the region.
    deployments = {one["entrypoint"]: one for one in serving.ask("deployments")}
    assert {entrypoint: one["name"] for entrypoint, one in deployments.items()} == {
        "flows.monitor.poll_regions": "watched",
        "flows.monitor.judge_region": "waiting",
        "flows.monitor.detect_sar": "on-demand",
        "flows.monitor.confirm_optical": "on-demand",
        "flows.monitor.train_models": "on-demand",
        "flows.monitor.deliver_alerts": "undelivered",
        "flows.monitor.verify_month": "monthly",
        "flows.monitor.watch_triggers": "feeds",
    }
    assert deployments["flows.monitor.watch_triggers"]["schedules"] == []
    (schedule,) = deployments["flows.monitor.poll_regions"]["schedules"]
    assert schedule["schedule"]["interval"] == 60
    assert schedule["parameters"] == {"plan": "every-60-s"}
    wait_until(lambda: serving.runs("COMPLETED"), 120)
    wait_until(lambda: serving.runs("COMPLETED", "confirm-optical"), 120)
    # With one region the run that polls judges, too; nothing was left behind since.
    assert serving.runs("COMPLETED", "detect-sar")
    assert follow_ups(serving) == followed
    assert serving.runs("FAILED") == serving.runs("FAILED", "judge-region") == []

    # What both workers found is there once.
    found = w.sql(
        "SELECT count(*), count(DISTINCT (acquisition_id, polygon::text)) FROM detections"
    )
    assert found[0][0] == found[0][1] > 0

    # Limits: so many polls and regions at once, one delivery; whoever was killed holds no slot.
    wanted = {"poll_regions": 2, "judge_region": 2, "deliver_alerts": 1}
    limits = {
        name: (one["global_concurrency_limit"], one["concurrency_options"])
        for entrypoint, one in deployments.items()
        if (name := entrypoint.rpartition(".")[2]) in set(wanted)
    }
    assert {name: limit["limit"] for name, (limit, _) in limits.items()} == wanted
    assert {name: how["collision_strategy"] for name, (_, how) in limits.items()} == {
        "poll_regions": "ENQUEUE", "judge_region": "ENQUEUE", "deliver_alerts": "CANCEL_NEW",
    }  # fmt: skip

    # Regions are followed without a restart: changed, added, paused, removed, out of season.
    def planned() -> dict[str, Any]:
        (polls,) = (one for one in serving.ask("deployments") if one["name"] == "watched")
        return {one["slug"]: one["schedule"] for one in polls["schedules"]}

    # So are feeds: named in the settings, read, taken out again.
    def feeds_planned() -> list[dict[str, Any]]:
        (feeds,) = (one for one in serving.ask("deployments") if one["name"] == "feeds")
        return list(feeds["schedules"])

    (files.root / "quakes.json").write_text('{"type": "FeatureCollection", "features": []}')
    typed = (no_settings / "scarpwatch.toml").read_text()
    (no_settings / "scarpwatch.toml").write_text(
        f'{typed}[triggers.quakes]\nkind = "earthquakes"\nurl = "{files.url}/quakes.json"\n'
    )
    twice = replace(w.region, id="twice", poll_cron="0 6 * * * Europe/Oslo")
    with w.open() as s:
        store.save_region(s, replace(w.region, poll_every=timedelta(seconds=70)))
        store.save_region(s, twice)
    usual, mornings = "every-70-s", "at-0-6-x-x-x-europebyoslo"
    wait_until(lambda: set(planned()) == {usual, mornings}, 60)
    assert planned()[usual]["interval"] == 70
    assert (planned()[mornings]["cron"], planned()[mornings]["timezone"]) == (
        "0 6 * * *", "Europe/Oslo",
    )  # fmt: skip
    with w.open() as s:
        store.save_region(s, replace(twice, windows=("06",)))  # the clock stands in winter
    wait_until(lambda: set(planned()) == {usual}, 60)
    wait_until(feeds_planned, 60)
    (reading,) = feeds_planned()
    assert (reading["slug"], reading["schedule"]["interval"]) == ("feeds", 300)
    wait_until(lambda: w.sql("SELECT 1 FROM trigger_feeds WHERE succeeded_at IS NOT NULL"), 120)
    (no_settings / "scarpwatch.toml").write_text(typed)
    with w.open() as s:
        store.save_region(s, twice)
        store.set_paused(s, "slope", paused=True)
    wait_until(lambda: set(planned()) == {mornings}, 60)
    # One more with a plan that is followed already is polled at once, not at six.
    with w.open() as s:
        store.save_region(s, replace(twice, id="thrice"))
    joined = {"plan": mornings, "region_ids": ["thrice"]}
    wait_until(lambda: joined in [run["parameters"] for run in serving.runs("COMPLETED")], 120)
    with w.open() as s:
        store.set_paused(s, "slope", paused=False)
        store.remove_region(s, "twice")
        store.remove_region(s, "thrice")
    wait_until(lambda: set(planned()) == {usual}, 60)
    wait_until(lambda: not feeds_planned(), 60)
    done = len(serving.runs("COMPLETED"))
    wait_until(lambda: len(serving.runs("COMPLETED")) > done, 120)
    assert serving.process.poll() is None, serving.output.read_text()

    # The month's verification, as it will run on the first mornings of the next one.
    monthly = deployments["flows.monitor.verify_month"]["id"]
    httpx.post(f"{serving.api}/deployments/{monthly}/create_flow_run", json={}).raise_for_status()
    page = no_settings / "verification" / "slope" / "2023-12.html"
    wait_until(page.exists, 120)
    assert "SIMULATED" in page.read_text()

    # What runs leave behind is cleared away without a word. SIGTERM ends everything it started.
    wait_until(lambda: not any(map(is_zombie, children(ahead))), 60)
    assert "unexpected pid" not in serving.output.read_text()
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(120) in {0, 128 + signal.SIGTERM}
    wait_until(lambda: not set(descended(no_settings)) - others, 120)
    said = serving.output.read_text()
    assert "Traceback" not in said, said[said.index("Traceback") - 500 :][:6000]
