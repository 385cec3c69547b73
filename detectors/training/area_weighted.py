"""Accuracy and area of a map from a sample of reference points, weighted by what was mapped.

After Olofsson et al. 2014 (Remote Sensing of Environment 148, 42-57), equations 1 to 11: the mapped
classes are the strata, and reference points were drawn at random within each. A rare class that was
sampled as often as the others then counts as much as it covers. Polygons outlined by choice are
no such sample: what follows from them is an estimate without an interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.errors import InvalidMatrix
from detectors.training.confusion import Confusion

#: Standard errors on each side that hold 95 % of a normal distribution.
_SIDES = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure."""

    value: float | None
    """None where it does not exist."""
    half: float | None
    """Half of its interval of 95 %; None where the sample gives none."""


@dataclass(frozen=True, slots=True)
class ClassArea:
    """What the sample says of one class."""

    users_accuracy: Estimate
    """Share of what was mapped as it that is."""
    producers_accuracy: Estimate
    """Share of the area of it that was mapped so."""
    mapped: float
    """Area on the map, in the unit that went in."""
    area: Estimate
    """Area by the sample, the same unit."""


@dataclass(frozen=True, slots=True)
class AreaWeighted:
    """What a sample says of a map."""

    overall_accuracy: Estimate
    """Share of the area that is mapped right."""
    classes: dict[str, ClassArea]
    """By name."""


def estimate(
    sample: Confusion, mapped: Sequence[float], *, drawn: bool = True
) -> AreaWeighted | None:
    """Weigh a table of counts by the areas that were mapped.

    Args:
        sample: reference points, rows as mapped, columns as they are.
        mapped: area of each class on the map, any unit, 0 or more.
        drawn: whether the points were drawn at random in each mapped class, so that there are
            intervals.

    Returns:
        None where a mapped class has no point (two, for intervals), so that nothing can be said
        of that part of the map.

    Raises:
        InvalidMatrix: not one area for each class, or none at all.
    """
    areas, counts = np.asarray(mapped, dtype=np.float64), sample.counts
    if areas.shape != (len(sample.ids),) or (areas < 0).any() or not areas.sum() > 0:
        raise InvalidMatrix(f"{len(sample.ids)} classes need as many areas, 0 or more; not {areas}")
    points = counts.sum(axis=1)
    there = areas > 0
    if (points[there] < (2 if drawn else 1)).any():
        return None
    # A class that was mapped nowhere weighs nothing, whatever points it has.
    held = np.maximum(points, 1)
    share = np.where(there[:, None], counts / held[:, None], 0.0)
    weight = areas / areas.sum()
    cells = weight[:, None] * share
    right, true = np.diag(share), cells.sum(axis=0)
    spread = share * (1 - share) / np.maximum(held - 1, 1)[:, None]
    own = np.diag(spread)

    def interval(variance: float) -> float | None:
        return _SIDES * math.sqrt(variance) if drawn else None

    classes = {}
    for index, name in enumerate(sample.ids):
        found = None
        if true[index] > 0:
            found = float(cells[index, index] / true[index])
            others = np.delete(weight**2 * spread[:, index], index).sum()
            missed = (weight[index] * (1 - found)) ** 2 * own[index] + found**2 * others
        classes[name] = ClassArea(
            Estimate(float(right[index]), interval(own[index]))
            if there[index]
            else Estimate(None, None),
            Estimate(None, None)
            if found is None
            else Estimate(found, interval(missed / true[index] ** 2)),
            float(areas[index]),
            Estimate(
                float(true[index] * areas.sum()),
                _times(interval(float((weight**2 * spread[:, index]).sum())), areas.sum()),
            ),
        )
    overall = Estimate(float(np.trace(cells)), interval(float((weight**2 * own).sum())))
    return AreaWeighted(overall, classes)


def _times(half: float | None, by: float) -> float | None:
    return None if half is None else half * float(by)
