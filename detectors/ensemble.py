"""Several networks asked at once: their mean, and how far they disagree.

Each member's score is first brought to a probability of its own (Platt 1999: a logistic curve
fitted on validation patches), so that members trained on different losses speak in one unit. The
probability holds for pictures like the training patches, nearly all of which show a landslide; on
quiet ground it is a score that is too high.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from detectors import inference, weights
from detectors.errors import ConfigurationError
from detectors.inference import ORIENTATIONS, Windows
from detectors.networks import Run
from detectors.types import FloatArray
from detectors.weights import Member, Model

if TYPE_CHECKING:
    from torch import nn

#: Scores are kept this far from 0 and 1 before their logit is taken.
_NEARLY_SURE = 1e-5


@dataclass(frozen=True, slots=True)
class EnsembleMap:
    """What an ensemble says of a picture."""

    mean: FloatArray
    """(y, x), mean of the members' probabilities, 0..1, NaN = not observed."""
    spread: FloatArray
    """(y, x), standard deviation over the members, 0..0.5, NaN = not observed."""
    threshold: float
    """Mean from which the ensemble says landslide; chosen on validation."""
    version: str
    """Name and checksum of the weights."""


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Loaded networks and what they are."""

    model: Model
    """Description."""
    networks: tuple[nn.Module, ...] = field(repr=False)
    """In the order of ``model.members``."""
    runs: tuple[Run, ...] = field(default=(), repr=False)
    """What runs them, in the same order (``detectors.backends``); none = they themselves."""

    def running(self, runs: Sequence[Run]) -> Ensemble:
        """Return the same ensemble, run in another way."""
        return replace(self, runs=tuple(runs))

    @property
    def best_member(self) -> int:
        """Index of the member that was best on validation."""
        return int(np.argmax([member.validation_f1 for member in self.model.members]))

    def predict(self, picture: FloatArray, orientations: int = ORIENTATIONS) -> EnsembleMap:
        """Judge a picture.

        Args:
            picture: float (band, y, x), the bands of ``model.bands``: reflectance, 8 or 16 bits,
                since each window is stretched band by band over its own pixels; NaN = not observed.
            orientations: turns and mirror images to average, 1 (fast) to 8 (as measured).

        Raises:
            ValueError: the picture has other bands than the model.
        """
        total = np.zeros(picture.shape[1:], dtype=np.float64)
        squares = np.zeros_like(total)
        for probability in self.each(picture, orientations):
            total += probability
            squares += probability.astype(np.float64) ** 2
        mean = total / len(self.networks)
        spread = np.sqrt(np.maximum(squares / len(self.networks) - mean**2, 0.0))
        return EnsembleMap(
            mean=mean.astype(np.float32),
            spread=spread.astype(np.float32),
            threshold=self.model.threshold,
            version=self.model.version,
        )

    def each(self, picture: FloatArray, orientations: int = ORIENTATIONS) -> Iterator[FloatArray]:
        """Yield each member's probability, float32 (y, x), in the order of ``model.members``."""
        if picture.ndim != 3 or len(picture) != len(self.model.bands):
            wanted = ", ".join(self.model.bands)
            raise ValueError(f"a picture of shape {picture.shape}; wanted are the bands {wanted}")
        size = self.model.window
        windows = Windows(size, size // 2, orientations, self.model.sides)
        runs: Sequence[Run] = self.runs or self.networks
        for member, run in zip(self.model.members, runs, strict=True):
            yield calibrated(inference.predict(run, picture, windows), member)


def calibrated(score: FloatArray, member: Member) -> FloatArray:
    """Bring a member's score to a probability, both float32 0..1."""
    sure = np.clip(score.astype(np.float64), _NEARLY_SURE, 1.0 - _NEARLY_SURE)
    probability = special.expit(member.slope * special.logit(sure) + member.offset)
    return np.asarray(probability, dtype=np.float32)


@cache
def load(name: str, folder: Path = weights.MODELS) -> Ensemble:
    """Return an ensemble, each file of it checked; loaded once per process.

    Args:
        name: of its folder.
        folder: that this is in; the shipped ones are the default.

    Raises:
        ConfigurationError: there is no ensemble of that name, or it is a model of rasters.
        InvalidWeights: a file is missing or was changed.
    """
    model = weights.describe(name, folder)
    if model.recipe:
        raise ConfigurationError(
            f"{model.version} reads rasters: 'scarpwatch recipes evaluate --model {model.name}'"
        )
    return Ensemble(model, tuple(m.load(len(model.bands)) for m in model.members))
