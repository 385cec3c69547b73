"""What two overlapping regions ask of an archive, with and without the shelf they share.

    python -m bench.sharing [--detector sar_log_ratio]

SIMULATED looks of made relief under speckle, eleven passes of 512 x 2048 pixels of 30 m in VV and
VH (15 x 61 km), as cloud-optimised files that an HTTP server on loopback sends by ranges, in a
process of its own. Regions are as high as the product; ``west`` and ``east`` take 1400 columns each
and have 752 in common (54 %). Prints, and writes ``bench/results/sharing.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import httpx
import numpy as np
import rasterio
import torch
from affine import Affine
from rasterio import shutil as raster_files
from scipy import ndimage
from shapely.geometry import MultiPolygon, box

from bench.files import Files
from detectors.projections import to_lonlat
from detectors.types import Acquisition, OrbitState, Sensor, WatchedRegion
from flows.deployments import free_port
from flows.judging import Judgement, judge
from flows.meter import metering
from flows.shelf import Shelf

RESULT = Path(__file__).parent / "results" / "sharing.json"
EPSG, PIXEL_M, HEIGHT, WIDTH, LOOKS, SPECKLE_LOOKS = 32624, 30.0, 512, 2048, 11, 4.4
WEST, NORTH = 450_000.0, 5_000_010.0
TRANSFORM = Affine(PIXEL_M, 0, WEST, 0, -PIXEL_M, NORTH)
SERVER = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
app = Starlette(routes=[Mount("/", StaticFiles(directory=sys.argv[1]))])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
"""


def ground(first: int, last: int) -> MultiPolygon:
    """Return the columns of the product as an area."""
    south = NORTH - HEIGHT * PIXEL_M
    wanted = box(WEST + first * PIXEL_M, south, WEST + last * PIXEL_M, NORTH)
    return MultiPolygon([to_lonlat(wanted.segmentize(2_000), EPSG)])


def write_looks(folder: Path, url: str) -> list[Acquisition]:
    """Write the looks as COGs, oldest first."""
    draw = np.random.default_rng(7)
    relief = ndimage.gaussian_filter(draw.normal(size=(HEIGHT, WIDTH)), 6)
    relief = 2.0 * relief / relief.std()
    looks = []
    for number in range(LOOKS):
        when = datetime(2024, 1, 1, 8, tzinfo=UTC) + timedelta(days=12 * number)
        assets = {}
        for band, mean in (("VV", -10.0), ("VH", -16.5)):
            speckle = draw.gamma(SPECKLE_LOOKS, 1 / SPECKLE_LOOKS, relief.shape)
            plain, name = folder / "plain.tif", f"look{number:02d}_{band}.tif"
            profile = {
                "driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": 1,
                "dtype": "float32", "crs": f"EPSG:{EPSG}", "transform": TRANSFORM, "nodata": np.nan,
            }  # fmt: skip
            with rasterio.open(plain, "w", **profile) as out:
                out.write((10 ** ((relief + mean) / 10) * speckle).astype(np.float32), 1)
            raster_files.copy(plain, folder / name, driver="COG", compress="DEFLATE", blocksize=512)
            assets[band] = f"{url}/{name}"
        looks.append(Acquisition(
            source="bench/simulated", item_id=f"SIMULATED-{number:02d}", platform="sentinel-1a",
            sensor=Sensor.SAR, sensed_at=when, published_at=when,
            footprint=ground(0, WIDTH).geoms[0],
            orbit_state=OrbitState.ASCENDING, relative_orbit=117, burst_id=None,
            polarisations=("VV", "VH"), assets=assets, simulated=True,
        ))  # fmt: skip
    return looks


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback, in a process of its own: GDAL may wait with the lock held."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def measured(
    regions: list[WatchedRegion], looks: list[Acquisition], shelf: Shelf | None
) -> tuple[list[dict[str, float]], list[Judgement]]:
    """Judge the newest look for one region after the other; what each asked and took."""
    *earlier, look = looks
    told, outcomes = [], []
    for region in regions:
        begun, busy = time.monotonic(), time.process_time()
        with metering() as meter:
            outcomes.append(judge(region, look, earlier, Files(), shelf=shelf))
            spent = meter.take()
        told.append({
            "region": region.id, "requests": spent.requests, "mb": round(spent.bytes / 1e6, 1),
            "s": round(time.monotonic() - begun, 1),
            "processor_s": round(time.process_time() - busy, 1),
        })  # fmt: skip
    return told, outcomes


def main() -> None:
    """Measure, hold the outcomes against each other, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detector", action="append", help="the shipped ones where none is named")
    given = parser.parse_args()
    torch.set_num_threads(1)
    own = {"detectors": tuple(given.detector)} if given.detector else {}

    def region(name: str, first: int, last: int) -> WatchedRegion:
        return WatchedRegion(
            name, f"SIMULATED {name}", ground(first, last), ("bench/simulated",), simulated=True,
            **own,
        )  # fmt: skip

    west, east = region("west", 0, 1_400), region("east", 648, 2_048)
    village, same = region("village", 700, 800), region("same", 0, 1_400)
    result: dict[str, object] = {"detectors": west.detectors, "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as url:
        folder = Path(name)
        looks = write_looks(folder, url)
        measured([village], looks, None)  # loads the networks
        alone, wanted = measured([west, east, village, same], looks, None)
        shelf = Shelf(folder / "shelf", 10**10, timedelta(days=1))
        shared, found = measured([west, east, village, same], looks, shelf)
        for one, other in zip(wanted, found, strict=True):
            if (one.detections, one.coverage, one.checks) != (
                other.detections, other.coverage, other.checks
            ):  # fmt: skip
                raise SystemExit("the outcome differs")
        files = [path.stat().st_size for path in shelf.folder.glob("??/*")]
        result |= {
            "without": alone, "sharing": shared, "outcomes": "the same",
            "shelf_files": len(files), "shelf_mb": round(sum(files) / 1e6, 1),
        }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
