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


def logistic(values: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Fit a logistic curve to single outcomes: the odds of a value, by likelihood.

    Outcomes are smoothed as Platt (1999) does, so that separable ones keep a finite slope.

    Args:
        values: float (n,).
        truth: bool (n,), at least one of each.

    Returns:
        Slope and offset.
    """
    ones, zeros = int(truth.sum()), int((~truth).sum())
    aimed = np.where(truth, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    middle, spread = float(values.mean()), float(values.std()) or 1.0
    scaled = (values - middle) / spread

    def unlikelihood(line: np.ndarray) -> float:
        said = line[0] * scaled + line[1]
        wrong = aimed * np.logaddexp(0, -said) + (1 - aimed) * np.logaddexp(0, said)
        return float(wrong.mean())

    slope, offset = optimize.minimize(unlikelihood, np.array([1.0, 0.0])).x
    return float(slope / spread), float(offset - slope * middle / spread)
