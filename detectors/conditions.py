"""What weather did to a look as a whole, as far as the look itself tells.

Nothing here is removed or judged: wide shifts are taken out by ``normalise``. What is said here
goes with the look as an advisory, and keeps it from speaking for or against a known landslide.

Rain brightens (wet soil), frost and wet snow darken. Wet snow absorbs: Nagler & Rott (2000, IEEE
TGRS 38, 754) map it where the ratio to a dry reference falls under -3 dB, and it lies above an
elevation. Wind roughens open water by several dB in the co-polarised band, where new water behind a
landslide would be looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.types import BoolArray, FloatArray

#: Shift against the stack from which wet snow is mapped (Nagler & Rott 2000), dB.
SNOW_SHIFT_DB = -3.0
#: Bands of equal area in which the shift is read against elevation.
ELEVATION_BANDS = 8
#: Fewest pixels that speak for a band of elevation, or for open water.
ENOUGH_PIXELS = 200
#: Co-polarised rise of open water that is called wind, dB.
WIND_RISE_DB = 3.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What moved a look as a whole."""

    wet: bool
    """A wide shift (``normalise.WET_SHIFT_DB``): wet soil, snow, frost."""
    snow: bool
    """The ground lost 3 dB and more in every polarisation, as a whole or above ``snow_line_m``."""
    snow_line_m: float | None
    """Elevation from which up it did, metres; None for the whole look, or without elevations."""
    wind: bool
    """Open water is rougher than before."""

    def moved(self, shifts_db: FloatArray, wet_over_db: float) -> Conditions:
        """Return these with what the median shifts of the polarisations tell.

        Args:
            shifts_db: (polarisation,), dB.
            wet_over_db: absolute shift of any polarisation from which the look is wet, dB.
        """
        wet = bool((np.abs(shifts_db) > wet_over_db).any())
        snow = bool((shifts_db <= SNOW_SHIFT_DB).all())
        if snow:
            return replace(self, wet=wet, snow=True, snow_line_m=None)
        return replace(self, wet=wet)

    @property
    def steady(self) -> bool:
        """Tell whether the look may speak for or against a known landslide."""
        return not (self.wet or self.snow)


def conditions(
    change_db: FloatArray,
    judged: BoolArray,
    water: BoolArray,
    elevation: FloatArray | None = None,
) -> Conditions:
    """Read snow above an elevation, and wind, from a look against its stack.

    Args:
        change_db: (polarisation, y, x), look minus level, wide shifts still in it, NaN = no data,
            co-polarised first.
        judged: (y, x), pixels of land observed now and before.
        water: (y, x), pixels observed now and before that were at the noise level before.
        elevation: (y, x), metres, NaN = not known; None where there is none.
    """
    line = None if elevation is None else _snow_line(change_db, judged, elevation)
    return Conditions(
        wet=False, snow=line is not None, snow_line_m=line, wind=_wind(change_db[0], water)
    )


def _wind(change_db: FloatArray, water: BoolArray) -> bool:
    """Tell whether open water rose in the co-polarised band, (y, x) dB."""
    if water.sum() < ENOUGH_PIXELS:
        return False
    return float(np.median(change_db[water])) >= WIND_RISE_DB


def _snow_line(change_db: FloatArray, judged: BoolArray, elevation: FloatArray) -> float | None:
    """Return the elevation from which up every band of equal area lost 3 dB, None for none.

    One band could be a landslide or a clear-cut: there must be two, and one below without.
    """
    known = judged & np.isfinite(elevation)
    if known.sum() < ENOUGH_PIXELS * ELEVATION_BANDS:
        return None
    edges = np.quantile(elevation[known], np.linspace(0, 1, ELEVATION_BANDS + 1))
    band = np.clip(np.searchsorted(edges[1:-1], elevation[known]), 0, ELEVATION_BANDS - 1)
    weakest = np.array(
        [np.median(change_db[:, known][:, band == k], axis=1).max() for k in range(ELEVATION_BANDS)]
    )
    dark = weakest <= SNOW_SHIFT_DB
    lowest = ELEVATION_BANDS - int(np.argmin(dark[::-1])) if not dark.all() else 0
    if lowest == 0 or lowest > ELEVATION_BANDS - 2:
        return None
    return float(edges[lowest])
