"""Change in the series of one small place, where there is no scene to compare with.

A few pixels (3 x 3 in the labelled sites) seen by one track for years. Wet soil, frost and harvest
cannot be told from the surroundings, so that a look is judged by what the place itself has done:

- the mean of the newest 3, 4 and 5 looks is held against all looks before them, so that one odd
  look raises nothing and every further look that agrees raises the score;
- it must leave both what the season predicts (a harmonic with a prior, since one year of history
  does not prove a season) and what the place has ever shown (no season): of the two the score
  nearer to nought counts, and where their signs differ it is nought;
- each is divided by how far means of as many looks strayed before. That scatter holds the weather,
  which keeps neighbouring looks alike, and is drawn towards a prior where history is short.

Causal: the score of a look is made of it and of earlier looks only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import ClassVar

import numpy as np

from detectors.errors import InvalidSeries
from detectors.medians import MAD_TO_SIGMA
from detectors.radiometry import POWER_FLOOR
from detectors.seasons import Values, days, harmonics
from detectors.types import FloatArray, require_utc

#: A look counts where at least so much of the place was seen.
MINIMUM_SEEN = 0.5
#: After an alarm, so many looks in a row have to lie under ``REARM_SHARE`` of the level before
#: there can be another one: a change that lasts is one alarm.
REARM_LOOKS = 3
REARM_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Series:
    """Looks of one place by one track, oldest first."""

    name: str
    """What the series is called: its file."""
    track: str
    """Viewing geometry that all looks share, for instance the burst."""
    sensed_at: tuple[datetime, ...]
    """Start of sensing per look, UTC, ascending, no two alike."""
    gamma0: FloatArray
    """Terrain-corrected gamma0, LINEAR POWER, float32 (look, 2, y, x), VV then VH, NaN = no
    data."""

    def __post_init__(self) -> None:
        moments = tuple(require_utc(moment, "sensed_at") for moment in self.sensed_at)
        object.__setattr__(self, "sensed_at", moments)
        if self.gamma0.ndim != 4 or self.gamma0.shape[:2] != (len(moments), 2):
            raise InvalidSeries(f"{self.name}: array {self.gamma0.shape} for {len(moments)} looks")
        if any(later <= earlier for earlier, later in pairwise(moments)):
            raise InvalidSeries(f"{self.name}: looks are not in order of time, or come twice")

    def __len__(self) -> int:
        return len(self.sensed_at)

    def level_db(self) -> Values:
        """Return the mean power of each look in dB, float64 (look, 2), NaN = not seen.

        Power is averaged, not dB: the mean of nine speckled pixels is that of the ground.
        """
        seen = np.isfinite(self.gamma0) & (self.gamma0 >= 0)
        count = seen.sum(axis=(2, 3))
        total = np.where(seen, self.gamma0, 0.0).astype(np.float64).sum(axis=(2, 3))
        mean = np.maximum(total / np.maximum(count, 1), POWER_FLOOR)
        enough = count >= MINIMUM_SEEN * math.prod(self.gamma0.shape[2:])
        # A look that shows one polarisation only is no look: both are judged together.
        enough &= enough.all(axis=1, keepdims=True)
        return np.where(enough, 10.0 * np.log10(mean), np.nan)


@dataclass(frozen=True, slots=True)
class SeriesStep:
    """A step that lasts, against season and history of the place."""

    windows: tuple[int, ...] = (3, 4, 5)
    """Numbers of newest looks whose mean is judged; the largest score counts."""
    minimum_days: float = 365.0
    """History before the judged look: what a season looks like is seen in a year."""
    minimum_looks: int = 20
    """Looks before the judged ones."""
    season_db: float = 1.0
    """Prior standard deviation of the harmonic's coefficients, dB."""
    typical_db: float = 1.0
    """Prior scatter of a look, dB: 9 pixels of OPERA RTC on steady ground."""
    prior_looks: float = 6.0
    """Weight of that prior, looks."""
    look_limit: float = 3.0
    """How far one look may count, in scatters of a look."""
    vv_weight: float = 0.8
    """VV counts less than VH: soil moisture and roughness move it more."""
    brighter_weight: float = 0.85
    """Brighter counts less than darker: rain brightens, and ends."""
    level: float = 3.0
    """Score from which an alarm is raised. Frozen; see README for how it was chosen."""

    name: ClassVar[str] = "series_step"

    def score(self, series: Series) -> Values:
        """Return the signed score of each look, sigma, float64 (look,), NaN = not judged.

        Positive: brighter. Looks that were not seen, or have too little history, are NaN.
        """
        level = series.level_db()
        seen = np.flatnonzero(np.isfinite(level).all(axis=1))
        at, level = days(series.sensed_at)[seen], level[seen]
        longest = max(self.windows)
        score = np.full(len(series), np.nan)
        for newest in range(longest - 1, len(at)):
            history = newest - longest + 1
            if history < self.minimum_looks or at[newest] - at[0] < self.minimum_days:
                continue
            bands = [
                self._both(at[: newest + 1], level[: newest + 1, band], history) for band in (0, 1)
            ]
            weighed = np.concatenate([bands[0] * self.vv_weight, bands[1]])
            weighed = np.where(weighed > 0, weighed * self.brighter_weight, weighed)
            score[seen[newest]] = weighed[np.argmax(np.abs(weighed))]
        return score

    def _both(self, at: Values, level: Values, history: int) -> Values:
        """Return the score by window, (window,): the smaller of the one with and without season."""
        free, seasonal = (self._scores(at, level, history, order) for order in (0, 1))
        nearer = np.where(np.abs(free) < np.abs(seasonal), free, seasonal)
        return np.where(np.sign(free) == np.sign(seasonal), nearer, 0.0)

    def _scores(self, at: Values, level: Values, history: int, order: int) -> Values:
        """Hold the newest looks against the fit to the first ``history`` ones, (window,)."""
        columns = np.column_stack([np.ones(len(at)), harmonics(at, order)])
        coefficients, covariance, sigma = self._fit(columns[:history], level[:history])
        residual = level - columns @ coefficients
        # One look alone, however odd, must not carry the mean over the level.
        limited = np.clip(residual, -self.look_limit * sigma, self.look_limit * sigma)
        scores = []
        for window in self.windows:
            means = np.convolve(residual[:history], np.full(window, 1.0 / window), "valid")
            weight, prior = len(means) / window, self.prior_looks / window
            spread = (weight * np.mean(means**2) + prior * self.typical_db**2 / window) / (
                weight + prior
            )
            # The fit is as unsure as its looks are few, and fewer where neighbours are alike.
            column = columns[-window:].mean(axis=0)
            alike = max(1.0, spread * window / sigma**2)
            spread += float(column @ covariance @ column) * alike
            scores.append(limited[-window:].mean() / math.sqrt(spread))
        return np.array(scores)

    def _fit(self, columns: Values, level: Values) -> tuple[Values, Values, float]:
        """Fit robustly: Huber's weights, normal prior on the season.

        Returns:
            Coefficients, dB; their covariance, dB2; scatter of a look about the fit, dB.
        """
        prior = np.full(columns.shape[1], self.season_db**-2)
        prior[0] = 1e-6
        weights, sigma = np.ones(len(level)), self.typical_db
        for _ in range(5):
            weighed = columns.T * weights
            covariance = np.linalg.inv(weighed @ columns / sigma**2 + np.diag(prior))
            coefficients = covariance @ (weighed @ level) / sigma**2
            away = np.abs(level - columns @ coefficients)
            typical = MAD_TO_SIGMA * np.median(away)
            sigma = math.sqrt(
                (len(level) * typical**2 + self.prior_looks * self.typical_db**2)
                / (len(level) + self.prior_looks)
            )
            weights = np.minimum(1.0, 1.5 * sigma / np.maximum(away, 1e-9))
        return coefficients, covariance, sigma


def alarms(score: Values, level: float) -> list[int]:
    """Return the looks that raise an alarm, ascending: the first of each change over the level.

    Args:
        score: signed, (look,), NaN = not judged (such looks neither raise nor calm).
        level: absolute score from which on an alarm is raised.
    """
    raised = []
    armed, calm = True, 0
    for look in np.flatnonzero(np.isfinite(score)):
        size = abs(score[look])
        if armed and size >= level:
            raised.append(int(look))
            armed, calm = False, 0
        elif not armed:
            calm = calm + 1 if size < REARM_SHARE * level else 0
            armed = calm >= REARM_LOOKS
    return raised
