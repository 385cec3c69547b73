"""A SIMULATED place to try ``map-my-own`` on, and pictures for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from rasterio import features
from rasterio.transform import from_origin
from scipy import ndimage
from shapely.geometry import shape

from detectors.simulate_ground import fractal

#: Of the example, in the North Atlantic, where there is no ground.
_EPSG, _EAST, _NORTH, _PIXEL_M = 32624, 500_000.0, 4_900_000.0, 10.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that a notebook shows where it is the last thing in a cell."""

    path: Path
    """The file."""

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()


def write_example(folder: Path, size: int = 320, seed: int = 0) -> tuple[list[Path], Path]:
    """Write two rasters and polygons that show ground nobody has ever seen.

    Scars are bright and rough; some bright ground is smooth, so that neither raster tells alone.
    Three quarters of the place are outlined, the rest is left to be found.

    Args:
        folder: made where it is not there.
        size: of the place, pixels of 10 m on each side.
        seed: of everything random.

    Returns:
        The rasters and the polygons.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw, shape_of = np.random.default_rng(seed), (size, size)

    def patches(share: float) -> np.ndarray:
        ground = ndimage.gaussian_filter(draw.normal(size=shape_of), 4, mode="wrap")
        return np.asarray(ground > np.quantile(ground, 1 - share))

    scars, fields = patches(0.12), patches(0.12)
    rough = 1.5 * fractal(shape_of, draw, 1.0, 6) * ndimage.gaussian_filter(scars.astype(float), 1)
    elevation = 300 + 80 * fractal(shape_of, draw, 2.8, 90) + rough
    tone = 0.12 + 0.08 * (scars | fields) + 0.03 * fractal(shape_of, draw, 1.6, 30)
    tone = tone + draw.normal(0, 0.02, shape_of)
    transform = from_origin(_EAST, _NORTH, _PIXEL_M, _PIXEL_M)
    rasters = []
    for name, values in (("elevation", elevation), ("red", tone)):
        path = folder / f"SIMULATED_{name}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=size, height=size, count=1, dtype="float32",
            crs=f"EPSG:{_EPSG}", transform=transform,
        ) as raster:  # fmt: skip
            raster.write(values.astype(np.float32), 1)
            raster.set_band_description(1, name)
            raster.update_tags(SIMULATED="yes")
        rasters.append(path)
    outlined = scars.copy()
    outlined[:, 3 * size // 4 :] = False
    found = features.shapes(outlined.astype(np.uint8), outlined, transform=transform)
    frame = gpd.GeoDataFrame(geometry=[shape(one) for one, _ in found], crs=_EPSG)
    polygons = folder / "SIMULATED_polygons.geojson"
    frame.to_crs(4326).to_file(polygons)
    return rasters, polygons
