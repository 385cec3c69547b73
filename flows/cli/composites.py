"""``scarpwatch composites``: the rasters that judged looks left on this disk."""

from __future__ import annotations

import dataclasses
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, OnlyRegion, open_world
from flows.cli.output import emit, minute, plain, screen, some, table

if TYPE_CHECKING:
    from db.records import CompositeRecord

app = typer.Typer(help="Composites and score maps of judged looks, as files.")


@app.command("list")
def list_composites(
    region: OnlyRegion = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many looks.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the looks whose composites are kept, newest first, and their files."""
    from db import queries
    from db.composites import list_composites as read
    from db.engine import transaction
    from flows.cli.documents import as_json as plain_values

    with open_world() as services, transaction(services.engine) as s:
        if region is not None:
            queries.get_region(s, region)
        found = read(s, region, limit=limit)
        drills = {one.id for one in queries.list_regions(s, include_removed=True) if one.simulated}
        root = services.settings.composites
    if as_json:
        emit({"folder": str(root.absolute()), "composites": plain_values(found)})
        return
    if not found:
        screen().print("Nothing is kept yet. Looks that are judged leave composites.")
        return
    made = table()
    made.add_column("Look, UTC", no_wrap=True)
    made.add_column("Item", overflow="fold")
    made.add_column("Layers", no_wrap=True)
    made.add_column("kB", justify="right", no_wrap=True)
    for _, layers in groupby(found, key=lambda one: one.stac_id):
        made.add_row(*_row(list(layers), drills))
    screen().print(made)
    screen().print(f"Files below [name]{plain(str(root))}[/]; their names: --json", soft_wrap=True)


def _row(layers: list[CompositeRecord], drills: set[str]) -> tuple[str, str, str, str]:
    from alerts.rules import marks

    first = layers[0]
    said = marks(exercise=first.region_id in drills, simulated=first.simulated)
    size = sum(one.bytes for one in layers) / 1000
    return (
        minute(first.sensed_at),
        plain(first.stac_id) + (f"\n[drill]{said}[/]" if said else ""),
        ", ".join(one.kind for one in layers),
        f"{size:,.0f}",
    )


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove composites past their days that show no landslide, and files nobody names.

    The days are keep_composites_days in the settings. What a landslide was seen or sought in stays.
    """
    from flows.kept import prune as remove

    with open_world() as services:
        pruned = remove(services, dry_run=dry_run)
        days = services.settings.keep_composites_days
    if as_json:
        emit({**dataclasses.asdict(pruned), "dry_run": dry_run, "days": days})
        return
    verb = "would go" if dry_run else "went"
    screen().print(
        f"{some(len(pruned.items), 'look')} older than {some(days, 'day')} without a landslide,"
        f" {some(pruned.files, 'file')}, {pruned.bytes / 1e6:,.1f} MB {verb}."
    )
