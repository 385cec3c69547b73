"""Changes that are no landslides: harvest, clear-cuts, fire, floods, quarries, river bars."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from shapely import affinity
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from detectors.simulate_ground import fractal
from detectors.simulation.land import Land, LandCover
from detectors.simulation.parameters import LookAlikeRules, Pair, Parameters
from detectors.simulation.placing import outlined
from detectors.simulation.slides import covered
from detectors.types import BoolArray, FloatArray, require_utc

#: How much the pixels of one change differ, dB.
_WITHIN_DB = 0.7
_TRIES = 60


class LookAlikeKind(enum.StrEnum):
    """What changed."""

    HARVEST = "harvest"
    CLEAR_CUT = "clear_cut"
    FIRE = "fire"
    FLOOD = "flood"
    QUARRY = "quarry"
    RIVER_BAR = "river_bar"


#: Those that people draw with straight edges.
_STRAIGHT = (LookAlikeKind.HARVEST, LookAlikeKind.CLEAR_CUT)


@dataclass(frozen=True, slots=True)
class SimulatedLookAlike:
    """One change that is no landslide, and never happened."""

    kind: LookAlikeKind
    """What."""
    outline: BaseGeometry
    """In the grid's coordinates."""
    happened_at: datetime
    """When, UTC."""
    change_db: Pair
    """Mean noiseless change, by polarisation, dB."""
    seed: int
    """Of its texture."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "happened_at", require_utc(self.happened_at, "happened_at"))


def place_look_alike(
    land: Land, kind: LookAlikeKind, happened_at: datetime, parameters: Parameters, seed: int,
    free: BoolArray,
) -> SimulatedLookAlike | None:  # fmt: skip
    """Put a change somewhere it belongs; None where there is no such ground.

    Args:
        land: the ground.
        kind: what.
        happened_at: when, UTC.
        parameters: the figures.
        seed: the same seed gives the same change.
        free: (y, x), where nothing else happens.
    """
    draw = np.random.default_rng([seed, 5])
    rules = parameters.look_alike[kind.value]
    allowed = free & (land.slope <= rules.steepest_degrees)
    allowed &= np.isin(land.cover, [LandCover[name.upper()] for name in rules.on])
    pixels = math.exp(draw.uniform(*np.log(rules.pixels)))
    places = np.argwhere(allowed)
    if len(places) < rules.pixels[0]:
        return None
    shape_of = _field if kind in _STRAIGHT else _patch
    outline = shape_of(land, allowed, places, pixels, rules, draw)
    if outline is None:
        return None
    change = draw.normal(rules.change_db, rules.deviation_db)
    return SimulatedLookAlike(
        kind, outline, happened_at, (float(change[0]), float(change[1])), seed
    )


def look_alike_change(one: SimulatedLookAlike, land: Land) -> FloatArray:
    """Return what it does to noiseless gamma0, float32 (polarisation, y, x), dB, 0 outside."""
    draw = np.random.default_rng([one.seed, 6])
    share = covered(one.outline, land.grid)
    texture = _WITHIN_DB * fractal(land.grid.shape, draw, 1.0, 10)
    change = (np.array(one.change_db)[:, None, None] + texture) * share
    return np.asarray(change, dtype=np.float32)


def _field(
    land: Land, allowed: BoolArray, places: np.ndarray, pixels: float, rules: LookAlikeRules,
    draw: np.random.Generator,
) -> BaseGeometry | None:  # fmt: skip
    """Return a turned rectangle on allowed ground, the largest share of it that was found."""
    area = pixels * land.grid.pixel_area_m2
    best: tuple[float, BaseGeometry] | None = None
    for row, column in places[draw.integers(0, len(places), _TRIES)]:
        x, y = land.grid.transform @ (column + 0.5, row + 0.5)
        long = math.sqrt(area * draw.uniform(1, 2.5))
        plain = box(x - long / 2, y - area / long / 2, x + long / 2, y + area / long / 2)
        turned = affinity.rotate(plain, float(draw.uniform(0, 180)))
        if not turned.within(box(*land.grid.bounds)):
            continue
        share = covered(turned, land.grid)
        good = float(share[allowed].sum() / share.sum())
        if best is None or good > best[0]:
            best = good, turned
    if best is None or best[0] < 0.7:
        return None
    # What cannot be harvested or cut stays as it is.
    part = outlined((covered(best[1], land.grid) > 0) & allowed, land.grid).intersection(best[1])
    return part if part.area >= rules.pixels[0] * land.grid.pixel_area_m2 else None


def _patch(
    land: Land, allowed: BoolArray, places: np.ndarray, pixels: float, rules: LookAlikeRules,
    draw: np.random.Generator,
) -> BaseGeometry | None:  # fmt: skip
    """Return a ragged patch of allowed ground around a place."""
    row, column = places[draw.integers(0, len(places))]
    rows, columns = np.indices(land.grid.shape)
    reach = np.hypot(rows - row, columns - column)
    reach = reach + 0.25 * math.sqrt(pixels) * fractal(land.grid.shape, draw, 1.5, 30)
    near = np.where(allowed, reach, np.inf)
    count = min(round(pixels), len(places))
    limit = np.partition(near.ravel(), count - 1)[count - 1]
    patch = (near <= limit) & (reach < 3 * math.sqrt(pixels))
    return outlined(patch, land.grid) if patch.sum() >= rules.pixels[0] else None
