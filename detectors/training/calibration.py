"""From scores to probabilities: a logistic curve through what was observed (Platt 1999)."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from detectors.training.metrics import STEPS, Counts


def platt(counts: Counts) -> tuple[float, float]:
    """Fit probability = logistic(slope * logit(score) + offset) to a tally, by likelihood.

    Args:
        counts: tally of scores on validation patches.

    Returns:
        Slope and offset.
    """
    logit = special.logit((np.arange(STEPS) + 0.5) / STEPS)

    def unlikelihood(line: np.ndarray) -> float:
        said = line[0] * logit + line[1]
        wrong = counts[0] * np.logaddexp(0, said) + counts[1] * np.logaddexp(0, -said)
        return float(wrong.sum() / counts.sum())

    slope, offset = optimize.minimize(unlikelihood, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(offset)
