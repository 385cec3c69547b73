"""Scores and probabilities of patches, and why they are not the same.

The share of simulated patches of some evidence that were landslides is a *score*: it holds for
the simulator's mixture of landslides, look-alikes and clutter, which nobody has seen outside. It
becomes a *probability* only when somebody states how many landslides there are for each other patch
where it is asked (prior odds), and has the verdicts to show for it. Without, there is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import expit, logit

#: Verdicts (confirmed and refuted) that must stand behind a region's base rate. The odds of as many
#: are known to a factor of two, at 95 %, where a quarter of them was confirmed.
MINIMUM_VERDICTS = 40


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic curve of evidence, fitted on simulated events."""

    slope: float
    """Of the logarithm of the odds, per unit of evidence."""
    offset: float
    """Logarithm of the odds at evidence 0."""
    prior_odds: float
    """Landslides per other patch among those it was fitted on."""
    source: str
    """Which events, and which parameters of the simulator."""


@dataclass(frozen=True, slots=True)
class BaseRate:
    """How often patches of a region turn out to be landslides."""

    confirmed: int
    """Patches that optical looks or people confirmed."""
    refuted: int
    """Patches that they refuted."""

    @property
    def odds(self) -> float:
        """Landslides per other patch (Jeffreys: half of one is added to both, so never 0)."""
        return (self.confirmed + 0.5) / (self.refuted + 0.5)


def score_of(evidence: float, calibration: Calibration) -> float:
    """Return the share of simulated patches of this evidence that were landslides, 0 to 1."""
    return float(expit(calibration.slope * evidence + calibration.offset))


def rebase(score: float, prior_odds: float, odds: float) -> float:
    """Move a score from the prior odds it was made with to others (Bayes; Saerens et al. 2002).

    Args:
        score: 0 to 1.
        prior_odds: landslides per other patch where the score was made, over 0.
        odds: the same where it is wanted, over 0.

    Raises:
        ValueError: odds that are not over 0.
    """
    if min(prior_odds, odds) <= 0:
        raise ValueError(f"odds are over 0, not {prior_odds} and {odds}")
    if score in (0.0, 1.0):
        return score
    return float(expit(logit(score) + math.log(odds / prior_odds)))


def probability(
    evidence: float, calibration: Calibration, base_rate: BaseRate | None
) -> float | None:
    """Return the probability that a patch is a landslide, or None where nobody can know.

    Args:
        evidence: of the patch (``detectors.vectorize``).
        calibration: the score's.
        base_rate: of the region, counted over patches of any evidence that are stored; None where
            there are no verdicts.
    """
    if base_rate is None or base_rate.confirmed + base_rate.refuted < MINIMUM_VERDICTS:
        return None
    return rebase(score_of(evidence, calibration), calibration.prior_odds, base_rate.odds)
