"""Elevation turned so that every row is one line of sight across the ground, and back again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from detectors.types import BoolArray, FloatArray

#: Samples a pixel along the line of sight: edges keep to a pixel in oblique looks too.
FINER = 3


def farthest(values: NDArray[np.float64], known: BoolArray) -> NDArray[np.float64]:
    """Greatest value of each row before the pixel itself, minus infinity where there is none."""
    best = np.full(values.shape, -np.inf)
    np.maximum.accumulate(np.where(known, values, -np.inf)[:, :-1], axis=1, out=best[:, 1:])
    return best


@dataclass(frozen=True, slots=True)
class Turned:
    """Elevation whose rows run in the look direction, away from the sensor."""

    height: NDArray[np.float64]
    """(line, range) in metres, the mean where not known."""
    angle: NDArray[np.float64]
    """(line, range) or one number, incidence in radians."""
    known: BoolArray
    """(line, range), True where most of the pixel has elevation."""
    step_m: float
    """From one column to the next, metres."""
    turn: NDArray[np.float64]
    """2 x 2, from (line, range) to (row, column)."""
    was: BoolArray
    """(y, x), True where the elevation has a value."""

    @classmethod
    def of(
        cls,
        elevation: FloatArray,
        pixel_m: float,
        look_azimuth: float,
        incidence_degrees: float | FloatArray,
    ) -> Turned:
        """Turn elevation.

        Args:
            elevation: float (y, x), metres, NaN = no data, north up.
            pixel_m: side of a pixel, metres.
            look_azimuth: from the sensor to the ground, degrees clockwise from grid north.
            incidence_degrees: on flat ground; one number or (y, x).
        """
        incidence = np.asarray(incidence_degrees, dtype=np.float64)
        was: BoolArray = np.isfinite(elevation) & np.isfinite(incidence)
        azimuth = math.radians(look_azimuth)
        # Rounded, so that looks along rows and columns hit the pixels themselves.
        sine, cosine = round(math.sin(azimuth), 12), round(math.cos(azimuth), 12)
        turn = np.array([[sine, -cosine / FINER], [cosine, sine / FINER]])
        rows, columns = (side - 1 for side in elevation.shape)
        extent = (
            rows * abs(sine) + columns * abs(cosine),
            FINER * (rows * abs(cosine) + columns * abs(sine)),
        )
        shape = tuple(math.ceil(side - 1e-6) + 1 for side in extent)
        weight = _resample(was.astype(np.float64), turn, shape)
        known: BoolArray = weight >= 0.5

        def turned(values: NDArray[np.float64]) -> NDArray[np.float64]:
            """From the middle of the values, which stands where nothing is known."""
            middle = float(values[was].mean()) if was.any() else 0.0
            result = _resample(np.where(was, values - middle, 0.0), turn, shape)
            return middle + np.divide(result, weight, out=np.zeros(shape), where=known)

        height = turned(elevation.astype(np.float64))
        angle = np.radians(incidence)
        return cls(
            height, turned(angle) if angle.ndim else angle, known, pixel_m / FINER, turn, was
        )

    def path(self, per_metre: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add a rate per metre of flat ground up along the range, (line, range)."""
        steps = np.broadcast_to(per_metre * self.step_m, self.height.shape)
        between: NDArray[np.float64] = np.zeros(steps.shape)
        np.cumsum((steps[:, 1:] + steps[:, :-1]) / 2, axis=1, out=between[:, 1:])
        return between

    def back(self, excess: NDArray[np.float64], step: NDArray[np.float64]) -> BoolArray:
        """Turn back and tell where the excess is positive.

        What is interpolated is the excess and not the mask, within one step of flat ground
        (``step``, metres a metre) of zero, so that edges lie where it vanishes.
        """
        limit = step * self.step_m
        bounded = np.where(self.known, np.clip(excess, -limit, limit), -limit)
        inside: BoolArray = _resample(bounded, np.linalg.inv(self.turn), self.was.shape) > 0
        return inside & self.was


def _resample(
    values: NDArray[np.float64], matrix: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Turn a raster about its middle, bilinearly, 0 outside."""
    middle = (np.array(values.shape) - 1) / 2 - matrix @ ((np.array(shape) - 1) / 2)
    turned: NDArray[np.float64] = ndimage.affine_transform(
        values, matrix, middle.round(9), shape, order=1, mode="grid-constant"
    )
    return turned
