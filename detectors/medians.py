"""The median over looks, pixel by pixel, looks that do not show a pixel left out.

The same as ``numpy.nanmedian`` over the first axis, without its sorting of each pixel by itself: a
network of comparators (Batcher, Sorting networks and their applications, AFIPS 32, 307, 1968, his
odd-even merge, cut down to the comparators that reach the middle) takes the smaller and the larger
of whole rows at once, on pieces that stay in the processor's cache. ``bench/medians.md`` has the
ratios.

A pixel that is not seen is filled with +inf and -inf by turns, so that the middle stays where it
is; with an odd number of gaps it lies half a place lower.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from detectors.types import BoolArray, FloatArray

#: Median absolute deviation to standard deviation of a normal distribution.
MAD_TO_SIGMA = 1.4826
#: Pixels at a time: thirty looks of them fit into a megabyte of cache.
_PIECE = 8_192
_SIGN = np.uint32(1 << 31)
_INFINITE = np.float32(np.inf).view(np.uint32)
_HALF = np.float32(0.5)


def median_of_looks(looks: FloatArray) -> FloatArray:
    """Return the median over the first axis.

    Args:
        looks: float32 (look, ...), one look at least, NaN = not seen.

    Returns:
        float32 (...), the mean of the two in the middle where their number is even, NaN where no
        look has a value.
    """
    count = len(looks)
    if count == 1:
        only: FloatArray = looks[0].copy()
        return only
    flat = looks.reshape(count, -1)
    made = np.empty(flat.shape[1], dtype=np.float32)
    space = np.empty((count + 1, min(_PIECE, len(made))), dtype=np.float32)
    for start in range(0, len(made), _PIECE):
        piece = flat[:, start : start + _PIECE]
        rows = space[:, : piece.shape[1]]
        rows[:count] = piece
        made[start : start + _PIECE] = _middle(rows[:count], rows[count])
    return made.reshape(looks.shape[1:])


def _middle(looks: FloatArray, spare: FloatArray) -> FloatArray:
    """Return the median (pixel) of (look, pixel), which is overwritten."""
    missing = np.isnan(looks)
    gaps = bool(missing.any())
    odd_gaps = _fill(looks, missing) if gaps else np.zeros(1, dtype=np.bool_)
    rows: list[FloatArray] = list(looks)
    for low, high in _comparators(len(rows)):
        np.minimum(rows[low], rows[high], out=spare)
        np.maximum(rows[low], rows[high], out=rows[high])
        rows[low], spare = spare, rows[low]
    half, odd = divmod(len(rows), 2)
    if odd and not gaps:
        return rows[half]
    with np.errstate(invalid="ignore"):  # +inf and -inf meet where nothing is seen
        between: FloatArray = (rows[half - 1] + rows[half]) * _HALF
    if not gaps:
        return between
    single = rows[half] if odd else rows[half - 1]
    middle: FloatArray = np.where(odd_gaps != odd, single, between)
    middle[missing.all(axis=0)] = np.nan
    return middle


def _fill(looks: FloatArray, missing: BoolArray) -> BoolArray:
    """Put +inf and -inf by turns where looks are missing; tell where their number is odd.

    By bits, since a choice by mask costs three times as much: NaN where missing, then the bits in
    which NaN differs from the infinity whose turn it is.
    """
    turn = np.full(looks.shape[1], ~_INFINITE)
    for bits, gap in zip(looks.view(np.uint32), missing, strict=True):
        everywhere = np.uint32(0) - gap.astype(np.uint32)
        bits |= everywhere
        bits ^= everywhere & turn
        turn ^= everywhere & _SIGN
    odd: BoolArray = (turn & _SIGN) == 0
    return odd


@lru_cache
def _comparators(count: int) -> tuple[tuple[int, int], ...]:
    """Return which rows to compare, in order, so that those in the middle end in their places."""
    wanted = {(count - 1) // 2, count // 2, count // 2 - 1}
    needed: list[tuple[int, int]] = []
    for low, high in reversed(_merging(count)):
        if not wanted.isdisjoint((low, high)):
            needed.append((low, high))
            wanted |= {low, high}
    return tuple(reversed(needed))


def _merging(count: int) -> list[tuple[int, int]]:
    """Return Batcher's odd-even merge sort of so many rows."""
    pairs: list[tuple[int, int]] = []
    sorted_length = 1
    while sorted_length < count:
        apart = sorted_length
        while apart >= 1:
            for start in range(apart % sorted_length, count - apart, 2 * apart):
                pairs.extend(
                    (low, low + apart)
                    for low in range(start, min(start + apart, count - apart))
                    if low // (2 * sorted_length) == (low + apart) // (2 * sorted_length)
                )
            apart //= 2
        sorted_length *= 2
    return pairs
