"""When a series of backscatter stepped: a posterior over the gaps between looks.

Each band is a level, a season (two harmonics of the year), at most one step that lasts, and noise.
All but the noise's shape is integrated out exactly: normal priors on level, season and step, an
inverse gamma on the variance (normal-inverse-gamma; Gelman et al., Bayesian Data Analysis, 3rd ed.,
section 14.8; for one change point Barry & Hartigan 1993, JASA 88, 309-319). The noise is partly
speckle, of which each look has its own, and partly weather, which lasts: several mixtures are
weighed by how well they explain the series. Without that, every spell of rain is a step.

The change is as likely on any day before as on any other, so that a gap counts by its length. The
evidence for a step is weighed against none; where it is weak, or the posterior wide, the answer is
*unknown*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from scipy import linalg, special

from detectors.errors import NotEnoughLooks
from detectors.medians import MAD_TO_SIGMA
from detectors.seasons import Values, days, harmonics
from detectors.types import SAME_PASS, require_utc

#: Harmonics of the year.
ORDER = 2
#: Fewest looks in all, and on each side of a step.
MINIMUM_LOOKS, BEFORE, AFTER = 12, 4, 2
#: Prior variances in units of the noise's: level, season, step. A look scatters by about 1 dB on
#: steady ground, landslides move it by 2 to 10 dB (SCIENCE, section 3).
LEVEL_VARIANCE, SEASON_VARIANCE, STEP_VARIANCE = 1e4, 4.0, 9.0
#: Inverse gamma prior of the noise's variance: shape, and scale in dB2.
SHAPE, SCALE = 2.0, 2.0
#: Shapes of the noise: share of speckle, and how long weather lasts (e-folding, days).
NOISES = ((1.0, 1.0), (0.6, 12.0), (0.6, 40.0), (0.3, 12.0), (0.3, 40.0), (0.3, 90.0))
#: A look that leaves its neighbours by more than so many sigma counts less (a storm, one wet look).
ODD = 3.0
#: Probability inside the interval that is told.
CREDIBLE = 0.9
#: Told only from this evidence on (decimal logarithm of the Bayes factor; Jeffreys: decisive) and
#: up to this width.
LEAST_EVIDENCE = 2.0
WIDEST = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Dated:
    """When a series stepped, as far as it tells."""

    looks: tuple[datetime, ...]
    """The looks that count, UTC, ascending."""
    probability: Values
    """(look - 1,), that the step lies between a look and the next, given that there is one."""
    evidence: float
    """Decimal logarithm of the Bayes factor of one step against none."""
    not_before: datetime
    """Start of the 90 % credible interval, UTC."""
    best: datetime
    """Median of the posterior, UTC."""
    not_after: datetime
    """End of the 90 % credible interval, UTC."""
    step_db: tuple[float, ...]
    """Expected size of the step, dB, per band."""
    fitted_db: Values
    """(look, band), season and step as expected, dB."""
    unknown: str | None
    """Why the date is not known; None where it is."""

    @property
    def width(self) -> timedelta:
        """Length of the credible interval."""
        return self.not_after - self.not_before


def date_step(
    sensed_at: Sequence[datetime],
    level_db: Values,
    between: tuple[datetime, datetime] | None = None,
) -> Dated:
    """Date the one step of a series.

    Args:
        sensed_at: start of sensing per look, UTC, in any order; of one track.
        level_db: (look, band), dB, NaN = not seen. Its mean level does not matter.
        between: where the step is known to lie, UTC; None for anywhere. A field is ploughed and
            harvested every year: whoever knows which change is meant has to say so.

    Raises:
        NotEnoughLooks: fewer than ``MINIMUM_LOOKS`` looks show all bands, or none of the gaps that
            have enough on both sides lies where the step is.
    """
    looks, level = _ordered(sensed_at, level_db)
    if len(looks) < MINIMUM_LOOKS:
        raise NotEnoughLooks(f"{len(looks)} looks; a step is dated from {MINIMUM_LOOKS} on")
    at = days(looks)
    middle = np.median(level, axis=0)
    mixing = _mixing(level)
    values = (level - middle) @ mixing
    # Ends of the gaps, no further than where the step can lie.
    ends = at if between is None else np.clip(at, *days(between))
    first, last = BEFORE, len(at) - AFTER
    lengths = np.diff(ends)[first - 1 : last]
    if lengths.sum() <= 0:
        raise NotEnoughLooks("no gap with enough looks on both sides lies where the step is")
    with np.errstate(divide="ignore"):
        prior = np.log(lengths / lengths.sum())
    doubt = _doubt(level)
    columns = np.column_stack([np.ones(len(at)), harmonics(at, ORDER)])
    steps = (np.arange(len(at))[:, None] >= np.arange(first, last + 1)).astype(float)
    fits = [_evidence(at, values, columns, steps, doubt, noise) for noise in NOISES]
    with_step = np.array([fit.with_step for fit in fits]) + prior
    total = float(special.logsumexp(with_step))
    evidence = (total - float(special.logsumexp([fit.without for fit in fits]))) / np.log(10)
    weights = np.exp(with_step - total)
    probability = np.zeros(len(at) - 1)
    probability[first - 1 : last] = weights.sum(axis=0)
    unmix = np.linalg.inv(mixing)
    step = np.einsum("ij,ijb->b", weights, np.stack([fit.step for fit in fits])) @ unmix
    fitted = sum(
        share.sum() * fit.level + fit.shape @ (share[:, None] * fit.step)
        for fit, share in zip(fits, weights, strict=True)
    )
    shares = ((1 - CREDIBLE) / 2, 0.5, (1 + CREDIBLE) / 2)
    not_before, best, not_after = (
        looks[0] + timedelta(days=day - float(at[0]))
        for day in _quantiles(ends, probability, shares)
    )
    return Dated(
        looks=looks,
        probability=probability,
        evidence=float(evidence),
        not_before=not_before,
        best=best,
        not_after=not_after,
        step_db=tuple(float(size) for size in step),
        fitted_db=fitted @ unmix + middle,
        unknown=_why_unknown(float(evidence), not_after - not_before),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    """One shape of noise: log marginal likelihoods and what is expected."""

    with_step: Values
    """(candidate,)"""
    without: float
    """The same without a step."""
    step: Values
    """(candidate, band), expected step."""
    level: Values
    """(look, band), expected level and season without a step."""
    shape: Values
    """(look, candidate), what a step of one does to them."""


def _ordered(
    sensed_at: Sequence[datetime], level_db: Values
) -> tuple[tuple[datetime, ...], Values]:
    """Return the looks that show all bands in order of time, those of one pass as their mean."""
    moments = [require_utc(moment, "sensed_at") for moment in sensed_at]
    seen = [
        (moment, tuple(map(float, row)))
        for moment, row in zip(moments, level_db, strict=True)
        if np.isfinite(row).all()
    ]
    passes: list[list[tuple[datetime, tuple[float, ...]]]] = []
    for look in sorted(seen):
        if passes and look[0] - passes[-1][0][0] < SAME_PASS:
            passes[-1].append(look)
        else:
            passes.append([look])
    level = np.array([np.mean([row for _, row in one], axis=0) for one in passes])
    return tuple(one[0][0] for one in passes), level.reshape(len(passes), level_db.shape[1])


def _mixing(level: Values) -> Values:
    """Return (band, band) that makes the noise of the bands independent.

    From the differences of neighbouring looks, of which a step spoils one.
    """
    differences = np.diff(level, axis=0)
    spread = MAD_TO_SIGMA * np.median(np.abs(differences), axis=0) + 1e-9
    bounded = np.clip(differences / spread, -ODD, ODD)
    covariance = bounded.T @ bounded
    scale = np.sqrt(np.diag(covariance)) + 1e-9
    # Never quite alike: two bands of the same numbers are one piece of evidence, not none.
    correlation = 0.95 * covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    mixing: Values = linalg.inv(linalg.sqrtm(correlation)).real
    return mixing


def _doubt(level: Values) -> Values:
    """Return by what each look's noise is larger than others', (look,), at least 1.

    A look that leaves the median of its five neighbours, itself one of them, in any band. A step
    does not: the looks beside it agree with one side.
    """
    around = np.pad(level, ((2, 2), (0, 0)), mode="edge")
    neighbours = np.stack([around[shift : shift + len(level)] for shift in range(5)])
    away = np.abs(level - np.median(neighbours, axis=0))
    sigma = MAD_TO_SIGMA * np.median(away, axis=0) + 0.3
    doubt: Values = np.maximum(1.0, (away / (ODD * sigma)).max(axis=1))
    return doubt


def _evidence(
    at: Values,
    values: Values,
    columns: Values,
    steps: Values,
    doubt: Values,
    noise: tuple[float, float],
) -> _Fit:
    """Integrate level, season, step and variance out for one shape of noise."""
    share, lasts = noise
    correlation = (1.0 - share) * np.exp(-np.abs(at[:, None] - at) / lasts)
    correlation[np.diag_indices(len(at))] = 1.0
    root = linalg.cholesky(correlation * np.outer(doubt, doubt), lower=True)
    x, s, y = (linalg.solve_triangular(root, part, lower=True) for part in (columns, steps, values))
    prior = np.full(columns.shape[1], 1.0 / SEASON_VARIANCE)
    prior[0] = 1.0 / LEVEL_VARIANCE
    precision = x.T @ x + np.diag(prior)
    season = linalg.solve(precision, x.T @ y, assume_a="pos")
    shadow = linalg.solve(precision, x.T @ s, assume_a="pos")
    left = (y**2).sum(axis=0) - (season * (x.T @ y)).sum(axis=0)
    # What a step adds to the fit without one (block inverse of the larger precision).
    own = (s**2).sum(axis=0) - (shadow * (x.T @ s)).sum(axis=0) + 1.0 / STEP_VARIANCE
    pull = s.T @ y - shadow.T @ (x.T @ y)
    step = pull / own[:, None]
    determinant = (
        0.5 * (np.log(prior).sum() - np.linalg.slogdet(precision)[1]) - np.log(np.diag(root)).sum()
    )
    shape = SHAPE + 0.5 * len(at)
    bands = values.shape[1]
    without = bands * determinant - shape * np.log(SCALE + 0.5 * left).sum()
    with_step = bands * (determinant - 0.5 * np.log(STEP_VARIANCE * own)) - shape * np.log(
        SCALE + 0.5 * (left - pull * step)
    ).sum(axis=1)
    return _Fit(with_step, float(without), step, columns @ season, steps - columns @ shadow)


def _quantiles(at: Values, probability: Values, shares: Sequence[float]) -> list[float]:
    """Return the days by which so much of the probability has passed; even within a gap."""
    passed = np.concatenate([[0.0], np.cumsum(probability)])
    # Gaps without any probability would make the answer ambiguous.
    passed += np.linspace(0.0, 1e-9, len(passed))
    return [float(day) for day in np.interp(np.array(shares) * passed[-1], passed, at)]


def _why_unknown(evidence: float, width: timedelta) -> str | None:
    if evidence < LEAST_EVIDENCE:
        return f"the evidence for a step is weak (10^{evidence:.1f})"
    if width > WIDEST:
        return f"the date is uncertain by {width.days} days"
    return None
