"""Regions: watched, changed, paused, removed, locked. Part of ``db.store``."""

from __future__ import annotations

from sqlalchemy import any_, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from db import convert, queries, tables
from detectors.errors import ConfigurationError
from detectors.types import Acquisition, WatchedRegion

#: Twice the ground that is read around a region, up to 60 degrees of latitude.
NEAR_DEGREES = 0.12


def save_region(s: Session, region: WatchedRegion, by: str | None = None) -> None:
    """Store a region, or change it; a removed region with this id is watched again.

    Every change is a version of its own, with ``by``, the login of whoever made it on the page.
    Looks that wait follow a changed ``watch_from``; looks that were judged stay judged.

    Raises:
        ConfigurationError: a drill was to become a real region or the other way round.
    """
    _sign(s, by)
    values = convert.region_values(region)
    known = s.scalar(select(tables.Region.simulated).where(tables.Region.id == region.id))
    if known is not None and known != region.simulated:
        kind = "a drill" if known else "no drill"
        raise ConfigurationError(
            f"region {region.id!r} is {kind} and stays so; choose another id for the other kind"
        )
    changed = {key: value for key, value in values.items() if key != "id"} | {"removed_at": None}
    s.execute(
        insert(tables.Region)
        .values(values)
        .on_conflict_do_update(index_elements=["id"], set_=changed)
    )
    if known is not None:
        _follow_watch_from(s, region)


def shares_ground(s: Session, region_id: str, look: Acquisition) -> bool:
    """Tell whether another region that is watched will be given a look too, near a region's ground.

    Near enough for its blocks, with what is read around them, to meet this one's.
    """
    mine, other = aliased(tables.Region), aliased(tables.Region)
    seen = func.ST_MakeValid(convert.geometry_value(look.footprint))
    own = func.ST_Intersection(mine.geometry, seen)
    query = (
        select(literal(1))
        .select_from(mine)
        .join(other, other.id != mine.id)
        .where(
            mine.id == region_id, other.removed_at.is_(None), ~other.paused,
            literal(look.source) == any_(other.sources),
            func.ST_DWithin(other.geometry, own, NEAR_DEGREES),
        )
        .limit(1)
    )  # fmt: skip
    return s.scalar(query) is not None


def _follow_watch_from(s: Session, region: WatchedRegion) -> None:
    """Judge what now lies inside the watched time; leave what no longer does as baseline."""
    look, sensed_at = tables.Look, tables.Acquisition.sensed_at
    mine = update(look).where(
        look.region_id == region.id, look.acquisition_id == tables.Acquisition.id
    )
    s.execute(
        mine.where(look.state == "baseline", sensed_at >= region.watch_from).values(state="due")
    )
    s.execute(
        mine.where(look.state == "due", look.attempts == 0, sensed_at < region.watch_from).values(
            state="baseline"
        )
    )


def _sign(s: Session, by: str | None) -> None:
    """Tell the trigger that keeps versions, for this transaction, who changes what."""
    s.execute(select(func.set_config("scarpwatch.changed_by", by or "", True)))


def set_paused(s: Session, region_id: str, paused: bool, by: str | None = None) -> None:
    """Pause a region, or let it go on.

    Raises:
        ConfigurationError: no such region.
    """
    _sign(s, by)
    queries.get_region(s, region_id)
    s.execute(update(tables.Region).where(tables.Region.id == region_id).values(paused=paused))


def remove_region(s: Session, region_id: str, by: str | None = None) -> None:
    """Stop watching a region; its history is kept.

    Raises:
        ConfigurationError: no such region.
    """
    _sign(s, by)
    queries.get_region(s, region_id)
    s.execute(
        update(tables.Region)
        .where(tables.Region.id == region_id)
        .values(removed_at=func.clock_timestamp())
    )


def lock_region(s: Session, region_id: str) -> None:
    """Wait until no other transaction tracks this region; let go at the end of this one."""
    key = func.hashtextextended(f"scarpwatch:region:{region_id}", 0)
    s.execute(select(func.pg_advisory_xact_lock(key)))
