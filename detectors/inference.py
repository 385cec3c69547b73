"""The only loop that runs networks over pictures: overlapping windows, blended into one map.

A window is judged by what it holds, about its own mean and spread (``detectors.stretch``), turned
and mirrored so that no direction is preferred, and in several sizes, since what is too fine for a
network in one is plain in another. Windows overlap by half and count less towards their edges; at
each pixel their shares sum to one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.networks import SIDE_MULTIPLE, Run, half_precision, scores_of
from detectors.stretch import standardise_windows
from detectors.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

Prepare = Callable[[FloatArray], "Tensor"]

#: Quarter turns and mirror images of a square.
ORIENTATIONS = 8


@dataclass(frozen=True, slots=True)
class Windows:
    """How a picture is cut."""

    size: int = 128
    """Side of a window, pixels; a multiple of 16."""
    step: int = 64
    """Distance of neighbouring windows, pixels; at most the size."""
    orientations: int = ORIENTATIONS
    """How many of the eight turns and mirror images are averaged, 1 to 8."""
    sides: tuple[int, ...] = ()
    """Sizes a window is shown in, its side in pixels, averaged; empty = as it is."""
    batch: int = 32
    """Windows, each orientation counted, judged at once: memory, not result."""

    def __post_init__(self) -> None:
        for side in (self.size, *self.sides):
            if side % SIDE_MULTIPLE or side <= 0:
                raise ValueError(f"a side of {side} is no multiple of {SIDE_MULTIPLE} pixels")
        if not 0 < self.step <= self.size:
            raise ValueError(f"windows of {self.size} cannot be {self.step} pixels apart")
        if not 0 < self.orientations <= ORIENTATIONS:
            raise ValueError(f"{self.orientations} orientations; there are 1 to {ORIENTATIONS}")

    def origins(self, length: int) -> list[int]:
        """Return where windows begin along a side of that length; the last one ends with it."""
        last = max(length - self.size, 0)
        return [*range(0, last, self.step), last]

    def taper(self) -> FloatArray:
        """Return the weight of each pixel of a window, float32 (size, size), all above zero."""
        ramp = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size
        edge = np.minimum(ramp, 1.0 - ramp)
        taper: FloatArray = np.outer(edge, edge).astype(np.float32)
        return taper

    def shares(self, height: int, width: int) -> FloatArray:
        """Return the sum of the weights of all windows at each pixel, float32 (y, x)."""
        total = np.zeros((max(height, self.size), max(width, self.size)), dtype=np.float32)
        for top, left in itertools.product(self.origins(height), self.origins(width)):
            total[top : top + self.size, left : left + self.size] += self.taper()
        return total[:height, :width]


def predict(network: Run, picture: FloatArray, windows: Windows) -> FloatArray:
    """Judge a picture of any size.

    Args:
        network: from standardised (n, band, y, x) to logits (n, 1, y, x), in evaluation mode.
        picture: float (band, y, x) in any unit, NaN = not observed.
        windows: how to cut it.

    Returns:
        float32 (y, x), 0..1, NaN where any band is NaN.
    """
    alone: FloatArray = predict_classes(network, picture, windows)[0]
    return alone


def predict_classes(
    network: Run,
    picture: FloatArray,
    windows: Windows,
    prepare: Prepare | None = None,
    outputs: int = 1,
) -> FloatArray:
    """Judge a picture of any size, class by class.

    Args:
        network: from what ``prepare`` makes, (n, band, y, x), to logits (n, outputs, y, x), in
            evaluation mode.
        picture: float (band, y, x), NaN = not observed.
        windows: how to cut it.
        prepare: what a network sees of windows (n, band, y, x) with NaN; None = each band about
            its own mean and spread in the window.
        outputs: 1 for one class against the rest, else one a class, of which one is true.

    Returns:
        float32 (outputs, y, x), 0..1, NaN where any band is NaN.
    """
    prepare = prepare or standardised
    seen = np.isfinite(picture).all(axis=0)
    height, width = seen.shape
    padded = _pad(np.where(seen, picture, np.nan).astype(np.float32), windows.size)
    weight = np.zeros(padded.shape[1:], dtype=np.float32)
    total = np.zeros((outputs, *weight.shape), dtype=np.float32)
    taper = windows.taper()
    at_once = max(windows.batch // windows.orientations, 1)
    for group in itertools.batched(_observed(padded, windows), at_once):
        ready = prepare(np.stack([padded[:, *cut] for cut in group]))
        judged = _judge(network, ready, windows, outputs)
        for cut, window in zip(group, judged, strict=True):
            total[:, *cut] += window * taper
            weight[cut] += taper
    with np.errstate(invalid="ignore"):
        blended: FloatArray = (total / weight).astype(np.float32)[:, :height, :width]
    blended[:, ~seen] = np.nan
    return blended


def _pad(picture: FloatArray, size: int) -> FloatArray:
    """Mirror a picture at its far edges until a window fits into it."""
    beyond = [(0, max(size - side, 0)) for side in picture.shape[1:]]
    return (
        np.pad(picture, [(0, 0), *beyond], mode="symmetric") if any(map(max, beyond)) else picture
    )


def _observed(picture: FloatArray, windows: Windows) -> Iterator[tuple[slice, slice]]:
    """Yield the windows that hold anything."""
    height, width = picture.shape[1:]
    for top, left in itertools.product(windows.origins(height), windows.origins(width)):
        cut = (slice(top, top + windows.size), slice(left, left + windows.size))
        if np.isfinite(picture[0][cut]).any():
            yield cut


def standardised(windows: FloatArray) -> Tensor:
    """Return windows (n, band, y, x) about their own mean; what was not observed is put there."""
    import torch

    mean = np.nanmean(windows, axis=(2, 3), keepdims=True, dtype=np.float32)
    return standardise_windows(torch.from_numpy(np.where(np.isfinite(windows), windows, mean)))


def _judge(network: Run, standard: Tensor, windows: Windows, outputs: int) -> FloatArray:
    """Return float32 (n, outputs, y, x): windows in each size and orientation, averaged."""
    import torch
    from torch.nn import functional

    total = torch.zeros(len(standard), outputs, windows.size, windows.size)
    sides = windows.sides or (windows.size,)
    for side in sides:
        shown = standard
        if side != windows.size:
            shown = functional.interpolate(standard, (side, side), mode="bicubic")
        scores = _in_orientations(network, shown, windows.orientations)
        total += functional.interpolate(scores, total.shape[2:], mode="bilinear")
    judged: FloatArray = (total / len(sides)).numpy()
    return judged


def _in_orientations(network: Run, shown: Tensor, orientations: int) -> Tensor:
    """Return scores (n, output, y, x): judged in each orientation, turned back and averaged."""
    import torch

    turned = torch.cat([_turn(shown, k) for k in range(orientations)])
    turned = turned.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), half_precision():
        logits = network(turned).float()
    parts = torch.split(scores_of(logits), len(shown))
    back = [_turn_back(part, k) for k, part in enumerate(parts)]
    return torch.stack(back).mean(dim=0)


def _turn(windows: Tensor, orientation: int) -> Tensor:
    mirrored = windows.flip(-1) if orientation >= ORIENTATIONS // 2 else windows
    return mirrored.rot90(orientation % 4, (-2, -1))


def _turn_back(windows: Tensor, orientation: int) -> Tensor:
    turned = windows.rot90(-(orientation % 4), (-2, -1))
    return turned.flip(-1) if orientation >= ORIENTATIONS // 2 else turned
