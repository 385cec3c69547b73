"""How sizes are spread: a power-law tail, fitted as Clauset, Shalizi and Newman (2009) do.

SIAM Review 51, 661-703. Pure. A straight line through a histogram on double logarithmic paper is
biased, which is why nothing here draws one to fit it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.errors import InvalidSamples

Sizes = NDArray[np.float64]

#: A tail of fewer says nothing.
LEAST_TAIL = 20
#: Beginnings of the tail that are tried, of the data and of each bootstrap: all sizes where there
#: are fewer, else so many evenly by rank.
MOST_CANDIDATES, MOST_AGAIN = 5_000, 200
#: Sizes of a tail that its fit is held against: all, or so many evenly by rank. The distance is
#: then known to one part in so many, of data and bootstraps alike.
MOST_COMPARED = 5_000


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """A tail p(x) ~ x^-alpha for x >= x_min."""

    alpha: float
    """Exponent of the density, by maximum likelihood; of areas, commonly 2 to 3."""
    x_min: float
    """Where the tail begins: the size that brings fit and data closest (KS)."""
    alpha_error: float
    """Standard deviation over bootstraps, with the choice of x_min in it."""
    x_min_error: float
    """Likewise."""
    ks: float
    """Largest distance between the cumulative distributions of tail and fit."""
    p: float
    """Share of power laws as large that fit no better; under 0.1 a power law is ruled out."""
    tail: int
    """Sizes in the tail."""
    sizes: int
    """All of them."""

    def above(self, size: Sizes) -> Sizes:
        """Return how many landslides are expected of a size or more, for sizes in the tail."""
        expected: Sizes = self.tail * (size / self.x_min) ** (1.0 - self.alpha)
        return expected


def fit(sizes: Sizes, *, bootstraps: int = 100, seed: int = 0) -> PowerLaw:
    """Fit the tail of some sizes.

    Args:
        sizes: (n,), above 0, in any order; square metres for one.
        bootstraps: For the errors, and as many for ``p``.
        seed: Of the bootstraps: the same sizes give the same figures.

    Raises:
        InvalidSamples: too few sizes, or all of them alike.
    """
    known = np.sort(sizes[np.isfinite(sizes) & (sizes > 0)].astype(np.float64))
    if len(known) < LEAST_TAIL or known[0] == known[-1]:
        raise InvalidSamples(
            f"{len(known)} sizes: a power law takes {LEAST_TAIL} or more that differ"
        )
    alpha, x_min, ks = _best(known, MOST_CANDIDATES)
    tail = int((known >= x_min).sum())
    random = np.random.default_rng(seed)
    again = [
        _best(np.sort(random.choice(known, len(known))), MOST_AGAIN) for _ in range(bootstraps)
    ]
    worse = [
        _best(_like(known, alpha, x_min, random), MOST_AGAIN)[2] >= ks for _ in range(bootstraps)
    ]
    alphas, minima = np.array([one[0] for one in again]), np.array([one[1] for one in again])
    return PowerLaw(
        alpha=alpha, x_min=x_min, ks=ks, p=float(np.mean(worse)), tail=tail, sizes=len(known),
        alpha_error=float(alphas.std(ddof=1)), x_min_error=float(minima.std(ddof=1)),
    )  # fmt: skip


def _best(known: Sizes, most: int) -> tuple[float, float, float]:
    """Return exponent, beginning of the tail and KS distance of sorted sizes."""
    _, firsts = np.unique(known, return_index=True)
    firsts = firsts[firsts <= len(known) - LEAST_TAIL]
    if not len(firsts):
        firsts = np.array([0])
    if len(firsts) > most:
        firsts = firsts[np.linspace(0, len(firsts) - 1, most).round().astype(int)]
    logs = np.log(known)
    above = np.cumsum(logs[::-1])[::-1]
    best = (np.nan, float(known[0]), np.inf)
    for first in firsts:
        if known[first] == known[-1]:
            continue
        count = len(known) - int(first)
        alpha = 1 + count / (above[first] - count * logs[first])
        if count > MOST_COMPARED:
            ranks = np.linspace(0, count - 1, MOST_COMPARED).round().astype(int)
        else:
            ranks = np.arange(count)
        fitted = 1 - np.exp(-(alpha - 1) * (logs[first + ranks] - logs[first]))
        ks = max(np.abs(fitted - ranks / count).max(), np.abs(fitted - (ranks + 1) / count).max())
        if ks < best[2]:
            best = (float(alpha), float(known[first]), float(ks))
    return best


def _like(known: Sizes, alpha: float, x_min: float, random: np.random.Generator) -> Sizes:
    """Return as many sizes: below the tail as they are, in it as the power law has them."""
    below = known[known < x_min]
    drawn = int(random.binomial(len(known), 1 - len(below) / len(known)))
    tail = x_min * (1 - random.random(drawn)) ** (-1 / (alpha - 1))
    rest = random.choice(below, len(known) - drawn) if drawn < len(known) else below[:0]
    return np.sort(np.concatenate([rest, tail]))
