"""From trained members to a model of rasters: which of them are averaged, and ``model.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.networks import parameters
from detectors.training import metrics
from detectors.training.assembly import asset_of
from detectors.training.lessons import macro_f1
from detectors.training.losses import UNKNOWN
from detectors.training.raster_recipes import RasterRecipe
from detectors.training.tiles import Codes, Scaling
from detectors.types import FloatArray
from detectors.weights import Member


@dataclass(frozen=True, slots=True)
class Chosen:
    """The members that are averaged."""

    members: tuple[int, ...]
    """Indices, best first."""
    threshold: float
    """Of the mean score of the one class; 0.5 where there are several."""
    f1_by_size: tuple[float, ...]
    """On validation, of the mean of the first 1, 2, 3 ... members."""


def choose(scores: Sequence[FloatArray], codes: Codes) -> Chosen:
    """Rank members on validation tiles; average the first K for the K that is best there.

    Args:
        scores: of each member, (n, outputs, y, x), 0 to 1.
        codes: truth, (n, y, x), class index or ``UNKNOWN``.
    """
    alone = [_f1(one, codes)[1] for one in scores]
    order = sorted(range(len(scores)), key=lambda index: -alone[index])
    total = np.zeros_like(scores[0])
    reached = []
    for size, index in enumerate(order, start=1):
        total += scores[index]
        reached.append(_f1((total / size).astype(np.float32), codes))
    best = int(np.argmax([f1 for _, f1 in reached]))
    return Chosen(tuple(order[: best + 1]), reached[best][0], tuple(f1 for _, f1 in reached))


def _f1(scores: FloatArray, codes: Codes) -> tuple[float, float]:
    """Return threshold and F1, of the one class or the mean of several."""
    known = codes != UNKNOWN
    if scores.shape[1] == 1:
        counts = metrics.tally(np.where(known, scores[:, 0], np.nan).astype(np.float32), codes == 1)
        return metrics.best_threshold(counts)
    table = np.zeros((scores.shape[1],) * 2, dtype=np.int64)
    np.add.at(table, (scores.argmax(axis=1)[known], codes[known]), 1)
    return 0.5, macro_f1(table)


def classify(scores: FloatArray, threshold: float) -> Codes:
    """Return class indices, ``UNKNOWN`` where scores are NaN.

    Args:
        scores: (outputs, y, x), 0 to 1.
        threshold: from which the one class is called, where there is one.
    """
    seen = np.isfinite(scores).all(axis=0)
    with np.errstate(invalid="ignore"):
        said = scores[0] >= threshold if len(scores) == 1 else scores.argmax(axis=0)
    return np.where(seen, said, UNKNOWN).astype(np.int16)


def describe(
    recipe: RasterRecipe,
    classes: Sequence[str],
    bands: Sequence[str],
    scaling: Scaling,
    members: Sequence[Member],
    chosen: Chosen,
    pixel_m: float,
    licence: str,
) -> dict[str, Any]:
    """Return ``model.json``: a STAC item in the words of the MLM extension.

    Args:
        recipe: what was trained.
        classes: names, in the order of their codes.
        bands: names, in the order they are shown.
        scaling: of these bands.
        members: the chosen ones, best first.
        chosen: how they were chosen.
        pixel_m: side of a pixel of the training places, metres.
        licence: of the weights, an SPDX identifier or ``other``.
    """
    window, outputs = [recipe.window, recipe.window], 1 if len(classes) == 2 else len(classes)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/mlm/v1.4.0/schema.json",
            "https://stac-extensions.github.io/file/v2.1.0/schema.json",
        ],
        "id": recipe.name,
        "geometry": None,
        "properties": {
            "datetime": None,
            "bands": [{"name": name} for name in bands],
            "license": licence,
            "mlm:name": recipe.name,
            "mlm:architecture": ", ".join(m.network.architecture for m in members),
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:framework": "pytorch",
            "mlm:pretrained": False,
            "mlm:accelerator": "amd64",
            "mlm:accelerator_constrained": False,
            "mlm:total_parameters": sum(
                parameters(m.network.build(len(bands), outputs)) for m in members
            ),
            "mlm:input": [
                {
                    "name": "tile",
                    "bands": list(bands),
                    "input": {
                        "shape": [-1, len(bands), *window],
                        "dim_order": ["batch", "bands", "height", "width"],
                        "data_type": "float32",
                    },
                    "value_scaling": [
                        {"type": "z-score", "mean": mean, "stddev": spread}
                        for mean, spread in zip(scaling.means, scaling.spreads, strict=True)
                    ],
                    "description": "cut off beyond 8 standard deviations; no data is shown as 0",
                }
            ],
            "mlm:output": [
                {
                    "name": "scores",
                    "tasks": ["semantic-segmentation"],
                    "result": {
                        "shape": [-1, outputs, *window],
                        "dim_order": ["batch", "classes", "height", "width"],
                        "data_type": "float32",
                    },
                    "classification:classes": [
                        {"value": value, "name": name}
                        for value, name in enumerate(classes, start=recipe.first_code)
                    ],
                }
            ],
            "gsd": pixel_m,
            "scarpwatch:recipe": recipe.name,
            "scarpwatch:sides": [recipe.window],
            "scarpwatch:threshold": chosen.threshold,
            "scarpwatch:validation_f1_by_size": [round(f1, 4) for f1 in chosen.f1_by_size],
        },
        "links": [],
        "assets": {member.name: asset_of(member) for member in members},
    }
