"""Sentinel-2 tiles made for tests: forest, what was done to it, and what clouds cover."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from scipy import ndimage
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from detectors.projections import to_lonlat
from detectors.types import Acquisition, FloatArray, Grid, Sensor, WatchedRegion
from detectors.vectorize import trace

#: One and a half kilometres of ground, 10 m pixels.
GRID = Grid(32611, Affine(10, 0, 240_000, 0, -10, 3_830_000), 160, 160)
SOURCE = "local/sentinel-2-l2a"
BANDS = ("blue", "green", "red", "nir")
#: Typical surface reflectance, by cover, in the order of ``BANDS``.
COVERS: Mapping[str, tuple[float, float, float, float]] = {
    "forest": (0.025, 0.045, 0.030, 0.30),
    "debris": (0.09, 0.125, 0.165, 0.235),
    "soil": (0.07, 0.095, 0.13, 0.20),
    "water": (0.05, 0.055, 0.04, 0.02),
    "rock": (0.13, 0.15, 0.17, 0.20),
    "stubble": (0.08, 0.11, 0.14, 0.22),
}
#: Covers that fill their patch to its corners.
STRAIGHT = frozenset({"stubble"})
Patch = tuple[slice, slice]
SLIDE: Patch = (slice(60, 85), slice(66, 84))


def tongue(patch: Patch) -> np.ndarray:
    """Return where a tongue fills a patch of pixels, bool (y, x) of the patch: no rectangle."""
    rows, columns = (side.stop - side.start for side in patch)
    along = (np.arange(rows)[:, None] + 0.5) / rows
    across = (np.arange(columns)[None, :] + 0.5) / columns - 0.5
    middle = 0.16 * np.sin(2 * np.pi * along)
    filled: np.ndarray = np.abs(across - middle) < 0.12 + 0.22 * np.sin(np.pi * along)
    return filled


def outline(patch: Patch = SLIDE) -> Polygon:
    """Return the tongue in a patch of pixels as lon/lat."""
    return trace(tongue(patch), GRID, patch)


def debris_over(slide: BaseGeometry, epsg: int) -> tuple[Grid, tuple[Patch, str]]:
    """Return ground around an outline (projected, metres), and debris a little beyond it."""
    west, south, east, north = slide.bounds
    rows, columns = SLIDE
    corner = (west - 10 * columns.start, north + 10 * rows.start)
    grid = Grid(epsg, Affine(10, 0, corner[0], 0, -10, corner[1]), *GRID.shape)
    height, width = round((north - south) / 10), round((east - west) / 10)
    tall = slice(rows.start - 3, rows.start + height + 3)
    return grid, ((tall, slice(columns.start - 3, columns.start + width + 3)), "debris")


def region(**fields: Any) -> WatchedRegion:
    """Watch the whole ground."""
    west, south, east, north = GRID.bounds
    area = MultiPolygon([Polygon(to_lonlat(box(west, south, east, north), 32611).exterior)])
    values: dict[str, Any] = {
        "id": "slope", "name": "Slope", "geometry": area,
        "sources": ("local/opera-rtc-s1", SOURCE), "simulated": True,
    }  # fmt: skip
    return WatchedRegion(**(values | fields))


def ground(
    seed: int, *patches: tuple[Patch, str], cover: str = "forest", brighter: float = 1.0
) -> FloatArray:
    """Return reflectance (band, y, x): one cover with patches of others, textured and noisy."""
    rng = np.random.default_rng(7)
    texture = ndimage.gaussian_filter(rng.normal(0, 1, GRID.shape), 2)
    texture = 1 + 0.12 * texture / texture.std()
    picture = np.array(COVERS[cover])[:, None, None] * texture
    for patch, name in patches:
        where = np.ones_like(tongue(patch)) if name in STRAIGHT else tongue(patch)
        spectrum = np.array(COVERS[name])[:, None, None] * texture[patch]
        picture[:, *patch][:, where] = spectrum[:, where]
    noise = np.random.default_rng(seed).normal(0, 0.003, picture.shape)
    scene: FloatArray = (picture * brighter + noise).astype(np.float32)
    return scene


def clouds(*patches: Patch) -> np.ndarray:
    """Return a scene classification (y, x) of vegetation with clouds."""
    scl = np.full(GRID.shape, 4, dtype=np.uint8)
    for patch in patches:
        scl[patch] = 9
    return scl


EVERYWHERE: Patch = (slice(0, 160), slice(0, 160))


def tile(
    folder: Path, sensed_at: datetime, picture: FloatArray, scl: np.ndarray | None = None,
    *, grid: Grid = GRID, base_url: str | None = None, **fields: Any,
) -> Acquisition:  # fmt: skip
    """Write one tile as COG-like files and return its acquisition; hrefs are paths, or URLs."""
    name = f"S2A_T11SKU_{sensed_at:%Y%m%dT%H%M%S}_SIM"
    scl = clouds() if scl is None else scl
    numbers = np.clip((picture + 0.1) * 10_000, 1, 65_000).astype(np.uint16)
    numbers[:, scl == 9] = 9_000
    assets = {}
    for band, layer in zip((*BANDS, "scl"), (*numbers, scl), strict=True):
        path = folder / f"{name}_{band}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", height=160, width=160, count=1, dtype=layer.dtype.name,
            crs=f"EPSG:{grid.epsg}", transform=grid.transform, nodata=0, compress="deflate",
        ) as dataset:  # fmt: skip
            dataset.write(layer, 1)
        assets[band] = f"{base_url}/{path.name}" if base_url else str(path)
    west, south, east, north = grid.bounds
    values: dict[str, Any] = {
        "source": SOURCE, "item_id": name, "platform": "sentinel-2a", "sensor": Sensor.OPTICAL,
        "sensed_at": sensed_at, "published_at": sensed_at + timedelta(hours=6),
        "footprint": to_lonlat(box(west, south, east, north), grid.epsg), "orbit_state": None,
        "relative_orbit": None, "polarisations": (), "assets": assets, "tile": "T11SKU",
        "processing_version": "05.11", "scale": dict.fromkeys(BANDS, 1e-4),
        "offset": dict.fromkeys(BANDS, -0.1), "simulated": True,
    }  # fmt: skip
    return Acquisition(**(values | fields))
