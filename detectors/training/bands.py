"""Bands that recipes look at, and how each is computed from what rasters hold.

A raster that holds a band under its own name is believed. Otherwise the band is computed from the
bands it needs. Rasters that hold the same bands are looks of one place: a band that says what is
taken over looks (median, 25th percentile) is computed look by look first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors import terrain
from detectors.medians import median_of_looks
from detectors.training.indices import INDICES
from detectors.types import FloatArray

Formula = Callable[[Sequence[FloatArray], float], FloatArray]

#: What can be taken over looks, and how.
STATISTICS: Mapping[str, float] = {"median": 50.0, "25th percentile": 25.0}


@dataclass(frozen=True, slots=True)
class Band:
    """One band of a stack."""

    name: str
    """Unique within a recipe."""
    meaning: str
    """What it says, and its unit."""
    needs: tuple[str, ...] = ()
    """Bands of rasters that it is computed from; empty = it has to be there itself."""
    formula: Formula | None = None
    """Of these bands in that order, float32 (y, x) each, and the side of a pixel in metres."""
    reach_m: float = 0.0
    """How far around a pixel the formula looks, metres."""
    reach: int = 0
    """The same in pixels; the larger counts."""
    over: str = ""
    """Name in ``STATISTICS``; empty = of one look only."""
    codes: bool = False
    """Whether it holds class codes, which are never averaged."""
    supplied: str = ""
    """Where an operator finds it, for bands that nothing here can compute."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Bands of rasters it is made of where it is not there itself."""
        return self.needs or (self.name,)

    def margin(self, pixel_m: float) -> int:
        """Return how many pixels around a window have to be read with it."""
        return max(self.reach, int(np.ceil(self.reach_m / pixel_m)))

    def make(self, looks: Sequence[Sequence[FloatArray]], pixel_m: float) -> FloatArray:
        """Compute it.

        Args:
            looks: of each look the bands it needs, float32 (y, x), NaN = no data.
            pixel_m: side of a pixel, metres.

        Returns:
            float32 (y, x), NaN where nothing is known.
        """
        made = [self.formula(one, pixel_m) if self.formula else one[0] for one in looks]
        if not self.over:
            return made[0]
        return _percentile(np.stack(made), STATISTICS[self.over])


def _percentile(looks: FloatArray, percent: float) -> FloatArray:
    """Return the percentile of what was seen, float32 (y, x); as ``np.nanpercentile``, but fast."""
    if percent == 50.0:
        return median_of_looks(looks)
    ordered = np.sort(looks, axis=0)  # NaN comes last
    seen = np.isfinite(looks).sum(axis=0)
    place = np.maximum(seen - 1, 0) * (percent / 100)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, np.maximum(seen - 1, 0))
    below, above = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (low, high))
    value: FloatArray = (below + (above - below) * (place - low)).astype(np.float32)
    return value


def given(*names: str, meaning: str = "", supplied: str = "") -> tuple[Band, ...]:
    """Return bands that rasters have to hold."""
    return tuple(Band(name, meaning or name, supplied=supplied) for name in names)


def index(name: str, over: str = "") -> Band:
    """Return a spectral index, of one look or over looks."""
    one = INDICES[name]
    meaning = f"{one.text}, {one.source}" + (f"; {over} of looks" if over else "")
    return Band(name, meaning, one.needs, lambda bands, _: one.of(bands), over=over)


def difference(name: str, after: str, before: str, unit: str) -> Band:
    """Return what came minus what was."""
    return Band(name, f"{after} - {before}, {unit}", (after, before), lambda b, _: b[0] - b[1])


def odd(metres: float, pixel_m: float) -> int:
    """Return the side of a centred window of about so many metres, pixels, 3 at least."""
    return max(3, 2 * round((metres / pixel_m - 1) / 2) + 1)


def _terrain(name: str, meaning: str, formula: Formula, reach: int = 0, metres: float = 0) -> Band:
    return Band(name, meaning, ("elevation",), formula, reach_m=metres, reach=reach)


ELEVATION = Band("elevation", "m")
SLOPE = _terrain("slope", "degree", lambda b, m: terrain.slope(b[0], m), 2)
HILLSHADE = _terrain("hillshade", "light from 315 degrees, 45 high, 0 to 1",
                     lambda b, m: terrain.hillshade(b[0], m), 2)  # fmt: skip
SLOPE_SUM = _terrain("slope_sum", "sum of slopes in 12 x 12 pixels, degree",
                     lambda b, m: terrain.slope_sum(b[0], m, 12), 9)  # fmt: skip
RELATIVE_RELIEF = _terrain("relative_relief", "highest minus lowest in 12 x 12 pixels, m",
                           lambda b, _: terrain.relative_relief(b[0], 12), 7)  # fmt: skip
#: The source interpolates ridges; 500 m is the widest valley that ours fills.
VALLEY_DEPTH = _terrain(
    "valley_depth", "under the ridges of a 500 m window, m",
    lambda b, m: terrain.valley_depth(b[0], odd(500, m)), metres=520,
)  # fmt: skip
TPI3 = _terrain("tpi3", "height over the mean of 3 x 3 pixels, m",
                lambda b, _: terrain.topographic_position(b[0], 3), 2)  # fmt: skip
TPI9 = _terrain("tpi9", "height over the mean of 9 x 9 pixels, m",
                lambda b, _: terrain.topographic_position(b[0], 9), 5)  # fmt: skip
TPI_100M = _terrain(
    "tpi_100m", "height over the mean of a 100 m window, m",
    lambda b, m: terrain.topographic_position(b[0], odd(100, m)), 2, 55,
)  # fmt: skip
ROUGHNESS_5M = _terrain(
    "roughness_5m", "standard deviation of elevation in a 5 m window, m",
    lambda b, m: terrain.roughness(b[0], odd(5, m)), 2, 5,
)  # fmt: skip

PRE_VV, POST_VV = Band("pre_vv", "median of looks, dB"), Band("post_vv", "median of looks, dB")
PRE_VH, POST_VH = Band("pre_vh", "median of looks, dB"), Band("post_vh", "median of looks, dB")
D_VV = difference("d_vv", "post_vv", "pre_vv", "dB")
D_VH = difference("d_vh", "post_vh", "pre_vh", "dB")
_BY_TERRAIN = "'scarpwatch terrain DEM' writes it"
LAYOVER = Band("layover", "0 or 1", codes=True, supplied=_BY_TERRAIN)
SHADOW = Band("shadow", "0 or 1", codes=True, supplied=_BY_TERRAIN)
LIA = Band(
    "lia", "local incidence, degree", ("local_incidence",), lambda b, _: b[0], supplied=_BY_TERRAIN
)
CLIMATE = Band(
    "climate", "Koeppen-Geiger class", codes=True,
    supplied="Beck et al. 2023 publish 1 km maps (figshare 21789074)",
)  # fmt: skip
TREE_HEIGHT = Band(
    "tree_height", "m", supplied="Potapov et al. 2021 publish 30 m maps (glad.umd.edu)"
)
LAND_COVER = Band(
    "land_cover", "class before the event", codes=True,
    supplied="'scarpwatch recipes predict' maps it by a model of land-cover or cart",
)  # fmt: skip
#: Names that always hold class codes, whoever asks for them.
_CODED = {band.name: band for band in (LAYOVER, SHADOW, CLIMATE, LAND_COVER)}
CANOPY_HEIGHT = Band(
    "canopy_height", "surface minus terrain model, m", ("surface", "elevation"),
    lambda b, _: b[0] - b[1], supplied="laser models give it, or surface and elevation",
)  # fmt: skip


def as_it_is(name: str) -> Band:
    """Return a band that no recipe declares: class codes where its name says so, else numbers."""
    return _CODED.get(name, Band(name, "as it is"))


def _d_ndvi(bands: Sequence[FloatArray], _: float) -> FloatArray:
    ndvi = INDICES["ndvi"]
    return ndvi.of(bands[:2]) - ndvi.of(bands[2:])


D_NDVI = Band(
    "d_ndvi", "NDVI after minus before, greenest-pixel composites",
    ("post_nir", "post_red", "pre_nir", "pre_red"), _d_ndvi,
)  # fmt: skip
