"""Run the radar bench and write bench/sar.md, bench/results/sar.json and the reliability diagram.

    python -m bench.sar [--data FOLDER] [--quick] [--again]

Looks are kept under .scarpwatch/bench-sar as they are judged, by a fingerprint of all that judges
them, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.sar import learned_page, reliability, running
from bench.sar.figures import Record
from bench.sar.page import page
from bench.sar.report import figures
from detectors.simulation.parameters import load_parameters

OUT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="bench.sar", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with the data sets that are not shipped")
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs")
    parser.add_argument("--again", action="store_true", help="judge anew what is kept")
    parser.add_argument(
        "--processes", type=int, default=min(2, os.cpu_count() or 1), help="side by side"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where sar.md and results/ go")
    given = parser.parse_args()
    torch.set_num_threads(1)
    parameters = load_parameters()
    plan = running.Plan.quick() if given.quick else running.Plan()
    todo = list(running.jobs(plan, parameters, given.data))
    looks: dict[str, list[Record]] = {}
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    ) as bar:
        task = bar.add_task("looks", total=len(todo))
        for name, judged in running.run(todo, parameters, given.processes, again=given.again):
            looks[name] = judged
            bar.update(task, description=name, advance=1)
    write(running.with_peer(looks), plan, parameters.sha256, given.out, quick=given.quick)


def write(
    looks: dict[str, list[Record]], plan: running.Plan, sha256: str, out: Path, *, quick: bool
) -> None:
    """Compute the figures and write all files."""
    seeds = plan.seeds()

    def events(use: str) -> list[Record]:
        return [r for seed in seeds[use] for r in looks[f"event-{plan.size}-{seed}"]]

    filtered: dict[str, list[Record]] = {}
    for name, records in looks.items():
        if name.startswith("filter-"):
            filtered.setdefault(records[0]["filter"], []).extend(records)
    stated = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": _commit(), "quick": quick,
        "seeds": seeds, "size": plan.size, "parameters": sha256,
    }  # fmt: skip
    found = figures(
        events("calibration"),
        events("held back"),
        [r for name, records in looks.items() if name.startswith("real-") for r in records],
        filtered,
        stated,
    )
    results = out / "results"
    results.mkdir(parents=True, exist_ok=True)
    if found["reliability"]:
        reliability.draw(found["reliability"], results / "sar-reliability.png")
    (results / "sar.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (out / "sar.md").write_text(page(found, learned_page.parts(results)), encoding="utf-8")


def _commit() -> str:
    """Return the short hash of the commit, with a plus where files differ from it."""
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            capture_output=True, text=True, check=True, cwd=OUT,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return run.stdout.strip()


if __name__ == "__main__":
    main()
