"""What is read of the ground inside outlines: heights, slope, aspect, land cover."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db.selecting import landslides, latest_landslides
from db.tables import LandslideMeasures, LandslideVersion
from detectors.types import LandCover, Landslide, Relief


def unmeasured(
    s: Session,
    region_id: str | None = None,
    since: datetime | None = None,
    *,
    cover: bool = False,
) -> list[Landslide]:
    """Return the latest versions whose ground has not been measured, oldest first.

    Args:
        s: Session.
        region_id: Only of this region.
        since: Only those recorded at this time or later, by the database's clock.
        cover: Those without land cover of a map, instead of those without heights.
    """
    row = LandslideMeasures
    told = row.land_cover if cover else row.elevation_min_m
    measured = (
        select(row.landslide_id)
        .where(
            row.landslide_id == LandslideVersion.landslide_id,
            row.revision == LandslideVersion.revision,
            told.is_not(None),
        )
        .exists()
    )
    query = latest_landslides(region_id).where(~measured, LandslideVersion.merged_into.is_(None))
    if since is not None:
        query = query.where(LandslideVersion.recorded_at >= since)
    return landslides(s, query)


def record_relief(s: Session, landslide: Landslide, ground: Relief) -> None:
    """Store what the ground inside a version's outline is like, in place of what was stored."""
    row = LandslideMeasures
    s.execute(
        update(row)
        .where(row.landslide_id == landslide.id, row.revision == landslide.revision)
        .values(
            elevation_min_m=ground.elevation_min_m,
            elevation_max_m=ground.elevation_max_m,
            slope_deg=ground.slope_deg,
            aspect_deg=ground.aspect_deg,
            recorded_at=func.clock_timestamp(),
        )
    )


def record_land_cover(s: Session, landslide: Landslide, cover: LandCover, source: str) -> None:
    """Store what a map says of the ground inside a version's outline.

    Args:
        s: Session.
        landslide: Its outline was read.
        cover: What was read.
        source: What the map is called.
    """
    row = LandslideMeasures
    s.execute(
        update(row)
        .where(row.landslide_id == landslide.id, row.revision == landslide.revision)
        .values(
            land_cover=cover.name,
            land_cover_share=cover.share,
            land_cover_map=source,
            recorded_at=func.clock_timestamp(),
        )
    )
