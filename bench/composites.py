"""What keeping composites costs a radar look, in seconds and bytes, with and without, side by side.

    python -m bench.composites [--side 1024] [--rounds 3] [--detector sar_log_ratio]

The looks are those of ``bench.memory``, SIMULATED: made relief under speckle of 4.4 looks, which
compresses as badly as real speckle does. Each round judges one look with the shipped detectors
twice, once with and once without, in turns. Prints; ``bench/composites.md`` says what came of it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from shapely.geometry import MultiPolygon, box

from bench.files import Files
from bench.memory import peak_mb, series
from detectors.types import WatchedRegion
from flows.judging import judge
from flows.keeping import RadarKeeper


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1_024, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector", action="append", help="the shipped ones where none is named")
    given = parser.parse_args()
    torch.set_num_threads(1)
    spent: dict[str, list[float]] = {"without": [], "keeping": []}
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        *earlier, look = series(Path(folder), given.side)
        west, south, east, north = look.footprint.bounds
        region = WatchedRegion(
            "bench", "SIMULATED", MultiPolygon([box(west, south, east, north)]),
            ("bench/simulated",), simulated=True,
            **({"detectors": tuple(given.detector)} if given.detector else {}),
        )  # fmt: skip
        judge(region, look, earlier, Files())  # loads the networks
        kept = ()
        for _ in range(given.rounds):
            begun = time.process_time()
            judge(region, look, earlier, Files())
            spent["without"].append(time.process_time() - begun)
            peaks.setdefault("without", peak_mb())
            begun = time.process_time()
            with RadarKeeper(Path(folder) / "composites", region, look, earlier) as keeper:
                judge(region, look, earlier, Files(), keeper=keeper)
                kept = keeper.finish()
            spent["keeping"].append(time.process_time() - begun)
            peaks.setdefault("keeping", peak_mb())
    pixels = given.side**2
    differences = [k - w for w, k in zip(spent["without"], spent["keeping"], strict=True)]
    print(json.dumps({
        "pixels": pixels,
        "processor_s_without": [round(one, 2) for one in spent["without"]],
        "processor_s_keeping": [round(one, 2) for one in spent["keeping"]],
        "processor_s_more": round(median(differences), 2),
        "share_more": round(median(differences) / median(spent["without"]), 3),
        "bytes": {one.kind: one.bytes for one in kept},
        "bytes_a_pixel": round(sum(one.bytes for one in kept) / pixels, 2),
        "peak_mb": {name: round(one) for name, one in peaks.items()},
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
