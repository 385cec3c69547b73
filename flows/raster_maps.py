"""Maps of a model of rasters: read, judged and written block by block, however large a place is."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio import features
from rasterio.crs import CRS
from rasterio.shutil import copy
from rasterio.windows import Window
from shapely.geometry import shape

from detectors import inference, weights
from detectors.errors import ConfigurationError, InvalidWeights
from detectors.inference import Windows
from detectors.training import outlines, raster_models, raster_recipes
from detectors.training.bands import Band, as_it_is
from detectors.training.losses import UNKNOWN
from detectors.training.raster_recipes import RasterRecipe
from detectors.training.tiles import Codes, Scaling
from detectors.types import FloatArray
from detectors.weights import Model
from flows.places import Place

if TYPE_CHECKING:
    from torch import Tensor, nn

MAP, SCORE, OUTLINES = "map.tif", "score.tif", "outlines.gpkg"
#: No data in maps of class codes.
NO_DATA = 255
#: Side of a block without its margin, pixels; rounded to whole windows.
BLOCK = 512


@dataclass(frozen=True, slots=True)
class RasterModel:
    """A trained model and what it needs of a place."""

    model: Model
    """Description."""
    recipe: RasterRecipe
    """By which it was made."""
    bands: tuple[Band, ...]
    """In the order it wants them."""
    networks: tuple[nn.Module, ...] = field(repr=False)
    """In the order of ``model.members``."""

    @property
    def windows(self) -> Windows:
        """Windows that overlap by half."""
        return Windows(self.model.window, self.model.window // 2, orientations=1, batch=16)

    def judge(self, values: FloatArray) -> FloatArray:
        """Return scores, 0 to 1, float32 (outputs, y, x), NaN where any band is.

        Args:
            values: float32 (band, y, x), NaN = not observed.
        """
        scaling = Scaling(self.model.means, self.model.spreads)

        def prepare(windows: FloatArray) -> Tensor:
            import torch

            return torch.from_numpy(np.nan_to_num(scaling.apply(windows)))

        parts = [
            inference.predict_classes(network, values, self.windows, prepare, self.model.outputs)
            for network in self.networks
        ]
        return np.mean(parts, axis=0, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What was written."""

    files: tuple[Path, ...]
    """Class codes, scores, and outlines where the recipe has them."""
    pixels: Mapping[str, int]
    """How many pixels were given each class."""
    outlines: int | None
    """How many there are; None where the recipe has none."""


def load(folder: Path) -> RasterModel:
    """Read a trained model, every file of it checked.

    Raises:
        ConfigurationError: there is none, or it is one of pictures.
        InvalidWeights: a file is missing or was changed.
    """
    model = weights.describe(folder.name, folder.parent)
    if not model.recipe:
        raise ConfigurationError(f"{folder} is no model of rasters; 'scarpwatch evaluate' asks it")
    recipe = raster_recipes.get(model.recipe)
    known = {band.name: band for band in recipe.bands}
    bands = tuple(known.get(name) or as_it_is(name) for name in model.bands)
    if len(model.means) != len(bands) or len(model.spreads) != len(bands):
        raise InvalidWeights(f"{folder} has no scale for each of its bands; train it again")
    networks = tuple(m.load(len(bands), model.outputs) for m in model.members)
    return RasterModel(model, recipe, bands, networks)


def blocks(rows: slice, columns: slice, side: int) -> Iterator[tuple[slice, slice]]:
    """Cut an area into blocks."""
    for top, left in itertools.product(
        range(rows.start, rows.stop, side), range(columns.start, columns.stop, side)
    ):
        yield slice(top, min(top + side, rows.stop)), slice(left, min(left + side, columns.stop))


def count_blocks(place: Place, asked: RasterModel) -> int:
    """Return how many blocks a map of a place takes."""
    side = _side(asked)
    return math.ceil(place.grid.height / side) * math.ceil(place.grid.width / side)


def _side(asked: RasterModel) -> int:
    return max(BLOCK // asked.model.window, 1) * asked.model.window


def scores(
    asked: Sequence[RasterModel], place: Place, rows: slice, columns: slice
) -> Iterator[tuple[tuple[slice, slice], list[FloatArray]]]:
    """Judge a place block by block; blocks say the same as the place would as a whole.

    Windows lie on one lattice over the whole place, and each block is read with a margin of one
    window, so that every window that reaches into it is judged.

    Args:
        asked: at least one model.
        place: of the rasters.
        rows: of the area wanted.
        columns: of the area wanted.

    Yields:
        The block, and the scores of each model there, (outputs, y, x).
    """
    for cut in blocks(rows, columns, max(_side(one) for one in asked)):
        yield cut, [_scores_in(one, place, *cut) for one in asked]


def _scores_in(one: RasterModel, place: Place, rows: slice, columns: slice) -> FloatArray:
    size = one.model.window
    wide = [
        slice(
            max((part.start // size - 1) * size, 0),
            min((math.ceil(part.stop / size) + 1) * size, long),
        )
        for part, long in zip((rows, columns), place.grid.shape, strict=True)
    ]
    values = place.read(one.bands, wide[0], wide[1])
    inside = tuple(
        slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip((rows, columns), wide, strict=True)
    )
    if not np.isfinite(values[:, *inside]).all(axis=0).any():
        shape = (one.model.outputs, rows.stop - rows.start, columns.stop - columns.start)
        return np.full(shape, np.nan, dtype=np.float32)
    return one.judge(values)[:, *inside]


def write_maps(
    asked: Sequence[RasterModel], place: Place, out: Path,
    done: Callable[[], None] = lambda: None,
) -> Mapped:  # fmt: skip
    """Map a place: class codes and scores as cloud-optimised GeoTIFF, outlines as GeoPackage.

    Several models are averaged; where the recipe merges, each gives its own outlines first.

    Args:
        asked: models of one recipe, with the same classes.
        place: of the rasters.
        out: folder, made where it is not there.
        done: called after each block.

    Raises:
        ConfigurationError: models that do not go together.
        MissingBand: the place lacks a band.
    """
    first = asked[0].model
    for one in asked:
        if (one.model.recipe, one.model.classes) != (first.recipe, first.classes):
            raise ConfigurationError(f"{one.model.version} and {first.version} differ in classes")
        place.check(one.bands)
    out.mkdir(parents=True, exist_ok=True)
    counts = np.zeros(len(first.classes), dtype=np.int64)
    grid = place.grid
    with tempfile.TemporaryDirectory(dir=out, prefix=".part") as folder:
        raw = [Path(folder) / name for name in (MAP, SCORE)]
        bands = 1 + (len(asked) if len(asked) > 1 else 0)
        with (
            rasterio.open(raw[0], "w", **_profile(place, "uint8", NO_DATA, bands)) as classes,
            rasterio.open(raw[1], "w", **_profile(place, "float32", np.nan, 1)) as score,
        ):
            whole = slice(0, grid.height), slice(0, grid.width)
            for (rows, columns), each in scores(asked, place, *whole):
                window = Window.from_slices(rows, columns)
                mean = np.mean(each, axis=0, dtype=np.float32)
                threshold = float(np.mean([one.model.threshold for one in asked]))
                said = raster_models.classify(mean, threshold)
                counts += np.bincount(said[said != UNKNOWN], minlength=len(counts))
                classes.write(_coded(said, first), 1, window=window)
                for band, (one, own) in enumerate(zip(asked, each, strict=True), start=2):
                    if bands > 1:
                        alone = raster_models.classify(own, one.model.threshold)
                        classes.write(_coded(alone, first), band, window=window)
                score.write(mean.max(axis=0), 1, window=window)
                done()
            classes.set_band_description(1, asked[0].recipe.makes)
            score.set_band_description(1, "score")
        files = [_finish_raster(part, out, nearest=part.name == MAP) for part in raw]
        total: int | None = None
        rules = asked[0].recipe.finish
        if rules is not None:
            frame = _outlines(raw[0], first, rules, bands)
            frame.to_file(out / OUTLINES, driver="GPKG", layer="outlines")
            files.append(out / OUTLINES)
            total = len(frame)
    return Mapped(tuple(files), dict(zip(first.classes, counts.tolist(), strict=True)), total)


def _coded(said: Codes, model: Model) -> Any:
    codes = np.array([*model.codes, NO_DATA], dtype=np.uint8)
    return codes[said]  # UNKNOWN is the last one


def _profile(place: Place, dtype: str, nodata: float, bands: int) -> dict[str, Any]:
    return {
        "driver": "GTiff", "dtype": dtype, "count": bands, "nodata": nodata, "tiled": True,
        "blockxsize": 256, "blockysize": 256, "compress": "DEFLATE", "BIGTIFF": "IF_SAFER",
        "crs": CRS.from_epsg(place.grid.epsg), "transform": place.grid.transform,
        "height": place.grid.height, "width": place.grid.width,
    }  # fmt: skip


def _finish_raster(raw: Path, out: Path, *, nearest: bool) -> Path:
    """Lay the first band out as a cloud-optimised GeoTIFF."""
    target = out / raw.name
    part = raw.with_name(f"cog_{raw.name}")
    with rasterio.open(raw) as dataset:
        source = raw
        if dataset.count > 1:
            source = raw.with_name(f"one_{raw.name}")
            with rasterio.open(source, "w", **{**dataset.profile, "count": 1}) as first:
                first.set_band_description(1, dataset.descriptions[0])
                for _, window in dataset.block_windows(1):
                    first.write(dataset.read(1, window=window), 1, window=window)
    copy(
        source, part, driver="COG", compress="DEFLATE", blocksize=256,
        overview_resampling="NEAREST" if nearest else "AVERAGE",
    )  # fmt: skip
    part.replace(target)
    return target


def _outlines(
    raw: Path, model: Model, rules: raster_recipes.Finish, bands: int
) -> gpd.GeoDataFrame:
    """Return outlines of the classes but the background, finished as the recipe wants it."""
    wanted = {
        code: name
        for code, name in zip(model.codes, model.classes, strict=True)
        if name != raster_recipes.BACKGROUND
    }
    found: dict[str, list[Any]] = {"all classes": []} if rules.merged else {
        name: [] for name in wanted.values()
    }  # fmt: skip
    with rasterio.open(raw) as dataset:
        crs = dataset.crs
        # With several models that merge, each speaks for itself.
        chosen = range(2, bands + 1) if rules.merged and bands > 1 else (1,)
        for number in chosen:
            for geometry, code in features.shapes(rasterio.band(dataset, number)):
                if int(code) in wanted:
                    name = "all classes" if rules.merged else wanted[int(code)]
                    found[name].append(shapely.make_valid(shape(geometry)))
    rows = [
        {"class": name, "area_m2": round(one.area, 1), "geometry": one}
        for name, parts in found.items()
        for one in outlines.finish(parts, rules)
    ]
    return gpd.GeoDataFrame(rows, columns=["class", "area_m2", "geometry"], crs=crs)
