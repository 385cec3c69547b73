"""Watch the memory of judging a look of 100 x 100 km at 10 m: it must not grow with the area.

    python -m bench.memory [--blocks 12] [--side 10000]

The product is SIMULATED: eleven looks of made relief and speckle, 500 x 500 pixels repeated over
the first rows of 10000 x 10000 pixels of 10 m and no data below, so that every block reads other
windows of other files without 9 GB on disk. The whole product is planned (every block is cut, none
is kept), then ``flows.judging.judge`` works through its first row of blocks until as many as wanted
are done.
Writes ``bench/results/memory.json``: resident memory after every block, and the peak.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window
from scipy import ndimage
from shapely.geometry import MultiPolygon, box

from bench.files import Files
from detectors.projections import to_lonlat
from detectors.types import Acquisition, OrbitState, Sensor, WatchedRegion
from flows.imagery import plan_blocks
from flows.judging import judge

RESULT = Path(__file__).parent / "results" / "memory.json"
EPSG, PIXEL_M, TILE = 32624, 10.0, 500
WEST, NORTH = 450_000.0, 5_000_000.0
#: Rows with data, more than a row of blocks takes.
ROWS = 1_024
LOOKS, SPECKLE_LOOKS = 11, 4.4
LIMIT_MB = 1500.0


class EnoughError(Exception):
    """As many blocks as were wanted are done."""


def product(
    folder: Path, name: str, side: int, draw: np.random.Generator, level: np.ndarray
) -> str:
    """Write one band of one look: the rows that blocks are judged of, and nothing below."""
    path = folder / f"{name}.tif"
    speckle = draw.gamma(SPECKLE_LOOKS, 1 / SPECKLE_LOOKS, level.shape)
    tile = (10 ** (level / 10) * speckle).astype(np.float32)
    repeat = -(-side // TILE), -(-ROWS // TILE)
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "float32",
        "crs": f"EPSG:{EPSG}", "transform": Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH),
        "nodata": np.nan, "tiled": True, "blockxsize": 256, "blockysize": 256, "sparse_ok": True,
    }  # fmt: skip
    rows = min(ROWS, side)
    with rasterio.open(path, "w", **profile) as out:
        made = np.tile(tile, repeat[::-1])[:rows, :side]
        out.write(made, 1, window=Window(0, 0, side, rows))
    return str(path)


def series(folder: Path, side: int) -> list[Acquisition]:
    """Write the looks, oldest first."""
    draw = np.random.default_rng(7)
    relief = ndimage.gaussian_filter(draw.normal(size=(TILE, TILE)), 6, mode="wrap")
    relief = 2.0 * relief / relief.std()
    footprint = to_lonlat(box(WEST, NORTH - side * PIXEL_M, WEST + side * PIXEL_M, NORTH), EPSG)
    looks = []
    for number in range(LOOKS):
        when = datetime(2024, 1, 1, 8, tzinfo=UTC) + timedelta(days=12 * number)
        assets = {
            band: product(folder, f"look{number:02d}_{band}", side, draw, relief + mean)
            for band, mean in (("VV", -10.0), ("VH", -16.5))
        }
        looks.append(Acquisition(
            source="bench/simulated", item_id=f"SIMULATED-{number:02d}", platform="sentinel-1a",
            sensor=Sensor.SAR, sensed_at=when, published_at=when, footprint=footprint,
            orbit_state=OrbitState.ASCENDING, relative_orbit=117, burst_id=None,
            polarisations=("VV", "VH"), assets=assets, simulated=True,
        ))  # fmt: skip
    return looks


def resident_mb() -> float:
    """Return what this process holds in memory now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak_mb() -> float:
    """Return the most it ever held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--side", type=int, default=10_000, help="pixels of 10 m")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        *earlier, look = series(Path(folder), given.side)
        west, south, east, north = look.footprint.bounds
        region = WatchedRegion(
            "bench", "SIMULATED 100 x 100 km", MultiPolygon([box(west, south, east, north)]),
            ("bench/simulated",), simulated=True,
        )  # fmt: skip
        start = resident_mb()
        planned = sum(1 for _ in plan_blocks(look, region, Files()))
        after_planning = peak_mb()
        held: list[float] = []
        began = time.process_time()

        def count() -> None:
            held.append(round(resident_mb()))
            print(f"block {len(held)} of {planned}: {held[-1]} MB, peak {peak_mb():.0f} MB")
            if len(held) >= given.blocks:
                raise EnoughError

        with contextlib.suppress(EnoughError):
            judge(region, look, earlier, Files(), at_work=count)
    spent = time.process_time() - began
    result = {
        "product": f"SIMULATED, {given.side} x {given.side} pixels of 10 m, VV and VH",
        "looks_in_the_stack": len(earlier), "blocks_of_the_product": planned,
        "blocks_judged": len(held), "resident_mb_before": round(start),
        "peak_mb_after_planning_all": round(after_planning), "resident_mb_after_each_block": held,
        "peak_mb": round(peak_mb()), "limit_mb": LIMIT_MB,
        "processor_s_per_block": round(spent / len(held), 1),
    }  # fmt: skip
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
