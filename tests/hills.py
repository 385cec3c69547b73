"""Elevation made for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from shapely.geometry import box

from detectors.projections import to_projected


def heights(path: Path, area: Any, epsg: int) -> Path:
    """Write waves of 60 m over an area and what lies around it."""
    west, south, east, north = to_projected(box(*area.bounds), epsg).buffer(4_000).bounds
    width, height = int((east - west) / 30), int((north - south) / 30)
    rows, columns = np.indices((height, width))
    metres = (500 + 60 * np.sin(columns / 9) * np.cos(rows / 7)).astype(np.float32)
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="float32",
        crs=f"EPSG:{epsg}", transform=rasterio.Affine(30, 0, west, 0, -30, north),
    ) as dataset:  # fmt: skip
        dataset.write(metres, 1)
        dataset.update_tags(TIFFTAG_COPYRIGHT="waves <b>of our own</b>")
    return path
