"""From trained members to a shipped model: calibration, choice, files.

Members are ranked by their F1 on the validation patches; the ensemble is the first K of them for
the K whose mean has the highest F1 there. A curve and a threshold need more patches than that: two
hundred of them leave the best threshold open by a tenth. They are fitted on a part of the training
patches as well, which is fair while networks judge these no better than those of validation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.networks import parameters
from detectors.training import metrics
from detectors.training.calibration import platt
from detectors.training.recipes import MemberSpec, Recipe
from detectors.types import BoolArray, FloatArray
from detectors.weights import SHA256, Member

if TYPE_CHECKING:
    from torch import Tensor

#: The smallest ensemble: below two there is no spread.
SMALLEST = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """The members of an ensemble and its threshold."""

    members: tuple[int, ...]
    """Indices of the chosen ones, best first."""
    threshold: float
    """Mean probability with the highest F1 on all patches that were offered."""
    f1_by_size: tuple[float, ...]
    """F1 of the mean of the first 1, 2, 3 ... members on validation."""


def in_half_precision(weights: Mapping[str, Tensor]) -> bytes:
    """Return weights as a safetensors file, floats in 16 bits."""
    from safetensors.torch import save

    return save(
        {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in weights.items()}
    )


def calibrate(scores: FloatArray, truth: BoolArray) -> tuple[float, float]:
    """Return slope and offset that make scores of one member probabilities."""
    return platt(metrics.tally(scores, truth))


def choose(
    probabilities: Sequence[FloatArray], truth: BoolArray, validating: BoolArray, largest: int
) -> Choice:
    """Rank members and choose how many of them to average.

    Args:
        probabilities: of each candidate, calibrated, (n, y, x).
        truth: (n, y, x).
        validating: (n,), the patches that decide between members; the threshold is of all.
        largest: most members.
    """

    def on_validation(probability: FloatArray) -> float:
        return metrics.best_threshold(metrics.tally(probability[validating], truth[validating]))[1]

    f1 = [on_validation(p) for p in probabilities]
    ranked = sorted(range(len(f1)), key=lambda index: -f1[index])[:largest]
    total = np.zeros(truth.shape, dtype=np.float32)
    means = []
    for size, index in enumerate(ranked, start=1):
        total += probabilities[index]
        means.append((total / size).astype(np.float32))
    reached = [on_validation(mean) for mean in means]
    smallest = min(SMALLEST, len(ranked))
    best = max(range(smallest, len(ranked) + 1), key=lambda size: reached[size - 1])
    threshold, _ = metrics.best_threshold(metrics.tally(means[best - 1], truth))
    return Choice(tuple(ranked[:best]), threshold, tuple(reached))


def describe(
    recipe: Recipe, members: Sequence[Member], choice: Choice, licence: str
) -> dict[str, Any]:
    """Return ``model.json``: a STAC item in the words of the MLM extension.

    Args:
        recipe: what was trained.
        members: the chosen ones, best first.
        choice: how they were chosen.
        licence: of the weights, an SPDX identifier or ``other``.
    """
    window = [recipe.window, recipe.window]
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
            "bands": [{"name": name} for name in recipe.bands],
            "license": licence,
            "mlm:name": recipe.name,
            "mlm:architecture": f"mean of {len(members)} encoder-decoder networks",
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:framework": "pytorch",
            "mlm:pretrained": False,
            "mlm:accelerator": "amd64",
            "mlm:accelerator_constrained": False,
            "mlm:total_parameters": sum(
                parameters(m.network.build(len(recipe.bands))) for m in members
            ),
            "mlm:input": [
                {
                    "name": "window",
                    "bands": list(recipe.bands),
                    "input": {
                        "shape": [-1, len(recipe.bands), *window],
                        "dim_order": ["batch", "bands", "height", "width"],
                        "data_type": "float32",
                    },
                    "description": "each band about its mean over the window, in units of its "
                    "standard deviation there",
                }
            ],
            "mlm:output": [
                {
                    "name": "landslide",
                    "tasks": ["semantic-segmentation"],
                    "result": {
                        "shape": [-1, 1, *window],
                        "dim_order": ["batch", "classes", "height", "width"],
                        "data_type": "float32",
                    },
                    "classification:classes": [
                        {"value": 0, "name": "background"},
                        {"value": 1, "name": "landslide"},
                    ],
                }
            ],
            "gsd": recipe.pixel_m,
            "scarpwatch:sides": list(recipe.sides),
            "scarpwatch:threshold": choice.threshold,
            "scarpwatch:validation_f1_by_size": [round(f1, 4) for f1 in choice.f1_by_size],
        },
        "links": [],
        "assets": {member.name: asset_of(member) for member in members},
    }


def asset_of(member: Member) -> dict[str, Any]:
    """Return the asset of ``model.json`` that one member is."""
    return {
        "href": member.file.name,
        "type": "application/octet-stream; application=safetensors",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": "safetensors",
        "file:size": member.file.stat().st_size,
        "file:checksum": SHA256 + member.sha256,
        "scarpwatch:member": {
            "architecture": member.network.architecture,
            "encoder": member.network.encoder,
            "options": dict(member.network.options),
            "slope": member.slope,
            "offset": member.offset,
            "threshold": member.threshold,
            "validation_f1": member.validation_f1,
        },
    }


def member_of(spec: MemberSpec, content: bytes, file: Any) -> Member:
    """Return a trained member that is not calibrated yet."""
    return Member(
        name=spec.name, network=spec.network, file=file,
        sha256=hashlib.sha256(content).hexdigest(),
        slope=1.0, offset=0.0, threshold=0.5, validation_f1=0.0,
    )  # fmt: skip
