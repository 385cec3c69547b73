"""Counts of everything that is stored, for the demo, the doctor and the operator."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db import tables
from db.exclusions import withheld_counts
from db.records import RegionSummary, Summary
from db.selecting import latest_landslides
from db.tables import (
    Alert,
    Delivery,
    Landslide,
    Look,
    OpticalAttempt,
    OpticalCheck,
    RefusedItem,
)
from detectors.types import Sensor


def summary(s: Session) -> Summary:
    """Return counts by region, removed regions included."""
    looks = _by_region(s, select(Look.region_id, Look.state))
    optical = _by_region(
        s,
        select(Look.region_id, Look.state)
        .join(tables.Acquisition)
        .where(tables.Acquisition.sensor == Sensor.OPTICAL),
    )
    checks = _by_region(
        s,
        select(Landslide.region_id, OpticalCheck.finding).join(
            OpticalCheck, OpticalCheck.landslide_id == Landslide.id
        ),
    )
    parked = _by_region(
        s,
        select(Landslide.region_id)
        .join_from(Landslide, OpticalAttempt)
        .where(OpticalAttempt.retry_at.is_(None)),
    )
    refused = _by_region(s, select(RefusedItem.region_id))
    alerts = _by_region(s, select(Alert.region_id))
    sent = select(Alert.region_id, Delivery.state).join(Delivery, Delivery.alert_id == Alert.id)
    deliveries = _by_region(s, sent)
    withheld = withheld_counts(s)
    latest = latest_landslides().order_by(None).subquery()
    landslides: defaultdict[str, defaultdict[str, dict[str, int]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for (region, state, tier), count in _counted(
        s, select(latest.c.region_id, latest.c.state, latest.c.tier)
    ):
        landslides[region][state][tier] = count
    return Summary(
        acquisitions=s.scalar(select(func.count()).select_from(tables.Acquisition)) or 0,
        regions={
            region: RegionSummary(
                looks=looks[region],
                optical=optical[region],
                refused=sum(refused[region].values()),
                landslides={state: dict(tiers) for state, tiers in landslides[region].items()},
                checks=checks[region],
                parked=sum(parked[region].values()),
                alerts=sum(alerts[region].values()),
                deliveries=deliveries[region],
                withheld=withheld.get(region, 0),
            )
            for region in s.scalars(select(tables.Region.id).order_by(tables.Region.id))
        },
    )


def _by_region(s: Session, query: Select[Any]) -> defaultdict[str, dict[str, int]]:
    """Count the rows of a query by its first column, then by its second (or all together)."""
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (region, *word), count in _counted(s, query):
        counts[region]["".join(word)] = count
    return counts


def _counted(s: Session, query: Select[Any]) -> list[tuple[tuple[str, ...], int]]:
    columns = query.selected_columns
    rows = s.execute(query.add_columns(func.count()).group_by(*columns).order_by(*columns))
    return [(tuple(row[:-1]), row[-1]) for row in rows]
