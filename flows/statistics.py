"""Statistics of landslides: sizes, density, slope, aspect, land cover, season.

Of what the monitoring believes, or of an inventory. SIMULATED ones count only where they are asked
for, and then everything that is made of it says so.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod
from rasterio import features
from rasterio.errors import RasterioError
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Engine

from alerts.rules import marks
from db import inventories, queries
from db.counting import Counted, read_found, read_mapped
from db.engine import transaction
from db.exporting import Wanted, land_covers
from detectors import size_frequency, terrain
from detectors.errors import InvalidSamples, NothingObserved, UnreadableRaster
from detectors.size_frequency import PowerLaw
from detectors.types import Grid, State, WatchedRegion
from flows.elevation import read_elevation
from flows.hostile import open_raster

#: A month is known where the bracket is no longer than this.
MONTH_KNOWN = timedelta(days=31)
SLOPE_STEP = 5
#: Eight directions that a slope faces, from north on, clockwise.
ASPECTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
MONTHS = tuple(calendar.month_abbr)[1:]
#: Landslides whose land cover neither a person nor a map has told.
UNKNOWN = "unknown"
_GEOD = Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose statistics."""

    inventory: str | None = None
    """This inventory; None: what the monitoring believes."""
    region_id: str | None = None
    """Only this watched region."""
    states: tuple[State, ...] = (State.CONFIRMED, State.CLOSED)
    """Only those in one of these states; parts of other landslides never count."""
    since: datetime | None = None
    """Only what had happened (``not_after``) then or later, UTC."""
    until: datetime | None = None
    """Only what had happened before, UTC."""
    simulated: bool = False
    """SIMULATED ones, too."""
    elevation: Path | None = None
    """Elevation model, for slope and aspect."""
    land_cover: Path | None = None
    """Raster of class codes."""
    classes: Mapping[str, str] = field(default_factory=dict)
    """Name by code."""


@dataclass(frozen=True, slots=True)
class Density:
    """How many landslides an area has."""

    region_id: str
    """Watched region."""
    km2: float
    """Its area on the ellipsoid."""
    landslides: int
    """Landslides in it."""
    share: float
    """Of its area that their outlines take, 0 to 1; overlaps count twice."""

    @property
    def per_km2(self) -> float:
        """Landslides per km2."""
        return self.landslides / self.km2


@dataclass(frozen=True, slots=True)
class Share:
    """Landslides on ground of one class, beside all ground of the raster that has it."""

    label: str
    """The class."""
    landslides: float
    """Share of landslide pixels in it, 0 to 1."""
    ground: float
    """Share of all pixels in it, 0 to 1."""

    @property
    def ratio(self) -> float | None:
        """Frequency ratio: above 1 there are more landslides than ground; None: no such ground."""
        return self.landslides / self.ground if self.ground else None


@dataclass(frozen=True, slots=True)
class Statistics:
    """What was counted."""

    title: str
    """Of what."""
    mark: str
    """EXERCISE SIMULATED where something of it never happened, else empty."""
    credits: str
    """Licence and author of an inventory, or of the looks."""
    landslides: int
    """All that count."""
    left_out: int
    """SIMULATED ones that were not asked for."""
    areas_m2: NDArray[np.float64]
    """(outlines,), sorted."""
    sizes: PowerLaw | None
    """Tail of the areas."""
    no_sizes: str
    """Why there is none."""
    density: tuple[Density, ...]
    """By region."""
    months: tuple[int, ...]
    """By month, January first."""
    month_unknown: int
    """Brackets longer than a month."""
    slope: tuple[Share, ...]
    """By slope, degrees."""
    aspect: tuple[Share, ...]
    """By the direction it faces."""
    land_cover: tuple[Share, ...]
    """By class of the raster that was given, by pixel."""
    covers: Mapping[str, int]
    """Landslides by the land cover stored of each, the commonest first; of an inventory none."""


def count(engine: Engine, asked: Asked, *, exercise: bool = False) -> Statistics:
    """Count.

    Raises:
        ConfigurationError: no such inventory or region.
        InvalidSamples: nothing to count, or a raster that does not reach it.
    """
    with transaction(engine) as s:
        regions = (
            [queries.get_region(s, asked.region_id, include_removed=True)]
            if asked.region_id is not None
            else queries.list_regions(s)
        )
        found, left_out, simulated, title, said = _read(s, asked)
        covers = {} if asked.inventory else land_covers(s)
    if asked.region_id is not None and asked.inventory is not None:
        ground = regions[0].geometry
        found = [one for one in found if ground.contains(one.geometry.representative_point())]
    found = [one for one in found if _in_time(one, asked)]
    if not found:
        hint = f"; {left_out} SIMULATED ones were left out (--simulated)" if left_out else ""
        raise InvalidSamples(f"no landslide to count{hint}")
    areas = np.sort([one.area_m2 for one in found if one.area_m2 is not None]).astype(float)
    sizes, why = None, ""
    try:
        sizes = size_frequency.fit(areas)
    except InvalidSamples as error:
        why = str(error)
    months, unknown = _months(found)
    slope, aspect = _terrain(asked.elevation, found) if asked.elevation else ((), ())
    cover = _land_cover(asked.land_cover, asked.classes, found) if asked.land_cover else ()
    return Statistics(
        title=title, mark=marks(exercise=exercise, simulated=simulated), credits=said,
        landslides=len(found), left_out=left_out, areas_m2=areas, sizes=sizes, no_sizes=why,
        density=_densities(regions, found), months=months, month_unknown=unknown, slope=slope,
        aspect=aspect, land_cover=cover, covers={} if asked.inventory else _covers(found, covers),
    )  # fmt: skip


def _read(s: Any, asked: Asked) -> tuple[list[Counted], int, bool, str, str]:
    """Return landslides, how many were left out, whether some never happened, title, credits."""
    # Rasters are counted below outlines; for all else a point inside will do.
    whole = asked.elevation is not None or asked.land_cover is not None
    if asked.inventory is not None:
        held = inventories.get_inventory(s, asked.inventory).inventory
        if held.simulated and not asked.simulated:
            return [], inventories.count_mapped(s, held.id), False, "", ""
        mapped = list(read_mapped(s, held.id, simulated=held.simulated, whole=whole))
        said = f"Licence: {held.licence}. Mapped by: {held.author}"
        return mapped, 0, held.simulated, f"Inventory {held.id}", said
    found, left_out = [], 0
    for one in read_found(s, Wanted(asked.region_id, asked.states), whole=whole):
        if one.simulated and not asked.simulated:
            left_out += 1
        else:
            found.append(one)
    states = " and ".join(state.value for state in asked.states)
    return (
        found,
        left_out,
        any(one.simulated for one in found),
        f"Landslides: {states}",
        ("Contains modified Copernicus Sentinel data"),
    )


def _in_time(one: Counted, asked: Asked) -> bool:
    if one.not_after is None:
        return asked.since is None and asked.until is None
    return (asked.since is None or one.not_after >= asked.since) and (
        asked.until is None or one.not_after < asked.until
    )


def _months(found: Sequence[Counted]) -> tuple[tuple[int, ...], int]:
    """Return landslides by the month in the middle of their bracket, and how many have none."""
    counts, unknown = [0] * 12, 0
    for one in found:
        first, last = one.not_before, one.not_after
        if first is None or last is None or last - first > MONTH_KNOWN:
            unknown += 1
        else:
            counts[(first + (last - first) / 2).month - 1] += 1
    return tuple(counts), unknown


def _covers(found: Sequence[Counted], covers: Mapping[UUID, str]) -> Mapping[str, int]:
    counts = Counter(covers.get(one.id) or UNKNOWN for one in found)
    return dict(counts.most_common())


def _densities(regions: Sequence[WatchedRegion], found: Sequence[Counted]) -> tuple[Density, ...]:
    points = shapely.point_on_surface([one.geometry for one in found])
    made: list[Density] = []
    for region in regions:
        inside = np.flatnonzero(shapely.contains(region.geometry, points)).tolist()
        area = _area(region.geometry)
        taken = sum(found[index].area_m2 or 0.0 for index in inside)
        made.append(Density(region.id, area / 1e6, len(inside), taken / area))
    return tuple(made)


def _area(ground: BaseGeometry) -> float:
    parts = [shapely.geometry.polygon.orient(part) for part in shapely.get_parts(ground)]
    return float(sum(abs(_GEOD.geometry_area_perimeter(part)[0]) for part in parts))


def _burnt(grid: Grid, found: Sequence[Counted]) -> NDArray[np.bool_]:
    """Return which pixels of a grid lie in an outline, or hold a point."""
    placed = transform_geom(
        "EPSG:4326", f"EPSG:{grid.epsg}", [mapping(one.geometry) for one in found]
    )
    burnt = features.rasterize(
        [(shape(one), 1) for one in placed], out_shape=grid.shape, transform=grid.transform,
        dtype="uint8",
    )  # fmt: skip
    inside: NDArray[np.bool_] = burnt > 0
    return inside


def _terrain(path: Path, found: Sequence[Counted]) -> tuple[tuple[Share, ...], tuple[Share, ...]]:
    try:
        heights = read_elevation(path)
    except NothingObserved as error:
        raise InvalidSamples(f"{path.name}: {error}") from None
    grid = heights.grid
    inside = _burnt(grid, found)
    if not inside.any():
        raise InvalidSamples(f"{path.name}: no landslide lies on it")
    steep = terrain.slope(heights.metres, abs(grid.transform.a))
    facing = terrain.aspect(heights.metres, abs(grid.transform.a))
    step = np.where(np.isfinite(steep), steep // SLOPE_STEP, -1).astype(int)
    way = np.where(np.isfinite(facing), np.round(facing / 45) % 8, -1).astype(int)
    top = int(step.max()) + 1
    slopes = [f"{n * SLOPE_STEP}-{(n + 1) * SLOPE_STEP}" for n in range(top)]
    return _shares(step, inside, slopes), _shares(way, inside, ASPECTS)


def _land_cover(
    path: Path, names: Mapping[str, str], found: Sequence[Counted]
) -> tuple[Share, ...]:
    try:
        with open_raster(path, whole=True) as dataset:
            if dataset.crs is None or dataset.crs.to_epsg() is None:
                raise UnreadableRaster(f"{path.name}: its system has no EPSG code; warp it to one")
            grid = Grid(dataset.crs.to_epsg(), dataset.transform, dataset.height, dataset.width)
            codes = dataset.read(1, masked=True)
    except RasterioError as error:
        raise UnreadableRaster(f"{path.name} cannot be read: {error}") from None
    inside = _burnt(grid, found)
    if not inside.any():
        raise InvalidSamples(f"{path.name}: no landslide lies on it")
    known = sorted({int(code) for code in np.unique(codes.compressed())})
    index = np.searchsorted(known, codes.filled(known[0]))
    index = np.where(np.ma.getmaskarray(codes), -1, index)
    return _shares(index, inside, [names.get(str(code), str(code)) for code in known])


def _shares(
    index: NDArray[np.int_], inside: NDArray[np.bool_], labels: Sequence[str]
) -> tuple[Share, ...]:
    """Return the share of each class, of landslides and of all ground; -1 is unknown."""
    known = index >= 0
    ground = np.bincount(index[known], minlength=len(labels))
    hit = np.bincount(index[known & inside], minlength=len(labels))
    all_hit, all_ground = max(int(hit.sum()), 1), max(int(ground.sum()), 1)
    return tuple(
        Share(label, int(h) / all_hit, int(g) / all_ground)
        for label, h, g in zip(labels, hit, ground, strict=True)
    )
