"""``scarpwatch serve``: Prefect's server and the schedules, from start to the end they are told."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]


def test_nothing_to_serve(cli: Any, region_file: Callable[..., Path]) -> None:
    assert "scarpwatch regions add FILE" in cli("serve", status=2).stderr
    cli("regions", "add", region_file())
    cli("regions", "pause", "slope")
    assert "every region is paused" in cli("serve", status=2).stderr


@pytest.mark.slow
def test_serve_until_told_to_stop(cli: Any, region_file: Callable[..., Path], home: Path) -> None:
    cli("regions", "add", region_file(name="A slope", poll_every_minutes=90))
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=os.environ,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said, deadline = "", time.monotonic() + 120
        while "Runs and logs" not in said and time.monotonic() < deadline:
            if select.select([process.stdout], [], [], 1)[0]:
                said += process.stdout.readline()
        assert "slope  every 90 min  A slope" in said
        page = next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
        while time.monotonic() < deadline:
            found = httpx.post(f"{page}/api/deployments/filter", json={}).json()
            if len(found) == 3:
                break
            time.sleep(0.5)
        watched = next(one for one in found if one["name"] == "watched")
        (schedule,) = watched["schedules"]
        assert schedule["schedule"]["interval"] == 5_400
        assert schedule["parameters"] == {"region_id": "slope"}
        assert watched["entrypoint"] == "flows.monitor.poll_region"
        process.send_signal(signal.SIGTERM)
        # Before Prefect's runner answers the signal itself, the command does, with its own status.
        assert process.wait(60) in {0, 128 + signal.SIGTERM}
        assert "Traceback" not in process.stdout.read()
    with pytest.raises(httpx.ConnectError):
        httpx.get(page)
    assert (home / "prefect").is_dir()
