"""Backscatter quantities and speckle.

Three quantities occur and each function says which it takes and gives: gamma0 in *linear power*
(what catalogues deliver), in *dB* (where speckle and shifts are additive) and as *logit* (what the
transformer of ``distmetrics`` was trained on). The first two are types of their own, so that mypy
refuses the one where the other is wanted; arithmetic gives a plain array, whose author says anew
what it is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NewType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.restoration import denoise_tv_bregman

from detectors.types import FloatArray

#: Backscatter in linear power, float32 of any shape, NaN = no data.
Power = NewType("Power", FloatArray)
#: Backscatter, or a difference of it, in dB, float32 of any shape, NaN = no data.
Decibel = NewType("Decibel", FloatArray)

#: Power below this is noise or processing residue (-50 dB); it also keeps logarithms finite.
POWER_FLOOR = 1e-5
#: Power above this is a corner reflector; the logit needs values below one.
POWER_CEILING = 0.999

#: Weight of the total-variation term; ``distmetrics`` despeckled its training data with it.
TV_REGULARISATION = 5.0
#: Side of the square that ``average_db`` averages, pixels.
AVERAGED_PIXELS = 3


def to_db(power: Power) -> Decibel:
    """Convert linear power to dB.

    NaN stays NaN, infinite becomes NaN (one such pixel would spoil a whole image's despeckling),
    values at or under the floor become -50 dB.
    """
    with np.errstate(invalid="ignore"):
        decibel: FloatArray = (10.0 * np.log10(np.maximum(power, POWER_FLOOR))).astype(np.float32)
    decibel[~np.isfinite(power)] = np.nan
    return Decibel(decibel)


def to_power(decibel: Decibel) -> Power:
    """Convert dB to linear power; NaN stays NaN."""
    return Power(np.power(10.0, decibel / 10.0, dtype=np.float32))


def db_to_logit(decibel: Decibel) -> FloatArray:
    """Convert dB to the logit of linear power, clipped into (0, 1); NaN stays NaN."""
    power = np.clip(to_power(decibel), POWER_FLOOR, POWER_CEILING)
    logit: FloatArray = np.log(power / (1.0 - power)).astype(np.float32)
    return logit


def fill_nearest(image: FloatArray) -> FloatArray:
    """Fill NaN with the nearest observed value, so that filters meet no artificial edge.

    Args:
        image: (y, x), NaN = no data. An image without any data is returned unchanged.
    """
    missing = np.isnan(image)
    if not missing.any() or missing.all():
        return image
    filled = image.copy()
    filled[missing] = image.ravel()[_nearest(np.packbits(missing).tobytes(), missing.shape)]
    return filled


@lru_cache(maxsize=4)
def _nearest(missing: bytes, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return where the nearest observed pixels are, flat, of the missing ones in row-major order.

    The looks and bands of a block mostly miss the same pixels, so that the last ones are kept.
    """
    gaps = np.unpackbits(np.frombuffer(missing, np.uint8), count=shape[0] * shape[1]).view(bool)
    gaps = gaps.reshape(shape)
    rows, columns = ndimage.distance_transform_edt(
        gaps, return_distances=False, return_indices=True
    )
    nearest: NDArray[np.intp] = np.ravel_multi_index((rows[gaps], columns[gaps]), shape)
    return nearest


def despeckle_db(decibel: Decibel) -> Decibel:
    """Suppress speckle by isotropic total variation in dB (split Bregman, Goldstein & Osher 2009).

    In dB the multiplicative speckle is additive, and total variation keeps the edges an outline
    needs. The same settings made the training data of the transformer.

    Args:
        decibel: (y, x), dB, NaN = no data. A single row or column is returned unchanged: the
            filter would read beyond it.

    Returns:
        (y, x), dB, NaN where the input was NaN.
    """
    missing = np.isnan(decibel)
    if missing.all() or min(decibel.shape) == 1:
        return decibel
    smooth = denoise_tv_bregman(
        fill_nearest(decibel), weight=1.0 / TV_REGULARISATION, isotropic=True, eps=1e-3
    )
    return Decibel(np.where(missing, np.nan, smooth).astype(np.float32))


def average_db(power: Power) -> Decibel:
    """Average the power of 3 x 3 pixels.

    Linear: a patch keeps its contrast but for its edge, while total variation flattens patches of
    few pixels (bench/sar.md, "Speckle filter").

    Args:
        power: (y, x), linear, NaN = no data.

    Returns:
        (y, x), dB, NaN where the input was NaN.
    """
    missing = np.isnan(power)
    if missing.all():
        return to_db(power)
    mean = ndimage.uniform_filter(fill_nearest(power), AVERAGED_PIXELS, mode="nearest")
    return to_db(Power(np.where(missing, np.float32(np.nan), mean)))
