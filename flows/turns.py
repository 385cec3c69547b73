"""Which regions are polled together and when, and which have work waiting, in turns.

Thousands of regions have a handful of plans (every 30 minutes, at six in Oslo): the regions of one
plan are polled in one run. Runs of a single region are begun only where something waits there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from db import backlog, queries, triggers
from db.engine import transaction
from db.triggers import StoredEvent
from detectors.types import Sensor, WatchedRegion
from flows import confirming, steps
from flows.schedules import in_season, parse_cron
from flows.services import Services

#: What a slug cannot hold, in words: plans that differ have slugs that differ.
_SPELT = str.maketrans(
    {"*": "x", ",": "and", "-": "to", "/": "by", "+": "plus", "_": "of", ".": "point"}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """When regions are polled."""

    every: timedelta | None
    """Interval, None with ``cron``."""
    cron: str | None
    """Five fields, None with ``every``."""
    zone: str
    """IANA time zone of ``cron``."""

    @property
    def slug(self) -> str:
        """Name for schedules and runs: lower-case letters, digits and hyphens."""
        if self.every is not None:
            told = f"every {self.every.total_seconds():.15g} s"
        else:
            told = f"at {self.cron} {self.zone}"
        return "-".join(told.translate(_SPELT).lower().split())


def plans(services: Services) -> dict[str, Plan]:
    """Return how each region is polled just now, the urgent first; paused ones are not."""
    return {region.id: plan for region, plan in _planned(services)}


def _planned(services: Services) -> list[tuple[WatchedRegion, Plan]]:
    now = services.clock.now()
    with transaction(services.engine) as s:
        regions = [region for region in queries.list_regions(s) if not region.paused]
        raised = triggers.raised(s, now)
    return [
        (region, _plan(region, raised.get(region.id)))
        for region in regions
        if in_season(region, now) or region.id in raised
    ]


def _plan(region: WatchedRegion, raised: StoredEvent | None) -> Plan:
    """Return how a region is polled; what raises its polls never lowers them."""
    if raised is not None and (
        region.poll_cron is not None or raised.poll_every < region.poll_every
    ):
        return Plan(raised.poll_every, None, "UTC")
    if region.poll_cron is None:
        return Plan(region.poll_every, None, "UTC")
    line, zone = parse_cron(region.poll_cron)
    return Plan(None, line, zone)


def regions_of(
    services: Services, slug: str, only: Collection[str] | None = None
) -> list[WatchedRegion]:
    """Return the regions that are polled by a plan just now, the urgent first.

    Args:
        services: database and clock.
        slug: of the plan.
        only: none but these; None takes all of the plan.
    """
    return [
        region
        for region, plan in _planned(services)
        if plan.slug == slug and (only is None or region.id in only)
    ]


def waiting(services: Services, *, looks_only: bool = False) -> Iterator[str]:
    """Yield the regions that have work and nobody who does it, the urgent first.

    Among equals the one goes first whose last look was judged longest ago. Regions without a look
    that is due and without an open landslide are not even asked about.

    Args:
        services: what the steps reach the world through.
        looks_only: leave out regions where only landslides wait to be checked: a check may have
            to wait for its look again and again, while a look that is claimed always moves on.
    """
    with transaction(services.engine) as s:
        found = backlog.in_turns(s, datetime.now(UTC), landslides=not looks_only)
    for region_id in found:
        if _has_work(services, region_id, looks_only=looks_only):
            yield region_id


def _has_work(services: Services, region_id: str, *, looks_only: bool) -> bool:
    if steps.looks_due(services, region_id):
        return True
    if looks_only:
        return steps.looks_due(services, region_id, Sensor.OPTICAL)
    return confirming.confirmations_due(services, region_id)
