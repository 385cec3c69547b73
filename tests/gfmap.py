"""The optical series of Belgium (openeo-gfmap, Apache-2.0), read from its NetCDF files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from detectors.masks import from_scl
from detectors.types import Grid, OpticalLook, Unseen

BANDS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
_DAY_ZERO = datetime(1990, 1, 1, tzinfo=UTC)


def variable(path: Path, name: str) -> tuple[list[datetime], np.ndarray, Grid]:
    """Return dates, float32 (date, y, x), NaN as no data, and grid of ``B04``, ``SCL``, ..."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as whole:
            address = next(a for a in whole.subdatasets if a.endswith(f"-{name}"))
        with rasterio.open(address) as dataset:
            grid = Grid(dataset.crs.to_epsg(), dataset.transform, dataset.height, dataset.width)
            days = [float(dataset.tags(k)["NETCDF_DIM_t"]) for k in dataset.indexes]
            values = dataset.read(masked=True).astype(np.float32).filled(np.nan)
            return [_DAY_ZERO + timedelta(days=day) for day in days], values, grid


def classes(path: Path) -> np.ndarray:
    """Return the scene classification, uint8 (date, y, x); missing is 0."""
    return np.nan_to_num(variable(path, "SCL")[1]).astype(np.uint8)


def looks(path: Path, dilate_m: float, names: Mapping[str, str] = BANDS) -> list[OpticalLook]:
    """Return the series as looks, oldest first. Its numbers carry no offset."""
    times, _, grid = variable(path, "B04")
    bands = np.stack([variable(path, name)[1] for name in names.values()], axis=1) * 1e-4
    found = []
    for moment, values, scl in zip(times, bands, classes(path), strict=True):
        unseen = from_scl(scl, dilate_m=dilate_m, pixel_m=grid.transform.a)
        unseen[np.isnan(values).any(axis=0)] = Unseen.NO_DATA
        reflectance = np.where(unseen == Unseen.SEEN, values, np.nan).astype(np.float32)
        found.append(
            OpticalLook(grid, tuple(names), reflectance, unseen, moment, (f"{moment:%Y-%m-%d}",))
        )
    return found
