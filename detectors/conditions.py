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
#: Fewest pixels that speak for open water.
ENOUGH_PIXELS = 200
#: Co-polarised rise of open water that is called wind, dB.
WIND_RISE_DB = 3.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What moved a look as a whole."""

    wet: bool
    """A wide shift (``normalise.WET_SHIFT_DB``): wet soil, snow, frost."""
    snow: bool
    """The ground as a whole lost 3 dB and more in every polarisation."""
    snow_line_m: float | None
    """Elevation from which up the look shows wet snow and is not judged, metres; None for none, or
    without elevations."""
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
        return replace(self, wet=wet, snow=snow)

    @property
    def steady(self) -> bool:
        """Tell whether the look may speak for or against a known landslide."""
        return not (self.wet or self.snow)


def conditions(
    change_db: FloatArray, water: BoolArray, snow_line_m: float | None = None
) -> Conditions:
    """Read wind from a look against its stack, and carry what ``snow`` found.

    Args:
        change_db: (polarisation, y, x), look minus level, wide shifts still in it, NaN = no data,
            co-polarised first.
        water: (y, x), pixels observed now and before that were at the noise level before.
        snow_line_m: elevation from which up the look shows wet snow, metres; None for none.
    """
    return Conditions(
        wet=False, snow=False, snow_line_m=snow_line_m, wind=_wind(change_db[0], water)
    )


def _wind(change_db: FloatArray, water: BoolArray) -> bool:
    """Tell whether open water rose in the co-polarised band, (y, x) dB."""
    if water.sum() < ENOUGH_PIXELS:
        return False
    return float(np.median(change_db[water])) >= WIND_RISE_DB
