"""Which polls Prefect has planned, and keeping that true while ``scarpwatch serve`` runs.

One schedule a plan inside one deployment, however many regions follow it. What is added, changed,
paused, removed, in season again, or raised by a trigger is planned anew within seconds; what stays
the same is left alone, so that its next poll is not put off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import structlog

from detectors.errors import ScarpwatchError
from flows.services import Services
from flows.turns import Plan, plans

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.schedules import Schedule

log = structlog.get_logger()

#: How often it is asked whether something has changed.
LOOK_AGAIN_SECONDS = 10.0
#: Regions that one run is told by name: Prefect bounds the size of parameters.
AT_ONCE = 1_000


def distinct(planned: Mapping[str, Plan]) -> list[Plan]:
    """Return the plans that some regions follow, each once, that of the most urgent one first."""
    return list(dict.fromkeys(planned.values()))


def schedule(plan: Plan, rank: int = 0) -> Schedule:
    """Return the schedule of a plan, the first poll at once.

    Args:
        plan: when its regions are polled.
        rank: plans are begun in this order, a millisecond apart.
    """
    from prefect.schedules import Cron, Interval

    common: dict[str, Any] = {"parameters": {"plan": plan.slug}, "slug": plan.slug}
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
        deployment_id: deployment of ``poll-regions``.
        planned: by region, what was planned when it was deployed.
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
    """Delete what is no longer so and create what is new; may run twice.

    A region that takes up a plan others follow already is polled once at once, like the first one.
    """
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

    changed = [region_id for region_id, plan in wanted.items() if planned.get(region_id) != plan]
    before, now = distinct(planned), distinct(wanted)
    gone = {plan.slug for plan in before if plan not in now}
    new = [plan for plan in now if plan not in before]
    if not (changed or gone):
        return
    replaced = gone | {plan.slug for plan in new}
    if replaced:
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
    joined: dict[str, list[str]] = {}
    for region_id in changed:
        if wanted[region_id] in before:
            joined.setdefault(wanted[region_id].slug, []).append(region_id)
    for slug, region_ids in joined.items():
        for some in batched(region_ids, AT_ONCE):
            await client.create_flow_run_from_deployment(
                deployment_id, parameters={"plan": slug, "region_ids": list(some)}
            )
    log.info("planned anew", regions=len(changed), schedules=sorted(replaced))
