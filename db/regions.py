"""Regions: watched, changed, paused, removed, locked. Part of ``db.store``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    SQLColumnExpression,
    and_,
    any_,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from db import convert, queries, tables
from db.engine import named_errors
from detectors.errors import ConfigurationError
from detectors.types import Acquisition, WatchedRegion
from detectors.windows import bounds, inside

#: Twice the ground that is read around a region, up to 60 degrees of latitude.
NEAR_DEGREES = 0.12
_LOCK = ("locktype", "classid", "objid", "objsubid")


def save_region(s: Session, region: WatchedRegion, by: str | None = None) -> None:
    """Store a region, or change it; a removed region with this id is watched again.

    Every change is a version of its own, with ``by``, the login of whoever made it on the page.
    Looks that wait follow a changed ``watch_from``, ``windows`` and ``sensors``; looks that were
    judged stay judged.

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
        _follow_what_is_watched(s, region)


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


def watches(region: WatchedRegion, look: Acquisition) -> bool:
    """Tell whether a look is to be judged; others are baseline, which only feeds pre stacks."""
    since, sensed_at = region.watch_from, look.sensed_at
    return (
        since <= sensed_at and inside(region.windows, sensed_at) and look.sensor in region.sensors
    )


def _follow_what_is_watched(s: Session, region: WatchedRegion) -> None:
    """Judge what is watched now; leave what no longer is as baseline."""
    look, seen = tables.Look, tables.Acquisition
    watched = and_(
        seen.sensed_at >= region.watch_from,
        seen.sensor.in_([sensor.value for sensor in region.sensors]),
        *_in_windows(region.windows),
    )
    mine = update(look).where(look.region_id == region.id, look.acquisition_id == seen.id)
    s.execute(mine.where(look.state == "baseline", watched).values(state="due"))
    s.execute(
        mine.where(look.state == "due", look.attempts == 0, ~watched).values(state="baseline")
    )


def _in_windows(windows: tuple[str, ...]) -> list[ColumnElement[bool]]:
    """Return what ``detectors.windows.inside`` asks, as a condition; none where it is always."""
    day = func.to_char(func.timezone("UTC", tables.Acquisition.sensed_at), "MM-DD")
    parts = []
    for window in windows:
        first, last = bounds(window)
        joined = and_ if first <= last else or_
        parts.append(joined(day >= first, day <= last))
    return [or_(*parts)] if parts else []


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


@contextmanager
def polling(engine: Engine, region_id: str) -> Iterator[bool]:
    """Keep a region's scheduled run to oneself; tell whether that could be had.

    The lock is the connection's, outside any transaction: PostgreSQL lets go of it as soon as its
    holder is dead.
    """
    key = _polling_key(literal(region_id))
    with named_errors(), engine.connect() as opened:
        held = opened.execution_options(isolation_level="AUTOCOMMIT")
        mine = bool(held.scalar(select(func.pg_try_advisory_lock(key))))
        try:
            yield mine
        finally:
            if mine:
                held.scalar(select(func.pg_advisory_unlock(key)))


def under_way(region_id: SQLColumnExpression[str]) -> ColumnElement[bool]:
    """Return whether somebody has a region's run, without taking it from anybody meanwhile."""
    locks = table("pg_locks", *(column(name) for name in _LOCK), schema="pg_catalog")
    # A key of 64 bits lies in two columns of 32.
    high = cast(locks.c.classid, BigInteger).op("<<")(literal_column("32"))
    key = high.op("|")(cast(locks.c.objid, BigInteger))
    mine = text("database = (SELECT oid FROM pg_database WHERE datname = current_database())")
    held = select(key).where(locks.c.locktype == "advisory", locks.c.objsubid == 1, mine)
    return _polling_key(region_id).in_(held)


def _polling_key(region_id: SQLColumnExpression[str]) -> ColumnElement[int]:
    return func.hashtextextended(literal("scarpwatch:polling:").op("||")(region_id), 0)


def lock_region(s: Session, region_id: str) -> None:
    """Wait until no other transaction tracks this region; let go at the end of this one."""
    key = func.hashtextextended(f"scarpwatch:region:{region_id}", 0)
    s.execute(select(func.pg_advisory_xact_lock(key)))
