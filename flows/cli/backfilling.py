"""``scarpwatch backfill``: judge the years before a region was watched, and tell nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.errors import FAILED
from flows.cli.options import AsJson, Verbose, date_option, open_world
from flows.cli.output import aside, counted, emit, plain, screen, some

if TYPE_CHECKING:
    from flows.backfilling import Backfilled, Progress


def backfill(
    region_id: Annotated[str, typer.Argument(metavar="REGION", help="Id of the region.")],
    since: Annotated[
        datetime,
        date_option("--since", "Judge looks sensed from then on; earlier ones serve to compare."),
    ],
    until: Annotated[
        datetime | None,
        date_option("--until", "Only those sensed before; else all from before it was watched."),
    ] = None,
    as_json: AsJson = False,
    _verbose: Verbose = 0,
) -> None:
    """Judge what was sensed before a region was watched, oldest first, and tell nobody.

    What it finds is stored with its history. Broken off at any moment, it goes on where it was when
    it is typed again. Ends with status 1 where something is left to do.
    """
    from flows.backfilling import backfill as run

    with open_world() as services, showing(hidden=as_json) as progress:
        done = run(services, region_id, since, until, progress)
    if as_json:
        emit(document(done))
    else:
        _print(done)
    if not done.complete:
        raise typer.Exit(FAILED)


@contextmanager
def showing(*, hidden: bool) -> Iterator[Callable[[Progress], None]]:
    """Show looks done, their rate and the time left on standard error, if somebody is looking."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    console = aside()
    with Bar(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("looks  {task.fields[rate]}"), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(), console=console, transient=True,
        disable=hidden or not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("asking the catalogues", total=None, rate="")

        def advance(now: Progress) -> None:
            if now.sensed_at is None:
                return
            speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
            bar.update(
                task, description=f"past looks, {now.sensed_at:%Y-%m-%d}", completed=now.done,
                total=now.done + now.left, rate=f"{60 * speed:.0f} a minute" if speed else "",
            )  # fmt: skip

        yield advance


def document(done: Backfilled) -> dict[str, Any]:
    """Return what a backfill came to."""
    from flows.cli.documents import as_json

    made: dict[str, Any] = as_json(done)
    return made | {"left": done.left, "complete": done.complete}


def _print(done: Backfilled) -> None:
    """Say what was judged, and what is left and why."""
    from db.tables import LOOK_STATES

    console = screen()
    looks = counted(done.looks, LOOK_STATES).replace("\n", ", ")
    console.print(
        f"[name]{done.region_id}[/]  {done.since:%Y-%m-%d} to {done.until:%Y-%m-%d}: "
        f"{some(done.new, 'new look')}; judged now: {looks}"
    )
    for error in done.errors:
        console.print(f"[warn]not read:[/] {plain(error)}")
    if done.put_off:
        console.print(f"[warn]put off:[/] {plain(done.put_off)}")
    if done.left:
        console.print(
            f"{some(done.left, 'look')} left; type the command again, and it goes on from here."
        )
    elif not done.errors:
        console.print(
            "All of it is judged; nobody is told of the past. See: scarpwatch landslides list "
            f"--region {done.region_id}"
        )
