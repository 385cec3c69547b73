"""The Prefect flows. Each is a few lines around a step: Prefect is the clock and the window.

Flows and tasks exchange ids and counts, never arrays. Only transient failures are tried again;
what a look or a message still needs is in PostGIS, not in the state of a run.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from prefect import flow, get_client, runtime, task
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType, TaskRun
from prefect.states import Cancelled

from db import store
from detectors.errors import CatalogueUnavailable, TransientError
from flows import (
    confirming,
    delivering,
    handing_out,
    kept,
    ledger,
    measuring,
    polling,
    settings,
    silence,
    steps,
    triggers,
    turns,
)
from flows.services import open_services
from flows.workers import end_with_parent

if "PREFECT__FLOW_RUN_ID" in os.environ:
    # The run of a runner that was killed would go on asking for its server for minutes, and hold
    # its work all that time. Ended at once, it leaves leases that the next run takes over.
    end_with_parent(signal.SIGKILL)


#: A backlog of optical looks must not keep a region from its next poll: radar comes first.
SURVEY_FOR = timedelta(minutes=10)
#: Name of the deployment whose runs judge what waits in one region.
WAITING = "waiting"
#: How long a run may take from being asked for to its beginning.
STARTING = timedelta(minutes=10)
#: Reasons that a failed poll names.
TOLD = 5


async def _transient(_task: Any, _run: TaskRun, state: State) -> bool:
    """Tell whether another try may help."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, TransientError)


@task(name="poll", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def poll_task(plan: str, region_ids: list[str] | None) -> dict[str, Any]:
    """Ask the catalogues of a plan's regions what is new, together.

    Returns:
        The regions, how many looks are new, the regions that a source did not answer, and why, each
        reason once, and the errors of all other regions, each once.
    """
    with open_services(settings.load()) as services:
        regions = turns.regions_of(services, plan, region_ids)
        outcomes = polling.poll_together(services, regions)
    silent, spoken = (
        dict.fromkeys(
            error for one in outcomes.values() if one.unanswered is which for error in one.errors
        )
        for which in (True, False)
    )
    return {
        "regions": list(outcomes),
        "new": sum(one.new for one in outcomes.values()),
        "unanswered": [region_id for region_id, one in outcomes.items() if one.unanswered],
        "reasons": list(silent),
        "errors": list(spoken),
    }


@task(name="poll-again", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def poll_again_task(plan: str, region_ids: list[str]) -> dict[str, Any]:
    """Ask once more for regions that were not answered.

    Raises:
        CatalogueUnavailable: some still are not.
    """
    polled = poll_task.fn(plan, region_ids)
    if polled["unanswered"]:
        raise CatalogueUnavailable(_reasons(polled["reasons"]))
    return polled


def _reasons(errors: Sequence[str]) -> str:
    more = len(errors) - TOLD
    return "; ".join([*errors[:TOLD], *([f"{more} more"] if more > 0 else [])])


@task(name="detect", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def detect_task(region_id: str) -> dict[str, int]:
    """Judge what is due in a region; return how many looks ended in which state."""
    with open_services(settings.load()) as services:
        outcomes = steps.detect_due(services, region_id, judge_for=services.settings.judge_for)
    return dict(Counter(outcome.state for outcome in outcomes))


@task(name="judge", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def judge_task(region_id: str) -> str | None:
    """Judge the next due look of a region; return what became of it, None where none was due."""
    with open_services(settings.load()) as services:
        outcomes = steps.detect_due(services, region_id, limit=1)
    return outcomes[0].state if outcomes else None


@task(name="confirm", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def confirm_task(region_id: str) -> dict[str, int]:
    """Judge optically what is due in a region; return how many checks ended in which finding."""
    with open_services(settings.load()) as services:
        outcome = confirming.confirm_due(services, region_id, SURVEY_FOR)
    return dict(Counter(check.finding for check in outcome.checks))


@task(name="deliver", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def deliver_task() -> int:
    """Send what is due; return how many messages arrived."""
    with open_services(settings.load()) as services:
        return sum(outcome.delivered for outcome in delivering.deliver_due(services))


@task(name="train", retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=_transient)
def train_task(order: dict[str, Any], member: str) -> float:
    """Train one member, or finish what a killed run began; return its F1 on validation."""
    from flows.training_orders import Order  # brings torch along, which polls can do without

    return Order(**order).train(member).validation_f1


def expire_late_runs(parameters: dict[str, str]) -> int:
    """Cancel this deployment's runs that are overdue with the same parameters.

    This run finds all work that is due, so theirs is done too; without this a backlog would be
    worked off one empty run after the other.

    Returns:
        How many were cancelled; 0 for a run without a deployment.
    """
    if not runtime.deployment.id:
        return 0
    overdue = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[UUID(runtime.deployment.id)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    with get_client(sync_client=True) as client:
        runs = [
            run
            for run in client.read_flow_runs(flow_run_filter=overdue)
            if run.parameters == parameters
        ]
        for run in runs:
            covered: State[None] = Cancelled(message="covered by a run that began later")
            client.set_flow_run_state(run.id, covered, force=True)
    return len(runs)


def begin_waiting(*, looks_only: bool = False) -> int:
    """Ask for runs of regions that have work, the urgent first, as many as can begin soon.

    Never for all at once: whatever comes meanwhile with a lower ``priority`` must not stand behind
    thousands. Each run that ends asks for the next.

    Args:
        looks_only: see ``turns.waiting``.

    Returns:
        How many were asked for; 0 in a run without a deployment.
    """
    if not runtime.deployment.id:
        return 0
    with get_client(sync_client=True) as client, open_services(settings.load()) as services:
        mine = client.read_deployment_by_name(f"{judge_region.name}/{WAITING}").id
        asked = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[mine]),
            state=FlowRunFilterState(
                type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING])
            ),
        )
        soon = {
            run.parameters["region_id"]
            for run in client.read_flow_runs(flow_run_filter=asked)
            if not _killed(run)
        }
        room = services.settings.runs_at_once - len(soon)
        begun = 0
        for region_id in turns.waiting(services, looks_only=looks_only) if room > 0 else ():
            if region_id in soon:
                continue
            client.create_flow_run_from_deployment(mine, parameters={"region_id": region_id})
            begun += 1
            if begun >= room:
                break
    return begun


def _killed(run: FlowRun) -> bool:
    """Tell whether a run began to start so long ago that its process must be gone."""
    if run.state is None or run.state.type is not StateType.PENDING:
        return False
    return run.state.timestamp < datetime.now(UTC) - STARTING


@flow(name="detect-sar", flow_run_name="detect-sar {region_id}")
def detect_sar(region_id: str) -> dict[str, int]:
    """Judge every due look of a region."""
    ours = settings.load()
    if ours.distribution.runner == "dask":
        return handing_out.judge_each(ours.distribution, judge_task, region_id, ours.judge_for)
    return detect_task(region_id)


@flow(name="confirm-optical", flow_run_name="confirm-optical {region_id}")
def confirm_optical(region_id: str) -> dict[str, int]:
    """Confirm or refute what is suspected, and search clear looks for what nobody suspected."""
    where = settings.load().distribution
    if where.runner == "dask":
        return handing_out.check_region(where, confirm_task, region_id)
    return confirm_task(region_id)


@flow(name="train-models", flow_run_name="train-models {recipe}")
def train_models(
    recipe: str,
    images: str,
    masks: str,
    out: str,
    grid: bool = False,
    members: list[str] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    crop: int | None = None,
    groups: str | None = None,
) -> dict[str, float]:
    """Train members of a recipe, one task each, and put the best together; nothing is promoted."""
    from flows.training_orders import Order

    order: dict[str, Any] = {
        "recipe": recipe, "images": images, "masks": masks, "out": out, "grid": grid,
        "members": members, "epochs": epochs, "steps": steps, "crop": crop, "groups": groups,
    }  # fmt: skip
    f1 = {member: train_task(order, member) for member in Order(**order).names()}
    Order(**order).assemble()
    return f1


@flow(name="deliver-alerts", flow_run_name="deliver-alerts")
def deliver_alerts() -> int:
    """Send every due message."""
    expire_late_runs({})
    return deliver_task()


@flow(name="verify-month", flow_run_name="verify-month")
def verify_month() -> dict[str, bool]:
    """Write last month's verification of each region; return whether operators learn of it."""
    from flows import verification_report  # draws, which polls can do without

    expire_late_runs({})
    with open_services(settings.load()) as services:
        made = {one.region_id: told for one, told in verification_report.report_due(services)}
    deliver_alerts()
    return made


@flow(name="read-triggers", flow_run_name="read-triggers")
def watch_triggers() -> dict[str, int]:
    """Read the feeds of earthquakes and warnings; ``planning`` polls what they reach more often."""
    with open_services(settings.load()) as services:
        outcomes = triggers.read_triggers(services)
    return {one.trigger: one.new for one in outcomes}


@flow(name="poll-regions", flow_run_name="poll-regions {plan}")
def poll_regions(plan: str, region_ids: list[str] | None = None) -> dict[str, int]:
    """Poll all regions of a plan together, and have judged what waits, a run for each region.

    Where one region alone has work this run does it, so that its alerts need not wait for another
    process. A catalogue that fails does not keep the other regions from being polled, nor earlier
    work from being finished; it is asked again when that is done. If it still does not answer the
    run ends as failed, for people to see. It is asked whether a look is missing; ``deliver-alerts``
    sends what comes of it.

    Args:
        plan: slug of the plan.
        region_ids: none but these of its regions, such as have just been added.
    """
    if region_ids is None:
        expire_late_runs({"plan": plan})
    polled = poll_task(plan, region_ids)
    with open_services(settings.load()) as services:
        first = list(islice(turns.waiting(services), 2))
    if len(first) == 1:
        _take(first[0])
    begun = begin_waiting(looks_only=len(first) == 1)
    with open_services(settings.load()) as services:
        messages = delivering.messages_due(services)
    if messages:
        deliver_alerts()
    with open_services(settings.load()) as services:
        silence.watch_silence(services, polled["regions"])
        ledger.keep_ledger(services, polled["regions"])
        kept.prune_daily(services)
    if polled["unanswered"]:
        again = poll_again_task(plan, polled["unanswered"])
        begun += begin_waiting()
        polled["new"] += again["new"]
        polled["errors"] += again["errors"]
    if polled["errors"]:
        raise CatalogueUnavailable(_reasons(polled["errors"]))
    return {"regions": len(polled["regions"]), "new": polled["new"], "begun": begun}


@flow(name="judge-region", flow_run_name="judge-region {region_id}")
def judge_region(region_id: str) -> dict[str, int]:
    """Judge what is due in a region, and send what is to be said.

    Radar comes first and its alerts leave before optical looks are judged. A run that finds another
    one of its region under way ends at once: that one does its work. It goes on for as long as no
    other region has its turn, and then asks for the next ones, this one among them.
    """
    expire_late_runs({"region_id": region_id})
    done: Counter[str] = Counter()
    with open_services(settings.load()) as services:
        while not done["under way"]:
            done.update(_take(region_id))
            if next(turns.waiting(services, looks_only=True), None) != region_id:
                break
    # Not after a failure, or two regions that fail would take turns for ever: polls begin anew.
    begin_waiting(looks_only=True)
    return dict(done)


def _take(region_id: str) -> dict[str, int]:
    """Do what waits in a region, unless somebody does."""
    with (
        open_services(settings.load()) as services,
        store.polling(services.engine, region_id) as mine,
    ):
        return _judge(region_id) if mine else {"under way": 1}


def _judge(region_id: str) -> dict[str, int]:
    """Do what waits in a region that is ours, radar for ``judge_for`` at most."""
    with open_services(settings.load()) as services:
        looks = steps.looks_due(services, region_id)
    judged = detect_sar(region_id) if looks else {}
    if looks:
        deliver_alerts()
    with open_services(settings.load()) as services:
        waiting = confirming.confirmations_due(services, region_id)
    checked = confirm_optical(region_id) if waiting else {}
    if waiting:
        deliver_alerts()
    with open_services(settings.load()) as services:
        ledger.keep_ledger(services, [region_id])
        measuring.measure_new(services, region_id)
    return {"looks": sum(judged.values()), **judged, **checked}
