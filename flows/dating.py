"""When a known landslide happened: what all looks said of it, and the history of its own ground.

Two answers that do not know of each other. The *bracket* joins what looks of all tracks and sensors
said (``detectors.dating``) and reads nothing but the database. The *posterior* of each radar track
reads the backscatter inside the outline again, look by look (``detectors.step_dates``); it tells
more where the landslide was found late, or by an optical look alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from rasterio import features
from sqlalchemy.orm import Session

from db import optical, queries, radar
from db.engine import transaction
from detectors.dating import Bracket, Observation, bracket
from detectors.errors import (
    ConfigurationError,
    ImageryUnavailable,
    NotEnoughLooks,
    NothingObserved,
    QuotaSpent,
    UnreadableRaster,
)
from detectors.projections import to_projected
from detectors.series import Series
from detectors.step_dates import Dated, date_step
from detectors.types import Acquisition, Finding, FloatArray, Landslide, Sensor, WatchedRegion
from flows.imagery import group_passes, plan_blocks, read_pass
from flows.rasters import Block
from flows.services import Services

#: Looks that make a history: two years tell the season, half a year after that the change lasts.
BEFORE, AFTER = timedelta(days=730), timedelta(days=180)
#: The step may lie so long before the last clean look: first looks may have missed it.
EARLIER = timedelta(days=60)
#: Both bands that ``detectors.step_dates`` is made for.
BANDS = ("VV", "VH")
#: All optical looks see alike, whatever their orbit.
OPTICAL = "optical"
_SAID = {Finding.AGREES: True, Finding.DISAGREES: False}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read to date a landslide."""

    landslide: Landslide
    """Latest version."""
    region: WatchedRegion
    """That watches it."""
    bracket: Bracket | None
    """Between which looks, by what is stored."""
    passes: Mapping[str, Sequence[Sequence[Acquisition]]]
    """By track the items of each pass, oldest first."""

    @property
    def total(self) -> int:
        """Passes of all tracks."""
        return sum(map(len, self.passes.values()))


@dataclass(frozen=True, slots=True)
class TrackDate:
    """What the history of one radar track says."""

    track: str
    """Viewing geometry."""
    series: Series
    """The landslide's own pixels, look by look; without looks where there are too few."""
    dated: Dated | None
    """When it stepped; None where it cannot be told."""
    unknown: str | None
    """Why it is not known; None where it is."""
    left_out: int
    """Passes that could not be read."""


@dataclass(frozen=True, slots=True)
class LandslideDate:
    """When a landslide happened."""

    landslide: Landslide
    """Latest version."""
    bracket: Bracket | None
    """Between which looks; None where no look is known that saw it."""
    tracks: tuple[TrackDate, ...]
    """By track."""


def bracket_of(s: Session, landslide_id: uuid.UUID) -> Bracket | None:
    """Return between which two looks a landslide happened, by all that is stored of it."""
    return bracket(_observations(s, landslide_id))


def _observations(s: Session, landslide_id: uuid.UUID) -> Iterator[Observation]:
    """Return what each look said. A detection's history was clean at its ``not_before``."""
    tracks: dict[uuid.UUID, str] = {}

    def track(acquisition_id: uuid.UUID) -> str:
        if acquisition_id not in tracks:
            tracks[acquisition_id] = queries.get_acquisition(s, acquisition_id).track
        return tracks[acquisition_id]

    for found in queries.landslide_detections(s, landslide_id):
        by = OPTICAL if found.source is Sensor.OPTICAL else track(found.acquisition_id)
        yield Observation(found.not_after, found.source, by, saw_it=True)
        yield Observation(found.not_before, found.source, by, saw_it=False)
    for said in radar.radar_checks(s, [landslide_id]).get(landslide_id, ()):
        by = track(said.acquisition_id)
        yield Observation(said.sensed_at, Sensor.SAR, by, _SAID.get(said.finding))
    for check in optical.optical_checks(s, landslide_id):
        yield Observation(check.sensed_at, Sensor.OPTICAL, OPTICAL, _SAID.get(check.finding))


def plan_dating(services: Services, landslide_id: uuid.UUID) -> Plan:
    """Find out which looks tell when a landslide happened; reads the database alone.

    Raises:
        ConfigurationError: there is no such landslide.
    """
    with transaction(services.engine) as s:
        landslide = queries.get_landslide(s, landslide_id)
        if landslide is None:
            raise ConfigurationError(f"no landslide {landslide_id}")
        region = queries.get_region(s, landslide.region_id, include_removed=True)
        between = bracket_of(s, landslide_id)
        looks = queries.looks_over(
            s, landslide.geometry, Sensor.SAR,
            since=landslide.not_before - BEFORE, until=landslide.not_after + AFTER,
            published_until=services.clock.now(), sources=region.sources,
        )  # fmt: skip
    by_track: dict[str, list[Acquisition]] = {}
    for look in looks:
        if set(BANDS) <= set(look.polarisations):
            by_track.setdefault(look.track, []).append(look)
    passes = {track: group_passes(items) for track, items in sorted(by_track.items())}
    return Plan(landslide, region, between, passes)


def date_landslide(
    services: Services, plan: Plan, done: Callable[[], None] = lambda: None
) -> LandslideDate:
    """Date a stored landslide; reads the imagery of its radar history again.

    Args:
        services: catalogues.
        plan: what to read.
        done: called after each of its passes.

    Raises:
        QuotaSpent: the account of the source is used up.
    """
    tracks = tuple(_date_track(services, plan, track, done) for track in plan.passes)
    return LandslideDate(plan.landslide, plan.bracket, tracks)


def _date_track(services: Services, plan: Plan, track: str, done: Callable[[], None]) -> TrackDate:
    series = _history(services, plan, track, done)
    left_out = len(plan.passes[track]) - len(series)
    span = plan.landslide.not_before - EARLIER, plan.landslide.not_after
    try:
        dated = date_step(series.sensed_at, series.level_db(), span)
    except NotEnoughLooks as error:
        return TrackDate(track, series, None, str(error), left_out)
    return TrackDate(track, series, dated, dated.unknown, left_out)


def _history(services: Services, plan: Plan, track: str, done: Callable[[], None]) -> Series:
    """Read the landslide's own pixels, pass by pass; what cannot be read is left out."""
    moments: list[datetime] = []
    looks: list[FloatArray] = []
    landslide = plan.landslide
    ground = replace(plan.region, geometry=landslide.geometry)
    block: Block | None = None
    for items in plan.passes[track]:
        try:
            catalogue = services.catalogue_of(items[0])
            block = block or next(iter(plan_blocks(items[0], ground, catalogue)))
            outline = to_projected(landslide.geometry, block.grid.epsg)
            own = features.geometry_mask(
                [outline], block.grid.shape, block.grid.transform, all_touched=True, invert=True
            )
            looks.append(read_pass(items, BANDS, block.grid, catalogue)[:, None, own])
            moments.append(items[0].sensed_at)
        except QuotaSpent:
            raise
        except (ImageryUnavailable, NothingObserved, UnreadableRaster, LookupError):
            continue  # LookupError: an item that lacks a band it was said to have
        finally:
            done()
    shape = (0, len(BANDS), 1, 0)
    gamma0 = np.stack(looks) if looks else np.zeros(shape, dtype=np.float32)
    return Series(str(landslide.id)[:8], track, tuple(moments), gamma0)
