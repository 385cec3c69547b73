"""Which polls Prefect has planned, and keeping that true while ``scarpwatch serve`` runs.

One schedule a plan inside one deployment, however many regions follow it. What is added, changed,
paused, removed, in season again, or raised by a trigger is planned anew within seconds; what stays
the same is left alone, so that its next poll is not put off. Feeds are followed as regions are: the
settings are read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import structlog

from detectors.errors import ScarpwatchError
from flows.services import Services
from flows.settings import Settings, load
from flows.turns import Plan, plans

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.schedules import Schedule

log = structlog.get_logger()

#: Slug of the schedule by which feeds are read, all of them at once.
FEEDS = "feeds"
#: When a schedule begins: Prefect's scheduler leaves out what is over when it comes by, which it
#: does every five seconds, and the next time would be a whole interval later.
BEGIN = timedelta(seconds=20)
#: How often it is asked whether something has changed.
LOOK_AGAIN_SECONDS = 10.0
#: Regions that one run is told by name: Prefect bounds the size of parameters.
AT_ONCE = 1_000


def distinct(planned: Mapping[str, Plan]) -> dict[str, Plan]:
    """Return the plans that some regions follow by slug, that of the most urgent one first."""
    return {plan.slug: plan for plan in planned.values()}


def schedule(plan: Plan, rank: int = 0) -> Schedule:
    """Return the schedule of a plan; of an interval the first poll comes within seconds.

    Args:
        plan: when its regions are polled.
        rank: plans are begun in this order, a millisecond apart.
    """
    from prefect.schedules import Cron, Interval

    common: dict[str, Any] = {"parameters": {"plan": plan.slug}, "slug": plan.slug}
    if plan.cron is not None:
        return Cron(plan.cron, timezone=plan.zone, **common)
    assert plan.every is not None  # noqa: S101
    begin = datetime.now(UTC) + BEGIN + timedelta(milliseconds=rank)
    return Interval(plan.every, anchor_date=begin, **common)


def reading(settings: Settings) -> dict[str, timedelta]:
    """Return how often feeds are read, by slug of the schedule; empty where there are none."""
    return {FEEDS: settings.read_triggers_every} if settings.triggers else {}


def feed_schedule(every: timedelta, _rank: int = 0) -> Schedule:
    """Return the schedule by which feeds are read, the first time within seconds."""
    from prefect.schedules import Interval

    return Interval(every, anchor_date=datetime.now(UTC) + BEGIN, slug=FEEDS)


async def keep_planned(
    services: Services, polls: UUID, feeds: UUID, planned: Mapping[str, Plan]
) -> None:
    """Plan anew what changes, until cancelled; what goes wrong is tried again.

    Args:
        services: database and clock, and the settings that feeds were planned by.
        polls: deployment of ``poll-regions``.
        feeds: deployment of ``read-triggers``.
        planned: by region, what was planned when they were deployed.
    """
    from prefect import get_client

    read = reading(services.settings)
    async with get_client() as client:
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            try:
                wanted = await asyncio.to_thread(plans, services)
                await _replan(client, polls, distinct(planned), distinct(wanted), schedule)
                await _poll_joined(client, polls, planned, wanted)
                planned = wanted
                named = reading(await asyncio.to_thread(load))
                await _replan(client, feeds, read, named, feed_schedule)
                read = named
            except (ScarpwatchError, httpx.HTTPError) as error:
                log.warning("schedules stay as they are", reason=str(error))


async def _poll_joined(
    client: PrefectClient,
    polls: UUID,
    planned: Mapping[str, Plan],
    wanted: Mapping[str, Plan],
) -> None:
    """Poll the regions at once that take up a plan others follow already; may run twice."""
    before = distinct(planned)
    joined: dict[str, list[str]] = {}
    for region_id, plan in wanted.items():
        if planned.get(region_id) != plan and plan.slug in before:
            joined.setdefault(plan.slug, []).append(region_id)
    for slug, region_ids in joined.items():
        for some in batched(region_ids, AT_ONCE):
            await client.create_flow_run_from_deployment(
                polls, parameters={"plan": slug, "region_ids": list(some)}
            )
        log.info("polled at once", plan=slug, regions=len(region_ids))


async def _replan[T](
    client: PrefectClient,
    deployment_id: UUID,
    planned: Mapping[str, T],
    wanted: Mapping[str, T],
    schedule_of: Callable[[T, int], Schedule],
) -> None:
    """Delete what is no longer so and create what is new, by slug; may run twice."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

    gone = {slug for slug, plan in planned.items() if wanted.get(slug) != plan}
    new = {slug: plan for slug, plan in wanted.items() if planned.get(slug) != plan}
    if not (gone or new):
        return
    replaced = gone | set(new)
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
        for one in (schedule_of(plan, rank) for rank, plan in enumerate(new.values()))
    ]  # fmt: skip
    if made:
        await client.create_deployment_schedules(deployment_id, made)
    log.info("planned anew", schedules=sorted(replaced))
