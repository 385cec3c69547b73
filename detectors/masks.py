"""Why a pixel of an optical look cannot be judged.

One mask per product level: surface reflectance comes with a scene classification (SCL), and where
the source delivers it with a cloud probability; the two disagree, and either one hides a pixel.
Top-of-atmosphere products (L1C) come with neither, and what can be told from their colours
(``from_toa``) is rough.

Unlabelled shadow is the main false alarm of optical change, so cloud and shadow are widened, dark
ground where the classification sees shadow of any kind is not judged, and ``cast_shadow`` finds
dark ground on the far side of clouds from the sun.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.types import BoolArray, FloatArray, Unseen

#: Cloud probability from which a pixel is hidden, per cent.
CLOUD_PROBABILITY = 50
#: Clouds and shadows smaller than this are not widened, m2: most are bright roofs, rock and fresh
#: landslides that the classification takes for cloud; they hide themselves only.
SMALLEST_CLOUD_M2 = 1_600.0
#: Heights of clouds above ground that shadows are looked for from, m.
CLOUD_HEIGHTS_M = (300.0, 6_000.0)
#: Darker than this in near infrared is shadow if a cloud can throw one there: bare ground, and
#: fresh landslides above all, are brighter.
DARK_NIR = 0.12

#: What each class of SCL 0 to 11 means here. 2 is shadow of the terrain, or dark ground before
#: baseline 04.00; 4, 5 and 7 are vegetation, bare ground and not classified.
_SCL = np.array(
    [
        Unseen.NO_DATA,
        Unseen.SATURATED,
        Unseen.CLOUD_SHADOW,
        Unseen.CLOUD_SHADOW,
        Unseen.SEEN,
        Unseen.SEEN,
        Unseen.WATER,
        Unseen.SEEN,
        Unseen.CLOUD,
        Unseen.CLOUD,
        Unseen.CLOUD,
        Unseen.SNOW,
    ],
    dtype=np.uint8,
)
#: SCL class of vegetation.
VEGETATION = 4


def from_scl(
    scl: NDArray[np.uint8],
    *,
    cloud_probability: NDArray[np.uint8] | None = None,
    dilate_m: float,
    pixel_m: float,
) -> NDArray[np.uint8]:
    """Return codes of ``Unseen`` from a scene classification.

    Args:
        scl: uint8 (y, x), classes 0 to 11; others count as no data.
        cloud_probability: uint8 (y, x), per cent, of the same pixels; None where there is none.
        dilate_m: how far clouds and their shadows are widened, m; small ones are not.
        pixel_m: side of a pixel, m.

    Returns:
        uint8 (y, x).
    """
    table = np.full(256, Unseen.NO_DATA, dtype=np.uint8)
    table[: _SCL.size] = _SCL
    unseen: NDArray[np.uint8] = table[scl]
    if cloud_probability is not None:
        likely = (cloud_probability >= CLOUD_PROBABILITY) & (cloud_probability <= 100)
        unseen[likely & (unseen != Unseen.NO_DATA)] = Unseen.CLOUD
    reach, smallest = dilate_m / pixel_m, SMALLEST_CLOUD_M2 / pixel_m**2
    widen(unseen, scl == 3, Unseen.CLOUD_SHADOW, reach, smallest)
    widen(unseen, unseen == Unseen.CLOUD, Unseen.CLOUD, reach, smallest)
    return unseen


def widen(
    unseen: NDArray[np.uint8], where: BoolArray, code: Unseen, pixels: float, smallest: float
) -> None:
    """Give ``code`` to everything that could be seen within so many pixels of ``where``.

    Args:
        unseen: uint8 (y, x), changed in place.
        where: (y, x), clouds or shadows.
        code: what their surroundings become.
        pixels: how far.
        smallest: connected pixels that are widened at least.
    """
    if pixels < 1 or not where.any():
        return
    labels, _ = ndimage.label(where, structure=np.ones((3, 3)))
    where = where & (np.bincount(labels.ravel()) >= smallest)[labels]
    if not where.any():
        return
    near = ndimage.distance_transform_edt(~where) <= pixels
    unseen[near & np.isin(unseen, (Unseen.SEEN, Unseen.WATER))] = code


@dataclass(frozen=True, slots=True)
class Sun:
    """Where the sun stands."""

    azimuth: float
    """Degrees clockwise from north."""
    elevation: float
    """Degrees above the horizon."""


def sun_at(moment: datetime, lon: float, lat: float) -> Sun:
    """Return where the sun stands, good to half a degree, which is enough for shadows."""
    days = (moment.astimezone(UTC) - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86_400
    anomaly = math.radians(357.529 + 0.98560028 * days)
    ecliptic = math.radians(
        280.459 + 0.98564736 * days + 1.915 * math.sin(anomaly) + 0.02 * math.sin(2 * anomaly)
    )
    tilt = math.radians(23.439)
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal = math.radians(280.46061837 + 360.98564736629 * days + lon)
    hour, north = sidereal - ascension, math.radians(lat)
    elevation = math.asin(
        math.sin(north) * math.sin(declination)
        + math.cos(north) * math.cos(declination) * math.cos(hour)
    )
    azimuth = math.atan2(
        -math.sin(hour),
        math.tan(declination) * math.cos(north) - math.sin(north) * math.cos(hour),
    )
    return Sun(math.degrees(azimuth) % 360, math.degrees(elevation))


def cast_shadow(
    cloud: BoolArray, nir: FloatArray, sun: Sun, pixel_m: float, dark: float = DARK_NIR
) -> BoolArray:
    """Return dark pixels that a cloud of any usual height can throw its shadow on.

    Args:
        cloud: (y, x), north up.
        nir: float32 (y, x), reflectance, NaN = no data.
        sun: at the time of the look.
        pixel_m: side of a pixel, m.
        dark: reflectance in near infrared below which ground is in shadow.
    """
    found = np.zeros_like(cloud)
    with np.errstate(invalid="ignore"):
        shady: BoolArray = nir < dark
    if sun.elevation <= 5 or not cloud.any() or not shady.any():
        return found
    for rows, columns in _shifts(sun, pixel_m, max(cloud.shape)):
        found |= _shifted(cloud, rows, columns)
    return found & shady


def _shifts(sun: Sun, pixel_m: float, most: int) -> Iterable[tuple[int, int]]:
    """Return rows and columns from a cloud to its shadow, for cloud heights two pixels apart."""
    per_metre = 1 / (math.tan(math.radians(sun.elevation)) * pixel_m)
    near, far = (height * per_metre for height in CLOUD_HEIGHTS_M)
    south, west = math.cos(math.radians(sun.azimuth)), -math.sin(math.radians(sun.azimuth))
    lengths = np.arange(near, min(far, most * math.sqrt(2)) + 2, 2)
    return [(round(length * south), round(length * west)) for length in lengths]


def _shifted(mask: BoolArray, rows: int, columns: int) -> BoolArray:
    """Move a mask down and to the right; what leaves it is lost."""
    height, width = mask.shape
    moved = np.zeros_like(mask)
    if abs(rows) < height and abs(columns) < width:
        moved[max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)] = (
            mask[
                max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)
            ]
        )
    return moved


def from_toa(
    blue: FloatArray, green: FloatArray, red: FloatArray, nir: FloatArray | None = None
) -> NDArray[np.uint8]:
    """Return codes of ``Unseen`` from colours alone: ROUGH, only where a product has no mask.

    Bright and colourless is cloud. Snow is as bright and as colourless: it cannot be told from
    cloud without short-wave infrared, and counts as cloud here. Haze, thin cloud and, without near
    infrared, shadow are missed; bright roofs and sand count as cloud.

    Args:
        blue: float32 (y, x), reflectance at the top of the atmosphere, NaN = no data.
        green: the same.
        red: the same.
        nir: the same, where there is one; dark ground in it is shadow or water.

    Returns:
        uint8 (y, x).
    """
    bands = np.stack([blue, green, red] + ([] if nir is None else [nir]))
    missing = ~np.isfinite(bands).all(axis=0)
    visible = bands[:3]
    with np.errstate(invalid="ignore"):
        low, high = visible.min(axis=0), visible.max(axis=0)
        bright: BoolArray = (low >= TOA_BRIGHT) & (low >= TOA_COLOURLESS * high)
    unseen = np.full(blue.shape, Unseen.SEEN, dtype=np.uint8)
    if nir is not None:
        with np.errstate(invalid="ignore"):
            unseen[nir < TOA_DARK_NIR] = Unseen.CLOUD_SHADOW
    unseen[bright] = Unseen.CLOUD
    unseen[missing] = Unseen.NO_DATA
    return unseen


#: Least reflectance in every visible band of cloud (and snow) at the top of the atmosphere.
TOA_BRIGHT = 0.16
#: Least ratio of the darkest visible band to the brightest of cloud (and snow).
TOA_COLOURLESS = 0.75
#: Darkest land in near infrared at the top of the atmosphere; below is shadow or water.
TOA_DARK_NIR = 0.08
