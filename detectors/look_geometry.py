"""What a side-looking radar makes of the ground: local incidence, layover and shadow.

Far-field geometry: over the few kilometres one mountain reaches to the next, rays are parallel.
Elevation is float (y, x) in metres, NaN = no data, row 0 in the north, square pixels of ``pixel_m``
metres. Its datum does not matter here: only differences of height count. Ground beyond the border
is unknown and neither shades nor is laid over what lies inside, so give a margin of the height of
the mountains.

Masks are made on the elevation turned into the look direction (``lines_of_sight``): what was
highest or farthest so far decides (Kropatsch & Strobl 1990, IEEE TGRS 28, 98-107).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from shapely.geometry import Point

from detectors.lines_of_sight import Turned, farthest
from detectors.projections import to_lonlat, to_projected
from detectors.terrain import gradient
from detectors.types import BoolArray, FloatArray, Grid, OrbitState, Unseen

#: Sentinel-1's orbit: inclination, degrees; 175 turns in twelve days, radians a second; radius of
#: the orbit over the Earth's.
INCLINATION = 98.18
ORBITAL_RATE = 2 * math.pi * 175 / (12 * 86_400)
RADIUS_RATIO = (6_371.0 + 693.0) / 6_371.0
#: Rotation of the Earth, radians a second.
EARTH_RATE = 7.2921159e-5


@dataclass(frozen=True, slots=True)
class Viewing:
    """From where a radar looks at an area."""

    azimuth: float
    """Horizontal direction from the sensor to the ground, degrees clockwise from grid north."""
    incidence: float | FloatArray
    """Angle to the vertical on flat ground, degrees; one number or (y, x)."""


def viewing(orbit_state: OrbitState, latitude: float, incidence: float | FloatArray) -> Viewing:
    """Return how Sentinel-1, which looks to the right, sees ground at a latitude.

    Zero-Doppler geometry on a sphere: the beam leaves at right angles to the velocity over the
    turning Earth and follows a great circle to the ground.

    Args:
        orbit_state: flight direction.
        latitude: of the ground, degrees, -77 to 77.
        incidence: on flat ground, degrees; one number or (y, x), whose mean gives the azimuth.

    Returns:
        Azimuth from true north; ``viewing_on`` gives it from a grid's north.

    Raises:
        ValueError: the satellite does not look at that latitude.
    """
    middle = math.radians(float(np.nanmean(incidence)))
    reach = middle - math.asin(math.sin(middle) / RADIUS_RATIO)
    rising = orbit_state is OrbitState.ASCENDING

    def miss(argument: float) -> float:
        return _looked_at(argument, reach, rising=rising)[0] - math.radians(latitude)

    try:
        # Towards the poles the track turns round and ground is seen twice; this is the usual part.
        argument = optimize.brentq(miss, -math.radians(85), math.radians(85))
    except ValueError as error:
        raise ValueError(f"Sentinel-1 does not look at latitude {latitude}") from error
    return Viewing(math.degrees(_looked_at(argument, reach, rising=rising)[1]) % 360, incidence)


def viewing_on(grid: Grid, orbit_state: OrbitState, incidence: float | FloatArray) -> Viewing:
    """Return how Sentinel-1 sees a grid: as ``viewing`` at its middle, but from grid north.

    Raises:
        ValueError: the satellite does not look there.
    """
    west, south, east, north = grid.bounds
    middle = Point((west + east) / 2, (south + north) / 2)
    place = to_lonlat(middle, grid.epsg)
    ahead = to_projected(Point(place.x, place.y + 1e-3), grid.epsg)
    # Where true north points on the grid: the meridian convergence.
    convergence = math.degrees(math.atan2(ahead.x - middle.x, ahead.y - middle.y))
    seen = viewing(orbit_state, place.y, incidence)
    return Viewing((seen.azimuth + convergence) % 360, incidence)


def _looked_at(argument: float, reach: float, *, rising: bool) -> tuple[float, float]:
    """Latitude looked at and azimuth of the beam there, radians.

    Args:
        argument: angle along the orbit from the equator, positive in the north.
        reach: angle at the Earth's centre between the point under the satellite and the ground.
        rising: flying north.
    """
    tilt = math.radians(INCLINATION)
    below = math.asin(math.sin(tilt) * math.sin(argument))
    eastward = ORBITAL_RATE * math.cos(tilt) / math.cos(below) - EARTH_RATE * math.cos(below)
    northward = ORBITAL_RATE * math.sin(tilt) * math.cos(argument) / math.cos(below)
    start = math.atan2(eastward, northward if rising else -northward) + math.pi / 2
    ground = math.asin(
        math.sin(below) * math.cos(reach) + math.cos(below) * math.sin(reach) * math.cos(start)
    )
    arrival = math.atan2(
        math.sin(start) * math.cos(below),
        math.cos(start) * math.cos(below) * math.cos(reach) - math.sin(below) * math.sin(reach),
    )
    return ground, arrival


def local_incidence(elevation: FloatArray, pixel_m: float, viewing: Viewing) -> FloatArray:
    """Return the angle between the ray and the normal of the ground, degrees.

    Returns:
        float32 (y, x), 0 where the ground faces the sensor, over 90 where it is turned away, NaN
        where the elevation or its gradient is missing.
    """
    east, north = gradient(elevation, pixel_m)
    angle, azimuth = np.radians(viewing.incidence), math.radians(viewing.azimuth)
    towards = east * math.sin(azimuth) + north * math.cos(azimuth)
    cosine = (np.cos(angle) + np.sin(angle) * towards) / np.sqrt(1 + east**2 + north**2)
    local: FloatArray = np.degrees(np.arccos(np.clip(cosine, -1, 1))).astype(np.float32)
    return local


def layover(elevation: FloatArray, pixel_m: float, viewing: Viewing) -> BoolArray:
    """Return where several places lie at one distance from the sensor, and echo together.

    Active layover (slopes that face the sensor and are steeper than the incidence angle) and the
    passive one before and behind it. Ground in shadow, which adds nothing, counts too.

    Returns:
        bool (y, x); False where the elevation is missing.
    """
    turned = Turned.of(elevation, pixel_m, viewing.azimuth, viewing.incidence)
    flat = np.sin(turned.angle)
    reach = turned.path(flat) - turned.height * np.cos(turned.angle)
    behind = farthest(reach, turned.known) - reach
    # The same from the other end: is anything further on nearer to the sensor?
    before = farthest(-reach[:, ::-1], turned.known[:, ::-1])[:, ::-1] + reach
    return turned.back(np.maximum(behind, before), flat)


def radar_shadow(elevation: FloatArray, pixel_m: float, viewing: Viewing) -> BoolArray:
    """Return where higher ground towards the sensor keeps the ray away.

    Active shadow (slopes turned away more steeply than the ray falls, 90 degrees minus the
    incidence angle) and what they cast beyond.

    Returns:
        bool (y, x); False where the elevation is missing.
    """
    turned = Turned.of(elevation, pixel_m, viewing.azimuth, viewing.incidence)
    flat = 1 / np.tan(turned.angle)
    sight = turned.height + turned.path(flat)
    return turned.back(farthest(sight, turned.known) - sight, flat)


def unseen_ground(elevation: FloatArray, pixel_m: float, viewing: Viewing) -> NDArray[np.uint8]:
    """Return codes of ``Unseen``: no data, radar shadow, layover (which wins), or seen.

    Returns:
        uint8 (y, x).
    """
    codes = np.full(elevation.shape, Unseen.SEEN, dtype=np.uint8)
    codes[radar_shadow(elevation, pixel_m, viewing)] = Unseen.RADAR_SHADOW
    codes[layover(elevation, pixel_m, viewing)] = Unseen.LAYOVER
    codes[~np.isfinite(elevation)] = Unseen.NO_DATA
    return codes
