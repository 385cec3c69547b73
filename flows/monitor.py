"""The Prefect flows. Each is a few lines around a step: Prefect is the clock and the window.

Flows and tasks exchange ids and counts, never arrays. Only transient failures are tried again;
what a look or a message still needs is in PostGIS, not in the state of a run.
"""

from __future__ import annotations

from typing import Any

from prefect import flow, task
from prefect.client.schemas.objects import State, TaskRun

from detectors.errors import CatalogueUnavailable, TransientError
from flows import settings, steps
from flows.services import open_services


async def _transient(_task: Any, _run: TaskRun, state: State) -> bool:
    """Tell whether another try may help."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, TransientError)


@task(name="poll", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def poll_task(region_id: str) -> int:
    """Ask the catalogues of a region what is new; return how many looks are."""
    with open_services(settings.load()) as services:
        outcome = steps.poll_region(services, region_id)
    if outcome.errors:
        raise CatalogueUnavailable("; ".join(outcome.errors))
    return outcome.new


@task(name="detect", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def detect_task(region_id: str) -> dict[str, int]:
    """Judge what is due in a region; return how many looks ended in which state."""
    with open_services(settings.load()) as services:
        outcomes = steps.detect_due(services, region_id)
    return {state: sum(o.state == state for o in outcomes) for state in {o.state for o in outcomes}}


@task(name="deliver", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def deliver_task() -> int:
    """Send what is due; return how many messages arrived."""
    with open_services(settings.load()) as services:
        return sum(outcome.delivered for outcome in steps.deliver_due(services))


@flow(name="detect-sar", flow_run_name="detect-sar {region_id}")
def detect_sar(region_id: str) -> dict[str, int]:
    """Judge every due look of a region."""
    return detect_task(region_id)


@flow(name="deliver-alerts")
def deliver_alerts() -> int:
    """Send every due message."""
    return deliver_task()


@flow(name="poll-region", flow_run_name="poll-region {region_id}")
def poll_region(region_id: str) -> dict[str, int]:
    """Poll a region, judge what is due, send what is to be said.

    A catalogue that fails does not keep earlier work from being finished, but the run ends as
    failed, for people to see.
    """
    polled = poll_task(region_id, return_state=True)
    looks = detect_sar(region_id)
    deliver_alerts()
    return {"new": int(polled.result()), **looks}
