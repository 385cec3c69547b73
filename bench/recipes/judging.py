"""A recipe against the majority class and the best threshold of one of its bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from detectors.networks import Network
from detectors.training import raster_recipes
from detectors.training.dataset import Split
from detectors.training.lessons import macro_f1
from detectors.training.losses import UNKNOWN
from detectors.training.raster_recipes import RasterRecipe
from flows import raster_training
from flows.raster_training import Example, Gathered, Reading

#: A network of 40,000 parameters on tiles of 32 pixels: what a test has time for.
TINY = Network("Unet", "tu-test_resnet", {"encoder_depth": 2, "decoder_channels": (16, 12)})


@dataclass(frozen=True)
class Compared:
    """F1 on held-out places: of the one class, or the mean of several."""

    recipe: float
    one_band: float
    band: str
    majority: float
    seconds: float = 0.0


def tiny(name: str, seed: int, epochs: int = 9, steps: int = 10) -> RasterRecipe:
    """Return a recipe small enough for a test: network, tiles and epochs are not its own."""
    from dataclasses import replace

    recipe = raster_recipes.shortened(raster_recipes.get(name), 32, epochs, steps, TINY)
    cycles = [replace(spec.cycles[0], learning_rate=8e-3) for spec in recipe.members]
    members = [
        replace(spec, seed=spec.seed + seed, cycles=(cycle,))
        for spec, cycle in zip(recipe.members, cycles, strict=True)
    ]
    return replace(recipe, members=tuple(members))


def compare(recipe: RasterRecipe, examples: Sequence[Example], out: Path) -> Compared:
    """Train, examine, and learn the best threshold of one band on the same tiles."""
    import time

    start = time.process_time()
    reading = Reading()
    gathered = raster_training.gather(recipe, examples, reading)
    asked, _ = raster_training.train(recipe, gathered, out)
    test = raster_training.examine(asked, recipe, examples, reading, gathered)
    ours = _f1(test.pixels.counts)
    seconds = time.process_time() - start
    training = gathered.tiles.only(Split.TRAIN)
    known = training.codes != UNKNOWN
    learnt = training.values.transpose(0, 2, 3, 1)[known], training.codes[known]
    seen = _test_pixels(recipe, examples, reading, gathered)
    band, one_band = _one_band(learnt, seen, len(gathered.classes))
    common = np.full(len(seen[1]), np.bincount(learnt[1]).argmax())
    majority = _f1(_table(common, seen[1], len(gathered.classes)))
    return Compared(ours, one_band, gathered.bands[band].name, majority, seconds)


def _f1(table: np.ndarray) -> float:
    """Of the one class where there are two, else the mean."""
    if len(table) == 2:
        return float(2 * table[1, 1] / max(table[1].sum() + table[:, 1].sum(), 1))
    return macro_f1(table)


def _table(said: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (said, truth), 1)
    return table


def _test_pixels(
    recipe: RasterRecipe, examples: Sequence[Example], reading: Reading, gathered: Gathered
) -> tuple[np.ndarray, np.ndarray]:
    values, codes = [], []
    for area in gathered.areas:
        if area.side is Split.TEST:
            with raster_training.opened(
                recipe, examples[area.place], reading, gathered.classes
            ) as (place, labels):  # fmt: skip
                read = place.read(gathered.bands, area.rows, area.columns)
                truth = labels.codes[area.rows, area.columns]
                known = (truth != UNKNOWN) & np.isfinite(read).all(axis=0)
                values.append(read[:, known].T)
                codes.append(truth[known])
    return np.concatenate(values), np.concatenate(codes)


def _one_band(
    learnt: tuple[np.ndarray, np.ndarray], seen: tuple[np.ndarray, np.ndarray], classes: int
) -> tuple[int, float]:
    """Cut one band into as many ranges as there are classes; the best on the training side."""
    best = (-1.0, 0, 0.0)
    for band in range(learnt[0].shape[1]):
        trees = [
            DecisionTreeClassifier(max_leaf_nodes=classes, class_weight=weight, random_state=0)
            for weight in (None, "balanced")
        ]
        if classes == 2:
            # The threshold that is best for F1 lies between these; try a row of them.
            rules = [_threshold(learnt[0][:, band], learnt[1])]
        else:
            rules = [tree.fit(learnt[0][:, band : band + 1], learnt[1]).predict for tree in trees]
        for rule in rules:
            trained = _f1(_table(rule(learnt[0][:, band : band + 1]), learnt[1], classes))
            if trained > best[0]:
                tested = _f1(_table(rule(seen[0][:, band : band + 1]), seen[1], classes))
                best = trained, band, tested
    return best[1], best[2]


def _threshold(values: np.ndarray, truth: np.ndarray):
    """Return the rule of the threshold with the highest F1, whichever side is the class."""
    found = (0.0, 1, 0.0)
    for sign in (1, -1):
        for level in np.quantile(sign * values, np.linspace(0.01, 0.99, 99)):
            called = sign * values >= level
            f1 = 2 * (called & (truth == 1)).sum() / max(called.sum() + (truth == 1).sum(), 1)
            found = max(found, (float(f1), sign, float(level)))
    _, sign, level = found
    return lambda column: (sign * column[:, 0] >= level).astype(np.int64)
