"""How good a map of probabilities is against a mask: of pixels, of the landslide class.

Everything is counted once into a table of probabilities by truth (``tally``), so that a thousand
patches take no more memory than one and any threshold can be asked for afterwards. Overall accuracy
is left out on purpose: where one pixel in twenty is a landslide, a map without any is 95 % right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.types import BoolArray, FloatArray

#: Steps of probability that a tally tells apart.
STEPS = 1000
#: Bins of the reliability table and of the calibration error.
RELIABILITY_BINS = 10

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PixelMetrics:
    """Pixel figures of the landslide class; NaN where a figure does not exist."""

    precision: float
    """Share of the pixels called landslide that are, 0..1."""
    recall: float
    """Share of the landslide pixels that are called so, 0..1."""
    f1: float
    """Harmonic mean of both, 0..1."""
    iou: float
    """Intersection over union, 0..1."""
    mcc: float
    """Matthews correlation, -1..1, with the square root that some papers lose in print."""
    frequency_bias: float
    """Pixels called landslide per landslide pixel; 1 = as many as there are."""
    brier_skill: float
    """1 - Brier score / Brier score of saying the share of landslide pixels everywhere."""
    ece: float
    """Mean distance of probability from observed share over bins of equal width, by pixels."""
    n_pixels: int
    """Pixels that were counted."""


def tally(probability: FloatArray, truth: BoolArray) -> Counts:
    """Count pixels by step of probability and truth; pixels that are NaN are left out.

    Returns:
        int64 (2, STEPS): first row background, second row landslide.
    """
    seen = np.isfinite(probability)
    step = np.minimum((probability[seen] * STEPS).astype(np.int64), STEPS - 1)
    flat = np.bincount(step + STEPS * truth[seen], minlength=2 * STEPS)
    return flat.reshape(2, STEPS)


def step_of(threshold: float) -> int:
    """Return the first step that counts as landslide at a threshold."""
    return math.ceil(round(threshold * STEPS, 6))


def measure(counts: Counts, threshold: float) -> PixelMetrics:
    """Return all figures of a tally at a threshold (a multiple of 1 / STEPS)."""
    fn, tp, tn, fp = (float(n) for n in _sides(counts, step_of(threshold)))
    scores, squares = _middles(), counts.sum(axis=1)
    total = float(counts.sum())
    share = float(squares[1]) / total if total else math.nan
    brier = float((counts[0] * scores**2 + counts[1] * (1 - scores) ** 2).sum()) / total
    climate = share * (1 - share)
    return PixelMetrics(
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
        iou=_ratio(tp, tp + fp + fn),
        mcc=_ratio(tp * tn - fp * fn, math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
        frequency_bias=_ratio(tp + fp, tp + fn),
        brier_skill=1.0 - _ratio(brier, climate),
        ece=expected_calibration_error(counts),
        n_pixels=int(total),
    )


def best_threshold(counts: Counts) -> tuple[float, float]:
    """Return the threshold with the highest F1, and that F1."""
    called = counts[:, ::-1].cumsum(axis=1)[:, ::-1]
    f1 = 2 * called[1] / np.maximum(called.sum(axis=0) + counts[1].sum(), 1)
    step = int(np.argmax(f1))
    return step / STEPS, float(f1[step])


def f1_by_patch(counts: Counts, threshold: float) -> Counts:
    """Return hits, called and true pixels of each of a stack of tallies.

    Args:
        counts: int64 (n, 2, STEPS).
        threshold: a multiple of 1 / STEPS.

    Returns:
        int64 (n, 3).
    """
    step = step_of(threshold)
    called = counts[:, :, step:].sum(axis=2)
    return np.stack([called[:, 1], called.sum(axis=1), counts[:, 1].sum(axis=1)], axis=1)


def bootstrap_difference(
    ours: Counts, theirs: Counts, groups: NDArray[np.int64], draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the gain in pooled F1, drawing whole groups with replacement.

    Args:
        ours: ``f1_by_patch`` of what is to be better.
        theirs: the same of what it is compared with, on the same patches.
        groups: (n,), neighbours share a number.
        draws: bootstrap samples.
        seed: of the draws.
    """
    _, index = np.unique(groups, return_inverse=True)
    many = int(index.max()) + 1
    both = np.zeros((many, 2, 3), dtype=np.int64)
    np.add.at(both, index, np.stack([ours, theirs], axis=1))
    weight = np.random.default_rng(seed).multinomial(many, np.full(many, 1 / many), size=draws)
    drawn = np.einsum("dg,gmk->dmk", weight, both)
    f1 = 2 * drawn[:, :, 0] / (drawn[:, :, 1] + drawn[:, :, 2])
    low, high = np.quantile(f1[:, 0] - f1[:, 1], [0.025, 0.975])
    return float(low), float(high)


def reliability(counts: Counts) -> list[Mapping[str, float]]:
    """Return one row per bin of probability: mean probability, observed share, pixels."""
    by_bin = counts.reshape(2, RELIABILITY_BINS, -1)
    pixels = by_bin.sum(axis=(0, 2))
    said = (by_bin.sum(axis=0) * _middles().reshape(RELIABILITY_BINS, -1)).sum(axis=1)
    return [
        {"said": _ratio(s, n), "observed": _ratio(o, n), "pixels": int(n)}
        for s, o, n in zip(said, by_bin[1].sum(axis=1), pixels, strict=True)
    ]


def expected_calibration_error(counts: Counts) -> float:
    """Return the mean distance of probability from observed share, weighted by pixels."""
    total = float(counts.sum())
    rows = [row for row in reliability(counts) if row["pixels"]]
    return _ratio(sum(abs(r["said"] - r["observed"]) * r["pixels"] for r in rows), total)


def _sides(counts: Counts, step: int) -> tuple[int, int, int, int]:
    """Return missed, hit, rightly quiet and falsely called pixels."""
    below, above = counts[:, :step].sum(axis=1), counts[:, step:].sum(axis=1)
    return below[1], above[1], below[0], above[0]


def _middles() -> NDArray[np.float64]:
    middles: NDArray[np.float64] = (np.arange(STEPS) + 0.5) / STEPS
    return middles


def _ratio(over: float, under: float) -> float:
    return float(over) / float(under) if under else math.nan
