"""Draw a stored landslide by judging its look again: the picture shows what was seen."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from rasterio import features
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from alerts.explaining import explain_optical
from alerts.message import credit
from alerts.optical_pictures import draw_optical
from alerts.pictures import Explained, draw
from alerts.wording import change, finding
from db import optical, queries
from db.engine import transaction
from detectors.errors import ConfigurationError
from detectors.medians import median_of_looks
from detectors.ponding import PondingLevels
from detectors.projections import to_projected
from detectors.radiometry import Power, to_db
from detectors.types import (
    SAME_PASS,
    Acquisition,
    Detection,
    Finding,
    FloatArray,
    Grid,
    Kind,
    Landslide,
    OrbitState,
    Sensor,
    WatchedRegion,
)
from flows.confirming import examine_pair
from flows.histories import PASSES_KNOWN
from flows.judging import ScoredBlock, scored_blocks
from flows.services import Services

#: Ground shown around an outline, as a multiple of its size, and at least so many metres.
MARGIN_SHARE, MARGIN_M = 1.0, 450.0
#: Sentinel-1 looks to the right of its track, which leans this far from north over mid latitudes.
TRACK_LEAN_DEGREES = 12.0


def draw_landslide(
    services: Services, landslide_id: uuid.UUID, out: Path, eye: Sensor | None = None
) -> Sensor:
    """Write a PNG as :func:`drawn` makes it.

    Returns:
        What was drawn.

    Raises:
        ConfigurationError: there is no such landslide, or nothing of that kind has seen it.
        ScarpwatchError: its looks cannot be read any more.
    """
    chosen, content = drawn(services, landslide_id, eye)
    out.write_bytes(content)
    return chosen


def drawn(
    services: Services, landslide_id: uuid.UUID, eye: Sensor | None = None
) -> tuple[Sensor, bytes]:
    """Draw a PNG that explains a landslide by the look that decided what is believed of it.

    Args:
        services: database and catalogues.
        landslide_id: which.
        eye: radar or optical; None takes optical where an optical look decided or found it.

    Returns:
        What was drawn, and the picture.

    Raises:
        ConfigurationError: there is no such landslide, or nothing of that kind has seen it.
        ScarpwatchError: its looks cannot be read any more.
    """
    with transaction(services.engine) as s:
        landslide = queries.get_landslide(s, landslide_id)
        if landslide is None:
            raise ConfigurationError(f"no landslide {landslide_id}")
        region = queries.get_region(s, landslide.region_id, include_removed=True)
    decided = landslide.verdict_at is not None or landslide.source is Sensor.OPTICAL
    chosen = eye or (Sensor.OPTICAL if decided else Sensor.SAR)
    draw_it = _optical if chosen is Sensor.OPTICAL else _radar
    return chosen, draw_it(services, landslide, region)


def _radar(services: Services, landslide: Landslide, region: WatchedRegion) -> bytes:
    """Draw the strongest radar detection."""
    with transaction(services.engine) as s:
        found = queries.landslide_detections(s, landslide.id)
        seen = [one for one in found if one.source is Sensor.SAR]
        if not seen:
            raise ConfigurationError(f"radar has not seen landslide {landslide.id}")
        detection = max(seen, key=lambda one: one.evidence)
        look = queries.get_acquisition(s, detection.acquisition_id)
        earlier = queries.previous_acquisitions(
            s, look, look.sensed_at - SAME_PASS, PASSES_KNOWN,
            services.clock.now(),
        )  # fmt: skip
    catalogue = services.catalogue_of(look)
    for scored in scored_blocks(
        region, look, earlier, catalogue, set(), forgiving=True, known=[landslide],
        heights=services.heights,
    ):  # fmt: skip
        outline = to_projected(landslide.geometry, scored.block.grid.epsg)
        if _holds(scored, outline.representative_point()):
            return draw(
                explain(landslide, detection, region, look, scored, services.settings.exercise)
            )
    raise ConfigurationError(f"the look of landslide {landslide.id} no longer covers it")


def _optical(services: Services, landslide: Landslide, region: WatchedRegion) -> bytes:
    """Draw the optical look that decided, else the last one that could see it, else the first."""
    with transaction(services.engine) as s:
        versions = {one.revision: one for one in queries.landslide_history(s, landslide.id)}
        checks = optical.optical_checks(s, landslide.id)
        clear = [check for check in checks if check.finding is not Finding.NOT_SEEN]
        said = next((c for c in checks if c.sensed_at == landslide.verdict_at), None)
        said = said or next(iter(clear[::-1] or checks), None)
        if said is not None:
            judged, look_id = versions[said.revision], said.acquisition_id
        else:
            found = queries.landslide_detections(s, landslide.id)
            first = next((one for one in found if one.source is Sensor.OPTICAL), None)
            if first is None:
                raise ConfigurationError(f"no optical look has been held against {landslide.id}")
            judged, look_id = landslide, first.acquisition_id
        look = queries.get_acquisition(s, look_id)
    seen = examine_pair(services, judged, look)
    return draw_optical(
        explain_optical(
            landslide, seen.check, judged.geometry, seen.pre, seen.post, seen.unseen,
            None if seen.compared.change is None else seen.compared.change.relative,
            region_name=region.name, exercise=services.settings.exercise,
        )
    )  # fmt: skip


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
    post_db = to_db(Power(scored.post.gamma0[0, 0, rows, columns]))
    pre_db = median_of_looks(to_db(Power(scored.pre.gamma0[:, 0, rows, columns])))
    marks = [
        word
        for word, holds in (
            ("EXERCISE", exercise or landslide.simulated),
            ("SIMULATED", landslide.simulated),
        )
        if holds
    ]
    title = (
        f"{' '.join(marks)}{': ' if marks else ''}{landslide.state.value} {finding(landslide.kind)}"
    )
    centre = landslide.geometry.representative_point()
    facts = (
        f"{region.name}: {centre.y:.5f}, {centre.x:.5f} (lat, lon); {landslide.area_m2 / 1e4:.1f}"
        f" ha; tier {landslide.tier.value}\n"
        f"{look.polarisations[0]} {change(detection.change_db)} against its surroundings; "
        f"evidence {landslide.evidence:.1f}; track {look.track}"
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
        kind=landslide.kind,
        water_db=PondingLevels().water_db if landslide.kind is Kind.PONDING else (),
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
        return tuple(float(value) for value in to_db(Power(power)).ravel())

    looks = [*scored.pre.gamma0, scored.post.gamma0[0]]
    moments = [*scored.pre.sensed_at, scored.post.sensed_at[0]]
    return [(moment, means(look)) for moment, look in zip(moments, looks, strict=True)]
