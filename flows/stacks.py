"""Stacks of bands in one GeoTIFF, and what is known of their pixels: labels, polygons, points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio import features
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from scipy import ndimage

from detectors.errors import InvalidSamples, UnreadableRaster
from detectors.types import FloatArray
from flows.hostile import open_raster, read_vector

#: Endings of label files that are rasters; all others are taken for polygons.
RASTERS = frozenset({".tif", ".tiff", ".png", ".img", ".vrt"})

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stack:
    """Bands of one place on one grid."""

    path: Path
    """Where they were read from."""
    bands: tuple[str, ...]
    """Their descriptions; ``band1`` and so on where the file has none."""
    named: bool
    """True where the file describes every band."""
    values: FloatArray
    """float32 (band, y, x), NaN = no data."""
    transform: Affine
    """From pixels to the map."""
    crs: CRS
    """Of the map."""

    @property
    def pixel_m(self) -> float:
        """Side of a pixel, metres.

        Raises:
            InvalidSamples: the grid is not projected in metres.
        """
        if not self.crs.is_projected or self.crs.linear_units_factor[1] != 1.0:
            raise InvalidSamples(f"{self.path}: not projected in metres; warp it, to UTM for one")
        return float(math.sqrt(abs(self.transform.determinant)))

    def select(self, wanted: Sequence[str]) -> FloatArray:
        """Return bands by name, (band, y, x); a file without names is taken as in order.

        Raises:
            InvalidSamples: a band is missing.
        """
        if not self.named and len(self.bands) == len(wanted):
            return self.values
        if lacking := [name for name in wanted if name not in self.bands]:
            raise InvalidSamples(
                f"{self.path}: no band {lacking[0]!r} among {', '.join(self.bands)}; describe its "
                f"bands as {', '.join(wanted)}"
            )
        return self.values[[self.bands.index(name) for name in wanted]]


def read_stack(path: Path) -> Stack:
    """Read all bands of a raster.

    Raises:
        UnreadableRaster: broken, or without a place on the ground.
    """
    try:
        with open_raster(path, whole=True) as dataset:
            if dataset.crs is None:
                raise UnreadableRaster(f"{path}: no coordinate reference system; georeference it")
            values = dataset.read(masked=True, out_dtype="float32").filled(np.nan)
            described = tuple(text or "" for text in dataset.descriptions)
            named = all(described) and len(set(described)) == len(described)
            bands = described if named else tuple(f"band{n}" for n in dataset.indexes)
            return Stack(path, bands, named, values, dataset.transform, dataset.crs)
    except RasterioError as error:
        raise UnreadableRaster(f"{path}: cannot be read ({error})") from None


def read_labels(path: Path, stack: Stack, attribute: str = "class") -> tuple[Codes, Codes]:
    """Read what is known of a stack's pixels.

    Args:
        path: a raster of class codes on the same grid (0 = unknown), or polygons.
        stack: where the pixels are.
        attribute: column of the polygons that holds a class code above 0.

    Returns:
        Class codes and numbers of the objects (polygons, or connected pixels of one class),
        int64 (y, x), 0 = unknown.

    Raises:
        InvalidSamples: another grid, no such column, codes that are no whole numbers of 0 and more,
            or nothing inside the stack.
    """
    if path.suffix.lower() in RASTERS:
        codes = _label_raster(path, stack)
        objects = connected(codes)
    else:
        codes, objects = _label_polygons(path, stack, attribute)
    if not codes.any():
        raise InvalidSamples(f"{path}: no label lies inside {stack.path}")
    return codes, objects


def write_map(path: Path, values: NDArray[Any], stack: Stack, names: Sequence[str]) -> None:
    """Write maps on the grid of a stack: float32 with NaN, or whole numbers with 0 = no data.

    Args:
        path: GeoTIFF to write.
        values: (band, y, x).
        stack: where the pixels are.
        names: descriptions of the bands.
    """
    real = values.dtype.kind == "f"
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1],
        width=values.shape[2], dtype=values.dtype.name, crs=stack.crs, transform=stack.transform,
        nodata=np.nan if real else 0, compress="DEFLATE", tiled=True,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        for index, name in enumerate(names, start=1):
            dataset.set_band_description(index, name)


def pixels_of_points(path: Path, stack: Stack) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the points inside a stack; points of one pixel count each.

    Raises:
        InvalidSamples: no vector file, or it holds no points.
    """
    frame = read_vectors(path, stack.crs)
    points = frame.geometry[~(frame.geometry.isna() | frame.geometry.is_empty)]
    if points.empty or set(points.geom_type) != {"Point"}:
        raise InvalidSamples(f"{path}: holds no points; wanted is one point a place")
    columns, rows = ~stack.transform @ (points.x.to_numpy(), points.y.to_numpy())
    height, width = stack.values.shape[1:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return rows[inside].astype(np.intp), columns[inside].astype(np.intp)


def read_vectors(path: Path, crs: CRS) -> gpd.GeoDataFrame:
    """Read points, lines or polygons in a coordinate system.

    Raises:
        InvalidSamples: no vector file, without places, or without a coordinate system.
    """
    try:
        frame = read_vector(path)
        if not isinstance(frame, gpd.GeoDataFrame):
            raise InvalidSamples(f"{path}: a table without places; wanted are points or polygons")
        if frame.crs is None:
            raise InvalidSamples(f"{path}: no coordinate reference system; assign one")
        return frame.to_crs(crs)
    except (DataSourceError, DataLayerError, CRSError) as error:
        raise InvalidSamples(f"{path}: cannot be read ({error})") from None


def _label_raster(path: Path, stack: Stack) -> Codes:
    try:
        with open_raster(path, whole=True) as dataset:
            band = dataset.read(1, masked=True)
            shape, transform = dataset.shape, dataset.transform
    except RasterioError as error:
        raise InvalidSamples(f"{path}: cannot be read ({error})") from None
    if shape != stack.values.shape[1:] or not transform.almost_equals(stack.transform, 1e-3):
        raise InvalidSamples(f"{path}: not on the grid of {stack.path}; warp it onto that")
    return _codes(band.filled(0), path)


def _codes(values: NDArray[Any], path: Path) -> Codes:
    real = values.astype(np.float64)
    if not np.isfinite(real).all() or (real < 0).any() or (real % 1 != 0).any():
        raise InvalidSamples(f"{path}: classes have to be whole numbers from 1 on, 0 = unknown")
    return values.astype(np.int64)


def connected(codes: Codes) -> Codes:
    """Number the patches of one class, sides in common, from 1 on."""
    objects = np.zeros_like(codes)
    for code in np.unique(codes[codes > 0]):
        numbers, _ = ndimage.label(codes == code)
        objects = np.where(numbers > 0, numbers + objects.max(), objects)
    return objects


def _label_polygons(path: Path, stack: Stack, attribute: str) -> tuple[Codes, Codes]:
    frame = read_vectors(path, stack.crs)
    if attribute not in frame.columns:
        known = ", ".join(str(name) for name in frame.columns if name != "geometry")
        raise InvalidSamples(f"{path}: no column {attribute!r}; it has {known or 'none'}")
    if frame[attribute].dtype.kind not in "iuf":
        raise InvalidSamples(f"{path}: column {attribute!r} holds no numbers; classes are 1, 2 ...")
    codes = _codes(frame[attribute].to_numpy(), path)
    shapes = [
        (shape, number) for number, shape in enumerate(frame.geometry, start=1) if shape is not None
    ]
    if not shapes:
        raise InvalidSamples(f"{path}: holds no polygon")
    objects = features.rasterize(
        shapes, out_shape=stack.values.shape[1:], transform=stack.transform, dtype="int32"
    ).astype(np.int64)
    return np.concatenate([[0], codes])[objects], objects
