"""Reading OPERA GeoTIFFs with suspicion and writing cloud-optimised ones without loss."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from detectors.errors import UnreadableRaster
from flows.hostile import open_raster

#: Tiles of crops as small as the demo's would otherwise be mostly padding.
_SMALL_BLOCK, _BLOCK = 128, 512
#: Code of "no data" in the mask layer of the product specification.
MASK_NODATA = 255


@dataclass(frozen=True, slots=True)
class Raster:
    """One band on a projected grid."""

    values: NDArray[Any]
    """(y, x): float32 linear power with NaN as no data, uint8 codes, or uint16 stored numbers."""
    epsg: int
    """Projected system in metres."""
    transform: Affine
    """Pixel corner to map coordinates, metres."""
    tags: dict[str, str]
    """Metadata of the file, upper-case keys."""

    def same_grid(self, other: Raster) -> bool:
        """Whether both rasters have the same pixels."""
        return (self.epsg, self.transform, self.values.shape) == (
            other.epsg,
            other.transform,
            other.values.shape,
        )


def read_raster(path: Path, *, mask: bool = False) -> Raster:
    """Read one band completely, so that a truncated file is found here and not in a night run.

    Args:
        path: a local GeoTIFF.
        mask: expect the uint8 mask layer instead of float32 backscatter.

    Raises:
        UnreadableRaster: truncated, no raster, wrong CRS, type, number of bands or unit.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with open_raster(path, whole=True) as dataset:
                epsg = _check(dataset, "uint8" if mask else "float32")
                values = dataset.read(1)
                transform, nodata = dataset.transform, dataset.nodata
                tags = {key.upper(): value for key, value in dataset.tags().items()}
    except (RasterioError, OSError) as error:
        # A refused file must read the same wherever it lay: no folder names in stored reasons.
        reason = str(error).replace(str(path), path.name).splitlines()[0]
        raise UnreadableRaster(f"cannot be read: {reason}") from error
    if not mask:
        if nodata is not None and np.isfinite(nodata):
            values[values == np.float32(nodata)] = np.nan
        _check_linear(values)
    return Raster(values, epsg, transform, tags)


def _check(dataset: Any, dtype: str) -> int:
    if dataset.count != 1:
        raise UnreadableRaster(f"has {dataset.count} bands instead of one")
    if dataset.dtypes[0] != dtype:
        raise UnreadableRaster(f"holds {dataset.dtypes[0]} instead of {dtype}")
    if dataset.crs is None:
        raise UnreadableRaster("has no coordinate system")
    if not dataset.crs.is_projected or dataset.crs.linear_units_factor[1] != 1.0:
        raise UnreadableRaster(f"lies in {dataset.crs}, not in a projected system in metres")
    epsg = dataset.crs.to_epsg()
    if epsg is None:
        raise UnreadableRaster("lies in a coordinate system without EPSG code")
    transform = dataset.transform
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise UnreadableRaster("is rotated or not north-up")
    return int(epsg)


def _check_linear(values: NDArray[np.float32]) -> None:
    finite = values[np.isfinite(values)]
    # Land in decibels is negative nearly everywhere; linear power cannot be.
    if finite.size and float(np.median(finite)) < 0:
        raise UnreadableRaster("holds negative values: decibels, not gamma0 in linear power?")


def write_cog(path: Path, raster: Raster, nodata: int = MASK_NODATA) -> None:
    """Write a lossless cloud-optimised GeoTIFF: deflate, predictor 3 for float, 2 for others.

    Args:
        path: of the file.
        raster: what goes in.
        nodata: what stands for no data in whole numbers; in float it is NaN.

    Raises:
        UnreadableRaster: what was written does not read back the same.
    """
    height, width = raster.values.shape
    block = _SMALL_BLOCK if max(height, width) <= 2 * _SMALL_BLOCK else _BLOCK
    real = raster.values.dtype == np.float32
    with rasterio.open(
        path, "w", driver="COG", width=width, height=height, count=1,
        dtype=raster.values.dtype.name, crs=f"EPSG:{raster.epsg}", transform=raster.transform,
        nodata=np.nan if real else nodata, blocksize=block, compress="DEFLATE", level=9,
        predictor="FLOATING_POINT" if real else "STANDARD",
        overviews="NONE" if max(height, width) <= block else "AUTO",
        overview_resampling="AVERAGE" if real else "NEAREST", num_threads="1",
    ) as dataset:  # fmt: skip
        dataset.write(raster.values, 1)
    with rasterio.open(path) as dataset:
        if not np.array_equal(dataset.read(1), raster.values, equal_nan=real):
            raise UnreadableRaster(f"{path.name} did not read back as it was written")


def is_cog(path: Path) -> bool:
    """Whether GDAL itself laid the file out as a cloud-optimised GeoTIFF."""
    with rasterio.open(path) as dataset:
        return bool(dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG")


def multihash(path: Path) -> str:
    """Return the sha256 of a file as a multihash, the way STAC ``file:checksum`` wants it."""
    with path.open("rb") as stream:
        return "1220" + hashlib.file_digest(stream, "sha256").hexdigest()
