"""Rasters made for tests, the items that point at them, and a catalogue that signs their links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from shapely.geometry import MultiPolygon, box

from detectors.projections import to_lonlat
from detectors.types import Acquisition, Grid, OrbitState, Sensor, WatchedRegion
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.stac import StacCatalogue

EPSG, WEST, NORTH, STEP = 32611, 240_000.0, 3_840_000.0, 30.0
SENSED = datetime(2023, 1, 1, 2, tzinfo=UTC)
TRANSFORM = Affine(STEP, 0, WEST, 0, -STEP, NORTH)


class Signing(StacCatalogue):
    """A catalogue whose links need a signature that may have run out."""

    token = "old"

    def __init__(self) -> None:
        super().__init__("local", CatalogueSettings(kind="stac", url="http://127.0.0.1:1"))
        self.renewed = 0

    def sign(self, href: str, *, renew: bool = False) -> str:
        if "://" not in href:
            return href
        if renew:
            self.token, self.renewed = "new", self.renewed + 1
        return f"{href}?token={self.token}"


def speckle(height: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4, 0.02, (height, width)).astype(np.float32)


def write(path: Path, values: np.ndarray, **profile: Any) -> Path:
    given = {
        "driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1,
        "dtype": values.dtype.name, "crs": f"EPSG:{EPSG}", "transform": TRANSFORM,
        "nodata": np.nan,
    } | profile  # fmt: skip
    with rasterio.open(path, "w", **given) as dataset:
        dataset.write(values, 1)
    return path


def look(href: Any, item_id: str = "item", seconds: float = 0, **fields: Any) -> Acquisition:
    values: dict[str, Any] = {
        "source": "local/any", "item_id": item_id, "platform": "sentinel-1a",
        "sensor": Sensor.SAR,
        "sensed_at": SENSED + timedelta(seconds=seconds),
        "published_at": SENSED + timedelta(hours=9), "footprint": box(-120, 34, -119, 35),
        "orbit_state": OrbitState.ASCENDING, "relative_orbit": 137, "polarisations": ("VV",),
        "assets": {"VV": str(href)},
    }  # fmt: skip
    return Acquisition(**(values | fields))


def region(west: float, south: float, east: float, north: float) -> WatchedRegion:
    """Watch a box given in pixels of the grid, columns to the right and rows down."""
    corners = box(
        WEST + west * STEP, NORTH - south * STEP, WEST + east * STEP, NORTH - north * STEP
    )
    area = MultiPolygon([to_lonlat(corners.segmentize(1_000), EPSG)])
    return WatchedRegion("here", "Here", area, ("local/any",))


def grid(height: int, width: int, row: int = 0, column: int = 0) -> Grid:
    return Grid(EPSG, TRANSFORM @ Affine.translation(column, row), height, width)


def place(block: Grid) -> tuple[int, int]:
    """Return row and column of a block in the whole raster."""
    column, row = ~TRANSFORM @ (block.transform.c, block.transform.f)
    return round(row), round(column)
