"""Which polls Prefect has planned, and keeping that true while ``scarpwatch serve`` runs.

One schedule a region inside one deployment. What is added, changed, paused, removed, in season
again, or raised by a trigger is planned anew within seconds; what stays the same is left alone, so
that its next poll is not put off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import structlog

from db import queries, triggers
from db.engine import transaction
from db.triggers import StoredEvent
from detectors.errors import ScarpwatchError
from detectors.types import WatchedRegion
from flows.schedules import in_season, parse_cron
from flows.services import Services

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.schedules import Schedule

log = structlog.get_logger()

#: How often it is asked whether something has changed.
LOOK_AGAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How one region is polled."""

    region_id: str
    """Watched region; the slug of its schedule."""
    every: timedelta | None
    """Its interval, None with ``cron``."""
    cron: str | None
    """Five fields, None with ``every``."""
    zone: str
    """IANA time zone of ``cron``."""


def plans(services: Services) -> dict[str, Plan]:
    """Return how each region is polled just now, the urgent first; paused ones are not."""
    now = services.clock.now()
    with transaction(services.engine) as s:
        regions = [region for region in queries.list_regions(s) if not region.paused]
        raised = triggers.raised(s, now)
    return {
        region.id: _plan(region, raised.get(region.id))
        for region in regions
        if in_season(region, now) or region.id in raised
    }


def _plan(region: WatchedRegion, raised: StoredEvent | None) -> Plan:
    """Return how a region is polled; what raises its polls never lowers them."""
    if raised is not None and (
        region.poll_cron is not None or raised.poll_every < region.poll_every
    ):
        return Plan(region.id, raised.poll_every, None, "UTC")
    if region.poll_cron is None:
        return Plan(region.id, region.poll_every, None, "UTC")
    line, zone = parse_cron(region.poll_cron)
    return Plan(region.id, None, line, zone)


def schedule(plan: Plan, rank: int = 0) -> Schedule:
    """Return the schedule of a plan, the first poll at once.

    Args:
        plan: how the region is polled.
        rank: regions are begun in this order, a millisecond apart.
    """
    from prefect.schedules import Cron, Interval

    common: dict[str, Any] = {"parameters": {"region_id": plan.region_id}, "slug": plan.region_id}
    if plan.cron is not None:
        return Cron(plan.cron, timezone=plan.zone, **common)
    assert plan.every is not None  # noqa: S101
    begin = datetime.now(UTC) + timedelta(milliseconds=rank)
    return Interval(plan.every, anchor_date=begin, **common)


async def keep_planned(
    services: Services, deployment_id: UUID, planned: Mapping[str, Plan]
) -> None:
    """Plan anew what changes, until cancelled; what goes wrong is tried again.

    Args:
        services: database and clock.
        deployment_id: deployment of ``poll-region``.
        planned: what was planned when it was deployed.
    """
    from prefect import get_client

    async with get_client() as client:
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            try:
                wanted = await asyncio.to_thread(plans, services)
                await _replan(client, deployment_id, planned, wanted)
            except (ScarpwatchError, httpx.HTTPError) as error:
                log.warning("schedules stay as they are", reason=str(error))
                continue
            planned = wanted


async def _replan(
    client: PrefectClient,
    deployment_id: UUID,
    planned: Mapping[str, Plan],
    wanted: Mapping[str, Plan],
) -> None:
    """Delete what is no longer so and create what is new; may run twice."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

    gone = {slug for slug, plan in planned.items() if wanted.get(slug) != plan}
    new = [plan for slug, plan in wanted.items() if planned.get(slug) != plan]
    if not (gone or new):
        return
    replaced = gone | {plan.region_id for plan in new}
    for held in await client.read_deployment_schedules(deployment_id):
        if held.slug in replaced:
            await client.delete_deployment_schedule(deployment_id, held.id)
    made = [
        DeploymentScheduleCreate(
            schedule=IntervalSchedule(interval=one.interval, anchor_date=one.anchor_date)
            if one.interval
            else CronSchedule(cron=str(one.cron), timezone=one.timezone),
            active=True, parameters=one.parameters, slug=one.slug,
        )
        for one in (schedule(plan, rank) for rank, plan in enumerate(new))
    ]  # fmt: skip
    if made:
        await client.create_deployment_schedules(deployment_id, made)
    log.info("planned anew", regions=sorted(replaced))
