"""What it saves to keep despeckled looks from look to look, side by side in one process.

    python -m bench.despeckling [--side 1024] [--rounds 3]

The looks are those of ``bench.memory``, SIMULATED, 30 m, on the disk. The look before the newest is
judged first, as it was when it came; then each round judges the newest one twice, in turns: with
what that left behind, and with nothing. What they say is compared, too. Prints, and writes
``bench/results/despeckling.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from shapely.geometry import MultiPolygon, box

from bench.files import Files
from bench.memory import series
from bench.stages import headed
from detectors.types import WatchedRegion
from flows.despeckled import despeckling
from flows.judging import Judgement, judge
from flows.settings import Settings

RESULT = Path(__file__).parent / "results" / "despeckling.json"


def main() -> None:
    """Measure, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1_024, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    spent: dict[str, list[float]] = {"without": [], "kept": []}
    said: dict[str, Judgement] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        *earlier, look = series(folder, given.side)
        frame = MultiPolygon([box(*look.footprint.bounds)])
        region = WatchedRegion("bench", "SIMULATED", frame, ("bench/simulated",), simulated=True)
        warm = Settings(home=folder / "warm")
        judge(region, earlier[-1], earlier[:-1], Files(), despeckle=despeckling(warm))
        weighs = sum(path.stat().st_size for path in warm.despeckled.rglob("*") if path.is_file())
        for number in range(given.rounds):
            for how in ("without", "kept") if number % 2 else ("kept", "without"):
                home = folder / f"{how}{number}"
                if how == "kept":
                    shutil.copytree(warm.despeckled, home / "despeckled")
                settings = Settings(home=home, despeckled_mb=4000 if how == "kept" else 0)
                begun = time.process_time()
                said[how] = judge(region, look, earlier, Files(), despeckle=despeckling(settings))
                spent[how].append(time.process_time() - begun)
                shutil.rmtree(home, ignore_errors=True)
    if said["kept"] != said["without"]:
        raise SystemExit("they do not say the same")
    took = {how: round(median(times), 2) for how, times in spent.items()}
    found = {
        **headed("bench.despeckling", given.rounds), "side": given.side,
        "passes": len(earlier), "processor_s": took, "kept_mb": round(weighs / 1e6),
        "ratio": round(took["without"] / took["kept"], 2),
    }  # fmt: skip
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
