"""``landslide-change``: red/green ratio, NDVI and brightness change to one score.

Learnt from image segments of many scenes, used on the pixels of another one. What moves between
the two is where the scenes lie, and how far their quiet ground scatters: season, light, land use.
So a band is never judged by its value but by its distance from what is usual, in units of how far
the scene's own ground scatters (``Usual``); the logistic regression that weighs the three distances
is the same everywhere.

Of a segment, usual is what the quiet segments of its scene show. Of a pixel it is what lies around
it (``surroundings``), since whole slopes turn green or leave the shade between two dates: medians
of three windows in each of which a small, a middling, a large landslide of the training segments
fills less than half. Pixels are not averaged: slides of a few pixels would go.

Units: NDVI change and brightness change are before minus after (positive = vegetation lost,
darker), as the source has them; a scene in other units comes out the same as long as all of it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from detectors.errors import InvalidSamples, InvalidWeights
from detectors.types import BoolArray, FloatArray

NAME = "landslide-change"
#: Trained weights that come with the product, in folders by name.
MODELS = Path(__file__).with_name("models")
#: Bands of a scene, in the order of the weights.
BANDS = ("rg", "ndvi_change", "brightness_change")
#: Shares of the training landslides, by size, that the windows of the surroundings are made for.
SIZES = (0.05, 0.5, 0.95)
#: Medians of larger windows are taken on a coarser grid on which they have about so many pixels.
_FINE = 9
#: Weight, in segments, of the scatter of all scenes against that of one, which may have four.
PRIOR_SEGMENTS = 8.0

Values = NDArray[np.float64]
Groups = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual in one scene."""

    level: tuple[float, ...]
    """Median of its ground, by band."""
    spread: tuple[float, ...]
    """Root mean square distance from it, by band, above 0."""

    def distance(self, values: Values) -> Values:
        """Return how far values (n, band) lie from what is usual, in spreads."""
        away: Values = (values - np.array(self.level)) / np.array(self.spread)
        return away


@dataclass(frozen=True, slots=True)
class ChangeModel:
    """Weights of a logistic regression on distances from what is usual."""

    bands: tuple[str, ...]
    """Of a scene, in this order."""
    weights: tuple[float, ...]
    """By band, per spread."""
    intercept: float
    """Of the logit."""
    pooled_spread: tuple[float, ...]
    """Scatter of quiet segments about their scene's level, all scenes together, by band."""
    windows_m: tuple[float, ...]
    """Sides of the windows that make a pixel's surroundings, metres, ascending."""

    def usual(self, ground: Values) -> Usual:
        """Return what is usual where ``ground`` (n, band) was seen.

        Raises:
            InvalidSamples: there is no ground at all.
        """
        return usual(ground, np.array(self.pooled_spread))

    def score(self, values: Values, scene: Usual) -> Values:
        """Return 0..1 by sample, (n,): rises with the likeness of a landslide, no probability."""
        distance = scene.distance(values)
        logit = distance @ np.array(self.weights) + self.intercept
        return np.asarray(special.expit(logit), dtype=np.float64)

    def map(self, scene: FloatArray, pixel_m: float) -> FloatArray:
        """Return the score of each pixel of a scene, float32 (y, x), NaN = no data in any band.

        Args:
            scene: (band, y, x) in the order of ``bands``, NaN = no data; mostly without landslides,
                since its own pixels say what is usual.
            pixel_m: side of a pixel, metres.

        Raises:
            InvalidSamples: other bands, or no pixel with data.
        """
        if len(scene) != len(self.bands):
            raise InvalidSamples(f"{len(scene)} bands; wanted are {', '.join(self.bands)}")
        valid = np.isfinite(scene).all(axis=0)
        if not valid.any():
            raise InvalidSamples("no pixel has data in all bands")
        windows = [_odd(side / pixel_m) for side in self.windows_m]
        levels = (surroundings(np.where(valid, band, np.nan), windows) for band in scene)
        pairs = zip(scene, levels, strict=True)
        values = np.stack([(band - level)[valid] for band, level in pairs], axis=1)
        score = np.full(valid.shape, np.nan, dtype=np.float32)
        score[valid] = self.score(values, self.usual(values))
        return score

    def to_json(self) -> str:
        """Return the model as text."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ChangeModel:
        """Return the model that was written as text.

        Raises:
            InvalidWeights: it is something else.
        """
        try:
            read: Mapping[str, Any] = json.loads(text)
            model = cls(
                bands=tuple(map(str, read["bands"])),
                weights=tuple(map(float, read["weights"])),
                intercept=float(read["intercept"]),
                pooled_spread=tuple(map(float, read["pooled_spread"])),
                windows_m=tuple(map(float, read["windows_m"])),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidWeights(f"no weights of {NAME}: {error}; train it again") from None
        if not len(model.bands) == len(model.weights) == len(model.pooled_spread):
            raise InvalidWeights(f"the weights of {NAME} do not fit its bands; train it again")
        return model


def usual(ground: Values, pooled: Values) -> Usual:
    """Return level and spread of a scene; the fewer samples, the nearer to ``pooled``.

    Args:
        ground: (n, band), of ground that is mostly quiet.
        pooled: (band,), scatter of all scenes together.

    Raises:
        InvalidSamples: no sample.
    """
    if not len(ground):
        raise InvalidSamples("a scene without any quiet ground has no level to compare with")
    level = np.median(ground, axis=0)
    squares = ((ground - level) ** 2).sum(axis=0)
    spread = np.sqrt((squares + PRIOR_SEGMENTS * pooled**2) / (len(ground) + PRIOR_SEGMENTS))
    return Usual(tuple(map(float, level)), tuple(map(float, spread)))


def surroundings(band: FloatArray, windows: Sequence[int]) -> FloatArray:
    """Return the mean of the medians of several windows around each pixel, float32 (y, x).

    Args:
        band: (y, x), NaN = no data, some pixel with data; gaps count as the median of the scene.
        windows: sides, pixels, odd. Large ones are taken on a coarser grid and interpolated.
    """
    filled = np.where(np.isfinite(band), band, np.nanmedian(band)).astype(np.float32)
    total = np.zeros(band.shape, dtype=np.float32)
    for window in windows:
        step = max(1, window // _FINE)
        height, width = band.shape
        padded = np.pad(filled, ((0, -height % step), (0, -width % step)), mode="edge")
        rows, columns = (side // step for side in padded.shape)
        coarse = padded.reshape(rows, step, columns, step).mean(axis=(1, 3))
        median = ndimage.median_filter(coarse, _odd(window / step))
        level = ndimage.zoom(median, step, order=1, mode="nearest", grid_mode=True)
        total += level[:height, :width]
    return total / np.float32(len(windows))


def _odd(pixels: float) -> int:
    """Return the least odd number of pixels, 3 or more, that is not less."""
    return max(3, 2 * math.ceil((pixels - 1) / 2) + 1)


def fit(values: Values, landslide: BoolArray, scenes: Groups, area_m2: Values) -> ChangeModel:
    """Learn from labelled segments; in each scene those without landslide say what is usual.

    Args:
        values: (n, band) in the order of ``BANDS``.
        landslide: (n,).
        scenes: (n,), which scene a segment is from.
        area_m2: (n,), size of each segment.

    Raises:
        InvalidSamples: one class only, or a scene without quiet segments.
    """
    from sklearn.linear_model import LogisticRegression

    if landslide.all() or not landslide.any():
        raise InvalidSamples("segments with and without landslide are needed to learn from")
    pooled = _pooled_spread(values[~landslide], scenes[~landslide])
    distance = np.empty_like(values)
    for scene in np.unique(scenes):
        here = scenes == scene
        distance[here] = usual(values[here & ~landslide], pooled).distance(values[here])
    learnt = LogisticRegression(class_weight="balanced").fit(distance, landslide)
    return ChangeModel(
        BANDS,
        tuple(map(float, learnt.coef_[0])),
        float(learnt.intercept_[0]),
        tuple(map(float, pooled)),
        # A landslide fills less than half of a window of twice its area: its median is not of it.
        tuple(float(round(side)) for side in np.sqrt(2 * np.quantile(area_m2[landslide], SIZES))),
    )


def held_out(values: Values, landslide: BoolArray, scenes: Groups, area_m2: Values) -> Values:
    """Return the score of each segment by a model that never saw its scene, (n,).

    What is usual there is taken from the scene's own quiet segments: on a real scene nearly all
    ground is quiet, among these segments two in five are landslides.

    Raises:
        InvalidSamples: as ``fit``.
    """
    score = np.empty(len(values))
    for scene in np.unique(scenes):
        here = scenes == scene
        model = fit(values[~here], landslide[~here], scenes[~here], area_m2[~here])
        score[here] = model.score(values[here], model.usual(values[here & ~landslide]))
    return score


def _pooled_spread(ground: Values, scenes: Groups) -> Values:
    away = [ground[scenes == s] - np.median(ground[scenes == s], axis=0) for s in np.unique(scenes)]
    spread: Values = np.sqrt(np.mean(np.concatenate(away) ** 2, axis=0))
    return spread
