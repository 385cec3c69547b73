"""The recipes ``cart`` and ``segments`` on rasters: train, predict, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.errors import ConfigurationError, InvalidSamples, InvalidWeights
from detectors.learning import cart, segments
from detectors.learning.trees import Forest
from detectors.training import confusion
from detectors.training.confusion import Confusion
from detectors.types import FloatArray
from flows.stacks import Codes, Stack, read_labels, read_stack

RECIPES = (cart.NAME, segments.NAME)
#: Bands before and after that the changes of ``segments`` are computed from.
_PICTURE = ("blue", "green", "red", "nir")
_BEFORE, _AFTER = (tuple(f"{when}_{band}" for band in _PICTURE) for when in ("pre", "post"))


@dataclass(frozen=True, slots=True)
class Scored:
    """How good a map is where the truth is known."""

    pixels: Confusion
    """Pixel by pixel."""
    objects: Confusion
    """Polygon by polygon (or patch of one class), by the majority of its pixels."""


def train(
    recipe: str, rasters: Sequence[Path], labels: Sequence[Path], attribute: str, seed: int
) -> Forest:
    """Learn from stacks and what is known of their pixels.

    Args:
        recipe: one of ``RECIPES``.
        rasters: stacks of the same bands.
        labels: rasters of class codes or polygons, one a stack.
        attribute: column of the polygons that holds a class code.
        seed: of everything random.

    Raises:
        ConfigurationError: there is no such recipe.
        InvalidSamples: files that do not fit together or hold too little.
    """
    if recipe not in RECIPES:
        raise ConfigurationError(f"no shallow recipe {recipe!r}; known: {', '.join(RECIPES)}")
    if not rasters or len(rasters) != len(labels):
        raise InvalidSamples(
            f"{len(rasters)} rasters and {len(labels)} label files; name one for each"
        )
    samples, codes, weights, bands = [], [], [], None
    for raster, label in zip(rasters, labels, strict=True):
        stack = read_stack(raster)
        names, values = _bands(recipe, stack)
        if bands is not None and names != bands:
            raise InvalidSamples(
                f"{raster}: bands {', '.join(names)}; the first raster has {', '.join(bands)}"
            )
        bands = names
        known, _ = read_labels(label, stack, attribute)
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
        return cart.fit(bands or (), every, known, np.concatenate(weights), seed)
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
    return Scored(
        confusion.count(said, truth, forest.classes),
        confusion.count_objects(said, truth, objects, forest.classes),
    )


def _bands(recipe: str, stack: Stack) -> tuple[tuple[str, ...], FloatArray]:
    """Return what a recipe sees of a stack: its bands, or the changes between two pictures."""
    if recipe == segments.NAME and {*_BEFORE, *_AFTER} <= set(stack.bands):
        changes = segments.differences(stack.select(_BEFORE), stack.select(_AFTER))
        return segments.CHANGES, changes
    return stack.bands, stack.values
