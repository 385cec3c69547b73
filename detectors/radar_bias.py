"""What one radar look says of its platform, beside those that are known. Pure.

The log ratio of the look to the median of the known platforms' looks of its stack, speckle
averaged, on the steadiest tenth of the pixels that can be judged; its median and spread by
polarisation. Weather is in it: on the shipped looks the steadiest ground lies within 0.7 dB on
ordinary days, and up to 2.2 dB off after rain. What a detector says of the same ground is kept
beside it. What several looks come to is for ``bias`` and ``drift``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.bias import Bias
from detectors.drift import ScoreSummary
from detectors.medians import MAD_TO_SIGMA
from detectors.radiometry import Power, average_db
from detectors.types import BoolArray, FloatArray

#: Share of the judged pixels that are taken for stable ground: those that varied least before.
STEADIEST = 0.1
#: Fewest looks of known platforms in a stack, and pixels, that a look is compared on.
FEWEST_PEERS = 3
FEWEST_PIXELS = 50
#: Pixels that one block gives at most: enough for a median, whatever the region's size.
MOST_PIXELS = 5_000


@dataclass(slots=True)
class BiasTally:
    """Adds up how one look departs from known platforms, block by block."""

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


@dataclass(slots=True)
class ScoreTally:
    """Adds up what a detector says of stable ground in one look, block by block."""

    _scores: list[FloatArray] = field(default_factory=list)

    def add(self, score: FloatArray, stable: BoolArray | None) -> None:
        """Add a block.

        Args:
            score: float32 (y, x), sigma, NaN = not judged.
            stable: (y, x), stable ground; None where nobody can tell.
        """
        if stable is not None:
            said = np.abs(score[stable & np.isfinite(score)])
            if said.size:
                self._scores.append(said[:: -(-said.size // MOST_PIXELS)].astype(np.float32))

    def summary(self) -> ScoreSummary | None:
        """Return what was measured; None where there was too little stable ground."""
        if not self._scores:
            return None
        said = np.concatenate(self._scores)
        if said.size < FEWEST_PIXELS * STEADIEST:
            return None
        middle, high, highest = np.quantile(said, (0.5, 0.9, 0.99))
        return ScoreSummary(float(middle), float(high), float(highest), int(said.size))
