"""Speckle filters, side by side on the same simulated events: which one the detectors want."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy import ndimage

from bench.sar import series
from bench.sar.figures import Record
from bench.sar.judging import remembering
from detectors.radiometry import despeckle_db, fill_nearest, to_db, to_power
from detectors.simulation.parameters import Parameters
from detectors.simulation.scene import simulate

#: Looks in a pixel of OPERA RTC-S1, as the simulator has them.
LOOKS = 14.0
Filter = Callable[[np.ndarray], np.ndarray]


def none(decibel: np.ndarray) -> np.ndarray:
    """Leave the look as it is."""
    return decibel


def boxcar(decibel: np.ndarray) -> np.ndarray:
    """Mean power of 3 x 3 pixels."""
    return _outside(decibel, lambda power: ndimage.uniform_filter(power, 3))


def lee(decibel: np.ndarray) -> np.ndarray:
    """Local statistics of 5 x 5 pixels (Lee 1980): the mean, and the pixel where it stands out."""
    return _outside(decibel, lambda power: _lee(power, ndimage.uniform_filter, 5))


def refined_lee(decibel: np.ndarray) -> np.ndarray:
    """Local statistics of that half of 7 x 7 pixels that lies on the pixel's side (Lee 1981)."""
    return _outside(decibel, _refined)


def _outside(decibel: np.ndarray, smooth: Filter) -> np.ndarray:
    missing = np.isnan(decibel)
    if missing.all():
        return decibel
    power = smooth(to_power(fill_nearest(decibel)).astype(np.float64))
    return np.where(missing, np.nan, to_db(power.astype(np.float32))).astype(np.float32)


def _weighted(power: np.ndarray, mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Mix a pixel with the mean around it by how much of the variance speckle explains."""
    variance = np.maximum(square - mean**2, 1e-20)
    signal = np.maximum((variance - mean**2 / LOOKS) / (1 + 1 / LOOKS), 0.0)
    return mean + signal / variance * (power - mean)


def _lee(power: np.ndarray, average: Callable[..., np.ndarray], size: int) -> np.ndarray:
    return _weighted(power, average(power, size), average(power**2, size))


def _refined(power: np.ndarray) -> np.ndarray:
    """Choose among eight half windows by the gradient of 3 x 3 means, as Lee (1981)."""
    rows, columns = np.mgrid[-3:4, -3:4]
    halves = [(rows * np.sin(a) + columns * np.cos(a) >= -1e-9) for a in np.arange(8) * np.pi / 4]
    means = np.stack([ndimage.correlate(power, h / h.sum()) for h in halves])
    squares = np.stack([ndimage.correlate(power**2, h / h.sum()) for h in halves])
    middle = ndimage.uniform_filter(power, 3)
    across = [np.abs(means[k] - means[k + 4]) for k in range(4)]
    edge = np.argmax(across, axis=0)
    nearer = np.abs(np.take_along_axis(means, edge[None], 0)[0] - middle) <= np.abs(
        np.take_along_axis(means, edge[None] + 4, 0)[0] - middle
    )
    chosen = np.where(nearer, edge, edge + 4)[None]
    mean = np.take_along_axis(means, chosen, 0)[0]
    return _weighted(power, mean, np.take_along_axis(squares, chosen, 0)[0])


#: By name; the same for both detectors, but as they ship.
FILTERS: Mapping[str, Filter | None] = {
    "as shipped": None, "total variation": despeckle_db, "none": none, "boxcar 3x3": boxcar,
    "Lee 5x5": lee, "refined Lee 7x7": refined_lee,
}  # fmt: skip


def event(seed: int, name: str, parameters: Parameters, *, size: int = 300) -> Iterator[Record]:
    """Judge the quiet and planted looks of one event with another filter."""
    scene = simulate(seed, parameters, size=size, looks_before=series.BEFORE, looks_after=1)
    judging = series.Own(scene.elevation)
    for track in scene.tracks:
        origin = {
            "source": "simulated", "seed": seed, "orbit": str(track.orbit_state), "filter": name,
        }  # fmt: skip
        with remembering(FILTERS[name]):
            yield from series.quiet_looks(scene, track, origin, judging)
            yield from series.planted_looks(scene, track, seed, parameters, origin, judging)
