"""The flow ``train-models``, on a real Prefect server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detectors import weights
from flows.deployments import prefect_environment, prefect_server
from flows.settings import Settings
from tests.learning import inventory

RUN = """
import json, sys
from flows.monitor import train_models
if __name__ == "__main__":
    print("F1", json.dumps(train_models(**json.loads(sys.argv[1]))))
"""


@pytest.mark.slow
def test_the_flow_trains_and_assembles(tmp_path: Path, no_settings: Path) -> None:
    images, masks = inventory(tmp_path, list(range(1, 15)))
    order = {
        "recipe": "landslide-rgb", "images": str(images), "masks": str(masks),
        "out": str(tmp_path / "m"), "grid": True, "members": ["PSPNet-bce-*"], "epochs": 3,
        "steps": 3, "crop": 32,
    }  # fmt: skip
    settings = Settings(home=no_settings, prefect_port=0)
    with prefect_server(settings) as api:
        ran = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(order)],
            env=os.environ | prefect_environment(settings, api),
            check=True, capture_output=True, text=True, timeout=400,
        )  # fmt: skip
    f1 = json.loads(ran.stdout.rpartition("F1 ")[2])
    assert list(f1) == ["PSPNet-bce-0.01", "PSPNet-bce-0.001"]
    model = weights.describe("m", tmp_path)
    assert {member.name for member in model.members} == set(f1)
