"""Parts of elevation files, joined and brought onto one grid; what ``elevation`` is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from rasterio._err import CPLE_BaseError
from rasterio.windows import Window
from scipy import ndimage

from detectors.errors import InvalidElevation
from detectors.types import FloatArray, Grid
from flows.rasters import same_pixels

#: Heights beyond these are no ground, m: another unit, or a value that stands for no data.
LOWEST_M, HIGHEST_M = -500.0, 9_000.0
#: Sides of a pixel that differ by less than this share are taken for equal: a tenth of a degree of
#: slope and aspect at most.
NEARLY = 1e-3
#: Source pixels around the grid, so that resampling has neighbours at its edge.
_MARGIN = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of one file that matters."""

    values: FloatArray
    """float32 (y, x), NaN = no data."""
    transform: Affine
    """Of its pixels, in its own system."""
    crs: Any
    """Its own horizontal system."""


def own_grid(dataset: rasterio.DatasetReader, where: str) -> Grid:
    """Return the file's own pixels, or as many square ones in a UTM zone."""
    crs, t = _horizontal(dataset.crs), dataset.transform
    if t.b or t.d or t.a <= 0 or t.e >= 0:
        raise InvalidElevation(f"{where}: rotated or upside down")
    metric = crs.is_projected and crs.linear_units_factor[1] == 1.0 and crs.to_epsg() is not None
    if metric and math.isclose(t.a, -t.e, rel_tol=NEARLY):
        return Grid(int(crs.to_epsg()), t, dataset.height, dataset.width)
    found, width, height, epsg = _metric(dataset, crs, where)
    if width < 1 or height < 1:
        raise InvalidElevation(f"{where}: its place cannot be measured in metres")
    return Grid(epsg, found, height, width)


def _metric(dataset: rasterio.DatasetReader, crs: Any, where: str) -> tuple[Affine, int, int, int]:
    """Return transform, width, height and system of square pixels over the whole file."""
    t = dataset.transform
    try:
        to_lonlat = Transformer.from_crs(CRS.from_wkt(crs.to_wkt()), 4326, always_xy=True)
    except ProjError as error:
        raise InvalidElevation(f"{where}: PROJ cannot place its reference system") from error
    middle = to_lonlat.transform(*(t @ (dataset.width / 2, dataset.height / 2)))
    if not (-360 <= middle[0] <= 360 and -90 <= middle[1] <= 90):
        raise InvalidElevation(f"{where}: lies nowhere on Earth")
    epsg = (32700 if middle[1] < 0 else 32600) + int((middle[0] + 180) // 6) % 60 + 1
    try:
        found, width, height = rasterio.warp.calculate_default_transform(
            crs, f"EPSG:{epsg}", dataset.width, dataset.height, *dataset.bounds
        )
    except CPLE_BaseError as error:  # GDAL's own: rasterio does not wrap what this call says
        raise InvalidElevation(f"{where}: cannot be brought to metres: {error}") from None
    return found, width, height, epsg


def _horizontal(crs: Any) -> Any:
    """Return a system without its heights: GDAL would convert them, or say it had."""
    whole = CRS.from_wkt(crs.to_wkt())
    flat = whole.sub_crs_list[0] if whole.sub_crs_list else whole.to_2d()
    return rasterio.crs.CRS.from_wkt(flat.to_wkt())


def read_piece(
    dataset: rasterio.DatasetReader, grid: Grid, missing: float | None, where: str
) -> Piece | None:
    """Read the part of a file that a grid needs, None where it does not reach it."""
    crs = _horizontal(dataset.crs)
    window = _window(dataset, crs, grid)
    if window is None:
        return None
    read = dataset.read(1, window=window, masked=True)
    values: FloatArray = read.astype(np.float32).filled(np.nan)
    if missing is not None:
        # Whoever did not declare it resampled across it: its neighbours are half of it.
        gaps = values == np.float32(missing)
        values[ndimage.binary_dilation(gaps, np.ones((3, 3), dtype=bool))] = np.nan
    if np.nanmin(values, initial=0) < LOWEST_M or np.nanmax(values, initial=0) > HIGHEST_M:
        raise InvalidElevation(
            f"{where}: heights from {np.nanmin(values):g} to {np.nanmax(values):g}: not metres, "
            "or a value for no data that the file does not declare"
        )
    return Piece(values, dataset.window_transform(window), crs)


def _window(dataset: rasterio.DatasetReader, crs: Any, grid: Grid) -> Window | None:
    """Return the whole pixels under a grid, with a margin."""
    steps = np.linspace(0, 1, 22)
    edge_rows = np.concatenate([np.zeros(22), np.ones(22), steps, steps]) * grid.height
    edge_columns = np.concatenate([steps, steps, np.zeros(22), np.ones(22)]) * grid.width
    whole = dataset.transform, crs, (dataset.height, dataset.width)
    rows, columns = _pixels(*whole, grid, edge_rows, edge_columns)
    spare = _MARGIN * (1 + math.ceil(max(np.ptp(rows) / grid.height, np.ptp(columns) / grid.width)))
    top, left = math.floor(rows.min()) - spare, math.floor(columns.min()) - spare
    bottom, right = math.ceil(rows.max()) + spare, math.ceil(columns.max()) + spare
    left, top = max(0, left), max(0, top)
    right, bottom = min(dataset.width, right), min(dataset.height, bottom)
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _pixels(
    transform: Affine,
    crs: Any,
    shape: tuple[int, int],
    grid: Grid,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return row and column in a raster of places on a grid; 0, 0 is the corner of both."""
    place = grid.transform
    across = Transformer.from_crs(grid.epsg, CRS.from_wkt(crs.to_wkt()), always_xy=True)
    x, y = across.transform(place.c + place.a * columns, place.f + place.e * rows)
    if crs.is_geographic:
        # The same meridian may be written two ways.
        middle = transform.c + transform.a * shape[1] / 2
        x = middle + (np.asarray(x) - middle + 180) % 360 - 180
    return (np.asarray(y) - transform.f) / transform.e, (np.asarray(x) - transform.c) / transform.a


def onto_grid(pieces: Iterable[Piece], grid: Grid) -> FloatArray:
    """Join what lies on one lattice, so that seams are not seen, and bring all onto a grid.

    Pixels of the grid's own lattice are copied, finer ones averaged in blocks, and what does not
    lie on the lattice is interpolated bilinearly, exactly: GDAL's warp leaves ripples of a tenth of
    a pixel, which slopes see. Where several pieces have heights the first counts.

    Returns:
        float32 (y, x), metres, NaN = no data.
    """
    metres = np.full(grid.shape, np.nan, dtype=np.float32)
    for piece in _joined(pieces):
        metres = np.where(np.isnan(metres), _interpolated(piece, grid), metres)
    return metres


def _interpolated(piece: Piece, grid: Grid) -> FloatArray:
    centres = np.indices(grid.shape) + 0.5
    rows, columns = _pixels(piece.transform, piece.crs, piece.values.shape, grid, *centres)
    steps = max(1, grid.height - 1) * max(1, grid.width - 1)
    finer = int(math.sqrt(np.ptp(rows) * np.ptp(columns) / steps) + 0.01)
    values, places = piece.values.astype(np.float64), np.stack([rows, columns])
    if finer >= 2:
        values, places = _block_means(values, finer), places / finer
    # From corners to centres; whole numbers again where the lattices agree.
    places = (places - 0.5).round(6)
    known = np.isfinite(values)
    total, weight = (
        ndimage.map_coordinates(layer, places, order=1, mode="grid-constant")
        for layer in (np.where(known, values, 0.0), known.astype(np.float64))
    )
    none = np.full(grid.shape, np.nan)
    metres: FloatArray = np.divide(total, weight, out=none, where=weight >= 0.5).astype(np.float32)
    return metres


def _block_means(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Mean of the known pixels of each block, NaN where there are none; the last may be cut off."""
    padding = [(0, -length % side) for length in values.shape]
    padded = np.pad(values, padding, constant_values=np.nan)
    blocks = padded.reshape(padded.shape[0] // side, side, padded.shape[1] // side, side)
    known = np.isfinite(blocks)
    total, count = np.where(known, blocks, 0.0).sum((1, 3)), known.sum((1, 3))
    none = np.full(total.shape, np.nan)
    means: NDArray[np.float64] = np.divide(total, count, out=none, where=count > 0)
    return means


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Join pieces whose pixels continue each other; others stay as they are."""
    joined: list[Piece] = []
    for piece in pieces:
        for number, other in enumerate(joined):
            if other.crs == piece.crs and same_pixels(other.transform, piece.transform):
                both = _join(other, piece)
                if both is not None:
                    joined[number] = both
                    break
        else:
            joined.append(piece)
    return joined


def _join(one: Piece, two: Piece) -> Piece | None:
    """Return both as one piece, None where mostly nothing would lie between them."""
    column, row = (round(v) for v in ~one.transform @ (two.transform.c, two.transform.f))
    (height, width), (high, wide) = one.values.shape, two.values.shape
    left, top = min(0, column), min(0, row)
    shape = (max(height, row + high) - top, max(width, column + wide) - left)
    # The two sides of the antimeridian lie a globe apart.
    if math.prod(shape) > 4 * (one.values.size + two.values.size):
        return None
    values = np.full(shape, np.nan, dtype=np.float32)
    values[row - top : row - top + high, column - left : column - left + wide] = two.values
    own = values[-top : height - top, -left : width - left]
    own[...] = np.where(np.isnan(one.values), own, one.values)
    return Piece(values, one.transform @ Affine.translation(left, top), one.crs)
