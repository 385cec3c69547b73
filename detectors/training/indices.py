"""Spectral indices: formula and source of each, in one table.

Bands are Sentinel-2's (``B02`` ... ``B12``), reflectance 0 to 1. What divides by nought is NaN.

Two rows of the source table of the recipe ``wetland`` (thesis, Article II, table 1) are taken as
meant, not as printed. GNDVI is printed with ``b8 + 3`` below the line. The normalised difference of
red and green is printed upside down, with a pole where both are alike; the right way up it is GRVI
with its sign turned, so that it adds nothing to a network, but it is kept as a band of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.types import FloatArray


@dataclass(frozen=True, slots=True)
class Index:
    """One index."""

    needs: tuple[str, ...]
    """Bands of the formula, in its order."""
    formula: Callable[..., FloatArray]
    """Of these bands, float (y, x) each."""
    text: str
    """The formula as it is written."""
    source: str
    """Who proposed it."""

    def of(self, bands: Sequence[FloatArray]) -> FloatArray:
        """Return float32 (y, x), NaN where a band is or where it divides by nought."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.formula(*bands)
        made: FloatArray = np.where(np.isfinite(value), value, np.nan).astype(np.float32)
        return made


def _difference(one: FloatArray, other: FloatArray) -> FloatArray:
    return (one - other) / (one + other)


INDICES: Mapping[str, Index] = {
    "ndvi": Index(
        ("B08", "B04"), _difference, "(B08 - B04) / (B08 + B04)", "Rouse et al. 1974"
    ),
    "nbr": Index(
        ("B08", "B12"), _difference, "(B08 - B12) / (B08 + B12)", "Key & Benson 2006"
    ),
    "red_green": Index(
        ("B04", "B03"), _difference, "(B04 - B03) / (B04 + B03)", "Article II, as meant"
    ),
    "psri": Index(
        ("B04", "B02", "B06"), lambda red, blue, edge: (red - blue) / edge,
        "(B04 - B02) / B06", "Merzlyak et al. 1999",
    ),
    "grvi": Index(
        ("B03", "B04"), _difference, "(B03 - B04) / (B03 + B04)", "Motohka et al. 2010"
    ),
    "rervi": Index(
        ("B05", "B08"), lambda edge, nir: edge / nir, "B05 / B08", "Article II, table 1"
    ),
    "evi": Index(
        ("B08", "B04", "B02"),
        lambda nir, red, blue: 2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1),
        "2.5 (B08 - B04) / (B08 + 6 B04 - 7.5 B02 + 1)", "Huete et al. 2002",
    ),
    "cri1": Index(
        ("B02", "B03"), lambda blue, green: 1 / blue - 1 / green, "1 / B02 - 1 / B03",
        "Gitelson et al. 2002",
    ),
    "gndvi": Index(
        ("B08", "B03"), _difference, "(B08 - B03) / (B08 + B03)", "Gitelson et al. 1996, as meant"
    ),
    "pssr": Index(
        ("B08", "B04"), lambda nir, red: nir / red, "B08 / B04", "Blackburn 1998"
    ),
}  # fmt: skip
