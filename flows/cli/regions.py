"""``scarpwatch regions``: what is watched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, plain, screen

if TYPE_CHECKING:
    from detectors.types import WatchedRegion
    from flows.region_changes import Change
    from flows.services import Services

app = typer.Typer(help="Regions that are watched: add, list, pause, remove.")

RegionId = Annotated[str, typer.Argument(metavar="ID", help="Id of the region.")]


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="GeoJSON Feature with a (Multi)Polygon.")
    ],
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CATALOGUE/COLLECTION",
            help="Where looks come from, instead of what the file says; may be repeated.",
        ),
    ] = None,
) -> None:
    """Watch a region from now on, or change one.

    Looks sensed before today only serve for comparison, unless the file says watch_from. A change
    keeps the region's history, its start and whether it is paused.
    """
    from flows.region_changes import watch
    from flows.regions import read_region

    now = datetime.now(UTC)
    region = read_region(file, watch_from=now, default_sources=tuple(source or ()))
    if source:
        region = replace(region, sources=tuple(source))
    with open_world() as services:
        change = watch(services, region, since_unsaid=region.watch_from == now)
    _say_added(change)
    _warn_of_silence(services, change.region)


def _say_added(change: Change) -> None:
    from detectors.types import MINIMUM_LOOKS

    console, region = screen(), change.region
    name = f"[name]{region.id}[/] ({plain(region.name)})"
    if change.before is None:
        since = f"{region.watch_from:%Y-%m-%d %H:%M} UTC"
        drill = ", a [drill]drill[/]" if region.simulated else ""
        console.print(f"Watching {name} since {since}{drill}.")
        console.print(
            f"A track warms up until {MINIMUM_LOOKS} of its passes are known; polls fetch earlier "
            "ones. What still warms up: scarpwatch status, with the day."
        )
        console.print(
            "Next: scarpwatch poll, or scarpwatch serve; one that runs polls it by itself."
        )
        return
    said = f"changed: {', '.join(change.fields)}" if change.fields else "is as it was"
    console.print(f"Region {name} {said}.")


def _warn_of_silence(services: Services, region: WatchedRegion) -> None:
    """Say loudly when nobody would be told."""
    from flows.attention import told

    if not told(services.settings, region):
        kind = "exercise" if region.simulated or services.settings.exercise else "live"
        screen().print(
            f"[warn]Nobody will be told:[/] no {kind} channel in the settings takes its alerts."
        )


@app.command("list")
def list_regions(
    everything: Annotated[
        bool, typer.Option("--all", help="Removed regions, too; their history is kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the regions: last poll, how far the catalogues were read, what came of it."""
    from flows.cli import region_views as views

    with open_world() as services:
        found = views.load(services, everything=everything)
    if as_json:
        emit({"regions": [one.document() for one in found]})
    elif not found:
        screen().print("No region is watched yet. Next: scarpwatch regions add FILE")
    else:
        screen().print(views.as_table(found))


@app.command()
def show(region_id: RegionId, as_json: AsJson = False) -> None:
    """Show a region: polls, looks by state, refused items and why."""
    from flows.cli import region_views as views

    with open_world() as services:
        found = views.load_one(services, region_id)
    if as_json:
        emit(found.full_document())
    else:
        views.print_one(screen(), found, services.settings)


@app.command()
def export(region_id: RegionId) -> None:
    """Print the file of a region, to be changed and given to regions add again."""
    from db import queries
    from db.engine import transaction
    from flows.regions import document_of

    with open_world() as services, transaction(services.engine) as s:
        region = queries.get_region(s, region_id, include_removed=True)
    emit(document_of(region))


@app.command()
def pause(region_id: RegionId) -> None:
    """Stop polling a region for now; its history stays."""
    _set_paused(region_id, paused=True)
    screen().print(
        f"[name]{region_id}[/] is paused. To go on: scarpwatch regions resume {region_id}"
    )


@app.command()
def resume(region_id: RegionId) -> None:
    """Poll a paused region again, from where it was left."""
    _set_paused(region_id, paused=False)
    screen().print(f"[name]{region_id}[/] is watched again, from where it was left.")


def _set_paused(region_id: str, *, paused: bool) -> None:
    from db import store
    from db.engine import transaction

    with open_world() as services, transaction(services.engine) as s:
        store.set_paused(s, region_id, paused)


@app.command()
def remove(
    region_id: RegionId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop watching a region for good; its landslides and alerts are kept."""
    from db import queries, store
    from db.engine import transaction

    with open_world() as services:
        with transaction(services.engine) as s:
            region = queries.get_region(s, region_id)
        if not yes:
            typer.confirm(f"Stop watching {region.id}? Its history is kept.", abort=True)
        with transaction(services.engine) as s:
            store.remove_region(s, region_id)
    screen().print(f"[name]{region_id}[/] is no longer watched; its history is kept.")
