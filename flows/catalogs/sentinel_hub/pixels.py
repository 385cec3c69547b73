"""Answers of the service into arrays: one TIFF, or a tar of several."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from detectors.errors import UnreadableRaster
from detectors.types import FloatArray, Grid
from flows.catalogs.patience import TryAgain
from flows.catalogs.sentinel_hub.recipes import POLARISATIONS, SHADOW, Part, Recipe

#: Pixels an answer may lie beside the place that was asked for.
_TOLERANCE = 0.01


def read_answer(body: bytes, recipe: Recipe, grid: Grid) -> Mapping[str, FloatArray]:
    """Return the layers of an answer by name, float32 (y, x), NaN = no data.

    Backscatter is NaN in radar shadow, too: there is nothing but noise.

    Raises:
        TryAgain: no raster, or a broken one; it may be whole at the next try.
        UnreadableRaster: a whole one of another size, place or type than asked for.
    """
    layers: dict[str, NDArray[np.generic]] = {}
    files = _files(body, recipe)
    for part in recipe.parts:
        if part.name not in files:
            raise UnreadableRaster(f"the answer has no part {part.name}")
        layers |= _layers(files[part.name], part, grid)
    unseen = layers.pop("seen") == 0
    shadow = layers.get(SHADOW, np.zeros(grid.shape, dtype=np.uint8)) != 0
    read: dict[str, FloatArray] = {}
    for name, layer in layers.items():
        values = layer.astype(np.float32)
        values[unseen | shadow if name in POLARISATIONS else unseen] = np.nan
        read[name] = values
    return read


def _files(body: bytes, recipe: Recipe) -> dict[str, bytes]:
    """Return the TIFFs of an answer by the name of their part."""
    if len(recipe.parts) == 1:
        return {recipe.parts[0].name: body}
    try:
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            opened = {m.name: tar.extractfile(m) for m in tar.getmembers() if m.isfile()}
            return {
                name.rpartition("/")[2].partition(".")[0]: file.read()
                for name, file in opened.items()
                if file is not None
            }
    except (tarfile.TarError, EOFError, OSError) as error:
        raise TryAgain("what came is not a whole tar") from error


def _layers(content: bytes, part: Part, grid: Grid) -> dict[str, NDArray[np.generic]]:
    if not content:
        raise TryAgain(f"what came as {part.name} is empty")
    try:
        # No other driver: some formats are nothing but references to other files.
        with MemoryFile(content) as file, rasterio.open(file.name, driver="GTiff") as dataset:
            _insist(dataset, part, grid)
            return dict(zip(part.layers, dataset.read(), strict=True))
    except RasterioError as error:
        raise TryAgain(f"what came as {part.name} is not a whole raster") from error


def _insist(dataset: rasterio.DatasetReader, part: Part, grid: Grid) -> None:
    """Refuse pixels that would lie in the wrong place or mean something else."""
    found = (dataset.count, dataset.height, dataset.width)
    if found != (len(part.layers), *grid.shape):
        raise UnreadableRaster(f"{part.name}: {found} instead of {(len(part.layers), *grid.shape)}")
    if set(dataset.dtypes) != {part.dtype}:
        raise UnreadableRaster(f"{part.name}: {dataset.dtypes[0]} instead of {part.dtype}")
    if dataset.crs is None:
        # Nothing else than the box asked for can have been rendered.
        return
    apart = np.abs(np.subtract(dataset.bounds, grid.bounds)).max()
    if dataset.crs.to_epsg() != grid.epsg or apart > _TOLERANCE * grid.transform.a:
        raise UnreadableRaster(f"{part.name}: lies in another place than asked for")
