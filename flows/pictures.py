"""Draw a stored landslide by judging its look again: the picture shows what the detector saw."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from rasterio import features
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from alerts.message import credit
from alerts.pictures import Explained, draw
from db import queries
from db.engine import transaction
from detectors.errors import ConfigurationError
from detectors.normalise import MAXIMUM_LOOKS
from detectors.radiometry import to_db
from detectors.types import (
    SAME_PASS,
    Acquisition,
    Detection,
    FloatArray,
    Grid,
    Landslide,
    OrbitState,
    WatchedRegion,
)
from detectors.vectorize import to_projected
from flows.catalogs.registry import split_source
from flows.judging import SPARE_PASSES, ScoredBlock, scored_blocks
from flows.services import Services

#: Ground shown around an outline, as a multiple of its size, and at least so many metres.
MARGIN_SHARE, MARGIN_M = 1.0, 450.0
#: Sentinel-1 looks to the right of its track, which leans this far from north over mid latitudes.
TRACK_LEAN_DEGREES = 12.0


def draw_landslide(services: Services, landslide_id: uuid.UUID, out: Path) -> None:
    """Write a PNG that explains the strongest detection of a landslide.

    Raises:
        ConfigurationError: there is no such landslide.
        ScarpwatchError: its looks cannot be read any more.
    """
    with transaction(services.engine) as s:
        landslide = queries.get_landslide(s, landslide_id)
        if landslide is None:
            raise ConfigurationError(f"no landslide {landslide_id}")
        region = queries.get_region(s, landslide.region_id, include_removed=True)
        detection = max(queries.landslide_detections(s, landslide.id), key=lambda one: one.evidence)
        look = queries.get_acquisition(s, detection.acquisition_id)
        earlier = queries.previous_acquisitions(
            s, look, look.sensed_at - SAME_PASS, MAXIMUM_LOOKS + SPARE_PASSES,
            services.clock.now(),
        )  # fmt: skip
    catalogue = services.catalogue(split_source(look.source)[0])
    for scored in scored_blocks(region, look, earlier, catalogue, set(), forgiving=True):
        outline = to_projected(landslide.geometry, scored.block.grid.epsg)
        if _holds(scored, outline.representative_point()):
            shown = explain(landslide, detection, region, look, scored, services.settings.exercise)
            out.write_bytes(draw(shown))
            return
    raise ConfigurationError(f"the look of landslide {landslide_id} no longer covers it")


def _holds(scored: ScoredBlock, point: Point) -> bool:
    column, row = ~scored.block.grid.transform @ (point.x, point.y)
    height, width = scored.block.grid.shape
    inside = 0 <= row < height and 0 <= column < width
    return inside and bool(scored.block.core[int(row), int(column)])


def explain(
    landslide: Landslide,
    detection: Detection,
    region: WatchedRegion,
    look: Acquisition,
    scored: ScoredBlock,
    exercise: bool,
) -> Explained:
    """Gather what one picture shows; pure but for its arguments' size."""
    outline = to_projected(landslide.geometry, scored.block.grid.epsg)
    grid, rows, columns = _crop(scored.block.grid, outline)
    post_db = to_db(scored.post.gamma0[0, 0, rows, columns])
    pre_db = np.nanmedian(to_db(scored.pre.gamma0[:, 0, rows, columns]), axis=0)
    marks = [
        word
        for word, holds in (
            ("EXERCISE", exercise or landslide.simulated),
            ("SIMULATED", landslide.simulated),
        )
        if holds
    ]
    title = f"{' '.join(marks)}{': ' if marks else ''}{landslide.state.value} landslide"
    centre = landslide.geometry.representative_point()
    facts = (
        f"{region.name}: {centre.y:.5f}, {centre.x:.5f} (lat, lon); {landslide.area_m2 / 1e4:.1f}"
        f" ha; tier {landslide.tier.value}\n"
        f"{look.polarisations[0]} {landslide.change_db:+.1f} dB against its surroundings; evidence "
        f"{landslide.evidence:.1f}; track {look.track}"
    )
    return Explained(
        title=title,
        grid=grid,
        pre_db=pre_db.astype(np.float32),
        post_db=post_db,
        score=scored.scores.score[rows, columns],
        outline=outline,
        pre_span=(scored.pre.sensed_at[0], scored.pre.sensed_at[-1]),
        post_at=detection.not_after,
        look_azimuth=90.0 - TRACK_LEAN_DEGREES
        if look.orbit_state is OrbitState.ASCENDING
        else 270.0 + TRACK_LEAN_DEGREES,
        history=history(scored, outline),
        polarisations=look.polarisations,
        facts=facts,
        credit=credit(scored.pre.sensed_at[0], look.sensed_at, look.item_id),
    )


def _crop(grid: Grid, outline: BaseGeometry) -> tuple[Grid, slice, slice]:
    """Return the square part of a grid around an outline."""
    west, south, east, north = outline.bounds
    half = max(east - west, north - south) * (0.5 + MARGIN_SHARE)
    half = max(half, MARGIN_M)
    x, y = (west + east) / 2, (south + north) / 2
    left, top = ~grid.transform @ (x - half, y + half)
    right, bottom = ~grid.transform @ (x + half, y - half)
    rows = slice(max(0, round(top)), min(grid.height, round(bottom)))
    columns = slice(max(0, round(left)), min(grid.width, round(right)))
    transform = grid.transform @ grid.transform.translation(columns.start, rows.start)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    return Grid(grid.epsg, transform, *size), rows, columns


def history(
    scored: ScoredBlock, outline: BaseGeometry
) -> Sequence[tuple[datetime, tuple[float, ...]]]:
    """Return the mean backscatter inside an outline, look by look, oldest first, dB."""
    inside = features.geometry_mask(
        [outline], scored.block.grid.shape, scored.block.grid.transform, invert=True
    )

    def means(look: FloatArray) -> tuple[float, ...]:
        power = np.array([[np.nanmean(band[inside])] for band in look], dtype=np.float32)
        return tuple(float(value) for value in to_db(power).ravel())

    looks = [*scored.pre.gamma0, scored.post.gamma0[0]]
    moments = [*scored.pre.sensed_at, scored.post.sensed_at[0]]
    return [(moment, means(look)) for moment, look in zip(moments, looks, strict=True)]
