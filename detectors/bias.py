"""Does a platform measure what the others measure? Compared on stable ground. Pure.

A new satellite, or another version of the producer's processor, may be a decibel off. Wide shifts
are taken out before a look is judged (``normalise``), but not what differs with level, incidence or
noise; so what a platform says counts only once it was seen to say the same of ground that does not
change.

*One look* (``BiasTally``): the log ratio of the look to the median of the known platforms' looks of
its stack, speckle averaged, on the steadiest tenth of the pixels that can be judged; its median and
spread by polarisation. Weather is in it: on the shipped looks the steadiest ground lies within
0.7 dB on ordinary days, and up to 2.2 dB off after rain.

*Several looks* (``compare``): the median over three to six passes of the newcomer, against the
median over the known platforms' own passes before. Half a decibel apart is the most that passes, in
any polarisation, and a spread of a third more than theirs. An odd day does not move a median; two
wet days of three do, and then more passes are waited for.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

import numpy as np

from detectors.normalise import MAD_TO_SIGMA
from detectors.radiometry import Power, average_db
from detectors.types import BoolArray, FloatArray

#: Share of the judged pixels that are taken for stable ground: those that varied least before.
STEADIEST = 0.1
#: Fewest looks of known platforms in a stack, and pixels, that a look is compared on.
FEWEST_PEERS = 3
FEWEST_PIXELS = 50
#: Pixels that one block gives at most: enough for a median, whatever the region's size.
MOST_PIXELS = 5_000
#: Passes of a newcomer that are compared at least, and the newest that count.
FEWEST_PASSES = 3
MOST_PASSES = 6
#: Passes of known platforms that it is held against, the newest before.
KNOWN_PASSES = 10
#: Largest difference of medians that passes, dB: half of a change that would matter.
LARGEST_OFFSET_DB = 0.5
#: Largest spread that passes, in units of the known platforms' own.
LARGEST_SPREAD = 1.35


@dataclass(frozen=True, slots=True)
class Bias:
    """How far something departs from known platforms in one polarisation, or band."""

    median: float
    """Median over stable ground: of the log ratio, dB; optical: of the difference, reflectance."""
    spread: float
    """Its spread: 1.4826 x median absolute deviation, in the same unit."""
    pixels: int
    """Pixels it was measured on."""


@dataclass(slots=True)
class BiasTally:
    """Adds up one look, block by block."""

    _ratios: dict[str, list[FloatArray]] = field(default_factory=dict)

    def add(
        self, pre: FloatArray, post: FloatArray, polarisations: Sequence[str], usable: BoolArray
    ) -> BoolArray | None:
        """Add a block; return its stable ground (y, x) in the first polarisation, None if unknown.

        Args:
            pre: (look, polarisation, y, x), linear gamma0 of known platforms only, NaN = no data.
                Fewer than ``FEWEST_PEERS`` tell nothing.
            post: (polarisation, y, x), the look.
            polarisations: their names.
            usable: (y, x), pixels that can be judged and are not known to have changed.
        """
        if len(pre) < FEWEST_PEERS:
            return None
        stable: BoolArray | None = None
        for band, name in enumerate(polarisations):
            before = np.stack([average_db(Power(look[band])) for look in pre])
            now = average_db(Power(post[band]))
            seen = usable & np.isfinite(now) & np.isfinite(before).all(axis=0)
            if seen.sum() < FEWEST_PIXELS:
                continue
            varied = before[:, seen].std(axis=0)
            steady = varied <= np.quantile(varied, STEADIEST)
            if stable is None:
                stable = np.zeros(seen.shape, dtype=bool)
                stable[seen] = steady
            ratio = (now[seen] - np.median(before[:, seen], axis=0))[steady]
            thinned = ratio[:: -(-len(ratio) // MOST_PIXELS)]
            self._ratios.setdefault(name, []).append(thinned.astype(np.float32))
        return stable

    def biases(self) -> dict[str, Bias]:
        """Return what was measured, by polarisation; none where there was too little ground."""
        found = {}
        for name, parts in self._ratios.items():
            ratio = np.concatenate(parts)
            middle = float(np.median(ratio))
            spread = MAD_TO_SIGMA * float(np.median(np.abs(ratio - middle)))
            if len(ratio) >= FEWEST_PIXELS * STEADIEST:
                found[name] = Bias(middle, spread, len(ratio))
        return found


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


RADAR = Bounds(LARGEST_OFFSET_DB, LARGEST_SPREAD, "{:+.2f} dB")


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
