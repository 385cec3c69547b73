"""``scarpwatch poll`` and ``scarpwatch scene``: do the work now, without a schedule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.errors import FAILED
from flows.cli.options import AsJson, Verbose, open_world
from flows.cli.output import aside, counted, emit, plain, screen, some, styled

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from flows.services import Services
    from flows.steps import DeliveryOutcome, LookOutcome

#: States a look can end in, the good first.
ENDS = ("processed", "skipped", "failed", "due")
#: Reasons that are shown for one state; the rest is counted.
REASONS = 6


@dataclass(slots=True)
class RegionRun:
    """What one poll of one region brought."""

    region_id: str
    paused: bool = False
    new: int = 0
    refused: int = 0
    errors: tuple[str, ...] = ()
    looks: list[LookOutcome] = field(default_factory=list)

    @property
    def alerts(self) -> int:
        """Alerts that were written to the outbox."""
        return sum(look.alerts for look in self.looks)


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
    runs: list[RegionRun] = []
    messages: list[DeliveryOutcome] = []
    with open_world() as services, _progress() as progress:
        for region_id in _wanted(services, region_ids or []):
            runs.append(_poll_one(services, region_id, progress, messages))
            if not as_json:
                progress.stop()
                _print_run(screen(), runs[-1])
                progress.start()
        messages += _deliver(services)
    if as_json:
        from flows.cli.documents import as_json as plain_values

        emit(plain_values({"regions": runs, "messages": messages}))
    else:
        _print_messages(screen(), messages)
    if any(run.errors for run in runs) or not all(message.delivered for message in messages):
        raise typer.Exit(FAILED)


def _wanted(services: Services, named: Sequence[str]) -> list[str]:
    """Return the ids to poll.

    Raises:
        ConfigurationError: an unknown id, or nothing is watched.
    """
    from db import queries
    from db.engine import transaction
    from detectors.errors import ConfigurationError

    with transaction(services.engine) as s:
        regions = queries.list_regions(s)
        for region_id in named:
            queries.get_region(s, region_id)
    if not regions:
        raise ConfigurationError("no region is watched yet; run: scarpwatch regions add FILE")
    return list(dict.fromkeys(named)) or [region.id for region in regions]


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


def _poll_one(
    services: Services, region_id: str, progress: Progress, messages: list[DeliveryOutcome]
) -> RegionRun:
    """Poll one region and work off what is due; alerts leave as soon as they are stored."""
    from db import queries
    from db.engine import transaction
    from flows import steps

    with transaction(services.engine) as s:
        if queries.get_region(s, region_id).paused:
            return RegionRun(region_id, paused=True)
    task = progress.add_task(f"{region_id}: asking the catalogues", total=None)
    polled = steps.poll_region(services, region_id)
    run = RegionRun(region_id, False, polled.new, polled.refused, polled.errors)
    progress.update(task, description=f"{region_id}: judging", total=_due(services, region_id))
    while found := steps.detect_due(services, region_id, limit=1):
        run.looks += found
        progress.advance(task)
        if found[0].alerts:
            messages += _deliver(services)
    progress.remove_task(task)
    return run


def _due(services: Services, region_id: str) -> int:
    """Return how many looks wait."""
    from db import counts
    from db.engine import transaction

    with transaction(services.engine) as s:
        return counts.summary(s).regions[region_id].looks.get("due", 0)


def _deliver(services: Services) -> list[DeliveryOutcome]:
    from flows import steps

    return steps.deliver_due(services)


def _print_run(console: Console, run: RegionRun) -> None:
    """Say what became of one region."""
    if run.paused:
        console.print(
            f"[name]{run.region_id}[/]  [warn]paused[/]; to go on: "
            f"scarpwatch regions resume {run.region_id}"
        )
        return
    refused = f", {some(run.refused, 'item')} refused" if run.refused else ""
    console.print(f"[name]{run.region_id}[/]  {some(run.new, 'new look')}{refused}")
    for error in run.errors:
        console.print(f"  [fail]not read[/] {plain(error)}")
    if run.looks:
        ends = Counter(look.state for look in run.looks)
        found = sum(look.detections for look in run.looks)
        console.print(f"  {counted(ends, ENDS)}".replace("\n", ", ") + f"; {_found(found, run)}")
    _print_reasons(console, run.looks)


def _found(detections: int, run: RegionRun) -> str:
    alerts = f", [likely]{some(run.alerts, 'alert')}[/]" if run.alerts else ""
    return f"{some(detections, 'detection') if detections else 'nothing found'}{alerts}"


def _print_reasons(console: Console, looks: Sequence[LookOutcome]) -> None:
    """Say why looks were not judged, the same reason once."""
    reasons: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for look in looks:
        if look.state != "processed":
            reasons[look.state, look.reason or "no reason stored"].append(look.item_id)
    shown = sorted(reasons.items(), key=lambda entry: (ENDS.index(entry[0][0]), entry[0][1]))
    for (state, reason), items in shown[:REASONS]:
        word = f"{styled(state)} again later" if state == "due" else styled(state)
        which = plain(items[0]) if len(items) == 1 else some(len(items), "look")
        console.print(f"  {word}: {which}\n    {plain(reason)}")
    if len(shown) > REASONS:
        console.print(f"  and {len(shown) - REASONS} more; see: scarpwatch looks list")


def _print_messages(console: Console, messages: Sequence[DeliveryOutcome]) -> None:
    """Say what was sent, and what was not."""
    sent = Counter(message.channel for message in messages if message.delivered)
    for channel, number in sorted(sent.items()):
        console.print(f"[ok]sent[/]  {some(number, 'message')} to {channel}")
    for message in messages:
        if not message.delivered:
            console.print(
                f"[fail]not sent[/]  {message.alert_id[:8]} to {message.channel}: "
                f"{plain(message.reason)}"
            )


def scene(
    item_id: Annotated[str, typer.Argument(metavar="ITEM_ID", help="Catalogue item, as `looks list` shows it.")],
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
    from flows.cli.documents import as_json as plain_values

    with open_world() as services:
        with transaction(services.engine) as s:
            looks = queries.list_looks(s, region_id=region, item_id=item_id)
        if not looks:
            where = f"region {region} knows" if region else "no region knows"
            never = " no" if region else " a"
            raise ConfigurationError(f"{where}{never} look {item_id}; see: scarpwatch looks list")
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
            _print_scene(screen(), one)
        _print_messages(screen(), messages)
    if any(one["state"] == "failed" for one in judged) or not all(m.delivered for m in messages):
        raise typer.Exit(FAILED)


def _print_scene(console: Console, judged: dict[str, Any]) -> None:
    found = some(judged["detections"], "detection") if judged["detections"] else "nothing found"
    said = plain(judged["reason"]) or found
    alerts = f", [likely]{some(judged['alerts'], 'alert')}[/]" if judged["alerts"] else ""
    console.print(f"[name]{judged['region_id']}[/]  {styled(judged['state'])}: {said}{alerts}")
