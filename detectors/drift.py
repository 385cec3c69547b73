"""Does a detector still say of quiet ground what it used to say? Pure.

Landslides are rare, so nearly all that a detector says is about ground that stayed. Its scores
are in units of that ground's own spread: where they grow while nothing happens, false alarms
follow, and where they shrink, landslides are missed.

*One look* (``radar_bias.ScoreTally``): quantiles of the absolute scores over stable ground, the
steadiest tenth of the pixels that can be judged, without what is known to have changed.

*A month* (``drift``): the median of its looks' 90 % quantiles against that of the looks before,
track by track. Rain moves single looks; what a month's median moves by is held against the spread
of single looks and against ``SMALLEST``: on two years of California, wet looks included, that
quantile is 1.0 with a spread of 0.1, and no month lay more than 0.13 off
(``tests/data/test_stable_ground.py``). With fewer looks than ``FEWEST`` or a shorter past than
``REFERENCE`` it says so.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from detectors.medians import MAD_TO_SIGMA

#: Looks of a month, and looks before it, that a comparison takes at least.
FEWEST, REFERENCE = 2, 6
#: Smallest change of the 90 % quantile that is called drift, sigma; and in spreads of single looks.
SMALLEST, SPREADS = 0.3, 2.0


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """What a detector says of stable ground in one look: absolute scores, sigma."""

    median: float
    """Half of the pixels lie below."""
    p90: float
    """Nine tenths lie below."""
    p99: float
    """99 in 100 lie below."""
    pixels: int
    """Pixels it was measured on."""


class Trend(enum.StrEnum):
    """What a month comes to."""

    STEADY = "steady"
    """As before."""
    DRIFTS = "drifts"
    """Scores of quiet ground have moved."""
    TOO_FEW = "too few looks"
    """Nobody can tell yet."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A month's scores of quiet ground against those before."""

    trend: Trend
    """What it comes to."""
    looks: int
    """Looks of the month."""
    before: int
    """Looks of the reference."""
    p90: float | None
    """Median of the month's 90 % quantiles, sigma; None without a look."""
    usual: float | None
    """The same of the reference; None without a look."""
    allowed: float | None
    """How far they may lie apart, sigma; None where there are too few looks."""


def drift(month: Sequence[ScoreSummary], reference: Sequence[ScoreSummary]) -> Drift:
    """Hold the looks of a month against looks before; the order of either means nothing."""
    now, then = [one.p90 for one in month], [one.p90 for one in reference]
    here, usual = (median(values) if values else None for values in (now, then))
    if here is None or usual is None or len(now) < FEWEST or len(then) < REFERENCE:
        return Drift(Trend.TOO_FEW, len(now), len(then), here, usual, None)
    spread = MAD_TO_SIGMA * median(abs(one - usual) for one in then)
    allowed = max(SMALLEST, SPREADS * spread)
    trend = Trend.DRIFTS if abs(here - usual) > allowed else Trend.STEADY
    return Drift(trend, len(now), len(then), here, usual, allowed)
