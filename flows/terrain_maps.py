"""Slope, aspect, local incidence, layover and shadow of an elevation model, as files."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from detectors import look_geometry
from detectors.errors import ConfigurationError, InvalidElevation
from detectors.types import Grid, OrbitState
from flows.elevation import Elevation, Vertical
from flows.elevation_pieces import NEARLY
from flows.terrain_layers import MISSING, Layers, look_at
from flows.terrain_picture import draw_terrain

PICTURE = "terrain.png"


@dataclass(frozen=True, slots=True)
class TerrainReport:
    """What was made of an elevation model."""

    source: str
    """Where the heights came from."""
    grid: Grid
    """Where the pixels are."""
    vertical: Vertical
    """What the heights are measured from; the layers do not depend on it."""
    orbit_state: OrbitState
    """Flight direction."""
    azimuth: float
    """Direction from the sensor to the ground, degrees clockwise from grid north."""
    incidence: float
    """On flat ground, degrees."""
    share_missing: float
    """Share of the pixels without height, 0 to 1."""
    share_zero: float
    """Share of the pixels that are 0 m exactly: no data that was not declared, or the sea."""
    share_layover: float
    """Share of the pixels with height that are laid over, 0 to 1."""
    share_shadow: float
    """Share of them in radar shadow; some are in both."""
    steepest: float
    """99th percentile of the slope, degrees."""
    files: tuple[str, ...]
    """What was written, without the folder."""


def write_maps(
    elevation: Elevation, orbit_state: OrbitState, incidence: float, out: Path
) -> TerrainReport:
    """Write the layers as GeoTIFF and a picture of them; files of the same names are replaced.

    Args:
        elevation: of square pixels.
        orbit_state: flight direction of Sentinel-1.
        incidence: on flat ground, degrees.
        out: folder, made where it is not there.

    Raises:
        InvalidElevation: pixels that are not square.
        ConfigurationError: Sentinel-1 does not look there.
    """
    grid = elevation.grid
    if not math.isclose(grid.transform.a, -grid.transform.e, rel_tol=NEARLY):
        raise InvalidElevation(f"{elevation.source}: its pixels are not square")
    try:
        viewing = look_geometry.viewing_on(grid, orbit_state, incidence)
    except ValueError as error:
        raise ConfigurationError(f"{elevation.source}: {error}") from error
    layers = look_at(elevation, viewing)
    out.mkdir(parents=True, exist_ok=True)
    written = {one.name: getattr(layers, one.name) for one in fields(Layers)}
    tags = {
        "SOURCE": elevation.source, "VERTICAL": elevation.vertical.value,
        "ORBIT_STATE": orbit_state.value, "LOOK_AZIMUTH": f"{viewing.azimuth:.3f}",
        "INCIDENCE": f"{incidence:g}",
    }  # fmt: skip
    for name, values in written.items():
        _write(out / f"{name}.tif", values, grid, tags)
    (out / PICTURE).write_bytes(draw_terrain(elevation, layers, orbit_state, viewing))
    known = np.isfinite(elevation.metres)
    return TerrainReport(
        source=elevation.source,
        grid=grid,
        vertical=elevation.vertical,
        orbit_state=orbit_state,
        azimuth=viewing.azimuth,
        incidence=incidence,
        share_missing=float(1 - known.mean()),
        share_zero=float((elevation.metres == 0).mean()),
        share_layover=float((layers.layover[known] == 1).mean()),
        share_shadow=float((layers.shadow[known] == 1).mean()),
        steepest=float(np.nanpercentile(layers.slope[known], 99)),
        files=(*(f"{name}.tif" for name in written), PICTURE),
    )


def _write(path: Path, values: NDArray[Any], grid: Grid, tags: dict[str, str]) -> None:
    real = values.dtype == np.float32
    with rasterio.open(
        path, "w", driver="GTiff", width=grid.width, height=grid.height, count=1,
        dtype=values.dtype.name, crs=f"EPSG:{grid.epsg}", transform=grid.transform,
        nodata=np.nan if real else MISSING, tiled=True, compress="DEFLATE",
        predictor=3 if real else 2,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
        dataset.update_tags(**tags)
