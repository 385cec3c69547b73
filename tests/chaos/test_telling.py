"""A run that is broken off keeps, and tells, how far it came."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

RUN = """
import argparse, pathlib, sys, time
from bench.chaos.telling import Run
done = [0]
wanted = argparse.Namespace(minutes=1, write=pathlib.Path(sys.argv[1]), json=True)
run = Run("bench.x", wanted, lambda: {"done": done[0]}, lambda console: None)
with run.told():
    while not run.over():
        done[0] += 1
        run.keep()
        time.sleep(0.01)
"""


def test_a_run_that_is_broken_off(tmp_path: Path) -> None:
    kept = tmp_path / "x.json"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(kept)], stdout=subprocess.PIPE, text=True
    ) as process:
        while not kept.exists() and process.poll() is None:
            time.sleep(0.05)
        before = json.loads(kept.read_text())
        assert before["ended"] == "not yet, or killed"
        assert before["done"] >= 1
        process.send_signal(signal.SIGTERM)
        said = json.loads(process.communicate()[0])
    assert said["ended"] == "broken off by SIGTERM"
    assert said["done"] >= before["done"]
    assert json.loads(kept.read_text()) == said
