"""The recipe ``landslide-change``: learnt from a table of segments, scored at points."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectors.errors import InvalidSamples, InvalidWeights
from detectors.learning import change, ranking
from detectors.learning.change import MODELS, NAME, ChangeModel, Groups, Values
from detectors.learning.ranking import Ranking
from detectors.types import BoolArray, FloatArray
from detectors.weights import DESCRIPTION, SHA256
from flows.stacks import Stack, pixels_of_points

WEIGHTS = "weights.json"
#: Columns of a table of segments, in the order of ``change.BANDS``.
COLUMNS = ("ratio_rg_change", "ndvi_change", "brightness_change")
#: Random pixels that points are ranked against, their seed, and the window whose largest score
#: counts at points and random pixels alike: points lie 10 to 40 m beside the scars.
RANDOM_PIXELS, SEED, WINDOW = 5000, 0, 5


@dataclass(frozen=True, slots=True)
class Segments:
    """Labelled segments of many scenes."""

    values: Values
    """(segment, band) in the order of ``change.BANDS``."""
    landslide: BoolArray
    """(segment,)"""
    scenes: Groups
    """(segment,), what their id begins with."""
    area_m2: Values
    """(segment,)"""


@dataclass(frozen=True, slots=True)
class Ranked:
    """How the points of an inventory rank on one raster."""

    recipe: Ranking
    """By the recipe's score."""
    bands: Mapping[str, Ranking]
    """By each band alone, turned so that the change a landslide makes is up."""
    best_band: str
    """The one with the largest area."""
    gain: tuple[float, float, float]
    """The recipe's area minus that of the best band, and its 95 % interval."""
    n_points: int
    """Points on pixels with data."""
    n_random: int
    """Pixels they were ranked against."""


def read_segments(path: Path) -> Segments:
    """Read a table of segments.

    Raises:
        InvalidSamples: no such table, a column or a number is missing, or a type is not 0 or 1.
    """
    wanted = ("segment_id", "area_m2", *COLUMNS, "Type")
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InvalidSamples(f"{path}: cannot be read ({error})") from None
    if lacking := [name for name in wanted if name not in table.columns]:
        raise InvalidSamples(f"{path}: no column {lacking[0]!r}; wanted are {', '.join(wanted)}")
    numbers = table[["area_m2", *COLUMNS]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not np.isfinite(numbers).all() or not table["Type"].isin([0, 1]).all():
        raise InvalidSamples(f"{path}: an area or change is no number, or a Type neither 0 nor 1")
    scenes = table["segment_id"].astype(str).str.split("_").str[0].to_numpy(dtype=str)
    return Segments(numbers[:, 1:], table["Type"].to_numpy() == 1, scenes, numbers[:, 0])


def train(segments: Segments, out: Path) -> tuple[ChangeModel, Ranking]:
    """Learn, write ``weights.json`` and ``model.json``; return how held-out scenes rank.

    Raises:
        InvalidSamples: the segments cannot be learnt from.
    """
    parts = (segments.values, segments.landslide, segments.scenes, segments.area_m2)
    model, score = change.fit(*parts), change.held_out(*parts)
    found = ranking.rank(score[segments.landslide], score[~segments.landslide])
    out.mkdir(parents=True, exist_ok=True)
    content = model.to_json().encode()
    (out / WEIGHTS).write_bytes(content)
    document = _description(model, content, found, len(np.unique(segments.scenes)))
    (out / DESCRIPTION).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return model, found


def load(folder: Path = MODELS / NAME) -> ChangeModel:
    """Return a trained model, its weights checked.

    Raises:
        InvalidWeights: a file is missing, was changed, or is no such model.
    """
    try:
        content = (folder / WEIGHTS).read_bytes()
        document = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        wanted = document["assets"]["weights"]["file:checksum"].removeprefix(SHA256)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidWeights(f"{folder}: no trained {NAME} ({error})") from None
    if hashlib.sha256(content).hexdigest() != wanted:
        raise InvalidWeights(f"{folder / WEIGHTS} was changed; install Scarpwatch again")
    return ChangeModel.from_json(content.decode())


def evaluate_points(model: ChangeModel, stack: Stack, points: Path) -> Ranked:
    """Rank the points of an inventory against random pixels of the same raster.

    Both count by the largest score of ``WINDOW`` x ``WINDOW`` pixels around them. Random pixels may
    lie on landslides too, since points have no outline; that makes areas smaller, not larger.

    Args:
        model: of the recipe.
        stack: its bands.
        points: vector file, any coordinate system.

    Raises:
        InvalidSamples: bands are missing, or fewer than two points lie on pixels with data.
    """
    scene = stack.select(model.bands)
    valid = np.isfinite(scene).all(axis=0)
    rows, columns = pixels_of_points(points, stack)
    known = valid[rows, columns]
    places = rows[known], columns[known]
    others = ranking.draw(valid, RANDOM_PIXELS, SEED)

    def both(score: FloatArray) -> tuple[Values, Values]:
        largest = ranking.local_maximum(np.where(valid, score, np.nan), WINDOW).astype(np.float64)
        return largest[places], largest[others]

    ours = both(model.map(scene, stack.pixel_m))
    if len(ours[0]) < 2:
        raise InvalidSamples(
            f"{points}: {len(ours[0])} points lie on pixels of {stack.path} with data; two at least"
        )
    alone = {
        name: both(np.sign(weight) * band)
        for name, weight, band in zip(model.bands, model.weights, scene, strict=True)
    }
    ranked = {name: ranking.rank(*scores) for name, scores in alone.items()}
    best = max(ranked, key=lambda name: ranked[name].auc)
    known_pair, other_pair = zip(ours, alone[best], strict=True)
    return Ranked(
        recipe=ranking.rank(*ours),
        bands=ranked,
        best_band=best,
        gain=ranking.gain(known_pair, other_pair),
        n_points=len(ours[0]),
        n_random=len(ours[1]),
    )


def _description(
    model: ChangeModel, content: bytes, found: Ranking, scenes: int
) -> Mapping[str, Any]:
    """Return ``model.json``: a STAC item in the words of MLM."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/mlm/v1.4.0/schema.json",
            "https://stac-extensions.github.io/file/v2.1.0/schema.json",
        ],
        "id": NAME,
        "geometry": None,
        "properties": {
            "datetime": None,
            "bands": [{"name": name} for name in model.bands],
            "mlm:name": NAME,
            "mlm:architecture": "logistic regression on distances from the usual change",
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:framework": "scikit-learn",
            "mlm:pretrained": False,
            "mlm:accelerator": "amd64",
            "mlm:accelerator_constrained": False,
            "mlm:total_parameters": 1 + len(model.weights) + len(model.pooled_spread),
            "mlm:input": [
                {
                    "name": "scene",
                    "bands": list(model.bands),
                    "input": {
                        "shape": [len(model.bands), -1, -1],
                        "dim_order": ["bands", "height", "width"],
                        "data_type": "float32",
                    },
                    "description": "distance from the surroundings in units of the scene's own "
                    "spread; NDVI and brightness before minus after",
                }
            ],
            "mlm:output": [
                {
                    "name": "landslide",
                    "tasks": ["semantic-segmentation"],
                    "result": {
                        "shape": [-1, -1],
                        "dim_order": ["height", "width"],
                        "data_type": "float32",
                    },
                    "classification:classes": [
                        {"value": 0, "name": "background"},
                        {"value": 1, "name": "landslide"},
                    ],
                }
            ],
            "gsd": 10.0,
            "scarpwatch:scenes": scenes,
            "scarpwatch:held_out_auc": [round(v, 4) for v in (found.auc, found.low, found.high)],
        },
        "links": [],
        "assets": {
            "weights": {
                "href": WEIGHTS,
                "type": "application/json",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "json",
                "file:size": len(content),
                "file:checksum": SHA256 + hashlib.sha256(content).hexdigest(),
            }
        },
    }
