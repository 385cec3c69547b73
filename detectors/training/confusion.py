"""What a table of classified against true classes says, for pixels and for objects.

Rows are what was classified, columns what is true, as in the land-cover paper this follows
(Kramarczyk & Hejmanowska 2023, table 1). A figure whose denominator is nought does not exist and is
None: nothing is called 0 or 100 % that nobody could measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import InvalidMatrix

Table = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class against all others, 0..1; None where one does not exist."""

    producers_accuracy: float | None
    """Share of what is of this class that was classified so (recall)."""
    users_accuracy: float | None
    """Share of what was classified as this class that is (precision)."""
    specificity: float | None
    """Share of what is of other classes that was not classified as this one."""
    accuracy: float | None
    """Share of everything that is right about this class, yes or no; flatters rare classes."""
    f1: float | None
    """2 TP / (2 TP + FP + FN)."""
    iou: float | None
    """TP / (TP + FP + FN)."""
    mcc: float | None
    """Matthews correlation, -1..1, with the square root that some papers lose in print."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """A square table of counts (or areas)."""

    ids: tuple[str, ...]
    """Classes, in the order of rows and columns."""
    counts: Table
    """float64 (classified, truth), finite, 0 or more."""

    def __post_init__(self) -> None:
        many = len(self.ids)
        if not many or self.counts.shape != (many, many):
            raise InvalidMatrix(f"{self.counts.shape} counts for {many} classes; make it square")
        if len(set(self.ids)) != many:
            raise InvalidMatrix("a class comes twice; name each class once")
        if not np.isfinite(self.counts).all() or (self.counts < 0).any():
            raise InvalidMatrix("counts have to be numbers, 0 or more")

    @property
    def total(self) -> float:
        """How much was classified."""
        return float(self.counts.sum())

    @property
    def overall_accuracy(self) -> float | None:
        """Share that was classified right, 0..1."""
        return _ratio(float(np.trace(self.counts)), self.total)

    def of(self, name: str) -> ClassFigures:
        """Return the figures of one class."""
        index = self.ids.index(name)
        tp = float(self.counts[index, index])
        fp = float(self.counts[index].sum()) - tp
        fn = float(self.counts[:, index].sum()) - tp
        tn = self.total - tp - fp - fn
        return ClassFigures(
            producers_accuracy=_ratio(tp, tp + fn),
            users_accuracy=_ratio(tp, tp + fp),
            specificity=_ratio(tn, tn + fp),
            accuracy=_ratio(tp + tn, self.total),
            f1=_ratio(2 * tp, 2 * tp + fp + fn),
            iou=_ratio(tp, tp + fp + fn),
            # Root by root: the product of four areas in m2 would leave what a float can hold.
            mcc=_ratio(
                tp * tn - fp * fn,
                math.sqrt(tp + fp) * math.sqrt(tp + fn) * math.sqrt(tn + fp) * math.sqrt(tn + fn),
            ),
        )


def count(classified: Codes, truth: Codes, classes: Sequence[int], ignore: int = 0) -> Confusion:
    """Count pixels.

    Args:
        classified: class codes, any shape.
        truth: codes of the same shape; ``ignore`` = unknown, not counted.
        classes: codes that there are, in the order wanted. A pixel that was given none of them is
            counted as nothing, so that unclassified ground is not judged.
        ignore: see ``truth``.

    Raises:
        InvalidMatrix: shapes differ, or truth holds a code that is no class.
    """
    if classified.shape != truth.shape:
        raise InvalidMatrix(f"a map of {classified.shape} against a truth of {truth.shape}")
    known = np.asarray(classes)
    if stray := set(np.unique(truth).tolist()) - set(known.tolist()) - {ignore}:
        raise InvalidMatrix(f"truth holds {min(stray)}, which is none of {list(classes)}")
    order = np.argsort(known)
    counted = (truth != ignore) & np.isin(classified, known)
    rows = order[np.searchsorted(known, classified[counted], sorter=order)]
    columns = order[np.searchsorted(known, truth[counted], sorter=order)]
    many = len(known)
    table = np.bincount(rows * many + columns, minlength=many**2).reshape(many, many)
    return Confusion(tuple(str(code) for code in classes), table.astype(np.float64))


def count_objects(
    classified: Codes,
    truth: Codes,
    objects: NDArray[np.integer[Any]],
    classes: Sequence[int],
    ignore: int = 0,
) -> Confusion:
    """Count objects by the class that most of their pixels were given; a tie takes the lower code.

    Args:
        classified: class codes, (y, x).
        truth: codes, (y, x); an object's truth is what most of its pixels say.
        objects: (y, x), number of the polygon a pixel belongs to; 0 = none.
        classes: as in ``count``.
        ignore: as in ``count``.

    Raises:
        InvalidMatrix: as in ``count``.
    """
    inside = (objects != 0) & (truth != ignore) & np.isin(classified, np.asarray(classes))
    _, number = np.unique(objects[inside], return_inverse=True)
    return count(
        _majority(classified[inside], number), _majority(truth[inside], number), classes, ignore
    )


def _majority(codes: Codes, number: NDArray[np.intp]) -> Codes:
    """Return the most frequent code of each numbered group, (group,)."""
    values, index = np.unique(codes, return_inverse=True)
    if not len(values):
        return codes
    votes = np.bincount(number * len(values) + index, minlength=(number.max() + 1) * len(values))
    winners: Codes = values[votes.reshape(-1, len(values)).argmax(axis=1)]
    return winners


def _ratio(over: float, under: float) -> float | None:
    return over / under if under else None
