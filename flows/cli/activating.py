"""``scarpwatch activate``: an emergency, in one command."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.backfilling import showing
from flows.cli.errors import FAILED
from flows.cli.options import AsJson, Verbose, date_option, open_world
from flows.cli.output import aside, emit, minute, plain, screen, some

if TYPE_CHECKING:
    from flows.activating import Activated


def activate(
    area: Annotated[
        str,
        typer.Argument(
            metavar="AREA", help="west,south,east,north in degrees; a vector file; or a region."
        ),
    ],
    since: Annotated[datetime, date_option("--since", "What was first seen from then on.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call it, where it is new.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CATALOGUE/COLLECTION",
            help="Where looks come from, repeatable; else the file says, or OPERA and Sentinel-2.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where to write; else activations/ in the state folder."
        ),
    ] = None,
    as_json: AsJson = False,
    _verbose: Verbose = 0,
) -> None:
    """Watch an area from now on, judge what was seen since a date, and report: an emergency.

    Leaves map.png, report.pdf, landslides.gpkg and summary.json. Nobody is told of what was seen
    before now. Typed again, it goes on with what came since. Ends with status 1 where a source
    could not be read or looks have to wait; the report says so, too.
    """
    from flows.activating import activate as run

    with open_world(create=True) as services, showing(hidden=as_json) as progress:
        quiet = as_json or not aside().is_terminal

        def say(what: str) -> None:
            if not quiet:
                aside().print(f"[dim]{what}[/]")

        done = run(
            services, area, since, name=name, sources=tuple(source or ()), out=out,
            progress=progress, say=say,
        )  # fmt: skip
    if as_json:
        emit(done.document())
    else:
        _print(done)
    if done.errors:
        raise typer.Exit(FAILED)


def _print(done: Activated) -> None:
    """Say what was found, what could not be seen, what comes next and where the files are."""
    console, stands = screen(), done.situation
    drill = f" [drill]{stands.marks}[/]" if stands.marks else ""
    console.print(f"[name]{stands.region.id}[/] ({plain(stands.region.name)}){drill}")
    counted = [
        f"{sum(tiers.values())} [{state}]{state}[/]" for state, tiers in stands.counted().items()
    ]
    console.print(
        f"Since {minute(stands.since)} UTC: {', '.join(counted) or stands.verdict_on_nothing}; "
        f"{some(done.looks, 'look')} judged now, in {done.seconds:.0f} s"
    )
    unseen = stands.unseen()
    console.print("Could not be seen:" if unseen else "All of it could be seen by some look.")
    for line in unseen:
        console.print(f"  - {plain(line)}", soft_wrap=True)
    for track, at in sorted(stands.upcoming.items(), key=lambda one: one[1]):
        console.print(f"Next look: {track}, {minute(at)} UTC")
    if done.new:
        console.print("Watched from now on: scarpwatch serve, or scarpwatch poll.")
    for error in done.errors:
        console.print(f"[warn]not complete:[/] {plain(error)}")
    console.print("Written: " + plain(str(done.files[0].parent)))
    for path in done.files:
        console.print(f"  {plain(path.name)}")
