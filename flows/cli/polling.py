"""``scarpwatch poll`` and ``scarpwatch scene``: do the work now, without a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.errors import FAILED
from flows.cli.options import AsJson, Verbose, open_world
from flows.cli.output import aside, emit, screen

if TYPE_CHECKING:
    from rich.progress import Progress

    from detectors.types import WatchedRegion
    from flows.cli.poll_views import RegionRun
    from flows.delivering import DeliveryOutcome
    from flows.polling import PollOutcome
    from flows.services import Services


def poll(
    region_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="REGION", help="Ids; every region where none is named."),
    ] = None,
    as_json: AsJson = False,
    _verbose: Verbose = 0,
) -> None:
    """Poll now: ask the catalogues what is new, judge it, send what is to be said.

    Ends with status 1 where a source could not be read or a message did not arrive; both are tried
    again at the next poll.
    """
    from flows.cli import poll_views as views
    from flows.ledger import keep_ledger
    from flows.measuring import measure_new
    from flows.polling import poll_together

    runs: list[views.RegionRun] = []
    messages: list[DeliveryOutcome] = []
    with open_world() as services, _progress() as progress:
        wanted = _wanted(services, region_ids or [])
        asking = progress.add_task("asking the catalogues", total=None)
        polled = poll_together(services, wanted)
        progress.remove_task(asking)
        for region in wanted:
            runs.append(_judge_one(services, region, polled.get(region.id), progress, messages))
            if not as_json:
                progress.stop()
                views.print_run(screen(), runs[-1])
                progress.start()
        messages += _deliver(services)
        keep_ledger(services, [run.region_id for run in runs])
        for run in runs:
            measure_new(services, run.region_id)
    if as_json:
        from flows.cli.documents import as_json as plain_values

        emit(plain_values({"regions": runs, "messages": messages}))
    else:
        views.print_messages(screen(), messages)
    if any(run.errors for run in runs) or not all(message.delivered for message in messages):
        raise typer.Exit(FAILED)


def _wanted(services: Services, named: Sequence[str]) -> list[WatchedRegion]:
    """Return the regions to poll.

    Raises:
        ConfigurationError: an unknown id, or nothing is watched.
    """
    from db import queries
    from db.engine import transaction
    from detectors.errors import ConfigurationError

    with transaction(services.engine) as s:
        regions = queries.list_regions(s)
        chosen = [queries.get_region(s, region_id) for region_id in dict.fromkeys(named)]
    if not regions:
        raise ConfigurationError("no region is watched yet; run: scarpwatch regions add FILE")
    return chosen or regions


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show progress on standard error, if somebody is looking."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    console = aside()
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        yield progress


def _judge_one(
    services: Services, region: WatchedRegion, polled: PollOutcome | None, progress: Progress,
    messages: list[DeliveryOutcome],
) -> RegionRun:  # fmt: skip
    """Work off what is due in one region; alerts leave as soon as they are stored."""
    from flows import confirming, steps
    from flows.cli.poll_views import RegionRun
    from flows.costs import refusal

    region_id = region.id
    if polled is None:
        return RegionRun(region_id, paused=True)
    run = RegionRun(region_id)
    run.new, run.refused, run.errors = polled.new, polled.refused, polled.errors
    task = progress.add_task(f"{region_id}: judging", total=_due(services, region_id))
    while found := steps.detect_due(services, region_id, limit=1):
        run.looks += found
        progress.advance(task)
        if found[0].alerts:
            messages += _deliver(services)
    progress.update(task, description=f"{region_id}: confirming", total=None)
    if confirming.confirmations_due(services, region_id):
        confirmed = confirming.confirm_due(services, region_id)
        run.looks += confirmed.looks
        run.checks += confirmed.checks
    refused = refusal(services, region)
    run.put_off = None if refused is None else str(refused)
    progress.remove_task(task)
    return run


def _due(services: Services, region_id: str) -> int:
    """Return how many looks wait."""
    from db import counts
    from db.engine import transaction

    with transaction(services.engine) as s:
        return counts.summary(s).regions[region_id].looks.get("due", 0)


def _deliver(services: Services) -> list[DeliveryOutcome]:
    from flows import delivering

    return delivering.deliver_due(services)


def scene(
    item_id: Annotated[
        str, typer.Argument(metavar="ITEM_ID", help="Catalogue item, as looks list shows it.")
    ],
    region: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only for this region; else for each that knows the item."),
    ] = None,
    as_json: AsJson = False,
    _verbose: Verbose = 0,
) -> None:
    """Judge one look anew, whatever became of it before, and send what is to be said.

    Doing so twice stores nothing twice: the same look and configuration give the same ids.
    """
    from db import queries
    from db.engine import transaction
    from detectors.errors import ConfigurationError
    from flows import steps
    from flows.cli import poll_views as views
    from flows.cli.documents import as_json as plain_values

    with open_world() as services:
        with transaction(services.engine) as s:
            looks = queries.list_looks(s, region_id=region, item_id=item_id)
        if not looks:
            where = f" in region {region}" if region else ""
            raise ConfigurationError(
                f"no look {item_id} is known{where}; see: scarpwatch looks list"
            )
        judged: list[dict[str, Any]] = []
        with aside().status("judging"):
            for look in looks:
                outcome = steps.rejudge(services, look.region_id, item_id)
                judged.append({"region_id": look.region_id, **plain_values(outcome)})
        messages = _deliver(services)
    if as_json:
        emit({"looks": judged, "messages": plain_values(messages)})
    else:
        for one in judged:
            views.print_scene(screen(), one)
        views.print_messages(screen(), messages)
    if any(one["state"] == "failed" for one in judged) or not all(m.delivered for m in messages):
        raise typer.Exit(FAILED)
