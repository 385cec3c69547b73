"""``scarpwatch simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectors.simulation.parameters import load_parameters


def test_simulate_answers_in_json_and_in_words(cli: Any, read: Any, tmp_path: Path) -> None:
    out = tmp_path / "made"
    report = read("simulate", out, "--seed", 15, "--events", 1, "--size", 60)
    assert report["simulated"] is True
    assert report["radar"]["items"] == 28
    assert report["optical"] is None
    assert report["parameters_sha256"] == load_parameters().sha256
    assert Path(report["truth"]).is_file()
    (event,) = report["events"]
    assert event["event_seed"] == 15
    assert event["happened_at"].endswith("Z")
    assert 0 <= event["visible"] <= event["slides"] <= 4

    assert "exists already" in cli("simulate", out, "--size", 60, status=1).stderr
    shown = cli("simulate", out, "--seed", 15, "--size", 60, "--replace").stdout
    for words in ("SIMULATED", "28 looks", "truth_SIMULATED.gpkg", "scarpwatch replay"):
        assert words in shown


def test_simulate_refuses_what_it_cannot_do(cli: Any, tmp_path: Path) -> None:
    told = cli("simulate", tmp_path / "out", "--events", 51, status=2).stderr
    assert "1 to 50 events" in told
    assert not (tmp_path / "out").exists()
