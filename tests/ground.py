"""Ground with closed forms: planes, ridges, walls, cones; elevation in metres, north up."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

PIXEL_M = 30.0
Profile = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def east_north(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Metres to the east and to the north of the middle of a square, per pixel centre."""
    place = (np.arange(side) - (side - 1) / 2) * PIXEL_M
    east, south = np.meshgrid(place, place)
    return east, -south


def along(azimuth: float, side: int) -> np.ndarray:
    """Metres from the middle in the direction of an azimuth."""
    east, north = east_north(side)
    angle = math.radians(azimuth)
    return east * math.sin(angle) + north * math.cos(angle)


def plane(side: int, slope: float, downhill: float, height: float = 1_000.0) -> np.ndarray:
    """A plane that falls ``slope`` degrees towards ``downhill``."""
    return (height - math.tan(math.radians(slope)) * along(downhill, side)).astype(np.float32)


def cone(side: int, slope: float, height: float = 3_000.0) -> np.ndarray:
    """A cone with its tip in the middle."""
    distance = np.hypot(*east_north(side))
    return (height - math.tan(math.radians(slope)) * distance).astype(np.float32)


def across(profile: Profile, azimuth: float, side: int) -> np.ndarray:
    """Ground whose height depends on the way along an azimuth only, at the pixel centres."""
    return profile(along(azimuth, side)).astype(np.float32)


def wall(height: float, half: float) -> Profile:
    """Level ground with a block on it."""
    return lambda r: np.where(np.abs(r) <= half, height, 0.0)


def ridge(height: float, near: float, far: float) -> Profile:
    """Level ground with a ridge whose foot lies ``near`` before and ``far`` behind the crest."""
    return lambda r: np.maximum(
        np.where(r < 0, height + r * height / near, height - r * height / far), 0
    )


def seen_at(place: NDArray[np.float64], spans: list[tuple[float, float]]) -> NDArray[np.bool_]:
    """True inside any of the spans."""
    inside = np.zeros(place.shape, dtype=bool)
    for first, last in spans:
        inside |= (place > first) & (place < last)
    return inside
