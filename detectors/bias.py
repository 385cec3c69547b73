"""Does a platform measure what the others measure? Compared on stable ground. Pure.

A new satellite, or another version of the producer's processor, may be a decibel off. Wide shifts
are taken out before a look is judged (``normalise``), but not what differs with level, incidence or
noise; so what a platform says counts only once it was seen to say the same of ground that does not
change.

What one look says is for ``radar_bias`` and ``optical_bias``. *Several looks* are held against each
other here, without the numerical libraries, so that a poll can ask: the median over three to six
passes of the newcomer, against the median over the known platforms' own passes before. An odd day
does not move a median; two wet days of three do, and then more passes are waited for. ``RADAR`` and
``OPTICAL`` are the bounds.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

#: Passes of a newcomer that are compared at least, and the newest that count.
FEWEST_PASSES = 3
MOST_PASSES = 6
#: Passes of known platforms that it is held against, the newest before.
KNOWN_PASSES = 10


@dataclass(frozen=True, slots=True)
class Bias:
    """How far something departs from known platforms in one polarisation, or band."""

    median: float
    """Median over stable ground: of the log ratio, dB; optical: of the difference, reflectance."""
    spread: float
    """Its spread: 1.4826 x median absolute deviation, in the same unit."""
    pixels: int
    """Pixels it was measured on."""


@dataclass(frozen=True, slots=True)
class MeasuredPass:
    """One pass of one platform that was compared."""

    sensed_at: datetime
    """When it was taken, UTC."""
    biases: Mapping[str, Bias]
    """By polarisation, or by band."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far apart newcomer and known platforms may lie."""

    offset: float
    """Largest difference of medians that passes."""
    spread: float
    """Largest spread that passes, in units of the known platforms' own."""
    told: str
    """How a difference is told, with its unit."""


#: Half a decibel: half of a change that would matter. And a spread of a third more than theirs.
RADAR = Bounds(0.5, 1.35, "{:+.2f} dB")
#: In every band. The one clear look at hand that has three before it (Belgium, winter farmland,
#: ``tests/data/test_stable_ground.py``) lies 0.013 off in the worst: one look, so that the bound is
#: set between twice that and a third of what has to be caught, the offset of baseline 04.00 applied
#: twice or not at all, 0.1. A spread is not bounded, since haze widens it.
OPTICAL = Bounds(0.03, float("inf"), "{:+.3f} reflectance")


class Verdict(enum.StrEnum):
    """What comparing says of a newcomer."""

    CHECKING = "checking"
    """Too few passes so far."""
    PASSED = "passed"
    """It measures what the others measure."""
    FAILED = "failed"
    """It does not, as far as its passes tell."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A newcomer held against known platforms."""

    verdict: Verdict
    """What it comes to."""
    passes: int
    """Passes of the newcomer that were compared."""
    offset: float | None
    """Difference of medians in the worst polarisation, dB, or band, reflectance; None before the
    first pass."""
    spread: float | None
    """Spread in units of the known platforms', the worst; None where theirs is not known."""
    bounds: Bounds = RADAR
    """What it was held against."""

    @property
    def words(self) -> str:
        """Return it in words."""
        if self.offset is None:
            return f"none of {FEWEST_PASSES} passes compared yet"
        wider = "" if self.spread is None else f", spread {self.spread:.2f} of theirs"
        passes = f"{self.passes} pass{'' if self.passes == 1 else 'es'}"
        if self.verdict is Verdict.CHECKING:
            passes = f"{self.passes} of {FEWEST_PASSES} passes"
        return f"{self.bounds.told.format(self.offset)} on stable ground over {passes}{wider}"


def compare(
    newcomer: Sequence[MeasuredPass], known: Sequence[MeasuredPass], bounds: Bounds = RADAR
) -> Comparison:
    """Hold the passes of a newcomer against those of known platforms.

    Once it has passed it stays so, whatever the weather does to later passes: what was known at the
    first pass that sufficed decides.

    Args:
        newcomer: its passes, in any order.
        known: theirs; only those sensed before a pass count for it.
        bounds: what passes.
    """
    mine = sorted(newcomer, key=lambda one: one.sensed_at)
    told = Comparison(Verdict.CHECKING, 0, None, None, bounds)
    for number in range(1, len(mine) + 1):
        recent = mine[max(0, number - MOST_PASSES) : number]
        before = [one for one in known if one.sensed_at < recent[-1].sensed_at]
        theirs = sorted(before, key=lambda one: one.sensed_at)[-KNOWN_PASSES:]
        told = _held_against(recent, theirs, bounds)
        if told.verdict is Verdict.PASSED:
            break
    return told


def _held_against(
    mine: Sequence[MeasuredPass], theirs: Sequence[MeasuredPass], bounds: Bounds
) -> Comparison:
    offsets, spreads = [0.0], []
    for name in sorted({name for one in mine for name in one.biases}):
        ours = [one.biases[name] for one in mine if name in one.biases]
        others = [one.biases[name] for one in theirs if name in one.biases]
        usual = median(one.median for one in others) if len(others) >= FEWEST_PASSES else 0.0
        offsets.append(median(one.median for one in ours) - usual)
        if len(others) >= FEWEST_PASSES:
            width = max(median(one.spread for one in others), 1e-6)
            spreads.append(median(one.spread for one in ours) / width)
    offset, spread = max(offsets, key=abs), max(spreads, default=None)
    fits = abs(offset) <= bounds.offset and (spread is None or spread <= bounds.spread)
    if len(mine) < FEWEST_PASSES:
        verdict = Verdict.CHECKING
    else:
        verdict = Verdict.PASSED if fits else Verdict.FAILED
    return Comparison(verdict, len(mine), offset, spread, bounds)
