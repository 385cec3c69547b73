"""The flow ``train-models``, and a work pool with a real worker, on one real Prefect server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from detectors import weights
from flows.deployments import prefect_environment, prefect_server
from flows.distribution import DistributionSettings
from flows.settings import Settings
from tests.learning import inventory

RUN = """
import json, sys
from flows.monitor import train_models
if __name__ == "__main__":
    print("F1", json.dumps(train_models(**json.loads(sys.argv[1]))))
"""


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a program finds the running server by, in its environment."""
    # As ``serve`` has it where a work pool is set.
    pools = DistributionSettings(work_pool="landslides")
    settings = Settings(home=tmp_path_factory.mktemp("prefect"), prefect_port=0, distribution=pools)
    with prefect_server(settings) as api:
        yield prefect_environment(settings, api)


@pytest.mark.long
@pytest.mark.slow
def test_the_flow_trains_and_assembles(
    tmp_path: Path, no_settings: Path, prefect: dict[str, str]
) -> None:
    images, masks = inventory(tmp_path, list(range(1, 15)))
    order = {
        "recipe": "landslide-rgb", "images": str(images), "masks": str(masks),
        "out": str(tmp_path / "m"), "grid": True, "members": ["PSPNet-bce-*"], "epochs": 3,
        "steps": 3, "crop": 32,
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(order)],
        env=os.environ | prefect,
        check=True, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    f1 = json.loads(ran.stdout.rpartition("F1 ")[2])
    assert list(f1) == ["PSPNet-bce-0.01", "PSPNet-bce-0.001"]
    model = weights.describe("m", tmp_path)
    assert {member.name for member in model.members} == set(f1)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(900)  # loaded machines take their time
def test_the_worker_of_a_process_pool_runs_the_flows(
    watch: Any, operate: Any, wait_until: Any, prefect: dict[str, str], tmp_path: Path
) -> None:
    w = watch()
    operator = operate(w, {})
    operator.environment |= prefect
    given = operator.command("deploy", "--pool", "landslides")
    assert (given["pool"], given["type"]) == ("landslides", "process")
    assert "deliver-alerts/undelivered" in given["deployments"]
    operator.command("deploy", "--pool", "landslides", "--type", "docker", status=2)

    def ask(what: str, **wanted: Any) -> Any:
        url = f"{prefect['PREFECT_API_URL']}/{what}"
        return httpx.post(url, json=wanted, timeout=60).raise_for_status().json()

    deployments = {f"{one['entrypoint']}": one for one in ask("deployments/filter")}
    assert {one["work_pool_name"] for one in deployments.values()} == {"landslides"}
    wanted = deployments["flows.monitor.poll_regions"]
    run = ask(f"deployments/{wanted['id']}/create_flow_run", parameters={"plan": "every-1800-s"})
    # The worker takes one run after the other; what the run needs it has from its own machine.
    w.reach()
    operator.start(
        "-m", "prefect", "worker", "start", "--pool", "landslides", "--name", "one",
    )  # fmt: skip
    states: list[str] = []

    def ended() -> bool:
        (now,) = ask("flow_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
        states.append(now["state_type"])
        return states[-1] in {"COMPLETED", "FAILED", "CRASHED"}

    wait_until(ended, 400)
    assert states[-1] == "COMPLETED"
    # It asked for a run of the region, since looks wait there.
    wait_until(lambda: set(w.states().values()) == {"baseline", "processed"}, 400)
