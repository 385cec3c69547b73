"""What reading cost: added up by region, day, work and look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.tables import Cost


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent."""

    requests: int = 0
    """Requests, those that failed included."""
    bytes: int = 0
    """Bytes over the network, without headers."""
    seconds: float = 0.0
    """Time the work took."""
    units: float = 0.0
    """Processing units that were charged."""


@dataclass(frozen=True, slots=True)
class CostLine:
    """What one kind of work cost a region."""

    source: str
    """Catalogue/collection that was asked."""
    work: str
    """One of ``db.tables.WORK``."""
    looks: int
    """Looks it was spent on."""
    spent: Spending
    """How much."""


def add_costs(
    s: Session, day: date, source: str, work: str, item_id: str, shares: Mapping[str, Spending]
) -> None:
    """Add to what a kind of work cost on a day. Not to be repeated: it would count twice.

    Args:
        s: Session.
        day: UTC, by the clock of the machine.
        source: ``catalogue/collection`` that was asked.
        work: One of ``db.tables.WORK``.
        item_id: The look it was spent on, empty where on none alone.
        shares: How much, by the region that pays.
    """
    statement = insert(Cost)
    amounts = [field.name for field in fields(Spending)]
    added = {name: getattr(Cost, name) + getattr(statement.excluded, name) for name in amounts}
    s.execute(
        statement.on_conflict_do_update(
            index_elements=["region_id", "day", "source", "work", "item_id"],
            set_={**added, "recorded_at": func.clock_timestamp()},
        ),
        [
            {
                "region_id": region_id, "day": day, "source": source, "work": work,
                "item_id": item_id, **asdict(spent),
            }
            for region_id, spent in sorted(shares.items())
        ],
    )  # fmt: skip


_SUMS = (
    func.coalesce(func.sum(Cost.requests), 0),
    func.coalesce(func.sum(Cost.bytes), 0),
    func.coalesce(func.sum(Cost.seconds), 0.0),
    func.coalesce(func.sum(Cost.units), 0.0),
)


def spent_since(s: Session, region_id: str, first: date) -> Spending:
    """Return what a region has spent from a day on."""
    query = select(*_SUMS).where(Cost.region_id == region_id, Cost.day >= first)
    requests, size, seconds, units = s.execute(query).one()
    return Spending(int(requests), int(size), float(seconds), float(units))


@dataclass(frozen=True, slots=True)
class LookCost:
    """What one look cost a region on one day."""

    day: date
    """The day, UTC."""
    item_id: str
    """Catalogue item."""
    work: str
    """One of ``db.tables.WORK``."""
    spent: Spending
    """How much."""


def list_looks(s: Session, first: date, region_id: str) -> list[LookCost]:
    """Return what each look of a region cost on each day, the newest first."""
    query = (
        select(Cost)
        .where(Cost.region_id == region_id, Cost.day >= first, Cost.item_id != "")
        .order_by(Cost.day.desc(), Cost.item_id, Cost.work)
    )
    return [
        LookCost(
            row.day, row.item_id, row.work,
            Spending(row.requests, row.bytes, row.seconds, row.units),
        )
        for row in s.scalars(query, execution_options={"populate_existing": True})
    ]  # fmt: skip


def list_costs(s: Session, first: date, region_id: str) -> list[CostLine]:
    """Return what a region has spent from a day on, by source and work."""
    keys = (Cost.source, Cost.work)
    looks = func.count(func.distinct(func.nullif(Cost.item_id, "")))
    query = (
        select(*keys, looks, *_SUMS)
        .where(Cost.region_id == region_id, Cost.day >= first)
        .group_by(*keys)
        .order_by(*keys)
    )
    return [
        CostLine(
            source, work, count, Spending(int(requests), int(size), float(spent), float(units))
        )
        for source, work, count, requests, size, spent, units in s.execute(query)
    ]
