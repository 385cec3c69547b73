"""From looks to comparable looks: despeckled, in dB, with wide shifts taken out.

Rain, snow and frost move whole scenes by several dB (2023-01-01 in California: every burst by 2 to
5 dB). Such a shift depends on the land cover, for which the level before the event stands in: the
pixels are cut into strata of that level, per polarisation, and the median difference of each
stratum is removed before any single pixel is judged. What remains of a wet scene is a wider spread,
which the detectors divide by (``standardise``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.conditions import Conditions, conditions
from detectors.errors import IncomparableLooks, NotEnoughLooks, NothingObserved
from detectors.medians import MAD_TO_SIGMA, median_of_looks
from detectors.radiometry import Decibel, Power, average_db, despeckle_db, to_db
from detectors.snow import snow_lines, under_snow
from detectors.types import (
    MINIMUM_LOOKS,
    BoolArray,
    FloatArray,
    LookStack,
    Unseen,
    ensure_comparable,
)

#: Strata of the pre-event level, per polarisation (SCIENCE: quartiles).
STRATA = 4
#: Most looks a pre stack holds, newest kept.
MAXIMUM_LOOKS = 10
#: Cross-polarised level at which Sentinel-1 records little but its own noise: open water and smooth
#: sand. A change there says nothing of a slope.
NOISE_LEVEL_DB = -24.0
#: A look whose median shift exceeds this in any polarisation is called wet (dB).
WET_SHIFT_DB = 1.0
#: How much heavier than normal a scene's tail may count (see ``standardise``).
TAIL_LIMIT = 1.75


@dataclass(frozen=True, slots=True)
class NormalisedStack:
    """What detectors compare: the pre stack and one post look, dB, wide shifts removed."""

    looks: LookStack
    """The post look as it was read (grid, track, times)."""
    pre_db: FloatArray
    """(look, polarisation, y, x), dB, shifts removed, NaN = no data, oldest first. Where there were
    more looks than count, a pixel's newest ones that show it."""
    post_db: FloatArray
    """(polarisation, y, x), dB, shifts removed, NaN = no data."""
    pre_mean_db: FloatArray
    """As ``pre_db``, but speckle averaged instead of taken out (``radiometry.average_db``)."""
    post_mean_db: FloatArray
    """As ``post_db``, but averaged."""
    level_db: FloatArray
    """(polarisation, y, x), median of the pre stack, dB."""
    change_db: FloatArray
    """(y, x), co-polarised change of the look as it was read (not despeckled, which damps small
    patches) against the mean of the stack, dB, shifts removed, NaN = not judged."""
    strata: NDArray[np.int8]
    """(polarisation, y, x), stratum of the level, -1 = not judged."""
    judged: BoolArray
    """(y, x), observed now and often enough before, and above the noise."""
    conditions: Conditions
    """What moved the look as a whole."""
    unseen: NDArray[np.uint8]
    """(y, x), codes of ``Unseen``: why a pixel is not judged, SEEN where it is."""

    @property
    def wet_scene(self) -> bool:
        """The look as a whole departs from its stack."""
        return self.conditions.wet


#: (y, x) dB, NaN = no data, to the same without speckle (``radiometry.despeckle_db``).
Despeckle = Callable[[Decibel], Decibel]


class Compared(Protocol):
    """What is still asked of a ``NormalisedStack`` once it was scored."""

    @property
    def looks(self) -> LookStack:
        """The post look as it was read."""

    @property
    def strata(self) -> NDArray[np.int8]:
        """(polarisation, y, x), stratum of the level, -1 = not judged."""

    @property
    def judged(self) -> BoolArray:
        """(y, x), observed now and often enough before, and above the noise."""

    @property
    def conditions(self) -> Conditions:
        """What moved the look as a whole."""


def _strata(level: FloatArray, judged: BoolArray) -> NDArray[np.int8]:
    """Cut (y, x) levels into equally filled strata; -1 where not judged."""
    edges = np.quantile(level[judged], np.linspace(0, 1, STRATA + 1)[1:-1])
    strata = np.digitize(level, edges).astype(np.int8)
    strata[~judged] = -1
    return strata


def _median(values: FloatArray) -> float:
    """Median of the finite values, 0 if there are none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else 0.0


def wide_shift(difference: FloatArray, strata: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the median of a (y, x) difference per stratum, float32 (strata,)."""
    return np.array([_median(difference[strata == k]) for k in range(STRATA)], dtype=np.float32)


def standardise(score: FloatArray, strata: NDArray[np.int8]) -> FloatArray:
    """Express a (y, x) score in sigma of this very scene, never more sensitively than it came.

    Each stratum is centred on its median and divided by its spread where that exceeds one: quiet
    scenes keep the detector's own scale, a half-dried one is damped. The spread is the median
    absolute deviation, or the 95th percentile where the tail is heavier, but never more than
    ``TAIL_LIMIT`` times the former, so that a landslide that fills a good part of a stratum does
    not hide itself.

    Returns:
        float32 (y, x), NaN where not judged.
    """
    scaled = np.full_like(score, np.nan)
    for k in range(STRATA):
        here = (strata == k) & np.isfinite(score)
        if not here.any():
            continue
        centred = score[here] - np.median(score[here])
        core = MAD_TO_SIGMA * float(np.median(np.abs(centred)))
        tail = float(np.percentile(np.abs(centred), 95)) / 1.96
        scaled[here] = centred / max(1.0, min(max(core, tail), TAIL_LIMIT * core))
    return scaled


def per_pixel(values: NDArray[np.float32], strata: NDArray[np.int8]) -> FloatArray:
    """Spread one value per stratum over the (y, x) pixels, NaN where not judged."""
    return np.append(values, np.float32(np.nan))[strata]


def normalise(
    pre: LookStack,
    post: LookStack,
    unseen: NDArray[np.uint8] | None = None,
    elevation: FloatArray | None = None,
    despeckle: Despeckle | None = None,
) -> NormalisedStack:
    """Make a pre stack and one post look comparable.

    Args:
        pre: looks before, same grid, track and polarisations. The newest ``MAXIMUM_LOOKS`` count;
            a pixel that some of them miss takes older ones in their place, where there are any.
        post: exactly one look after them.
        unseen: uint8 (y, x), codes of ``Unseen`` as the source or the terrain tells (layover,
            shadow); what is not SEEN is not judged. None where nobody tells.
        elevation: float (y, x), metres, NaN = not known. With it, ground under wet snow is left out
            of every look (``snow``). None without.
        despeckle: what answers as ``despeckle_db`` does, sooner where it knows a look already.
            None: that itself.

    Raises:
        IncomparableLooks: grids, polarisations, tracks or times do not fit; post is not one look.
        NotEnoughLooks: fewer than ``MINIMUM_LOOKS`` in the pre stack.
        NothingObserved: no pixel was observed both now and often enough before.
    """
    _refuse_incomparable(pre, post, {"mask": unseen, "elevation": elevation})
    before, now, line = pre.gamma0, post.gamma0, None
    if elevation is not None:
        before, now, line = _without_snow(before, now, elevation)
    gamma0, newest = _newest(before)
    looks = Power(np.concatenate([gamma0, now]))
    despeckle = despeckle or despeckle_db
    sharp = np.stack([[despeckle(band) for band in to_db(Power(look))] for look in looks])
    means = np.stack([[average_db(Power(band)) for band in look] for look in looks])
    pre_db, post_db = newest(sharp[:-1]), sharp[-1]
    snow = under_snow(elevation, line) if elevation is not None else None
    codes = _codes(pre_db, post.gamma0[0], snow, unseen)
    judged: BoolArray = codes == Unseen.SEEN
    if not judged.any():
        raise NothingObserved(
            f"no pixel of track {post.track} was observed now and before", codes.astype(np.uint8)
        )
    level = np.full_like(post_db, np.nan)
    level[:, judged] = median_of_looks(pre_db[:, :, judged])
    water = np.zeros_like(judged)
    if len(post.polarisations) > 1:
        with np.errstate(invalid="ignore"):
            water = judged & ~(level[-1] > NOISE_LEVEL_DB)
        codes[water] = Unseen.WATER
        judged = judged & ~water
        if not judged.any():
            raise NothingObserved(
                f"track {post.track} sees nothing above the noise here (water)",
                codes.astype(np.uint8),
            )
    weather = conditions(post_db - level, water, line)

    strata = np.stack([_strata(band, judged) for band in level])
    raw = to_db(Power(looks[:, 0]))
    shifts = np.zeros(len(strata), dtype=np.float32)
    for band, cut in enumerate(strata):
        for number in range(len(looks)):
            shift = wide_shift(sharp[number, band] - level[band], cut)
            moved = per_pixel(shift, cut)
            sharp[number, band] -= moved
            means[number, band] -= moved
            if band == 0:
                raw[number] -= moved
        # The last one was the post look's.
        shifts[band] = float(np.median(shift))
    change = np.full_like(raw[-1], np.nan)
    change[judged] = raw[-1][judged] - np.nanmean(newest(raw[:-1, None])[:, 0, judged], axis=0)
    return NormalisedStack(
        post, newest(sharp[:-1]), sharp[-1], newest(means[:-1]), means[-1], level, change, strata,
        judged, weather.moved(shifts, WET_SHIFT_DB), codes.astype(np.uint8),
    )  # fmt: skip


def _refuse_incomparable(
    pre: LookStack, post: LookStack, layers: Mapping[str, NDArray[Any] | None]
) -> None:
    """Raise what ``normalise`` does where its arguments do not fit."""
    if len(pre) < MINIMUM_LOOKS:
        raise NotEnoughLooks(
            f"{len(pre)} earlier looks of track {post.track}, {MINIMUM_LOOKS} needed"
        )
    ensure_comparable(pre, post)
    if len(post) != 1:
        raise IncomparableLooks(f"one look is judged at a time, not {len(post)}")
    for name, layer in layers.items():
        if layer is not None and layer.shape != post.grid.shape:
            raise IncomparableLooks(f"{name} {layer.shape} does not fit {post.grid.shape}")


def _codes(
    pre_db: FloatArray, post: FloatArray, snow: BoolArray | None, unseen: NDArray[np.uint8] | None
) -> NDArray[Any]:
    """Return why each pixel (y, x) cannot be judged, codes of ``Unseen``; water comes later."""
    shown = np.isfinite(pre_db).all(axis=1).sum(axis=0)
    codes = np.where(shown >= MINIMUM_LOOKS, Unseen.SEEN, Unseen.TOO_FEW_LOOKS)
    if snow is not None:
        codes[snow] = Unseen.SNOW
    codes[~np.isfinite(post).all(axis=0)] = Unseen.NO_DATA
    return codes if unseen is None else np.where(unseen == Unseen.SEEN, codes, unseen)


def _without_snow(
    pre: FloatArray, post: FloatArray, elevation: FloatArray
) -> tuple[FloatArray, FloatArray, float | None]:
    """Leave out of (look, polarisation, y, x) what lies under snow; the line of the post look."""
    *earlier, line = snow_lines(np.concatenate([pre, post]), elevation)
    snowy = [number for number, one in enumerate(earlier) if one is not None]
    if snowy:
        pre = pre.copy()
    for number in snowy:
        pre[number][:, under_snow(elevation, earlier[number])] = np.nan
    return pre, np.where(under_snow(elevation, line), np.float32(np.nan), post), line


def before_db(gamma0: FloatArray) -> FloatArray:
    """Return the pre composite: the median gamma0 of the looks that count, as they were read.

    Args:
        gamma0: (look, polarisation, y, x), linear power, oldest first, NaN = not observed. As in
            ``normalise`` the newest looks that show a pixel count; wet snow is left in.

    Returns:
        float32 (polarisation, y, x), dB, NaN where no look shows the pixel.
    """
    looks, newest = _newest(gamma0)
    return to_db(Power(median_of_looks(newest(looks))))


def _newest(gamma0: FloatArray) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Choose the looks that count, pixel by pixel: the newest that show it.

    Args:
        gamma0: (look, polarisation, y, x), oldest first, NaN = not observed.

    Returns:
        The looks that are needed, and a function that takes ``MAXIMUM_LOOKS`` of as many layers
        (look, band, y, x): the newest ones, but older ones where a pixel is not shown by these.
    """
    shown = np.isfinite(gamma0).all(axis=1)
    short = ~shown[-MAXIMUM_LOOKS:].all(axis=0) & shown[:-MAXIMUM_LOOKS].any(axis=0)
    if not short.any():
        return gamma0[-MAXIMUM_LOOKS:], lambda layers: layers
    # Stable: what does not show the pixel first, then from old to new.
    order = np.argsort(shown[:, short], axis=0, kind="stable")[-MAXIMUM_LOOKS:]

    def newest(layers: FloatArray) -> FloatArray:
        taken = layers[-MAXIMUM_LOOKS:].copy()
        taken[:, :, short] = np.take_along_axis(layers[:, :, short], order[:, None], axis=0)
        return taken

    return gamma0, newest
