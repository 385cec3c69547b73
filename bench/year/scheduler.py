"""What the flow ``poll-regions`` does, without Prefect, by the clock of a SIMULATED year."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cronsim import CronSim

from bench.year.sky import BEGIN
from flows import delivering, kept, ledger, polling, silence, turns
from flows.polling import PollOutcome
from flows.services import Services
from flows.turns import Plan


@dataclass
class Spent:
    """Seconds by what they went into."""

    seconds: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the time until the end of the block."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[what] += time.monotonic() - begun


def upkeep(services: Services, region_ids: Collection[str]) -> None:
    """Raise and end alarms, and keep the ledger, of the regions that were polled."""
    silence.watch_silence(services, region_ids)
    ledger.keep_ledger(services, region_ids)


def due(plan: Plan, now: datetime) -> bool:
    """Tell whether a plan has a poll at a moment; intervals are counted from the first day."""
    if plan.every is not None:
        return not (now - BEGIN) % plan.every
    return bool(next(CronSim(str(plan.cron), now - timedelta(seconds=1))) == now)


def poll_due(
    services: Services, judge: Callable[[str], object], spent: Spent, *, send: bool = True
) -> dict[str, PollOutcome]:
    """Poll every plan that is due now, as one run of the flow each.

    Args:
        services: database, clock, channels.
        judge: does what waits in a region.
        spent: takes the seconds.
        send: send messages.

    Returns:
        What was polled, by region.
    """
    now, polled = services.clock.now(), dict[str, PollOutcome]()
    with spent.on("plans"):
        slugs = {plan.slug: plan for plan in turns.plans(services).values()}
    for slug, plan in sorted(slugs.items()):
        if not due(plan, now):
            continue
        with spent.on("polls"):
            outcomes = polling.poll_together(services, turns.regions_of(services, slug))
        with spent.on("judging"):
            for region_id in turns.waiting(services):
                judge(region_id)
        with spent.on("ledger and silence"):
            upkeep(services, list(outcomes))
        with spent.on("delivery"):
            if send and delivering.messages_due(services):
                delivering.deliver_due(services, now)
        kept.prune_daily(services)
        polled |= outcomes
    return polled
