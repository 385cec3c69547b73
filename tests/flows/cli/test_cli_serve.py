"""``scarpwatch serve``: Prefect's server and the schedules, from start to the end they are told."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.begun import Begun


def test_nothing_to_serve(cli: Any, region_file: Callable[..., Path]) -> None:
    assert "scarpwatch regions add FILE" in cli("serve", status=2).stderr
    cli("regions", "add", region_file())
    cli("regions", "pause", "slope")
    assert "every region is paused" in cli("serve", status=2).stderr


@pytest.mark.long
@pytest.mark.slow
def test_serve_until_told_to_stop(
    cli: Any, region_file: Callable[..., Path], home: Path, begun: Callable[..., Begun]
) -> None:
    cli("regions", "add", region_file(name="A slope", poll_every_minutes=90))
    # As shells start what they put into the background: SIGTERM alone has to do.
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    serving = begun("serve", "--port", "0")
    signal.signal(signal.SIGINT, heard)
    said = serving.until("Runs and logs")
    assert "slope  every 90 min  A slope" in said
    page = next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 180
    while len(found) < 4 and time.monotonic() < deadline:
        time.sleep(0.5)
        found = httpx.post(f"{page}/api/deployments/filter", json={}, timeout=60).json()
    watched = next(one for one in found if one["name"] == "watched")
    (schedule,) = watched["schedules"]
    assert schedule["schedule"]["interval"] == 5_400
    assert schedule["parameters"] == {"plan": "every-5400-s"}
    assert watched["entrypoint"] == "flows.monitor.poll_regions"
    # Before Prefect's runner answers the signal itself, the command does, with another status;
    # that is also the status of one that had to be ended.
    serving.until("Beginning flow run")
    assert serving.end() == 0
    assert "Traceback" not in serving.said()
    with pytest.raises(httpx.ConnectError):
        httpx.get(page)
    assert (home / "prefect").is_dir()


def test_a_service_that_does_not_let_go_is_ended(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; from flows.workers import end_within; "
        "signal.signal(signal.SIGTERM, lambda *_: end_within(1)); "
        "print('ready', flush=True); [time.sleep(1) for _ in range(600)]"
    )
    serving = Begun([sys.executable, "-c", stubborn], tmp_path / "said")
    serving.until("ready")
    assert serving.end() == 128 + signal.SIGTERM
