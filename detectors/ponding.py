"""New open water: what a landslide leaves behind when it blocks a valley.

Calm water mirrors the pulse away from the radar, so that ground that drowns falls towards the noise
in both polarisations (SCIENCE section 3: easier to see than the slide, and dangerous downstream).
A pond is a patch that is as dark as water now, was land before, and became dark by itself, not
with the whole scene.

How dark water is, others have settled for this very kind of product: gamma0 under -15.5 dB in VV
and -23 dB in VH (ASF HydroSAR, ceilings of its adaptive thresholds on RTC), -16 and -22 dB (Remote
Sensing 13, 4899, 2021). On 22 real looks of open sea (California) the median is -26.7 to -29.2 dB
in VH at every wind, and anything from -20.8 to -12.8 dB in VV. So it is VH that says what was water
before: a lake that calms down is not new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from detectors.darkening import (
    Darkening,
    dark_patches,
    darkening,
    last_dry,
    level_db,
    scatter_db,
)
from detectors.levels import evidence_of
from detectors.normalise import WET_SHIFT_DB, Compared
from detectors.radiometry import Power
from detectors.shoreline import SURROUNDINGS, Setting, setting_of
from detectors.types import BoolArray, FloatArray, Grid, LookStack, Tier
from detectors.vectorize import EIGHT_NEIGHBOURS, Outline, middle, trace

#: Name that findings carry where others carry a detector's.
NAME = "ponding"

FLAT_GROUND = "flat ground: a flood or a flooded field rather than a blocked valley"
MOVED_SHORE = "beside water that was there before: its shore may just have moved"
DARK_LOOK = "the whole look is darker than usual: snow or frost may look like water"
WIDESPREAD = "much of the scene looks like new water: a flood, or snow"


@dataclass(frozen=True, slots=True)
class PondingLevels:
    """Thresholds of new water; every change is a change of who is alerted."""

    water_db: tuple[float, float] = (-15.5, -22.5)
    """Level under which a patch may be water now, VV and VH, dB, median."""
    basin_db: tuple[float, float] = (-16.0, -23.0)
    """The same for an alert, where a terrain model says that water can gather there."""
    likely_db: tuple[float, float] = (-17.0, -24.0)
    """The same for an alert without a terrain model: on 39 labelled sites three bare or flooded
    fields fell to -16 to -17 dB in VV, but none to both of these."""
    land_db: float = -21.0
    """VH level over which ground was land before, dB: 5 dB over the roughest real sea."""
    drop_db: float = 5.0
    """Least drop of a patch in each polarisation, wide shifts taken out, dB."""
    edge_db: float = 3.0
    """How far over the water level a single pixel may lie, dB: speckle, and shores inside it."""
    edge_drop_db: float = 2.5
    """Least drop of a single pixel in each polarisation, dB."""
    roughest_db: float = 4.0
    """Largest scatter of VV inside its shore, dB; 1.4 to 2.9 in nine of ten squares of sea."""
    ceiling: float = 4.0
    """What one pixel can contribute to evidence, sigma."""
    watch: float = 8.0
    """Evidence from which a patch is stored."""
    likely: float = 12.5
    """Evidence from which a patch is alerted."""
    likely_area_m2: float = 10_000.0
    """Smallest patch that is alerted, m2."""
    minimum_pixels: int = 6
    """No sensor resolves less, whatever the region asks for."""
    shore: float = 0.3
    """Share of the shore that may have been water before; more is stored, never alerted."""
    widespread: float = 0.1
    """Share of the judged ground in all patches together over which none is alerted."""


@dataclass(frozen=True, slots=True)
class Pond(Outline):
    """One patch of new open water; scores count the drop in both polarisations, in sigma."""

    levels_db: tuple[float, float]
    """VV and VH now, dB, median inside."""
    last_dry: datetime
    """Newest earlier look in which it was land, UTC."""
    setting: Setting | None
    """What the terrain model says, None without one."""
    advisory: str | None
    """Why to be careful, None where nothing speaks against it."""


def find_ponding(
    pre: LookStack,
    stack: Compared,
    levels: PondingLevels,
    *,
    inside: BoolArray | None = None,
    core: BoolArray | None = None,
    min_area_m2: float = 0.0,
    elevation: FloatArray | None = None,
) -> Iterator[Pond]:
    """Yield new open water, in row-major order of its first pixel.

    Slope plays no part unless ``elevation`` is given. Looks of one polarisation yield nothing: one
    band does not tell water from smooth ground. Ground that was as dark as water before (sand,
    asphalt, radar shadow, lakes) is not judged.

    Args:
        pre: the looks that ``stack`` was made of, as read, linear gamma0.
        stack: from ``normalise``.
        levels: thresholds.
        inside: (y, x), pixels of the region; None for all.
        core: (y, x), pixels this block answers for (see ``vectorize.outlines``); None for all.
        min_area_m2: smallest patch the region wants, m2.
        elevation: (y, x), m, on the same grid, from before; NaN = not known, None = there is none.
    """
    if len(stack.looks.polarisations) < 2:
        return
    dark = darkening(pre, stack)
    labels = dark_patches(
        dark, levels.water_db, levels.drop_db, levels.edge_db, levels.edge_drop_db
    )
    everywhere = np.ones(labels.shape, dtype=bool)
    inside = everywhere if inside is None else inside
    core = everywhere if core is None else core
    smallest = max(levels.minimum_pixels, min_area_m2 / stack.looks.grid.pixel_area_m2)
    weather = list(_weather(dark, stack, labels, levels))
    for label, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None:
            continue
        window = _widened(window, labels.shape)
        patch = labels[window] == label
        within = patch & inside[window]
        if patch.sum() < smallest or not within.any() or not core[window][middle(within)]:
            continue
        height = None if elevation is None else elevation[window]
        pond = _pond(dark, stack.looks.grid, levels, patch, window, height, weather)
        if pond is not None:
            yield pond


def without_water(outlines: Iterable[Outline], ponds: Iterable[Outline]) -> Iterator[Outline]:
    """Leave out the outlines of landslides that are mostly new water: it is told as such."""
    water = shapely.union_all([pond.polygon for pond in ponds])
    for outline in outlines:
        covered = shapely.area(shapely.intersection(outline.polygon, water))
        if covered < 0.5 * shapely.area(outline.polygon):
            yield outline


def _weather(
    dark: Darkening, stack: Compared, labels: NDArray[np.int32], levels: PondingLevels
) -> Iterator[str]:
    """Yield why nothing of the whole look may be alerted."""
    if stack.conditions.snow or dark.moved_db < -WET_SHIFT_DB:
        yield DARK_LOOK
    if np.count_nonzero(labels) > levels.widespread * np.count_nonzero(stack.judged):
        yield WIDESPREAD


def _widened(window: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Widen rows and columns by the margin that the surroundings need, within the grid."""
    rows, columns = (
        slice(max(0, one.start - SURROUNDINGS - 1), min(size, one.stop + SURROUNDINGS + 1))
        for one, size in zip(window, shape, strict=True)
    )
    return rows, columns


def _pond(
    dark: Darkening,
    grid: Grid,
    levels: PondingLevels,
    patch: BoolArray,
    window: tuple[slice, slice],
    elevation: FloatArray | None,
    weather: Sequence[str],
) -> Pond | None:
    """Judge one patch (y, x) of a window as a whole; None where it is not new water."""
    vv, vh = dark.power[:2, *window]
    now = (level_db(Power(vv[patch])), level_db(Power(vh[patch])))
    drop = dark.drop_db[:2, *window][:, patch]
    dry = last_dry(dark, patch, window, levels.water_db[1], levels.land_db)
    setting = None if elevation is None else setting_of(elevation, patch)
    if (
        dry is None
        or setting is Setting.SLOPE
        or not _under(now, levels.water_db)
        or np.median(drop, axis=1).min() < levels.drop_db
        or scatter_db(Power(vv), patch, levels.minimum_pixels) > levels.roughest_db
    ):
        return None
    strength = np.mean(drop / dark.sigma_db[:2, None], axis=0)
    area = int(patch.sum()) * grid.pixel_area_m2
    evidence = evidence_of(strength, area, levels.ceiling)
    if evidence < levels.watch:
        return None
    reasons = list(weather)
    if setting is Setting.FLAT:
        reasons.append(FLAT_GROUND)
    if _old_shore(dark.usual_db[1, *window], patch, levels) > levels.shore:
        reasons.append(MOVED_SHORE)
    limits = levels.likely_db if setting is None else levels.basin_db
    enough = evidence >= levels.likely and area >= levels.likely_area_m2
    return Pond(
        polygon=trace(np.ascontiguousarray(patch), grid, window),
        area_m2=area,
        evidence=evidence,
        score_max=float(strength.max()),
        score_mean=float(strength.mean()),
        change_db=-float(drop[0].mean()),
        tier=Tier.LIKELY if enough and not reasons and _under(now, limits) else Tier.WATCH,
        levels_db=now,
        last_dry=dry,
        setting=setting,
        advisory="; ".join(reasons) or None,
    )


def _under(level: tuple[float, float], limits: tuple[float, float]) -> bool:
    """Tell whether both polarisations are as dark as their limit, dB."""
    return level[0] <= limits[0] and level[1] <= limits[1]


def _old_shore(usual_db: FloatArray, patch: BoolArray, levels: PondingLevels) -> float:
    """Return the share of a patch's shore that was water before, or as dark; 0 to 1.

    Args:
        usual_db: (y, x), cross-polarised; NaN was under the noise or not observed, and counts.
        patch: (y, x).
        levels: thresholds.
    """
    shore = ndimage.binary_dilation(patch, EIGHT_NEIGHBOURS) & ~patch
    old = ~(usual_db > levels.water_db[1])
    return float(old[shore].mean()) if shore.any() else 0.0
