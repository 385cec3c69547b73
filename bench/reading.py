"""What reading side by side is worth where an archive takes its time to answer.

    python -m bench.reading [--late 0 0.02 0.05 0.1] [--rounds 3] [--side 600]

The history of one radar look: ten passes of VV and VH, SIMULATED speckle as cloud-optimised files
of 512-pixel tiles, from a server on loopback (a process of its own) that waits before each answer.
``flows.histories.read_history`` reads every block of it, by one reader and by as many as the
product has, in turns in one process; both must return the same pixels, by as many requests.
Prints, and writes ``bench/results/reading.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table
from shapely.geometry import MultiPolygon

from bench.compositing import POLARISATIONS, write_looks
from bench.files import Files
from bench.serving import serving
from detectors.types import Acquisition, WatchedRegion
from flows import kept_open
from flows.histories import read_history
from flows.imagery import group_passes, plan_blocks

RESULT = Path(__file__).parent / "results" / "reading.json"
LOOKS = 11


def read_all(looks: list[Acquisition]) -> list[np.ndarray]:
    """Return the history of the newest look, block by block."""
    frame = MultiPolygon([looks[0].footprint])
    region = WatchedRegion("bench", "SIMULATED", frame, ("bench/simulated",), simulated=True)
    *earlier, look = looks
    passes, files = group_passes(earlier)[::-1], Files()
    with kept_open.keeping_open():
        return [
            read_history(passes, POLARISATIONS, block, files, set(), forgiving=False).gamma0
            for block in plan_blocks(look, region, files)
        ]


def measure(looks: list[Acquisition], url: str, late: float, rounds: int) -> dict[str, Any]:
    """Read by one reader and by many, in turns.

    Raises:
        SystemExit: they did not read the same.
    """
    many = kept_open.AT_ONCE
    took: dict[int, list[tuple[float, float, int]]] = {1: [], many: []}
    pixels: list[np.ndarray] = []
    for number in range(rounds):
        for readers in (1, many) if number % 2 else (many, 1):
            httpx.post(f"{url}/-/rules", json=[{"match": ".", "late": late}]).raise_for_status()
            kept_open.AT_ONCE = readers
            wall, processor = time.perf_counter(), time.process_time()
            found = read_all(looks)
            spent = time.perf_counter() - wall, time.process_time() - processor
            asked = len(httpx.get(f"{url}/-/seen").json()["addresses"])
            took[readers].append((*spent, asked))
            pixels = pixels or found
            if not all(map(np.array_equal, pixels, found, [True] * len(found))):
                raise SystemExit("not the same pixels")
    kept_open.AT_ONCE = many
    row: dict[str, Any] = {"late_s": late, "blocks": len(pixels), "readers": many}
    for place, name in enumerate(("wall_s", "processor_s", "requests")):
        one, other = (median(each[place] for each in took[n]) for n in (1, many))
        row[name] = {"one": round(one, 2), "many": round(other, 2), "ratio": round(one / other, 2)}
    return row


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__)
    parser.add_argument("--late", type=float, nargs="+", default=[0, 0.02, 0.05, 0.1], help="s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=600, help="of the look, pixels")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving("tests/file_server.py", folder) as url:
        looks = [
            replace(
                look, assets={name: f"{url}/{Path(at).name}" for name, at in look.assets.items()}
            )
            for look in write_looks(Path(folder), "median", given.side, LOOKS)
        ]
        rows = [measure(looks, url, late, given.rounds) for late in given.late]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    found = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "data": "SIMULATED",
        "command": f"python -m bench.reading {' '.join(sys.argv[1:])}".strip(),
        "side": given.side, "rounds": given.rounds, "rows": rows,
    }  # fmt: skip
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    table = Table("answer after, ms", "one reader, s", f"{kept_open.AT_ONCE} readers, s", "ratio")
    for row in rows:
        wall = row["wall_s"]
        told = (row["late_s"] * 1000, wall["one"], wall["many"], wall["ratio"])
        table.add_row(*(f"{figure:g}" for figure in told))
    Console().print(table)


if __name__ == "__main__":
    main()
