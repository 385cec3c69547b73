"""What averaging gives: ensembles of the K members that are best on validation.

The comparison of Article V (SCIENCE.md, section 4). Members are ranked, sizes compared and
thresholds set on validation alone; the test side is only counted. The single model that an
ensemble is held against is the one that was best on validation, not the one that happens to be
best on the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.training import metrics
from detectors.training.calibration import platt
from detectors.training.metrics import Counts, PixelMetrics
from detectors.types import BoolArray, FloatArray

#: Codes of ``agreement``, from 1; 0 is ground that both rightly left alone.
AGREEMENT = (
    "both hit", "only the ensemble hits", "only the single model hits", "both miss",
    "both false", "only the ensemble is false", "only the single model is false",
)  # fmt: skip
#: Code by truth, what the single model and what the ensemble says.
_CODES = np.array([[[0, 6], [7, 5]], [[4, 2], [3, 1]]], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one member, or a mean of several, is worth on both sides."""

    threshold: float
    """Probability with the highest F1 on validation."""
    validation_f1: float
    """There."""
    test: PixelMetrics
    """At that threshold."""
    tallies: Counts
    """(patch, 2, steps), of the test patches."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Members and what the first K of them are worth together."""

    order: tuple[int, ...]
    """Indices of members, best on validation first."""
    members: tuple[Judged, ...]
    """Each alone, in that order."""
    by_size: tuple[Judged, ...]
    """Mean of the first one, two, three ..."""

    @property
    def best_size(self) -> int:
        """K with the highest F1 on validation."""
        return 1 + int(np.argmax([judged.validation_f1 for judged in self.by_size]))


def probabilities(
    validation: FloatArray, truth: BoolArray, test: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bring scores of one member to probabilities by a curve fitted on validation.

    Args:
        validation: scores, 0..1, (n, y, x).
        truth: of these.
        test: scores, (m, y, x).

    Returns:
        Both as float16, which keeps a grid of ninety in memory.
    """
    from scipy import special

    slope, offset = platt(metrics.tally(validation, truth))
    logits = (special.logit(np.clip(s, 1e-5, 1 - 1e-5)) for s in (validation, test))
    first, second = (special.expit(slope * x + offset).astype(np.float16) for x in logits)
    return first, second


def rank(
    validation: Sequence[FloatArray], truth: BoolArray, test: Sequence[FloatArray], seen: BoolArray
) -> Ranking:
    """Rank members and average them.

    Args:
        validation: probabilities of each member, (n, y, x).
        truth: (n, y, x).
        test: of each member, (m, y, x).
        seen: truth of the test, (m, y, x).
    """
    # In 16 bits a tally would round: they are for keeping only.
    alone = [
        _judged(v.astype(np.float32), truth, t.astype(np.float32), seen)
        for v, t in zip(validation, test, strict=True)
    ]
    order = sorted(range(len(alone)), key=lambda index: -alone[index].validation_f1)
    by_size = []
    sums = np.zeros(truth.shape, np.float32), np.zeros(seen.shape, np.float32)
    for size, index in enumerate(order, start=1):
        for total, part in zip(sums, (validation[index], test[index]), strict=True):
            total += part
        means = [(total / np.float32(size)) for total in sums]
        by_size.append(_judged(means[0], truth, means[1], seen))
    return Ranking(tuple(order), tuple(alone[index] for index in order), tuple(by_size))


def _judged(validation: FloatArray, truth: BoolArray, test: FloatArray, seen: BoolArray) -> Judged:
    threshold, f1 = metrics.best_threshold(metrics.tally(validation, truth))
    tallies = np.stack([metrics.tally(p, t) for p, t in zip(test, seen, strict=True)])
    return Judged(threshold, f1, metrics.measure(tallies.sum(axis=0), threshold), tallies)


def agreement(truth: BoolArray, single: BoolArray, ensemble: BoolArray) -> NDArray[np.uint8]:
    """Say of each pixel who hit, missed or was false; codes as in ``AGREEMENT``.

    Args:
        truth: of any shape.
        single: what the single model calls a landslide.
        ensemble: what the ensemble calls one.
    """
    codes: NDArray[np.uint8] = _CODES[
        truth.astype(np.uint8), single.astype(np.uint8), ensemble.astype(np.uint8)
    ]
    return codes


def examples(truth: BoolArray, number: int) -> list[int]:
    """Return patches to look at: evenly from the upper half by landslide pixels, most last."""
    order = np.argsort(truth.sum(axis=(1, 2)), kind="stable")
    places = np.linspace(len(order) // 2, len(order) - 1, min(number, len(order))).round()
    return [int(order[int(place)]) for place in places]
