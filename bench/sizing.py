"""What a watch needs, from what was measured here: cores, memory, disk, requests.

    python -m bench.sizing

Takes what a block of a radar look costs from the results of other measurements: seconds of the
processor and peak memory from ``bench.memory`` (the shipped detectors), requests and bytes of a
region that nobody overlaps from ``bench.sharing``, bytes of composites from bench/composites.md,
and what a region costs at a poll of all together from ``bench.polling``. Measures what a flow run
costs before it does anything: a process that imports the flows. Writes
``bench/results/sizing.json`` and prints the table of infra/sizing.md.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
RESULT = RESULTS / "sizing.json"
BLOCK_PIXELS, PIXEL_M = 512, 30.0
#: Bytes that the four layers of a block leave (bench/composites.md).
COMPOSITES_BYTES = 1_533_033
#: Columns of 512 pixels that ``west`` of ``bench.sharing`` reads: its own and 3 km beside.
READ_COLUMNS = 1_500
#: Ground that one block answers for, km2.
BLOCK_KM2 = (BLOCK_PIXELS * PIXEL_M / 1000) ** 2
#: Sentinel-1 with two satellites: an ascending and a descending track, each every six days.
LOOKS_A_DAY = 2 / 6
POLLS_A_DAY = 24
#: Share of a core that one is planned to have work for.
PLANNED = 0.5
#: Regions, km2 of all of them.
WATCHES = {
    "a slope above a village": (1, 25),
    "a county": (1, 5_000),
    "a mountain country": (10, 100_000),
    "land prone to landslides, 3.7 million km2": (150, 3_700_000),
    "the same in 10,000 regions": (10_000, 3_700_000),
    "all land that is not flat, 25 million km2": (1_000, 25_000_000),
}


def block() -> dict[str, float]:
    """Return what a block costs, as it was measured."""
    memory = json.loads((RESULTS / "memory.json").read_text(encoding="utf-8"))
    sharing = json.loads((RESULTS / "sharing.json").read_text(encoding="utf-8"))
    (west,) = (one for one in sharing["without"] if one["region"] == "west")
    blocks = READ_COLUMNS / BLOCK_PIXELS
    return {
        "processor_s": memory["processor_s_per_block"],
        "peak_mb": memory["peak_mb"],
        "requests": round(west["requests"] / blocks, 1),
        "mb": round(west["mb"] / blocks, 2),
        "composites_mb": round(COMPOSITES_BYTES / 1e6, 2),
    }


def flow_run() -> float:
    """Return what a process costs that imports the flows, seconds of the processor."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(3):
        subprocess.run([sys.executable, "-c", "import flows.monitor"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return round(spent / 3, 2)


def polled() -> float:
    """Return what a region costs at a poll of many, its upkeep included, s."""
    polling = json.loads((RESULTS / "polling.json").read_text(encoding="utf-8"))
    together = [one for one in polling["runs"] if one["asked"] == "together"]
    most = max(together, key=lambda one: one["regions"])
    *_, last = most["polls"]
    return float(last["processor_s"] / most["regions"] + last["upkeep_ms_a_region"] / 1000)


def need(
    regions: int, km2: float, one: dict[str, float], run: float, region_s: float
) -> dict[str, float]:
    """Extrapolate to a watch of some regions that follow one plan.

    Each poll is a run; so is each region with looks, besides.
    """
    blocks = max(regions, km2 / BLOCK_KM2) * LOOKS_A_DAY
    polling = POLLS_A_DAY * (run + regions * region_s) + regions * LOOKS_A_DAY * run
    busy = blocks * one["processor_s"] + polling
    return {
        "regions": regions, "km2": km2, "blocks_a_day": round(blocks, 1),
        "judging_h": round(blocks * one["processor_s"] / 3600, 2),
        "polling_h": round(polling / 3600, 2),
        "cores": max(1, round(busy / 86_400 / PLANNED + 0.499)),
        "requests": round(blocks * one["requests"]), "gb": round(blocks * one["mb"] / 1000, 2),
        "composites_gb_a_year": round(blocks * 365 * one["composites_mb"] / 1000, 1),
    }  # fmt: skip


def main() -> None:
    """Measure, extrapolate, write and print."""
    run, one, region_s = flow_run(), block(), polled()
    table = {name: need(*watch, one, run, region_s) for name, watch in WATCHES.items()}
    result = {
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}", "load": os.getloadavg()[0], "block": one,
        "block_km2": round(BLOCK_KM2, 1), "flow_run_processor_s": run,
        "poll_of_a_region_s": round(region_s, 4), "watches": table,
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "watches"}, indent=1))
    for name, row in table.items():
        cells = [f"{value:,}" for value in row.values()]
        print(f"| {' | '.join([name, *cells])} |")


if __name__ == "__main__":
    main()
