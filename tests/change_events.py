"""SIMULATED events: two Sentinel-2 pictures each, and the truth, for recipes to learn from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from scipy import ndimage

from detectors.simulate_ground import BANDS
from detectors.simulation.optics import optical_passes
from detectors.simulation.parameters import load_parameters
from detectors.simulation.scene import simulate
from detectors.simulation.slides import covered

#: Class codes of the truth.
GROUND, LANDSLIDE = 1, 2
NAMES = tuple(f"{when}_{band}" for when in ("pre", "post") for band in BANDS)


@dataclass(frozen=True)
class Event:
    """One event."""

    stack: np.ndarray
    """float32 (8, y, x), reflectance before and after; NaN = behind cloud."""
    codes: np.ndarray
    """int64 (y, x)"""
    transform: Affine
    epsg: int

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write stack and labels as GeoTIFF."""
        paths = folder / f"{name}.tif", folder / f"{name}_labels.tif"
        for path, bands, names in (
            (paths[0], self.stack, NAMES),
            (paths[1], self.codes.astype(np.uint8)[None], ("class",)),
        ):
            with rasterio.open(
                path, "w", driver="GTiff", count=len(bands), height=bands.shape[1],
                width=bands.shape[2], dtype=bands.dtype.name, crs=f"EPSG:{self.epsg}",
                transform=self.transform,
            ) as raster:  # fmt: skip
                raster.write(bands)
                for index, band in enumerate(names, start=1):
                    raster.set_band_description(index, band)
        return paths


@cache
def event(seed: int) -> Event:
    """Simulate one: the last picture before and the last of three after the landslides."""
    figures = load_parameters()
    rules = replace(figures.optical, before=1, after=3, cloud_shape=(0.1, 40.0))
    scene = simulate(seed, size=80, looks_before=1, looks_after=1)
    passes = list(optical_passes(scene, replace(figures, optical=rules)))
    before = [one for one in passes if one.sensed_at < scene.happened_at][-1]
    grid = before.grid
    pictures = []
    for one in (before, passes[-1]):
        doubled = np.kron(one.scl, np.ones((2, 2), dtype=np.uint8))
        clouded = np.isin(doubled[: grid.height, : grid.width], (8, 9, 10))
        pictures.append(np.where(ndimage.binary_opening(clouded), np.nan, one.reflectance))
    truth = np.zeros(grid.shape, dtype=np.float32)
    for one in scene.slides:
        truth = np.maximum(truth, covered(one.slide.outline, grid))
    codes = np.where(truth >= 0.5, LANDSLIDE, np.where(truth == 0, GROUND, 0))
    return Event(
        np.concatenate(pictures).astype(np.float32), codes.astype(np.int64), grid.transform,
        grid.epsg,
    )  # fmt: skip
