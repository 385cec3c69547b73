"""The recipes ``cart`` and ``segments`` on rasters: train, predict, evaluate."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from detectors.errors import ConfigurationError, InvalidSamples, InvalidWeights
from detectors.learning import cart, segments
from detectors.learning.trees import Forest
from detectors.training import confusion, raster_recipes
from detectors.training.bands import as_it_is
from detectors.types import FloatArray
from flows.places import Source, open_place
from flows.raster_scoring import Scored
from flows.raster_training import Example
from flows.stacks import Codes, Stack, read_labels, read_stack

RECIPES = (cart.NAME, segments.NAME)
#: Bands before and after that the changes of ``segments`` are computed from.
_PICTURE = ("blue", "green", "red", "nir")
_BEFORE, _AFTER = (tuple(f"{when}_{band}" for band in _PICTURE) for when in ("pre", "post"))


def read(sources: Sequence[Source], bands_of: str = "", pixel_m: float | None = None) -> Stack:
    """Read one place as a stack.

    Args:
        sources: its rasters; one alone is taken as it is, several (or one whose bands are named on
            the command line) are brought onto the grid of the first.
        bands_of: recipe of rasters whose bands are wanted, computed where no raster holds them;
            empty = every band there is.
        pixel_m: side of a pixel, metres; None = that of the first raster.

    Raises:
        ConfigurationError: there is no such recipe.
        InvalidSamples: no raster, or several with the same band.
        MissingBand: no raster holds a band, nor what it is computed from.
        UnreadableRaster: a file is broken, or has no place on the ground.
    """
    if len(sources) == 1 and not (sources[0].names or bands_of or pixel_m):
        return read_stack(sources[0].path)
    wanted = raster_recipes.get(bands_of).bands if bands_of else ()
    with open_place("the place", sources, pixel_m) as place:
        bands = wanted or tuple(map(as_it_is, place.names))
        place.check(bands)
        values = place.read(bands, slice(0, place.grid.height), slice(0, place.grid.width))
        return Stack(
            sources[0].path, tuple(band.name for band in bands), True, values,
            place.grid.transform, CRS.from_epsg(place.grid.epsg),
        )  # fmt: skip


def train(
    recipe: str, examples: Sequence[Example], attribute: str, seed: int, bands_of: str = "",
    pixel_m: float | None = None,
) -> Forest:  # fmt: skip
    """Learn from places and what is known of their pixels.

    Args:
        recipe: one of ``RECIPES``.
        examples: places of the same bands; their labels are rasters of class codes or polygons.
        attribute: column of the polygons that holds a class code.
        seed: of everything random.
        bands_of: as ``read``; for ``cart`` alone.
        pixel_m: as ``read``.

    Raises:
        ConfigurationError: there is no such recipe, or it looks at bands of its own.
        ScarpwatchError: as ``read`` and ``read_labels``.
    """
    if recipe not in RECIPES:
        raise ConfigurationError(f"no shallow recipe {recipe!r}; known: {', '.join(RECIPES)}")
    if bands_of and recipe != cart.NAME:
        raise ConfigurationError(f"{recipe} computes bands of its own; leave --bands-of out")
    samples, codes, weights, bands = [], [], [], None
    for example in examples:
        stack = read(example.sources, bands_of, pixel_m)
        names, values = _bands(recipe, stack)
        if bands is not None and names != bands:
            raise InvalidSamples(
                f"{stack.path}: bands {', '.join(names)}; the first place has {', '.join(bands)}"
            )
        bands = names
        known, _ = read_labels(example.labels, stack, attribute)
        if recipe == cart.NAME:
            points, classes, counts = cart.sample(values, known, seed)
            samples.append(points.astype(np.float64))
            weights.append(counts)
        else:
            scene = segments.cut(values)
            classes = segments.classes_of(scene.numbers, known)
            samples.append(scene.attributes)
        codes.append(classes)
    every, known = np.concatenate(samples), np.concatenate(codes)
    if recipe == cart.NAME:
        tree = cart.fit(bands or (), every, known, np.concatenate(weights), seed)
        return dataclasses.replace(tree, bands_of=bands_of)
    return segments.fit(bands or (), every, known, seed)


def load(path: Path) -> Forest:
    """Read a trained model.

    Raises:
        InvalidWeights: it is missing or something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidWeights(f"{path}: cannot be read ({error})") from None
    forest = Forest.from_json(text)
    if forest.recipe not in RECIPES:
        raise InvalidWeights(f"{path}: trees of {forest.recipe!r}, no recipe of ours")
    return forest


def predict(forest: Forest, stack: Stack) -> tuple[Codes, FloatArray]:
    """Return the class of each pixel, 0 = no data, and the share of votes it got, NaN there.

    Raises:
        InvalidSamples: the stack lacks bands, or all its data.
    """
    if forest.recipe == cart.NAME:
        return cart.predict(forest, stack.select(forest.features))
    names, values = _bands(forest.recipe, stack)
    wanted = tuple(name.removesuffix(" mean") for name in forest.features[::3])
    if names != wanted:
        values = stack.select(wanted)
    return segments.predict(forest, segments.cut(values))


def evaluate(forest: Forest, stack: Stack, labels: Path, attribute: str) -> Scored:
    """Compare a map with the truth, by pixel and by object.

    Raises:
        InvalidSamples: as ``predict`` and ``read_labels``; or labels of classes never learnt.
    """
    truth, objects = read_labels(labels, stack, attribute)
    if stray := set(np.unique(truth[truth > 0]).tolist()) - set(forest.classes):
        known = ", ".join(map(str, forest.classes))
        raise InvalidSamples(f"{labels}: class {min(stray)} was never learnt; known: {known}")
    said, _ = predict(forest, stack)
    hectare = abs(stack.transform.determinant) / 1e4
    return Scored(
        confusion.count(said, truth, forest.classes),
        confusion.count_objects(said, truth, objects, forest.classes),
        tuple(float((said == code).sum() * hectare) for code in forest.classes),
        drawn=False,
    )


def _bands(recipe: str, stack: Stack) -> tuple[tuple[str, ...], FloatArray]:
    """Return what a recipe sees of a stack: its bands, or the changes between two pictures."""
    if recipe == segments.NAME and {*_BEFORE, *_AFTER} <= set(stack.bands):
        changes = segments.differences(stack.select(_BEFORE), stack.select(_AFTER))
        return segments.CHANGES, changes
    return stack.bands, stack.values
