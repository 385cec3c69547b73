"""Does an optical platform, or a processing baseline, say what the others say? Pure.

What ``radar_bias`` asks of radar, asked of reflectance: the difference of a clear look from the
median of earlier clear looks of known platforms, on the steadiest tenth of the pixels that at least
``FEWEST_PEERS`` of them show, by band. Roofs, rock and evergreens stay in it; fields do not.

``bias.OPTICAL`` bounds the difference of medians. NDVI is held against its surroundings, so that
less would change no verdict. Only newcomers are compared, since that takes reading a dozen earlier
looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.bias import Bias
from detectors.medians import MAD_TO_SIGMA
from detectors.radar_bias import FEWEST_PEERS, FEWEST_PIXELS, STEADIEST
from detectors.types import BoolArray, FloatArray, OpticalLook, Unseen

#: Pixels that one block gives at most before the steadiest are chosen.
MOST_SAMPLED = 20_000


@dataclass(slots=True)
class OpticalTally:
    """Adds up one look, block by block: ``begin``, ``saw`` for each earlier look, ``end``."""

    _differences: dict[str, list[FloatArray]] = field(default_factory=dict)
    _bands: Sequence[str] = ()
    _where: tuple[NDArray[np.intp], NDArray[np.intp]] = field(
        default_factory=lambda: (np.empty(0, np.intp), np.empty(0, np.intp))
    )
    _now: FloatArray | None = None
    _before: list[FloatArray] = field(default_factory=list)

    def begin(self, look: OpticalLook, usable: BoolArray) -> None:
        """Begin a block of the look.

        Args:
            look: The look that is compared.
            usable: (y, x), pixels that may be compared.
        """
        rows, columns = np.nonzero(usable & (look.unseen == Unseen.SEEN))
        every = -(-max(1, rows.size) // MOST_SAMPLED)
        self._bands, self._before = look.bands, []
        self._where = rows[::every], columns[::every]
        self._now = self._taken(look)

    def saw(self, look: OpticalLook) -> None:
        """Take an earlier look of a known platform on the same grid; NaN where it was not clear."""
        self._before.append(self._taken(look))

    def _taken(self, look: OpticalLook) -> FloatArray:
        rows, columns = self._where
        taken: FloatArray = look.reflectance[:, rows, columns]
        return taken

    def end(self) -> None:
        """Compare what was taken since ``begin``."""
        if self._now is None or len(self._before) < FEWEST_PEERS:
            return
        before = np.stack(self._before)
        shown = np.isfinite(before).all(axis=1).sum(axis=0) >= FEWEST_PEERS
        if shown.sum() < FEWEST_PIXELS:
            return
        theirs = before[:, :, shown]
        varied = np.nanmax(np.nanstd(theirs, axis=0), axis=0)
        steady = varied <= np.quantile(varied, STEADIEST)
        apart = self._now[:, shown][:, steady] - np.nanmedian(theirs[:, :, steady], axis=0)
        for name, values in zip(self._bands, apart, strict=True):
            self._differences.setdefault(name, []).append(values[np.isfinite(values)])

    def biases(self) -> dict[str, Bias]:
        """Return what was measured, by band; none where there was too little ground."""
        found = {}
        for name, parts in self._differences.items():
            apart = np.concatenate(parts)
            if len(apart) >= FEWEST_PIXELS * STEADIEST:
                middle = float(np.median(apart))
                spread = MAD_TO_SIGMA * float(np.median(np.abs(apart - middle)))
                found[name] = Bias(middle, spread, len(apart))
        return found
