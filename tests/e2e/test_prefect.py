"""``scarpwatch serve``: a real Prefect server runs the flows on the regions' schedules."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from db import store
from tests.optical_world import debris_over, ground, tile
from tests.series import DAYS, EPSG, OUTLINE
from tests.watching import Watch

#: The first look that shows the landslide is published by then.
SHOWN = datetime(2023, 11, 22, tzinfo=UTC)
LAST = "2023-12-03"
#: The optical look that confirms it.
AFTER = datetime(2023, 11, 26, 18, tzinfo=UTC)


@dataclass
class Serving:
    """``scarpwatch serve`` as a process, with its output in a file."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def api(self) -> str | None:
        found = re.search(r"Runs and logs: (http://\S+)", self.output.read_text())
        return f"{found[1]}/api" if found else None

    def runs(self, state: str, flow: str = "poll-region") -> list[dict[str, Any]]:
        """Return the region's runs of a flow that are in a state."""
        found = self.ask("flow_runs")
        return [r for r in found if (r["name"], r["state_type"]) == (f"{flow} slope", state)]

    def ask(self, what: str) -> list[dict[str, Any]]:
        answer = httpx.post(f"{self.api}/{what}/filter", json={}).raise_for_status()
        return list(answer.json())


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    started: list[subprocess.Popen[bytes]] = []

    def start(environment: dict[str, str]) -> Serving:
        output = tmp_path / "serve.log"
        with output.open("wb") as sink:
            command = [sys.executable, "-m", "flows.cli", "serve"]
            started.append(
                subprocess.Popen(
                    command, env=environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL
                )
            )
        return Serving(started[-1], output)

    yield start
    for process in started:
        process.kill()
        process.wait()


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


@pytest.mark.slow
@pytest.mark.timeout(900)  # loaded machines take their time; waits end when it is done
def test_served_killed_served_again_and_ended(
    watch, operate, receiver, serve, no_settings, wait_until, tmp_path
) -> None:
    w = watch(poll_every=timedelta(seconds=5))
    operator = operate(w, {"duty": receiver.url}, prefect_port=0, deliver_every="PT10S")
    w.reach(SHOWN)
    serving = serve(operator.environment)

    # On its schedule: poll, judge, tell.
    wait_until(lambda: serving.process.poll() is not None or receiver.received(), 240)
    assert serving.process.poll() is None, serving.output.read_text()
    (received,) = receiver.received()
    assert received["exercise"]
    assert [w.states()[date] for date in DAYS[6:9]] == 3 * ["processed"]
    wait_until(lambda: w.rows()["deliveries"][0]["state"] == "delivered", 120)

    # Killed, it leaves no server behind; started again, it goes on where it was.
    assert len(descended(no_settings)) >= 2
    serving.process.send_signal(signal.SIGKILL)
    serving.process.wait()
    wait_until(lambda: not descended(no_settings), 120)
    w.reach()
    see(w, tmp_path)
    serving = serve(operator.environment)
    wait_until(lambda: w.states().get(LAST) == "processed", 240)
    wait_until(lambda: len(receiver.received()) == 3, 240)
    kinds = [one["body"]["kind"] for one in receiver.received()]
    assert kinds == ["suspected", "updated", "confirmed"]
    states = [row["state"] for row in w.rows()["landslide_versions"]]
    assert states.count("suspected") == 2
    assert set(states) == {"confirmed", "suspected"}

    # What Prefect knows of it: deployments by module path, a schedule for the region.
    deployments = {one["entrypoint"]: one for one in serving.ask("deployments")}
    assert {entrypoint: one["name"] for entrypoint, one in deployments.items()} == {
        "flows.monitor.poll_region": "watched",
        "flows.monitor.detect_sar": "on-demand",
        "flows.monitor.confirm_optical": "on-demand",
        "flows.monitor.train_models": "on-demand",
        "flows.monitor.deliver_alerts": "undelivered",
    }
    (schedule,) = deployments["flows.monitor.poll_region"]["schedules"]
    assert (schedule["schedule"]["interval"], schedule["parameters"]) == (5, {"region_id": "slope"})
    wait_until(lambda: serving.runs("COMPLETED"), 120)
    assert serving.runs("COMPLETED", "confirm-optical")
    assert all(run["auto_scheduled"] for run in serving.runs("COMPLETED"))
    assert serving.runs("FAILED") == []

    # Limits: so many polls at once, one delivery; whoever was killed holds no slot.
    limits = {
        name: (one["global_concurrency_limit"], one["concurrency_options"])
        for entrypoint, one in deployments.items()
        if (name := entrypoint.rpartition(".")[2]) in {"poll_region", "deliver_alerts"}
    }
    assert {name: limit["limit"] for name, (limit, _) in limits.items()} == {
        "poll_region": 2, "deliver_alerts": 1,
    }  # fmt: skip
    assert {name: how["collision_strategy"] for name, (_, how) in limits.items()} == {
        "poll_region": "ENQUEUE", "deliver_alerts": "CANCEL_NEW",
    }  # fmt: skip

    # Regions are followed without a restart: changed, added, paused, removed, out of season.
    def planned() -> dict[str, Any]:
        (polls,) = (one for one in serving.ask("deployments") if one["name"] == "watched")
        return {one["slug"]: one["schedule"] for one in polls["schedules"]}

    twice = replace(w.region, id="twice", poll_cron="0 6 * * * Europe/Oslo")
    with w.open() as s:
        store.save_region(s, replace(w.region, poll_every=timedelta(seconds=7)))
        store.save_region(s, twice)
    wait_until(lambda: set(planned()) == {"slope", "twice"}, 60)
    assert planned()["slope"]["interval"] == 7
    assert (planned()["twice"]["cron"], planned()["twice"]["timezone"]) == (
        "0 6 * * *", "Europe/Oslo",
    )  # fmt: skip
    with w.open() as s:
        store.save_region(s, replace(twice, windows=("06",)))  # the clock stands in winter
    wait_until(lambda: set(planned()) == {"slope"}, 60)
    with w.open() as s:
        store.save_region(s, twice)
        store.set_paused(s, "slope", paused=True)
    wait_until(lambda: set(planned()) == {"twice"}, 60)
    with w.open() as s:
        store.set_paused(s, "slope", paused=False)
        store.remove_region(s, "twice")
    wait_until(lambda: set(planned()) == {"slope"}, 60)
    done = len(serving.runs("COMPLETED"))
    wait_until(lambda: len(serving.runs("COMPLETED")) > done, 120)
    assert serving.process.poll() is None, serving.output.read_text()

    # SIGTERM ends everything it started.
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(120) in {0, 128 + signal.SIGTERM}
    wait_until(lambda: not descended(no_settings), 120)
    said = serving.output.read_text()
    assert "Traceback" not in said, said[said.index("Traceback") - 500 :][:6000]
