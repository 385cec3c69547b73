"""Angular terrain flattening, for sources that are corrected to the ellipsoid only.

Vollrath, Mullissa & Reiche (2020), Remote Sens. 12(11), 1867: backscatter of a tilted pixel is
divided by what the tilt alone does to it. Two models of the ground: a *volume* of scatterers that
all directions are alike to (forest; their section 2.2.1, after Hoekman 1990), and an opaque
*surface* (bare ground, rock, grass; section 2.2.2, after Ulander 1996). Products that are
terrain-flattened already (RTC) must not be flattened again.

Elevation, pixel size and azimuths are as in ``look_geometry``.
"""

from __future__ import annotations

import enum
import math

import numpy as np
from numpy.typing import NDArray

from detectors.look_geometry import Viewing, unseen_ground
from detectors.radiometry import Power
from detectors.terrain import gradient
from detectors.types import FloatArray, Unseen


class Ground(enum.StrEnum):
    """What is taken to send the power back."""

    VOLUME = "volume"
    SURFACE = "surface"


def tilt_gain(
    elevation: FloatArray, pixel_m: float, viewing: Viewing, model: Ground | str = Ground.VOLUME
) -> FloatArray:
    """Return what the tilt of the ground multiplies ellipsoidal gamma0 with.

    With the incidence angle t, the slope r along the range (positive towards the sensor) and the
    slope a across it: volume ``tan(90 - t + r) / tan(90 - t)``, surface
    ``cos(90 - t) / (cos(a) cos(90 - t + r))`` (their equations for the model; flat ground gives 1).

    Returns:
        float32 (y, x); NaN where the gradient is missing, and in active layover and shadow, where
        the models have no meaning (t <= r, or r <= t - 90).

    Raises:
        ValueError: there is no such model.
    """
    model = Ground(model)
    east, north = gradient(elevation, pixel_m)
    azimuth = math.radians(viewing.azimuth)
    incidence = np.radians(np.asarray(viewing.incidence, dtype=np.float64))
    in_range = np.arctan(east * math.sin(azimuth) + north * math.cos(azimuth))
    # The ray's angle to the ground in the plane it travels in; 90 degrees on ground facing it.
    grazing = math.pi / 2 - incidence + in_range
    valid = (grazing > 0) & (grazing < math.pi / 2)
    grazing = np.where(valid, grazing, np.nan)
    if model is Ground.VOLUME:
        gain = np.tan(grazing) * np.tan(incidence)
    else:
        across = np.arctan(east * math.cos(azimuth) - north * math.sin(azimuth))
        gain = np.sin(incidence) / (np.cos(across) * np.cos(grazing))
    return gain.astype(np.float32)


def flatten(
    gamma0_ellipsoid: Power,
    elevation: FloatArray,
    pixel_m: float,
    viewing: Viewing,
    model: Ground | str = Ground.VOLUME,
) -> Power:
    """Take the tilt of the ground out of backscatter.

    Args:
        gamma0_ellipsoid: (..., y, x), linear power over the cosine of the ellipsoid's incidence
            angle, NaN = no data. For sigma0 divide by that cosine first.
        elevation: float (y, x), metres, NaN = no data.
        pixel_m: side of a pixel, metres.
        viewing: from where it was seen.
        model: of the ground; forest wants ``volume``, everything else ``surface``.

    Returns:
        (..., y, x), float32, linear power; NaN in layover and shadow, active, passive and cast,
        and where the ground is not known.

    Raises:
        ValueError: there is no such model.
    """
    gain = tilt_gain(elevation, pixel_m, viewing, model)
    gain[unseen_ground(elevation, pixel_m, viewing) != Unseen.SEEN] = np.nan
    return Power((gamma0_ellipsoid / gain).astype(np.float32))


def flatten_by_cover(
    gamma0_ellipsoid: Power,
    elevation: FloatArray,
    pixel_m: float,
    viewing: Viewing,
    forest: NDArray[np.bool_],
) -> Power:
    """Flatten forest as a volume and everything else as a surface; see ``flatten``.

    Args:
        gamma0_ellipsoid: as in ``flatten``.
        elevation: as in ``flatten``.
        pixel_m: as in ``flatten``.
        viewing: as in ``flatten``.
        forest: bool (y, x), by a land cover map.
    """
    volume, surface = (
        flatten(gamma0_ellipsoid, elevation, pixel_m, viewing, model) for model in Ground
    )
    return Power(np.where(forest, volume, surface))
