"""Writing simulated landslides into looks: made ones and real ones go through the same code.

The change multiplies linear power, so that the speckle of a look stays as it is. Whatever comes out
is simulated and must say so wherever it can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from detectors.errors import IncomparableLooks
from detectors.look_geometry import Viewing
from detectors.medians import median_of_looks
from detectors.radiometry import Decibel, Power, to_db, to_power
from detectors.simulation.parameters import POLARISATIONS, Parameters
from detectors.simulation.slides import Slide, change_db
from detectors.types import BoolArray, FloatArray, LookStack


@dataclass(frozen=True, slots=True)
class Planted:
    """Looks with a landslide in them that never happened, and the truth about it."""

    stack: LookStack
    """The looks; those from the landslide on are changed, the others are not."""
    change_db: FloatArray
    """float32 (polarisation, y, x), dB, noiseless, 0 outside."""
    contrast_db: float
    """See ``contrast``."""


def plant(
    stack: LookStack,
    slide: Slide,
    viewing: Viewing,
    parameters: Parameters,
    *,
    mean_db: float | None = None,
) -> Planted:
    """Write a landslide into every look from its time on.

    Args:
        stack: VV and VH looks of one track, real or simulated; left as it is.
        slide: on the grid of the stack.
        viewing: of that track.
        parameters: the figures.
        mean_db: see ``slides.change_db``.

    Raises:
        IncomparableLooks: another grid, other polarisations, or no look before the landslide.
    """
    if stack.grid != slide.grid:
        raise IncomparableLooks("the landslide lies on another grid than the looks")
    if stack.polarisations != POLARISATIONS:
        raise IncomparableLooks(f"landslides are planted into VV and VH, not {stack.polarisations}")
    before = [k for k, moment in enumerate(stack.sensed_at) if moment < slide.happened_at]
    if not before:
        raise IncomparableLooks("no look from before the landslide")
    level = median_of_looks(to_db(Power(stack.gamma0[before])))
    change = change_db(slide, viewing, level, parameters, mean_db=mean_db)
    gamma0 = write(stack.gamma0, stack.sensed_at, change, slide.happened_at)
    return Planted(
        replace(stack, gamma0=gamma0), change, contrast(change, slide.body & _seen(level))
    )


def write(
    gamma0: FloatArray, sensed_at: Sequence[datetime], change: FloatArray, happened_at: datetime
) -> FloatArray:
    """Return looks that are changed from a moment on.

    Args:
        gamma0: float32 (look, polarisation, y, x), linear power.
        sensed_at: of each look.
        change: float32 (polarisation, y, x), dB.
        happened_at: looks sensed then or later are changed.
    """
    gain = to_power(Decibel(change))
    changed = gamma0.copy()
    for number, moment in enumerate(sensed_at):
        if moment >= happened_at:
            changed[number] *= gain
    return changed


def contrast(change: FloatArray, where: BoolArray) -> float:
    """Return the mean change over pixels, dB, of the polarisation where it is larger, signed.

    Args:
        change: (polarisation, y, x), dB, noiseless.
        where: (y, x); none at all gives 0.
    """
    if not where.any():
        return 0.0
    means = change[:, where].mean(axis=1)
    return float(means[np.abs(means).argmax()])


def _seen(level: FloatArray) -> BoolArray:
    seen: BoolArray = np.isfinite(level).all(axis=0)
    return seen
