"""Shares, rates and spans of time that are told with how many they rest on. Pure.

Few landslides are suspected in a month, and fewer are decided: a share of three is no percentage.
Whatever rests on less than ``FEWEST`` is told as counts, and its interval stays wide beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from detectors.types import Tier

#: Cases that a percentage rests on at least.
FEWEST = 10
#: False objects per 1000 km2 and look that the levels of ``detectors.vectorize`` were set for
#: (bench/sar.md, on SIMULATED quiet ground). No tier promises a precision: how many landslides
#: there are decides that, too.
PROMISED_FALSE = {Tier.WATCH: 1.0, Tier.LIKELY: 1.0}


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    """Cases that count."""
    of: int
    """All cases."""

    @property
    def share(self) -> float | None:
        """The share, 0 to 1; None where there are too few cases to tell it by a number."""
        return self.hits / self.of if self.of >= FEWEST else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval after Jeffreys, 0 to 1; None without a case."""
        if not self.of:
            return None
        from scipy.stats import beta

        missed = self.of - self.hits
        low = 0.0 if not self.hits else float(beta.ppf(0.025, self.hits + 0.5, missed + 0.5))
        high = 1.0 if not missed else float(beta.ppf(0.975, self.hits + 0.5, missed + 0.5))
        return low, high

    @property
    def words(self) -> str:
        """Return it in words."""
        if not self.of:
            return "none decided"
        low, high = self.interval or (0.0, 1.0)
        counts = f"{self.hits} of {self.of}"
        if self.share is None:
            return f"{counts}, too few for a percentage"
        return f"{100 * self.share:.0f} % ({100 * low:.0f} to {100 * high:.0f} %; {counts})"


@dataclass(frozen=True, slots=True)
class FalseRate:
    """False objects by the ground that was looked at."""

    false: int
    """Objects that turned out false."""
    km2: float
    """Ground that was judged, each look again, km2."""

    @property
    def per_1000_km2(self) -> float | None:
        """Per 1000 km2 and look; None where nothing was judged."""
        return 1000 * self.false / self.km2 if self.km2 > 0 else None

    @property
    def at_most(self) -> float | None:
        """Upper end of the exact one-sided 95 % interval of it; None where nothing was judged."""
        if self.km2 <= 0:
            return None
        from scipy.stats import chi2

        return float(500 * chi2.ppf(0.95, 2 * (self.false + 1)) / self.km2)

    @property
    def words(self) -> str:
        """Return it in words."""
        rate, most = self.per_1000_km2, self.at_most
        if rate is None or most is None:
            return "nothing judged"
        return f"{rate:.2g} (at most {most:.2g} at 95 %; {self.false} in {self.km2:,.0f} km2)"


@dataclass(frozen=True, slots=True)
class Spans:
    """How long something took."""

    count: int
    """Cases."""
    median_h: float | None
    """Half took less, hours; None without a case."""
    p90_h: float | None
    """Nine of ten took less, hours; None with fewer than ``FEWEST`` cases."""
    longest_h: float | None
    """The longest, hours; None without a case."""

    @classmethod
    def of(cls, took: Iterable[timedelta]) -> Spans:
        """Sum up some spans of time."""
        hours = np.array([one / timedelta(hours=1) for one in took])
        if not hours.size:
            return cls(0, None, None, None)
        high = float(np.quantile(hours, 0.9)) if hours.size >= FEWEST else None
        return cls(hours.size, float(np.median(hours)), high, float(hours.max()))
