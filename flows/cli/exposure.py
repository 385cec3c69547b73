"""``scarpwatch exposure``: maps of what could be hit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from detectors.errors import ConfigurationError
from detectors.exposure import Thing
from flows.cli.options import AsJson, open_world
from flows.cli.output import aside, emit, minute, plain, screen, some, table

app = typer.Typer(help="Maps of what could be hit: roads, rails, buildings, rivers, places.")

KINDS = tuple(Thing)
#: Things this far outside a region are loaded with it, degrees: rivers run on, places lie beside.
AROUND = 0.2


@app.command()
def load(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="GeoPackage, GeoParquet, GeoJSON, .osm.pbf, anything OGR reads."
        ),
    ],
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this layer; else all that hold some.")
    ] = None,
    kind: Annotated[
        Thing | None, typer.Option(help="What the file holds, where no OpenStreetMap column says.")
    ] = None,
    name_field: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column with names; else ref, name.")
    ] = None,
    flows: Annotated[
        bool | None,
        typer.Option(
            "--flows/--no-flows",
            help="River lines run the way the water does (OpenStreetMap's do).",
        ),
    ] = None,
    credit: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Whose data and which licence; goes along.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="ID", help="Only what lies around a region.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Load a map, or load it again: the same name replaces what was there.

    OpenStreetMap's columns are recognised by themselves. Every later alert says what lies there.
    """
    from db import exposure, queries
    from db.engine import transaction
    from flows.maps import Reading, read_maps

    told: list[dict[str, Any]] = []
    with open_world() as services:
        within = None
        with transaction(services.engine) as s:
            if region is not None:
                west, south, east, north = queries.get_region(s, region).geometry.bounds
                within = (west - AROUND, south - AROUND, east + AROUND, north + AROUND)
            known = {one.id: one.sha256 for one in exposure.list_maps(s)}
        reading = Reading(layer, kind, name_field, flows, credit, within)
        with aside().status(f"reading {plain(file.name)}"):
            for one in read_maps(file, reading):
                same = known.get(one.id) == one.sha256
                if not same:
                    with transaction(services.engine) as s:
                        exposure.store_map(
                            s, one.id, file=one.file, sha256=one.sha256, credit=one.credit,
                            extent=one.extent, features=one.features,
                        )  # fmt: skip
                state = "unchanged" if same else "replaced" if one.id in known else "loaded"
                told.append({"id": one.id, "state": state, "left_out": one.left_out})
        with transaction(services.engine) as s:
            maps = {one.id: one for one in exposure.list_maps(s)}
    for entry in told:
        entry |= {"counts": dict(maps[entry["id"]].counts), "credit": maps[entry["id"]].credit}
    if as_json:
        emit({"maps": told})
        return
    console = screen()
    for entry in told:
        counts = ", ".join(_counted(entry["counts"]))
        console.print(
            f"[name]{entry['id']}[/] {entry['state']}: {counts}; "
            f"{some(entry['left_out'], 'feature')} left out."
        )
        if not entry["credit"]:
            console.print(
                "[warn]No credit:[/] say whose data these are with --credit; alerts repeat it."
            )


def _counted(counts: dict[str, int]) -> list[str]:
    return [some(counts[kind.value], kind.value) for kind in KINDS if counts.get(kind.value)]


@app.command("list")
def list_maps(as_json: AsJson = False) -> None:
    """List the loaded maps: what they hold, where, since when, whose they are."""
    from db import exposure
    from db.engine import transaction
    from flows.cli.documents import as_json as plain_values

    with open_world() as services, transaction(services.engine) as s:
        maps = exposure.list_maps(s)
    if as_json:
        emit({"maps": plain_values(maps)})
        return
    console = screen()
    if not maps:
        console.print(
            "No map is loaded, so that alerts cannot say what lies there. "
            "Next: scarpwatch exposure load FILE"
        )
        return
    made = table("Map", "Holds")
    made.add_column("West, south, east, north", no_wrap=True)
    made.add_column("Loaded, UTC", no_wrap=True)
    made.add_column("Credit", overflow="fold")
    for one in maps:
        made.add_row(
            f"[name]{plain(one.id)}[/]", "\n".join(_counted(dict(one.counts))),
            ", ".join(f"{edge:.2f}" for edge in one.extent), minute(one.loaded_at),
            plain(one.credit) or "[warn]none[/]",
        )  # fmt: skip
    console.print(made)


@app.command()
def clear(
    map_id: Annotated[
        str | None, typer.Argument(metavar="MAP", help="Name of the map; with --all none.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Forget a map, or all; what alerts have said of it stays in them."""
    from db import exposure
    from db.engine import transaction

    if (map_id is None) is not everything:
        raise ConfigurationError("name a map, or say --all; see: scarpwatch exposure list")
    with open_world() as services, transaction(services.engine) as s:
        gone = [one.id for one in exposure.list_maps(s)] if everything else [str(map_id)]
        features = sum(exposure.remove_map(s, one) for one in gone)
    screen().print(f"{some(len(gone), 'map')} with {some(features, 'feature')} forgotten.")
