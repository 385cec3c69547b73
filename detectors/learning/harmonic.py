"""``time-series``: a harmonic fit to the history of NDVI or VV, and a test for a break.

As CCDC does (Zhu & Woodcock 2014, Remote Sens. Environ. 144, 152-171): level, trend and seasons are
fitted to a stable past, and a break is where several looks in a row leave the fit by more than
chance allows. Looks that agree carry the fit on. The fit is robust (Huber), the scatter is measured
about it and never less than ``floor``, and what is told is the first look of the run, so that a
break is dated to a gap between two looks.

JRC's ``nrt`` (0.3.0) has such monitors for whole scenes; it would bring 320 MB, numba on a release
candidate of llvmlite among them, for this one fit, which is made here of ``seasons`` instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from detectors.errors import InvalidSeries, NotEnoughLooks
from detectors.medians import MAD_TO_SIGMA
from detectors.seasons import YEAR, Values, days, harmonics

NAME = "time-series"
#: Weights of Huber fall from so many sigma on; passes of reweighting.
HUBER, PASSES = 1.5, 5
#: Ridge on trend and seasons, in looks that say nought: a short past does not prove a season.
RIDGE = 0.5


@dataclass(frozen=True, slots=True)
class Break:
    """Where a series left its past."""

    last_before: datetime
    """Last look that followed the fit, UTC."""
    first_after: datetime
    """First look that did not, UTC."""
    step: float
    """Median distance of the run from the fit, in the unit of the series; negative = lower."""
    score: float
    """Smallest distance of the run, in sigma, 0 and more."""


@dataclass(frozen=True, slots=True)
class HarmonicBreak:
    """A test for breaks, one after the other."""

    order: int = 2
    """Harmonics of the year."""
    run: int = 4
    """Looks in a row that have to leave the fit, all on one side."""
    sigmas: float = 3.0
    """How far each has to leave it."""
    floor: float = 0.02
    """Least scatter of a look about the fit, in the unit of the series: NDVI; 0.7 for dB."""
    minimum_days: float = 365.0
    """Past that a fit needs: a season is seen in a year."""
    minimum_looks: int = 12
    """Looks that a fit needs."""

    def find(self, sensed_at: Sequence[datetime], values: Values) -> tuple[Break, ...]:
        """Return all breaks, oldest first; causal up to the run that proves each.

        Args:
            sensed_at: UTC, ascending.
            values: (look,), NaN = not seen.

        Raises:
            InvalidSeries: lengths differ, or looks are not in order of time.
            NotEnoughLooks: fewer looks, or less time, than one fit and one run need.
        """
        seen = np.flatnonzero(np.isfinite(values)) if len(values) == len(sensed_at) else None
        if seen is None:
            raise InvalidSeries(f"{len(values)} values for {len(sensed_at)} looks")
        at, level = days(sensed_at)[seen], values[seen].astype(np.float64)
        if (np.diff(at) <= 0).any():
            raise InvalidSeries("looks are not in order of time, or come twice")
        ready = self._ready(at, 0)
        if ready is None:
            raise NotEnoughLooks(
                f"{len(at)} looks; a break is looked for after {self.minimum_looks} looks and "
                f"{self.minimum_days:g} days of past, and takes {self.run} looks"
            )
        found, start = [], 0
        while ready is not None:
            one = self._next(at, level, start, ready)
            if one is None:
                break
            first, step, score = one
            before, after = (sensed_at[seen[look]] for look in (first - 1, first))
            found.append(Break(before, after, step, score))
            start, ready = first, self._ready(at, first)
        return tuple(found)

    def _ready(self, at: Values, start: int) -> int | None:
        """Return the first look with past enough since ``start``; None where no run follows."""
        enough = np.flatnonzero(at - at[start : start + 1] >= self.minimum_days)
        ready = max(int(enough[0]), start + self.minimum_looks) if len(enough) else len(at)
        return ready if ready + self.run <= len(at) else None

    def _next(
        self, at: Values, level: Values, start: int, ready: int
    ) -> tuple[int, float, float] | None:
        for first in range(ready, len(at) - self.run + 1):
            run = slice(first, first + self.run)
            fitted, sigma = self._predict(at[start:first], level[start:first], at[run])
            away = level[run] - fitted
            if (away > 0).all() or (away < 0).all():
                least = float(np.abs(away / sigma).min())
                if least >= self.sigmas:
                    return first, float(np.median(away)), least
        return None

    def _predict(self, at: Values, level: Values, wanted: Values) -> tuple[Values, Values]:
        """Fit the past; return level and scatter expected of other looks, both (look,)."""
        columns, others = self._columns(at, at), self._columns(wanted, at)
        prior = np.full(columns.shape[1], RIDGE)
        prior[0] = 1e-9
        weights, sigma = np.ones(len(at)), float(np.std(level))
        for _ in range(PASSES):
            sigma = max(sigma, self.floor)
            weighed = columns.T * weights
            inverse = np.linalg.inv(weighed @ columns + np.diag(prior))
            coefficients = inverse @ (weighed @ level)
            away = np.abs(level - columns @ coefficients)
            sigma = max(MAD_TO_SIGMA * float(np.median(away)), self.floor)
            weights = np.minimum(1.0, HUBER * sigma / np.maximum(away, 1e-12))
        unsure = np.einsum("ij,jk,ik->i", others, inverse, others)
        return others @ coefficients, sigma * np.sqrt(1 + unsure)

    def _columns(self, at: Values, past: Values) -> Values:
        # A trend over less than two years cannot be told from a season's half.
        span = float(past[-1] - past[0])
        trend = (at - past.mean()) / YEAR if span >= 2 * YEAR else np.zeros(len(at))
        return np.column_stack([np.ones(len(at)), trend, harmonics(at, self.order)])
