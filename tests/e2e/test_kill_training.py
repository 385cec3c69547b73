"""A training that is killed goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.learning import inventory, typed

MEMBER = "PSPNet-dice-0.01"


@pytest.mark.long
def test_sigkill_changes_nothing(tmp_path: Path) -> None:
    images, masks = inventory(tmp_path, [*range(1, 25), *range(151, 157)])
    command = [
        "train", "--recipe", "landslide-rgb", "--grid", "--member", MEMBER, "--images", images,
        "--masks", masks, "--epochs", 10, "--steps", 12, "--crop", 32, "--out",
    ]  # fmt: skip
    undisturbed, killed = tmp_path / "undisturbed" / "m", tmp_path / "killed" / "m"
    assert typed(*command, undisturbed).exit_code == 0
    words = [str(word) for word in (*command, killed)]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    checkpoint = killed / f"{MEMBER}.checkpoint"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (killed / "results.csv").exists()
    result = typed(*command, killed, "--resume")
    assert result.exit_code == 0, result.output
    assert not checkpoint.exists()
    for name in (f"{MEMBER}.safetensors", "results.csv"):
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes()
    again = (killed / f"{MEMBER}.safetensors").stat().st_mtime_ns
    assert typed(*command, killed, "--resume").exit_code == 0
    assert (killed / f"{MEMBER}.safetensors").stat().st_mtime_ns == again


def test_what_was_broken_off_of_another_training_is_refused(tmp_path: Path) -> None:
    images, masks = inventory(tmp_path, [*range(1, 9), 151, 152])
    out = tmp_path / "m"
    out.mkdir()
    (out / f"{MEMBER}.checkpoint").write_bytes(b"PK broken")
    result = typed(
        "train", "--recipe", "landslide-rgb", "--grid", "--member", MEMBER, "--images", images,
        "--masks", masks, "--epochs", 1, "--steps", 1, "--crop", 32, "--out", out, "--resume",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "delete it to begin anew" in result.stderr
