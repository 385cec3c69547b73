"""What is known of the pixels of a place: polygons or class codes, as class indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT

from detectors.errors import InvalidSamples
from detectors.training.losses import UNKNOWN
from detectors.training.raster_recipes import BACKGROUND, RasterRecipe
from detectors.training.tiles import Codes
from detectors.types import Grid
from flows.hostile import open_raster
from flows.stacks import RASTERS, connected, read_vectors


@dataclass(frozen=True, slots=True)
class Labels:
    """What people say of a place."""

    codes: Codes
    """(y, x), class index, ``UNKNOWN`` where nobody knows."""
    objects: NDArray[np.int64]
    """(y, x), number of the polygon, or of the patch of one class; 0 = none."""
    classes: tuple[str, ...]
    """Names, by index."""
    points: bool = False
    """Whether single points are known, one pixel each, and nothing else."""


def read_labels(
    path: Path, grid: Grid, recipe: RasterRecipe, attribute: str | None = None,
    classes: Sequence[str] = (), area: Path | None = None, *, hull: bool = False,
) -> Labels:  # fmt: skip
    """Read labels onto the grid of a place.

    Args:
        path: polygons, points (one pixel each, all else unknown), or a raster of class codes on
            any grid; its no data is unknown.
        grid: of the place.
        recipe: says what classes there are, and whether what is not outlined is one.
        attribute: column of the polygons with a class code or name; None = ``class`` where there
            are several classes to tell apart, else every polygon is of the one class.
        classes: names, where the recipe leaves them open and they are known already.
        area: polygons outside which nothing is known.
        hull: nothing is known outside the convex hull of the polygons.

    Raises:
        InvalidSamples: no such column, a class that there is not, or nothing inside the place.
    """
    classes = recipe.classes or tuple(classes)
    points = False
    if path.suffix.lower() in RASTERS:
        values = _raster(path, grid)
        classes = classes or _found(values, path)
        codes = _indices(values, classes, recipe, path)
        objects = connected(np.where(codes == UNKNOWN, 0, codes + 1).astype(np.int64))
    else:
        frame = read_vectors(path, CRS.from_epsg(grid.epsg))
        frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
        points = bool(len(frame)) and set(frame.geom_type) == {"Point"}
        if points:
            attribute = attribute or "class"
        indices, classes = _classes(frame, recipe, attribute, classes, path)
        objects = _burn(zip(frame.geometry, range(1, len(frame) + 1), strict=True), grid)
        outside = 0 if recipe.background and not points else UNKNOWN
        codes = np.concatenate([[outside], indices])[objects].astype(np.int16)
        if hull:
            known = shapely.union_all(list(frame.geometry)).convex_hull
            codes = np.where(_burn([(known, 1)], grid) > 0, codes, UNKNOWN).astype(np.int16)
    if area is not None:
        shapes = read_vectors(area, CRS.from_epsg(grid.epsg)).geometry
        inside = _burn(((shape, 1) for shape in shapes if shape is not None), grid) > 0
        codes = np.where(inside, codes, UNKNOWN).astype(np.int16)
    if not (codes > 0 if recipe.background and not points else codes != UNKNOWN).any():
        raise InvalidSamples(f"{path}: no label lies inside the place")
    return Labels(codes, objects, tuple(classes), points)


def _burn(shapes: Any, grid: Grid) -> NDArray[np.int64]:
    listed = list(shapes)
    if not listed:
        raise InvalidSamples("a file of polygons holds none")
    burnt = features.rasterize(
        listed, out_shape=grid.shape, transform=grid.transform, dtype="int32"
    )
    return burnt.astype(np.int64)  # type: ignore[no-any-return]


def _classes(
    frame: gpd.GeoDataFrame, recipe: RasterRecipe, attribute: str | None,
    classes: Sequence[str], path: Path,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:  # fmt: skip
    """Return the class index of each polygon, and the names of the classes."""
    alone = len(classes) == 2 or not classes
    if attribute is None and alone and recipe.background:
        return np.ones(len(frame), dtype=np.int64), tuple(classes) or (BACKGROUND, "mapped")
    column = attribute or "class"
    if column not in frame.columns:
        known = ", ".join(str(name) for name in frame.columns if name != "geometry")
        raise InvalidSamples(
            f"{path}: no column {column!r} with a class; it has {known or 'none'}. Name it with "
            "--attribute"
        )
    values = [_word(value) for value in frame[column]]
    if not classes:
        classes = (BACKGROUND, *sorted(set(values)))
    known_words = _words(classes, recipe)
    if stray := sorted(set(values) - set(known_words)):
        raise InvalidSamples(
            f"{path}: {stray[0]!r} in column {column!r} is no class; known: "
            + ", ".join(f"{code} {name}" for code, name in enumerate(classes, recipe.first_code))
        )
    return np.array([known_words[value] for value in values], dtype=np.int64), tuple(classes)


def _word(value: object) -> str:
    number = isinstance(value, (int, float, np.number)) and float(value) % 1 == 0
    return str(int(value)) if number else str(value)  # type: ignore[call-overload]


def _words(classes: Sequence[str], recipe: RasterRecipe) -> dict[str, int]:
    """Return the index by code and by name."""
    by_code = {str(index + recipe.first_code): index for index in range(len(classes))}
    return by_code | {name: index for index, name in enumerate(classes)}


def _raster(path: Path, grid: Grid) -> NDArray[np.float32]:
    try:
        with open_raster(path) as dataset:
            if dataset.crs is None:
                raise InvalidSamples(f"{path}: no coordinate reference system; georeference it")
            with WarpedVRT(
                dataset, crs=CRS.from_epsg(grid.epsg), transform=grid.transform,
                height=grid.height, width=grid.width, nodata=np.nan, src_nodata=dataset.nodata,
                dtype="float32", resampling=Resampling.nearest,
            ) as view:  # fmt: skip
                values: NDArray[np.float32] = view.read(1)
                return values
    except RasterioError as error:
        raise InvalidSamples(f"{path}: cannot be read ({error})") from None


def _found(values: NDArray[np.float32], path: Path) -> tuple[str, ...]:
    known = np.unique(values[np.isfinite(values) & (values > 0)])
    if not len(known):
        raise InvalidSamples(f"{path}: no label lies inside the place")
    return (BACKGROUND, *(str(n) for n in range(1, int(known[-1]) + 1)))


def _indices(
    values: NDArray[np.float32], classes: Sequence[str], recipe: RasterRecipe, path: Path
) -> Codes:
    seen = np.isfinite(values)
    codes = np.where(seen, values, UNKNOWN + recipe.first_code)
    index = (codes - recipe.first_code).astype(np.int64)
    wrong = seen & ((codes % 1 != 0) | (index < UNKNOWN) | (index >= len(classes)))
    if recipe.background:
        wrong |= seen & (index < 0)
    if wrong.any():
        known = ", ".join(f"{c} {name}" for c, name in enumerate(classes, recipe.first_code))
        raise InvalidSamples(f"{path}: {values[wrong][0]:g} is no class; known: {known}")
    return index.astype(np.int16)
