"""What a radar receives from simulated ground: levels, season, weather, scatter, speckle, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from detectors.look_geometry import Viewing
from detectors.radiometry import POWER_FLOOR, Decibel, to_power
from detectors.simulate_ground import direction, fractal
from detectors.simulation.land import Land, LandCover
from detectors.simulation.parameters import POLARISATIONS, Pair, Parameters
from detectors.types import BoolArray, FloatArray

#: Incidence that the levels of the parameters hold for, degrees.
LEVEL_INCIDENCE = 38.0
_BANDS = len(POLARISATIONS)
#: Pixels along the range that echo together in layover.
_LAID = 5


@dataclass(frozen=True, slots=True)
class LookWeather:
    """The weather of one look."""

    wet: bool
    """The ground is wet: everything but water is brighter."""
    snow: bool
    """Wet snow lies above ``snow_line_m``."""
    snow_line_m: float | None
    """Elevation, metres; None without wet snow."""
    shift_db: Pair
    """Wide shift over cover of share 1, by polarisation, dB; snow apart."""
    snow_db: Pair
    """Change above the snow line over cover of share 1, by polarisation, dB."""


def weather_of(
    moment: datetime, parameters: Parameters, lowest_m: float, wet_probability: float,
    draw: np.random.Generator,
) -> LookWeather:  # fmt: skip
    """Draw the weather of a look.

    Args:
        moment: of the look; snow has its months.
        parameters: the figures.
        lowest_m: lowest ground, metres.
        wet_probability: that the ground is wet.
        draw: random numbers; as many are taken whatever comes out.
    """
    shift, snow = parameters.shift, parameters.snow
    rain, thaw, line = draw.random(3)
    usual, more, melt = draw.normal(size=3)
    wet, melting = rain < wet_probability, moment.month in snow.months and thaw < snow.probability
    base = shift.dry_deviation_db * usual
    risen = 1 + shift.wet_deviation_db / shift.wet_db[0] * more if wet else 0.0
    share = snow.line_share[0] + line * (snow.line_share[1] - snow.line_share[0])
    deep = math.exp(snow.wet_snow_spread * melt)
    return LookWeather(
        wet=bool(wet),
        snow=bool(melting),
        snow_line_m=lowest_m + share * parameters.land.relief_m if melting else None,
        shift_db=(base + risen * shift.wet_db[0], base + risen * shift.wet_db[1]),
        snow_db=(deep * snow.wet_snow_db[0], deep * snow.wet_snow_db[1]) if melting else (0.0, 0.0),
    )


def level_of(
    land: Land, incidence: FloatArray, shared: FloatArray, parameters: Parameters,
    draw: np.random.Generator,
) -> FloatArray:  # fmt: skip
    """Return the yearly mean of gamma0 from one direction, float32 (polarisation, y, x), dB.

    Args:
        land: the ground.
        incidence: local incidence, (y, x), degrees.
        shared: (polarisation, y, x), texture that all directions see, deviation 1.
        parameters: the figures.
        draw: random numbers, for the texture of this direction.
    """
    rules = parameters.texture
    share = rules.between_directions
    own = texture_of(land.grid.shape, parameters, draw)
    texture = math.sqrt(share) * shared + math.sqrt(1 - share) * own
    slant = np.clip(incidence, 0, 89) - LEVEL_INCIDENCE
    level = np.stack([by_cover(land.cover, parameters, "level_db", k) for k in range(_BANDS)])
    level += by_cover(land.cover, parameters, "per_degree_db") * slant
    # Open water is smooth: it has no texture of its own.
    level += np.array(rules.deviation_db)[:, None, None] * texture * _dry(land)
    return level.astype(np.float32)


def texture_of(
    shape: tuple[int, int], parameters: Parameters, draw: np.random.Generator
) -> FloatArray:
    """Draw a texture of mean 0 and deviation 1, float32 (polarisation, y, x)."""
    rules = parameters.texture
    one, two = (fractal(shape, draw, rules.roughness, rules.longest_pixels) for _ in range(_BANDS))
    r = rules.between_polarisations
    return np.stack([one, r * one + math.sqrt(1 - r**2) * two]).astype(np.float32)


def date_change(
    land: Land, moment: datetime, weather: LookWeather, peak_day: float, parameters: Parameters,
    draw: np.random.Generator,
) -> FloatArray:  # fmt: skip
    """Return what season and weather make of the level, float32 (polarisation, y, x), dB."""
    shift, snow = parameters.shift, parameters.snow
    turn = math.cos(2 * math.pi * (moment.timetuple().tm_yday - peak_day) / 365.25)
    wet_share = by_cover(land.cover, parameters, "wet_share")
    field = fractal(land.grid.shape, draw, shift.patch_roughness, shift.patch_pixels)
    edge = 0.0
    if weather.snow_line_m is not None:
        ragged = snow.edge_m * fractal(land.grid.shape, draw, 1.5, 40)
        above = (land.elevation + ragged - weather.snow_line_m) / snow.edge_m
        edge = special.expit(2 * above) * by_cover(land.cover, parameters, "snow_share")
    patch = shift.wet_patch_db if weather.wet else shift.dry_patch_db
    wind = draw.normal(size=_BANDS)
    change = np.empty((_BANDS, *land.grid.shape), dtype=np.float32)
    for band in range(_BANDS):
        season = turn * by_cover(land.cover, parameters, "season_db", band)
        # Wet ground is patchy as it is wet: by cover. What is left of a dry look is not.
        local = weather.shift_db[band] * wet_share if weather.wet else weather.shift_db[band]
        local = local + patch[band] * field * (wet_share if weather.wet else 1.0)
        open_water = shift.water_deviation_db[band] * wind[band]
        change[band] = season + np.where(_dry(land), local, open_water)
        change[band] += weather.snow_db[band] * edge
    return change


def wander(
    shape: tuple[int, ...], days: float, before: FloatArray | None, parameters: Parameters,
    draw: np.random.Generator,
) -> FloatArray:  # fmt: skip
    """Return how pixels wander from one look to the next, float32 (polarisation, y, x), dB.

    A first-order autoregression in time: deviation and memory as in ``Scatter``.

    Args:
        shape: polarisations, rows, columns.
        days: since the look before.
        before: what this function returned for it, None for the first look.
        parameters: the figures.
        draw: random numbers.
    """
    deviation = np.array(parameters.scatter.deviation_db, dtype=np.float32)[:, None, None]
    fresh: FloatArray = deviation * draw.standard_normal(shape, dtype=np.float32)
    if before is None:
        return fresh
    memory = math.exp(-days / parameters.scatter.days)
    wandered: FloatArray = memory * before + math.sqrt(1 - memory**2) * fresh
    return wandered


def speckle(
    shape: tuple[int, ...], looks: float, neighbours: float, draw: np.random.Generator
) -> FloatArray:
    """Draw multiplicative speckle of mean 1: gamma distributed, neighbours alike.

    A normal field with the correlation asked for, mapped to the quantiles of the gamma distribution
    (whose correlation is the same within a few hundredths for ten looks and more).

    Args:
        shape: (..., y, x).
        looks: equivalent number of looks, the shape of the distribution.
        neighbours: correlation of pixels that share a side, 0 to 0.4.
        draw: random numbers.

    Returns:
        float32, of ``shape``.
    """
    # A kernel (a, 1, a) along each axis: correlation 2a / (1 + 2a2) between neighbours.
    a = (1 - math.sqrt(1 - 2 * neighbours**2)) / (2 * neighbours) if neighbours else 0.0
    kernel = np.array([a, 1.0, a]) / math.sqrt(1 + 2 * a * a)
    field = draw.standard_normal(shape, dtype=np.float32)
    for axis in (-2, -1):
        field = ndimage.convolve1d(field, kernel, axis=axis, mode="wrap")
    knots = np.linspace(-5.5, 5.5, 2201)
    quantiles = special.gammaincinv(looks, special.ndtr(knots)) / looks
    drawn: FloatArray = np.interp(field, knots, quantiles).astype(np.float32)
    return drawn


def received(power: FloatArray, grain: FloatArray, parameters: Parameters) -> FloatArray:
    """Return gamma0 as a processor gives it: speckled together with the noise, noise taken out.

    Args:
        power: (..., y, x), linear, noiseless.
        grain: speckle of the same shape.
        parameters: the figures.

    Returns:
        float32, linear; never under -50 dB.
    """
    noise = np.float32(10 ** (parameters.radar.noise_db / 10))
    looked: FloatArray = np.maximum((power + noise) * grain - noise, POWER_FLOOR)
    return looked.astype(np.float32)


def laid_over(power: FloatArray, layover: BoolArray, viewing: Viewing) -> FloatArray:
    """Return linear power where places along the range echo together, (..., y, x)."""
    east, north = direction(viewing.azimuth)
    echoes = np.zeros_like(power)
    for step in range(-(_LAID // 2), _LAID // 2 + 1):
        shift = (-round(step * north), round(step * east))
        echoes += np.roll(power, shift, axis=(-2, -1))
    mixed: FloatArray = np.where(layover, echoes / _LAID, power).astype(np.float32)
    return mixed


def by_cover(
    cover: NDArray[np.uint8], parameters: Parameters, name: str, band: int | None = None
) -> FloatArray:
    """Spread one figure of every land cover over the pixels, float32 (y, x)."""
    table = np.zeros(max(LandCover) + 1, dtype=np.float32)
    for code in LandCover:
        value = getattr(parameters.cover[code.name.lower()], name)
        table[code] = value if band is None else value[band]
    return table[cover]


def change_of(power: FloatArray, change: FloatArray, mix: BoolArray, seen: Viewing) -> FloatArray:
    """Return the noiseless change that is received, dB, layover included.

    Args:
        power: (polarisation, y, x), linear, before.
        change: the same shape, dB, on the ground.
        mix: (y, x), layover.
        seen: from where.
    """
    before = laid_over(power, mix, seen)
    after = laid_over(power * to_power(Decibel(change)), mix, seen)
    ratio: FloatArray = (10 * np.log10(after / before)).astype(np.float32)
    return ratio


def _dry(land: Land) -> BoolArray:
    dry: BoolArray = land.cover != LandCover.WATER
    return dry
