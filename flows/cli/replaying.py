"""``scarpwatch replay`` and ``scarpwatch demo``: the whole system over past looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, Verbose, date_option, require_folder
from flows.cli.output import aside, counted, emit, plain, screen, some
from flows.cli.replay_view import print_skill, skill_document

if TYPE_CHECKING:
    from flows.replay import ReplayReport, ReplayStep


def replay(
    archives: Annotated[list[Path], typer.Argument(metavar="ARCHIVE", help="Archives.")],
    start: Annotated[
        datetime | None,
        date_option("--from", "Judge looks sensed from then on; earlier ones serve to compare."),
    ] = None,
    end: Annotated[
        datetime | None, date_option("--to", "Stop the clock then; a date means its midnight.")
    ] = None,
    regions: Annotated[
        list[Path] | None,
        typer.Option(
            "--region", metavar="FILE",
            help="GeoJSON of what to watch, repeatable; else all that the archives show.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.geojson", help="Write every landslide there."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Mapped landslides to score against, any format OGR reads; simulated archives "
            "bring theirs.",
        ),
    ] = None,
    as_json: AsJson = False,
    _verbose: Verbose = 0,
) -> None:  # fmt: skip
    """Monitor an archive as if it were then: what would have been told, when, and was it right?

    Runs in a database of its own that is dropped afterwards, knows no look before it was published,
    and tells nobody.
    """
    from flows import settings
    from flows.regions import read_region
    from flows.replay import replay as run
    from flows.replay_skill import judge, read_truth

    if start and end and start >= end:
        raise typer.BadParameter("--from must be before --to")
    if out:
        require_folder(out)
    everything = datetime(1970, 1, 1, tzinfo=UTC)
    watched = [
        read_region(file, everything, ("archive/any",), strict=False) for file in regions or []
    ]
    mapped, source = read_truth(truth, archives)  # a file that cannot be read is told at once
    with _progress() as progress:
        report = run(settings.load(), archives, watched or None, start, end, progress)
    if out:
        _write(out, report.feature_collection())
    played = judge(report, mapped, source)
    if as_json:
        emit(_document(report) | skill_document(played))
    else:
        _print_report(report, out)
        print_skill(screen(), report, played)


@contextmanager
def _progress() -> Iterator[Callable[[ReplayStep], None]]:
    """Show the replay's clock on standard error, if somebody is looking."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    console = aside()
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("polls"), console=console, transient=True, disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task("setting up", total=None)

        def advance(step: ReplayStep) -> None:
            said = f"{step.clock:%Y-%m-%d}  {step.suspected} suspected"
            said += f", {step.confirmed} confirmed" if step.confirmed else ""
            said += f", {step.refuted} refuted" if step.refuted else ""
            progress.update(task, description=said, total=step.of, completed=step.number)

        yield advance


def _write(out: Path, content: dict[str, Any]) -> None:
    """Write the file whole or not at all."""
    from flows.files import write_whole

    write_whole(out, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def _document(report: ReplayReport) -> dict[str, Any]:
    from flows.cli.documents import alert_document, landslide_document, summary_document

    return {
        "acquisitions": report.counts.acquisitions,
        "regions": {
            region.id: summary_document(report.counts.regions.get(region.id))
            for region in report.regions
        },
        "landslides": [landslide_document(landslide) for landslide in report.landslides],
        "alerts": [
            alert_document(record) | {"told_at": report.told_at[record.alert.id].isoformat()}
            for record in report.alerts
        ],
        "days": report.span.total_seconds() / 86_400,
        "seconds": report.seconds,
        "days_a_second": report.days_a_second,
    }


def _print_report(report: ReplayReport, out: Path | None) -> None:
    """Say what was looked at and what would have been told."""
    from db.tables import LOOK_STATES
    from detectors.types import State
    from flows.cli import landslide_views as views

    console = screen()
    for region in report.regions:
        found = report.counts.regions.get(region.id)
        looks = counted(found.looks if found else {}, LOOK_STATES).replace("\n", ", ")
        states = {state: sum(t.values()) for state, t in found.landslides.items()} if found else {}
        slides = f"{counted(states, State)}; ".replace("\n", ", ") if states else ""
        alerts = some(found.alerts if found else 0, "alert")
        console.print(f"[name]{region.id}[/]  {looks}; {slides}{alerts} would have gone out")
    if report.landslides:
        console.print(views.as_table(report.landslides, console.width))
    else:
        console.print("Nothing suspected.")
    if out:
        console.print(f"{some(len(report.landslides), 'landslide')} written to {plain(str(out))}")


def demo(as_json: AsJson = False) -> None:
    """Run the main job on real Sentinel-1 data: a drill landslide and a quiet control.

    Serves the shipped archive, polls it on schedule through two years, and delivers to a receiver
    on this machine. Takes about three minutes; nothing that is watched for real is touched.
    """
    from flows import settings
    from flows.demo import run

    raise typer.Exit(run(settings.load(), aside() if as_json else screen(), as_json))


def drill(as_json: AsJson = False) -> None:
    """Exercise every state of a landslide, told to real receivers on this machine.

    Suspected, updated, confirmed and closed; refuted and withdrawn; unresolved under clouds; a
    dammed valley. The worker is killed twice. Leaves the summary, the CAP messages and the feed in
    the state folder; nothing that is watched for real is touched.
    """
    from flows import settings
    from flows.drilling import run

    raise typer.Exit(run(settings.load(), aside() if as_json else screen(), as_json))
