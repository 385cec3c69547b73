"""A map of whatever an operator's polygons outline: what is to be trained, and a picture of it.

The area of interest is the convex hull of the polygons: within it ground that none of them covers
is the background, beyond it nothing is known. All that the rasters cover is mapped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from shapely.geometry import box

from alerts.panels import Line, as_png, draw_map, draw_outline, draw_scale, sheet
from detectors.errors import InvalidSamples
from detectors.training import raster_recipes
from detectors.training.dataset import Split
from detectors.training.losses import UNKNOWN
from detectors.training.raster_recipes import RasterRecipe
from detectors.types import FloatArray
from flows.places import Place, Source
from flows.raster_labels import Labels
from flows.raster_maps import MAP, NO_DATA, SCORE, Mapped, RasterModel
from flows.raster_scoring import Scored
from flows.raster_training import Example, Gathered, Reading, opened

RECIPE = "bring-your-own"
PICTURE = "picture.png"
#: Sides of tiles that are tried, pixels, and how many of them the area has to hold.
_SIDES, _LEAST = (128, 96, 64, 48, 32), 24
#: Three strips and the ground between them, in tiles.
_STRIPS = 4
#: More pixels than this on a side are thinned out: the sheet has no room for them.
_MOST = 800
_SIDE_LINES = {
    Split.TRAIN: Line("learnt from", "#56b4e9", "--"),
    Split.VALIDATION: Line("chosen by", "#e69f00", "--"),
    Split.TEST: Line("examined on", "#cc79a7", "--"),
}


def order(
    sources: Sequence[Source], polygons: Path, attribute: str | None, pixel_m: float | None,
    window: int | None = None, epochs: int | None = None,
) -> tuple[RasterRecipe, Example, Reading]:  # fmt: skip
    """Return what is to be trained, with tiles that fit the area of interest.

    Args:
        sources: rasters.
        polygons: what is to be found.
        attribute: column with a class; None = all polygons are one class.
        pixel_m: side of a pixel; None = that of the first raster.
        window: side of a tile; None = the largest that leaves enough of them.
        epochs: instead of the recipe's.

    Raises:
        InvalidSamples: the area is too small for any tile.
        ScarpwatchError: as ``open_place`` and ``read_labels``.
    """
    recipe = raster_recipes.get(RECIPE)
    example, reading = Example(tuple(sources), polygons), Reading(attribute, None, True, pixel_m)
    if window is None:
        with opened(recipe, example, reading) as (_, labels):
            window = _window(labels, polygons)
    return raster_recipes.shortened(recipe, window, epochs), example, reading


def _window(labels: Labels, path: Path) -> int:
    known = labels.codes != UNKNOWN
    if not (labels.codes[known] == 0).any():
        raise InvalidSamples(
            f"{path}: the polygons fill their convex hull, so that there is nothing to tell them "
            "from; outline several apart from each other"
        )
    rows, columns = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
    sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    for side in _SIDES:
        tiles = 4 * known.sum() / side**2  # they overlap by half
        if max(sides) >= _STRIPS * side and min(sides) >= side and tiles >= _LEAST:
            return side
    raise InvalidSamples(
        f"{path}: the convex hull of the polygons is {sides[1]} x {sides[0]} pixels; the smallest "
        f"tiles take {_STRIPS * _SIDES[-1]} one way and {_SIDES[-1]} the other: add polygons "
        "further out, or take smaller pixels (--pixel)"
    )


def draw(
    place: Place, labels: Labels, gathered: Gathered, asked: RasterModel, mapped: Mapped,
    test: Scored, out: Path,
) -> Path:  # fmt: skip
    """Write a picture: a raster, what was given, scores and map.

    Args:
        place: the rasters.
        labels: on its grid.
        gathered: what was learnt from.
        asked: the model.
        mapped: what it wrote into ``out``.
        test: what it is worth.
        out: folder.
    """
    thin = max(1, math.ceil(max(place.grid.shape) / _MOST))
    shape = tuple(math.ceil(side / thin) for side in place.grid.shape)
    ground = _ground(place, shape)
    with rasterio.open(out / SCORE) as score, rasterio.open(out / MAP) as codes:
        scores, classes = (one.read(1, out_shape=shape) for one in (score, codes))
    names = [name for name in gathered.classes if name != raster_recipes.BACKGROUND]
    f1 = ", ".join(f"{name} {_figure(test.pixels.of(name).f1)}" for name in names)
    figure, places = sheet(
        f"A map of your own: {', '.join(names)}"[:60],
        f"F1 where nothing was learnt or chosen: {f1}\n"
        f"{len(gathered.tiles)} tiles of {asked.model.window} pixels; {mapped.outlines} outlines",
        f"EPSG:{place.grid.epsg}, pixel {place.pixel_m:.4g} m; {asked.model.version}",
    )
    bounds, grid = place.grid.bounds, place.grid
    first = draw_map(figure, places[0, 0], bounds, ground, (place.names[0], "as it came"))
    draw_scale(first)
    known = _coloured(labels.codes[::thin, ::thin], len(gathered.classes), ground)
    split = draw_map(
        figure,
        places[0, 1],
        bounds,
        known,
        ("What you gave", "in the convex hull; frames: its uses"),
    )
    for area in gathered.areas:
        line = _SIDE_LINES[area.side]
        west, north = grid.transform @ (area.columns.start, area.rows.start)
        east, south = grid.transform @ (area.columns.stop, area.rows.stop)
        draw_outline(split, box(west, south, east, north), **line.style())
    for number, line in enumerate(_SIDE_LINES.values()):
        split.text(
            0.02, 0.97 - 0.075 * number, line.label, transform=split.transAxes, fontsize=8,
            va="top", color="black", backgroundcolor=line.colour,
        )  # fmt: skip
    draw_map(
        figure, places[1, 0], bounds, scores,
        ("Score", "0 (dark) to 1 (bright); no probability"), vmin=0, vmax=1, cmap="cividis",
    )  # fmt: skip
    index = np.where(classes == NO_DATA, UNKNOWN, classes.astype(np.int16))
    draw_map(
        figure, places[1, 1], bounds, _coloured(index, len(gathered.classes), ground),
        ("Map", "; ".join(names)[:70]),
    )  # fmt: skip
    (out / PICTURE).write_bytes(as_png(figure))
    return out / PICTURE


def _ground(place: Place, shape: tuple[int, ...]) -> FloatArray:
    """Return the first band in grey, (y, x, 3)."""
    raster = place.rasters[0]
    band = raster.smooth.read(1, out_shape=shape)
    seen = np.isfinite(band)
    low, high = np.percentile(band[seen], (2, 98)) if seen.any() else (0.0, 1.0)
    grey = np.clip((band - low) / max(high - low, 1e-12), 0, 1)
    grey = np.where(seen, 0.15 + 0.8 * grey, 1.0)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.float32)


def _coloured(codes: np.ndarray, classes: int, ground: FloatArray) -> FloatArray:
    """Return the ground with classes but the background in colour, unknown ground pale."""
    from matplotlib import colormaps

    picture = ground.copy()
    unknown = codes == UNKNOWN
    picture[unknown] = 0.35 * picture[unknown] + 0.65
    for index in range(1, classes):
        colour = np.array(colormaps["tab10"]((index - 1) % 10)[:3])
        picture[codes == index] = 0.3 * picture[codes == index] + 0.7 * colour
    return picture.astype(np.float32)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
