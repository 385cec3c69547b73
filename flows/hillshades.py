"""Hillshades of regions: one cloud-optimised GeoTIFF each, made once, whole or not at all.

Made block by block of what the setting ``elevation`` names, so that memory does not grow with the
region: wider ones get coarser pixels, and blocks of as much ground of the source.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.warp import transform_bounds
from rasterio.windows import Window
from shapely import affinity, prepare
from shapely.geometry import MultiPolygon, box

from db import queries
from db.engine import transaction
from detectors import terrain
from detectors.errors import ConfigurationError, NothingObserved
from detectors.projections import to_projected
from detectors.types import FloatArray, Grid, WatchedRegion
from flows.elevation import CREDITS, Elevation
from flows.heights import ConfiguredHeights
from flows.services import Services

#: Side of a pixel, metres; doubled until the longer side of the raster has no more than ``MOST``.
PIXEL_M, MOST = 30.0, 8_192
#: Side of a block in pixels of ``PIXEL_M``.
_BLOCK = 512
#: Ground around a region that is shaded, too, metres.
AROUND_M = 2_000.0
#: Stands for no heights; light is 1 to 255.
MISSING = 0
_NAME = re.compile(r"[a-z0-9-]{1,63}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Hillshade:
    """A kept hillshade."""

    name: str
    """Region and what it was made of."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north, degrees; east is above 180 beyond the antimeridian."""
    pixel_m: float
    """Side of a pixel."""
    credit: str
    """What its elevation model demands to be said."""


def folder(services: Services) -> Path:
    """Return where they are kept."""
    return services.settings.home / "hillshade"


def name_of(services: Services, region: WatchedRegion) -> str:
    """Return the name of a region's hillshade: another one for other ground or other files."""
    made_of = [str(region.geometry.wkb_hex), PIXEL_M, MOST, AROUND_M]
    for source in services.settings.elevation:
        path = Path(source)
        known = path.stat() if path.is_file() else None
        made_of += [source, known and [known.st_size, known.st_mtime_ns]]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
    return f"{region.id}-{digest}"


def file_of(services: Services, name: str) -> Path | None:
    """Return the file of a hillshade by its name, None where there is none."""
    path = folder(services) / f"{name}.tif"
    return path if _NAME.fullmatch(name) and path.is_file() else None


def kept(services: Services, region: WatchedRegion) -> Hillshade | None:
    """Return a region's hillshade, None where it is not made."""
    path = file_of(services, name_of(services, region))
    if path is None:
        return None
    try:
        with rasterio.open(path) as dataset:
            west, south, east, north = transform_bounds(dataset.crs, 4326, *dataset.bounds)
            pixel_m, credit = abs(dataset.transform.a), dataset.tags().get("CREDIT", "")
    except RasterioError:
        return None
    return Hillshade(
        path.stem, (west, south, east if east > west else east + 360, north), pixel_m, credit
    )


def make(
    services: Services,
    region: WatchedRegion,
    done: Callable[[int, int], None] = lambda _done, _all: None,
) -> Path:
    """Make a region's hillshade, or leave the one that is there.

    Args:
        services: what the setting ``elevation`` names.
        region: its ground.
        done: called with the blocks that are done and all there are.

    Raises:
        ConfigurationError: the setting names nothing.
        NothingObserved: no source has heights there.
        ScarpwatchError: a source failed; nothing is kept then.
    """
    if not services.settings.elevation:
        raise ConfigurationError(
            "the setting elevation names no elevation model (infra/runbook.md); without one there "
            "is no hillshade"
        )
    path = folder(services) / f"{name_of(services, region)}.tif"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    laid_out = part.with_suffix(".cog")
    try:
        _draw(services, region, part, done)
        # Copied into its layout with overviews; GDAL keeps a bounded cache of blocks.
        rasterio.shutil.copy(
            part, laid_out, driver="COG", compress="DEFLATE", blocksize=256,
            overview_resampling="AVERAGE", num_threads="1",
        )  # fmt: skip
        laid_out.replace(path)
    finally:
        for rest in (part, laid_out):
            rest.unlink(missing_ok=True)
    own = re.compile(re.escape(region.id) + r"-[0-9a-f]{12}\.tif")
    for other in path.parent.iterdir():
        if own.fullmatch(other.name) and other != path:
            other.unlink(missing_ok=True)
    return path


def make_apart(services: Services, region_id: str) -> bytes:
    """Make a region's hillshade in a process of its own; returns its name."""
    os.nice(10)
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
    return make(services, region).stem.encode()


def _draw(
    services: Services, region: WatchedRegion, part: Path, done: Callable[[int, int], None]
) -> None:
    ground, grid = _ground(region.geometry)
    heights = ConfiguredHeights(services.settings.elevation, services.catalogue)
    side = max(16, 16 * round(_BLOCK * PIXEL_M / grid.transform.a / 16))
    blocks = [window for window in _windows(grid, side) if ground.intersects(_box(grid, window))]
    sources: dict[str, None] = {}
    with rasterio.open(
        part, "w", driver="GTiff", width=grid.width, height=grid.height, count=1, dtype="uint8",
        crs=f"EPSG:{grid.epsg}", transform=grid.transform, nodata=MISSING, tiled=True,
        blockxsize=side, blockysize=side, compress="DEFLATE", sparse_ok=True,
    ) as dataset:  # fmt: skip
        for number, window in enumerate(blocks, start=1):
            found = _heights(heights, _around(grid, window))
            if found is not None:
                sources[found.source] = None
                dataset.write(_light(found.metres, grid.transform.a), 1, window=window)
            done(number, len(blocks))
        if not sources:
            raise NothingObserved(f"no elevation model of the settings reaches {region.id}")
        credits_ = (_credit(services.settings.elevation, source) for source in sources)
        dataset.update_tags(CREDIT="; ".join(dict.fromkeys(credits_)))


def _ground(area: MultiPolygon) -> tuple[MultiPolygon, Grid]:
    """Return a region with what lies around it, projected, and the grid that holds it."""
    west, _, east, _ = area.bounds
    if east - west > 180:  # both sides of the antimeridian
        parts = [p if p.bounds[0] >= 0 else affinity.translate(p, 360) for p in area.geoms]
        area = MultiPolygon(parts)
    middle = area.envelope.centroid
    epsg = (32600 if middle.y >= 0 else 32700) + int((middle.x + 180) // 6) % 60 + 1
    ground = to_projected(area, epsg).buffer(AROUND_M)
    left, bottom, right, top = ground.bounds
    pixel = PIXEL_M
    while max(right - left, top - bottom) / pixel > MOST:
        pixel *= 2
    left, top = math.floor(left / pixel) * pixel, math.ceil(top / pixel) * pixel
    shape = math.ceil((top - bottom) / pixel), math.ceil((right - left) / pixel)
    prepare(ground)
    return ground, Grid(epsg, Affine(pixel, 0, left, 0, -pixel, top), *shape)


def _windows(grid: Grid, side: int) -> Iterator[Window]:
    for top in range(0, grid.height, side):
        for left in range(0, grid.width, side):
            yield Window(left, top, min(side, grid.width - left), min(side, grid.height - top))


def _around(grid: Grid, window: Window) -> Grid:
    """Return the grid of a window with a pixel around it, for slopes at its edge."""
    place = grid.transform @ Affine.translation(window.col_off - 1, window.row_off - 1)
    return Grid(grid.epsg, place, window.height + 2, window.width + 2)


def _box(grid: Grid, window: Window) -> MultiPolygon:
    return box(*_around(grid, window).bounds)


def _heights(heights: ConfiguredHeights, grid: Grid) -> Elevation | None:
    """Return heights; a source that failed is an error, since a hole would stay."""
    found, failed = heights.first(grid)
    if failed is not None:
        raise failed[1]
    return found


def _light(metres: FloatArray, pixel_m: float) -> np.typing.NDArray[np.uint8]:
    light = terrain.hillshade(metres, pixel_m)[1:-1, 1:-1]
    made: np.typing.NDArray[np.uint8] = np.where(
        np.isfinite(light), 1 + np.nan_to_num(light) * 254, MISSING
    ).astype(np.uint8)
    return made


def _credit(sources: tuple[str, ...], used: str) -> str:
    """Return what the owner of an elevation model demands: of a collection, or in the file."""
    collection = used.rpartition("/")[2]
    if collection in CREDITS:
        return CREDITS[collection]
    for source in sources:
        if Path(source).name == used and Path(source).is_file():
            with rasterio.open(source) as dataset:
                return str(dataset.tags().get("TIFFTAG_COPYRIGHT") or f"elevation: {used}")
    return f"elevation: {used}"
