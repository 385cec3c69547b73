"""Time composites from COGs beside odc-stac and xarray on the same files, and watch their memory.

    python -m bench.compositing [--areas 10 100 1000 10000] [--rounds 3] [--looks 10]

Two composites, each from files to a file:

- *median*: ten radar passes, VV and VH, float32 COGs of 30 m pixels (the median before an event);
- *greenest*: ten optical days, blue, green, red, near infrared and scene classification, uint16
  COGs of 10 m pixels; each pixel from its clear day with the largest NDVI.

All looks are SIMULATED: made relief under speckle, made reflectance, square gaps. Each measurement
is a process of its own, ours and the peer's in turns: ours with what the product reads and composes
with, put together here so that the next look is read while one is composed and a block composed
while one is written (the product reads the next block ahead, and writes no composite of this
kind), the peer with a thread per core. Their files must be equal, pixel by pixel, or it stops. The
peer is ``odc.stac.load`` in chunks, ``xarray`` and ``odc.geo``, written as their documentation does
it. Writes ``bench/results/compositing.json``; ``bench/compositing.md`` says what came of it.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pystac
import rasterio
from affine import Affine
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterBand, RasterExtension
from rasterio.windows import Window
from shapely.geometry import MultiPolygon, box, mapping

from bench.files import Files
from detectors.compositing import greenest
from detectors.medians import median_of_looks
from detectors.projections import to_lonlat
from detectors.types import Acquisition, OrbitState, Sensor, WatchedRegion
from flows.imagery import plan_blocks, read_pass
from flows.kept_open import keeping_open, one_ahead, reading_ahead
from flows.optical_imagery import plan_optical_blocks, read_optical
from flows.optical_items import BANDS
from flows.rasters import Block

RESULT = Path(__file__).parent / "results" / "compositing.json"
EPSG, WEST, NORTH = 32624, 450_000.0, 5_000_000.0
POLARISATIONS = ("VV", "VH")
#: Pixel size, m.
PIXEL_M = {"median": 30.0, "greenest": 10.0}
#: Pixels whose content is made; wider looks repeat it.
MADE = 1_000
#: What the peer cuts its arrays into, pixels.
CHUNK = 1_024
VEGETATION, NO_CLASS = 4, 0
#: Wider optical series would take more disk than they tell.
MOST_OPTICAL_KM2 = 1_000


def write_cog(path: Path, values: np.ndarray, pixel_m: float, nodata: float) -> None:
    """Write one band."""
    profile = {
        "driver": "COG", "height": values.shape[0], "width": values.shape[1], "count": 1,
        "dtype": values.dtype.name, "crs": f"EPSG:{EPSG}", "nodata": nodata,
        "transform": Affine(pixel_m, 0, WEST, 0, -pixel_m, NORTH), "compress": "deflate",
        "blocksize": 512, "overviews": "none",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.write(values, 1)


def layers(kind: str, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what one look shows on ``MADE`` x ``MADE`` pixels, by asset."""
    gap = np.zeros((MADE, MADE), dtype=bool)
    for y, x in draw.integers(0, MADE - 300, (3, 2)):
        gap[y : y + 300, x : x + 300] = True
    if kind == "median":
        speckle = {
            p: draw.gamma(4.4, 1 / 4.4, (MADE, MADE)).astype(np.float32) for p in POLARISATIONS
        }
        return {
            p: np.where(gap, np.float32(np.nan), one * np.float32(0.1))
            for p, one in speckle.items()
        }
    bands = {b: draw.integers(300, 4_000, (MADE, MADE)).astype(np.uint16) for b in BANDS}
    bands = {b: np.where(gap, 0, one).astype(np.uint16) for b, one in bands.items()}
    return {**bands, "scl": np.where(gap, NO_CLASS, VEGETATION).astype(np.uint8)}


def write_looks(folder: Path, kind: str, side: int, looks: int) -> list[Acquisition]:
    """Write the looks of one kind, ``side`` pixels wide."""
    draw, pixel_m = np.random.default_rng(9), PIXEL_M[kind]
    footprint = to_lonlat(box(WEST, NORTH - side * pixel_m, WEST + side * pixel_m, NORTH), EPSG)
    repeat = -(-side // MADE)
    found = []
    for number in range(looks):
        when = datetime(2024, 5, 1, 8, tzinfo=UTC) + timedelta(days=12 * number)
        assets = {}
        for name, made in layers(kind, draw).items():
            path = folder / f"{kind}{number:02d}_{name}.tif"
            nodata = np.nan if made.dtype.kind == "f" else 0
            write_cog(path, np.tile(made, (repeat, repeat))[:side, :side], pixel_m, nodata)
            assets[name] = str(path)
        radar = kind == "median"
        found.append(Acquisition(
            source="bench/simulated", item_id=f"SIMULATED-{number:02d}",
            platform="sentinel-1a" if radar else "sentinel-2a",
            sensor=Sensor.SAR if radar else Sensor.OPTICAL, sensed_at=when, published_at=when,
            footprint=footprint, orbit_state=OrbitState.ASCENDING if radar else None,
            relative_orbit=117 if radar else None, polarisations=POLARISATIONS if radar else (),
            assets=assets, tile=None if radar else "T24TXY", simulated=True,
            scale=dict.fromkeys(BANDS, 1e-4), offset=dict.fromkeys(BANDS, 0.0),
        ))  # fmt: skip
    return found


def save(path: Path, blocks: Iterator[tuple[Block, np.ndarray]], names: tuple[str, ...]) -> None:
    """Write a composite as its blocks come, one band after the other."""
    out: Any = None
    for block, made in blocks:
        if out is None:
            whole = block.whole
            out = rasterio.open(
                path, "w", driver="GTiff", height=whole.height, width=whole.width, nodata=np.nan,
                count=len(names), dtype="float32", crs=f"EPSG:{whole.epsg}", tiled=True,
                transform=whole.transform, compress="deflate", blockxsize=512, blockysize=512,
            )  # fmt: skip
        rows, columns = block.answering
        window = Window(
            block.at[1], block.at[0], columns.stop - columns.start, rows.stop - rows.start
        )
        out.write(made[:, rows, columns], window=window)
    out.close()


@keeping_open()
def ours(kind: str, looks: list[Acquisition], path: Path) -> None:
    """Make a composite with what the product reads and computes with, block by block."""
    files, frame = Files(), MultiPolygon([looks[0].footprint])
    region = WatchedRegion("bench", "SIMULATED", frame, ("bench/simulated",), simulated=True)

    def stacked(block: Block) -> tuple[Block, np.ndarray]:
        read = partial(read_pass, polarisations=POLARISATIONS, grid=block.grid, catalogue=files)
        with reading_ahead(read, [[one] for one in looks], len(looks)) as passes:
            return block, np.stack([one() for one in passes])

    def medians() -> Iterator[tuple[Block, np.ndarray]]:
        with one_ahead(map(stacked, plan_blocks(looks[-1], region, files))) as stacks:
            for block, stack in stacks:
                yield block, median_of_looks(stack)

    def greenests() -> Iterator[tuple[Block, np.ndarray]]:
        for block in plan_optical_blocks(looks[-1], region, files):
            with one_ahead(read_optical([one], block.grid, files) for one in looks) as days:
                yield block, greenest(days).reflectance

    made, names = (medians(), POLARISATIONS) if kind == "median" else (greenests(), BANDS)
    with one_ahead(made) as blocks:
        save(path, blocks, names)


def stac_items(looks: list[Acquisition]) -> list[pystac.Item]:
    """Return the looks as a catalogue would give them to the peer, grid and types told."""
    found = []
    for one in looks:
        item = pystac.Item(
            one.item_id, mapping(one.footprint), list(one.footprint.bounds), one.sensed_at, {}
        )
        ProjectionExtension.ext(item, add_if_missing=True).epsg = EPSG
        for name, href in one.assets.items():
            asset = pystac.Asset(href, media_type=pystac.MediaType.COG, roles=["data"])
            item.add_asset(name, asset)
            with rasterio.open(href) as file:
                proj = ProjectionExtension.ext(asset)
                proj.shape, proj.transform = list(file.shape), list(file.transform)[:6]
                band = RasterBand.create(data_type=file.dtypes[0], nodata=file.nodata)
            RasterExtension.ext(asset, add_if_missing=True).bands = [band]
        found.append(item)
    return found


def peer(kind: str, looks: list[Acquisition], path: Path, chunk: int = CHUNK) -> None:
    """Make the same with odc-stac and xarray, chunk by chunk."""
    import dask
    import odc.stac
    import xarray as xr
    from odc.geo.geobox import GeoBox

    with rasterio.open(next(iter(looks[0].assets.values()))) as file:
        geobox = GeoBox(file.shape, file.transform, file.crs)
    names = POLARISATIONS if kind == "median" else BANDS

    def brightest(days: Any) -> Any:
        """Take each pixel from its greenest clear day."""
        clear = days["scl"] == VEGETATION
        seen = (days[list(names)].astype("float32") * np.float32(1e-4)).where(clear)
        ndvi = (seen["nir"] - seen["red"]) / (seen["nir"] + seen["red"])
        return seen.isel(time=ndvi.fillna(-np.inf).argmax("time")).drop_vars("time")

    with dask.config.set(scheduler="threads", num_workers=os.cpu_count()):
        cube = odc.stac.load(
            stac_items(looks), bands=list(looks[0].assets), geobox=geobox,
            chunks={"x": chunk, "y": chunk, "time": len(looks)},
        )  # fmt: skip
        if kind == "median":
            made = cube.median("time", skipna=True)
        else:
            like = cube.isel(time=0, drop=True)[list(names)].astype("float32")
            made = xr.map_blocks(brightest, cube, template=like)
        stacked = made[list(names)].to_array("band").compute()
    stacked.odc.assign_crs(f"EPSG:{EPSG}").odc.write_cog(
        str(path),
        overwrite=True,
        overview_levels=[],
        blocksize=512,
        compress="deflate",
        nodata=np.nan,
    )


def measure(given: argparse.Namespace) -> None:
    """Make one composite, and print what it took; the process is fresh."""
    with Path(given.looks_file).open("rb") as file:
        looks = pickle.load(file)
    work = ours if given.one == "ours" else partial(peer, chunk=given.chunk)
    if given.one == "peer":
        import odc.stac  # loading libraries is not part of the work

        odc.stac.configure_rio(cloud_defaults=False)
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    work(given.kind, looks, Path(given.out))
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    held = after.ru_maxrss * 1024 / 1e6
    print(json.dumps({"wall_s": wall, "processor_s": spent, "peak_mb": held}))


def equal(one: Path, other: Path) -> float:
    """Return the largest difference of two composites; what one does not see the other must not.

    Raises:
        SystemExit: they are not the same composite.
    """
    apart = 0.0
    with rasterio.open(one) as a, rasterio.open(other) as b:
        if (a.shape, a.count) != (b.shape, b.count) or not a.transform.almost_equals(b.transform):
            raise SystemExit(f"other grids: {a.shape} {b.shape}")
        for _, window in a.block_windows(1):
            left, right = a.read(window=window), b.read(window=window)
            if (np.isnan(left) != np.isnan(right)).any():
                raise SystemExit("they do not see the same pixels")
            apart = max(apart, float(np.nanmax(np.abs(left - right), initial=0.0)))
    return apart


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--areas", type=float, nargs="+", default=[10, 100, 1_000, 10_000], help="km2"
    )
    parser.add_argument("--kinds", nargs="+", default=["median", "greenest"], choices=PIXEL_M)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--looks", type=int, default=10)
    parser.add_argument("--chunk", type=int, default=CHUNK, help="of the peer, pixels")
    parser.add_argument("--one", choices=("ours", "peer"), help=argparse.SUPPRESS)
    for name in ("kind", "looks-file", "out"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given)
        return
    rows = [
        compare(kind, area, given)
        for kind in given.kinds
        for area in given.areas
        if kind == "median" or area <= MOST_OPTICAL_KM2
    ]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    found = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "looks": given.looks,
             "rounds": given.rounds, "peer_chunk": given.chunk, "data": "SIMULATED",
             "rows": rows}  # fmt: skip
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def compare(kind: str, area: float, given: argparse.Namespace) -> dict[str, Any]:
    """Measure one kind of composite over one area, ours and the peer's in turns."""
    side = round((area * 1e6) ** 0.5 / PIXEL_M[kind])
    taken: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as folder:
        looks = write_looks(Path(folder), kind, side, given.looks)
        stored = Path(folder) / "looks"
        stored.write_bytes(pickle.dumps(looks))
        for number in range(given.rounds):
            for who in ("ours", "peer") if number % 2 else ("peer", "ours"):
                command = [sys.executable, "-m", "bench.compositing", "--one", who, "--kind", kind]
                command += ["--chunk", str(given.chunk)]
                files = ["--looks-file", str(stored), "--out", f"{folder}/{who}.tif"]
                done = subprocess.run(
                    [*command, *files], check=True, stdout=subprocess.PIPE, text=True
                )
                taken[who].append(json.loads(done.stdout))
        apart = equal(Path(folder) / "ours.tif", Path(folder) / "peer.tif")
    row: dict[str, Any] = {"kind": kind, "km2": area, "side": side, "largest_difference": apart}
    for name in ("wall_s", "processor_s", "peak_mb"):
        mine, theirs = (median(one[name] for one in taken[who]) for who in ("ours", "peer"))
        row[name] = {
            "ours": round(mine, 2),
            "peer": round(theirs, 2),
            "ratio": round(theirs / mine, 2),
        }
    print(json.dumps(row), flush=True)
    return row


if __name__ == "__main__":
    main()
