"""How good a shipped ensemble is on labelled pictures, and how good its best member alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.ensemble import Ensemble
from detectors.inference import ORIENTATIONS
from detectors.training import metrics
from detectors.training.metrics import Counts, PixelMetrics
from flows.patches import Pair


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was said of each picture, counted by probability and truth."""

    ensemble: Ensemble
    """What was asked."""
    tallies: Counts
    """(picture, 1 + members, 2, steps): the mean first, then each member."""

    @property
    def of_ensemble(self) -> PixelMetrics:
        """Figures of the mean, pooled over all pixels, at the threshold of the model."""
        return metrics.measure(self.tallies[:, 0].sum(axis=0), self.ensemble.model.threshold)

    def of_member(self, index: int) -> PixelMetrics:
        """Figures of one member, at its own threshold."""
        threshold = self.ensemble.model.members[index].threshold
        return metrics.measure(self.tallies[:, 1 + index].sum(axis=0), threshold)

    @property
    def of_best_member(self) -> PixelMetrics:
        """Figures of the member that was best on validation."""
        return self.of_member(self.ensemble.best_member)


def evaluate(
    ensemble: Ensemble,
    pairs: Sequence[Pair],
    orientations: int = ORIENTATIONS,
    done: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Judge every picture and compare it with its mask.

    Args:
        ensemble: what is to be examined.
        pairs: pictures with masks, at least one.
        orientations: turns and mirror images to average.
        done: called after each picture.

    Raises:
        InvalidPatches: a file cannot be read or does not fit.
    """
    tallies = []
    for pair in pairs:
        image, mask = pair.read()
        each = list(ensemble.each(image, orientations))
        judged = [np.mean(each, axis=0, dtype=np.float32), *each]
        tallies.append(np.stack([metrics.tally(scores, mask) for scores in judged]))
        done()
    return Evaluation(ensemble, np.stack(tallies))
