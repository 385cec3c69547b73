"""Log ratio against the stack: how many standard deviations a pixel left its own history.

No training. The ratio of backscatter now to the stack's is a difference in dB; each pixel is judged
by its own variability over the looks, so that a ploughed field or a car park has to change more
than a rock face. With at most ten looks a pixel's variance is a poor estimate: it is shrunk towards
the variance typical of the scene (Smyth 2004, moderated variance, with a fixed prior weight).

Speckle is averaged, not taken out: total variation, which the transformer was trained on, flattens
patches of few pixels.

Unit of the score: sigma of quiet ground, signed (positive = brighter).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors.normalise import NormalisedStack, standardise
from detectors.types import FloatArray


@dataclass(frozen=True, slots=True)
class SarLogRatio:
    """z-score of the post look against mean and moderated variance of the stack."""

    prior_looks: float = 6.0
    """Weight of the scene's typical variance, in looks."""
    least_sigma_db: float = 0.1
    """Least scatter that is believed, dB: no calibration is steadier, and it keeps the score finite
    where a stack repeats one value."""

    weight: float = 0.6
    """Share beside ``sar_disturbance``: averaged speckle shows small patches better."""

    name: ClassVar[str] = "sar_log_ratio"
    weights_version: ClassVar[str] = "none"
    minimum_polarisations: ClassVar[int] = 1

    def score(self, stack: NormalisedStack) -> FloatArray:
        """Return the signed score, float32 (y, x), sigma of quiet ground, NaN = not judged."""
        scores = []
        for band, strata in enumerate(stack.strata):
            pre = stack.pre_mean_db[:, band]
            looks = np.isfinite(pre).sum(axis=0)
            degrees = np.maximum(looks - 1, 1)
            mean = np.nanmean(np.where(stack.judged, pre, 0.0), axis=0)
            squares = np.nansum((pre - mean) ** 2, axis=0)
            typical = float(np.median((squares / degrees)[stack.judged]))
            variance = (squares + self.prior_looks * typical) / (degrees + self.prior_looks)
            variance = np.maximum(variance, self.least_sigma_db**2)
            prediction = np.sqrt(variance * (1.0 + 1.0 / np.maximum(looks, 1)))
            score = ((stack.post_mean_db[band] - mean) / prediction).astype(np.float32)
            score[~stack.judged] = np.nan
            scores.append(standardise(score, strata))
        fused: FloatArray = np.mean(scores, axis=0, dtype=np.float32)
        return fused
