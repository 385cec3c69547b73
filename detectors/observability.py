"""How much of a region a look could see, and why not the rest.

Pixels count once each: a block counts the pixels it answers for. Shares are of the region's ground
inside the product, so that what lies beyond the edge of a burst is no blindness.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.types import BoolArray, Grid, Observability, Unseen


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one look, or several together, could see of a region."""

    km2: float
    """Ground of the region inside the look, km2."""
    share_seen: float
    """Share of it that could be judged, 0 to 1."""
    unseen: Mapping[str, float] = field(default_factory=dict)
    """Share of it that could not, 0 to 1, by reason (lower-case names of ``Unseen``)."""

    @property
    def words(self) -> str:
        """Return it as people say it: ``83 % of the region could be seen: 9 % water``."""
        return seen_in_words(self.share_seen, self.unseen)


def seen_in_words(share_seen: float, unseen: Mapping[str, float]) -> str:
    """Say what could be seen, and the reasons for the rest by size; under half a per cent none."""
    reasons = [
        f"{100 * share:.0f} % {name.replace('_', ' ')}"
        for name, share in sorted(unseen.items(), key=lambda reason: (-reason[1], reason[0]))
        if share >= 0.005
    ]
    # 99.7 % is not all of it.
    shown = int(100 * share_seen) if reasons else round(100 * share_seen)
    return f"{shown} % of the region could be seen" + (f": {', '.join(reasons)}" if reasons else "")


class Tally:
    """Counts the pixels of one look, block by block."""

    def __init__(self) -> None:
        self._counts: NDArray[np.int64] = np.zeros(max(Unseen) + 1, dtype=np.int64)
        self._km2 = 0.0

    def add(self, seen: Observability, answering: BoolArray) -> None:
        """Count a block.

        Args:
            seen: what could be judged.
            answering: (y, x), the region's pixels this block and no other answers for.
        """
        codes = seen.codes[answering]
        self._counts += np.bincount(codes, minlength=self._counts.size)
        self._km2 += codes.size * seen.grid.pixel_area_m2 / 1e6

    def add_blind(self, grid: Grid, answering: BoolArray, codes: NDArray[np.uint8] | None) -> None:
        """Count a block in which nothing could be judged; ``codes`` None means no data at all."""
        blind = np.full(grid.shape, Unseen.NO_DATA, np.uint8) if codes is None else codes
        self.add(Observability(grid, blind), answering)

    @property
    def coverage(self) -> Coverage:
        """What was counted so far; nothing seen where nothing was."""
        total = int(self._counts.sum())
        if not total:
            return Coverage(0.0, 0.0)
        shares = {code: int(self._counts[code]) / total for code in Unseen}
        seen = shares.pop(Unseen.SEEN)
        return Coverage(
            self._km2, seen, {code.name.lower(): share for code, share in shares.items() if share}
        )


def together(parts: Iterable[Coverage]) -> Coverage:
    """Return what several looks at different ground could see, each by its area."""
    parts = list(parts)
    km2 = sum(part.km2 for part in parts)
    if not km2:
        return Coverage(0.0, 0.0)
    reasons = {name for part in parts for name in part.unseen}
    return Coverage(
        km2,
        min(1.0, sum(part.km2 * part.share_seen for part in parts) / km2),
        {n: sum(part.km2 * part.unseen.get(n, 0.0) for part in parts) / km2 for n in reasons},
    )
