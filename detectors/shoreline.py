"""Can water lie there? What a terrain model says of a patch that looks like new water.

Water finds its level: every pixel of a pond lies below one height, and its shore lies above it,
but for the stretch where the blockage is (the model is older than the blockage). A dark patch on a
slope has as much shore below as above.
"""

from __future__ import annotations

import enum

import numpy as np
from scipy import ndimage

from detectors.types import BoolArray, FloatArray

#: Error of heights next to each other that is allowed for, m: Copernicus GLO-30 states an absolute
#: vertical accuracy under 4 m (LE90; Product Handbook, GEO.2018-1988-2).
ERROR_M = 4.0
#: Share of the ground inside that lies under the water level: the rest is error of the model.
BELOW = 0.9
#: Least share of the shore that lies above the water level.
SHORE_ABOVE = 0.6
#: How far the surroundings reach that a basin lies lower than, pixels.
SURROUNDINGS = 8


class Setting(enum.StrEnum):
    """Where a patch lies."""

    BASIN = "basin"
    """Lower than its surroundings: water can gather there."""
    FLAT = "flat"
    """A plain: a flood, a flooded field or a reservoir rather than a blocked valley."""
    SLOPE = "slope"
    """Its shore is at no one height: it is no water."""


def setting_of(elevation: FloatArray, patch: BoolArray) -> Setting | None:
    """Tell where a patch lies.

    Args:
        elevation: (y, x), m, from before the change, NaN = not known.
        patch: (y, x), at least one pixel; a margin of ``SURROUNDINGS`` pixels around it is used as
            far as there is one.

    Returns:
        None where less than half of patch or shore has a known height.
    """
    known = np.isfinite(elevation)
    shore = ndimage.binary_dilation(patch, np.ones((3, 3))) & ~patch
    if known[patch].mean() < 0.5 or not shore.any() or known[shore].mean() < 0.5:
        return None
    level = float(np.quantile(elevation[patch & known], BELOW))
    if float((elevation[shore & known] >= level - ERROR_M).mean()) < SHORE_ABOVE:
        return Setting.SLOPE
    near = ndimage.distance_transform_edt(~patch) <= SURROUNDINGS
    around = elevation[near & ~patch & known]
    return Setting.BASIN if float(np.median(around)) > level + ERROR_M else Setting.FLAT
