"""``scarpwatch export``: landslides, or an inventory, as a file for other programs."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import (
    KINDS,
    STATES,
    TIERS,
    AsJson,
    OnlyRegion,
    date_option,
    one_of,
    open_world,
    require_folder,
)
from flows.cli.output import aside, emit, plain, progress, screen, some


class Format(StrEnum):
    """What can be written; ``flows.export_files.FORMATS`` says with which ending."""

    GEOPACKAGE = "geopackage"
    GEOPARQUET = "geoparquet"
    GEOJSON = "geojson"
    SHAPEFILE = "shapefile"
    COOLR = "coolr-csv"
    KML = "kml"


class Simulated(StrEnum):
    """Whether landslides that never happened go along."""

    NO = "no"
    YES = "yes"
    ONLY = "only"


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no west,south,east,north") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise typer.BadParameter(f"{text!r} is no box in degrees")
    return west, south, east, north


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write.")],
    form: Annotated[Format, typer.Option("--format", help="Format of the file.")],
    region: OnlyRegion = None,
    state: Annotated[list[str] | None, one_of(STATES)] = None,
    tier: Annotated[str | None, one_of(TIERS)] = None,
    kind: Annotated[str | None, one_of(KINDS)] = None,
    bbox: Annotated[
        Any,
        typer.Option(parser=_box, metavar="W,S,E,N", help="Only what meets this box, degrees."),
    ] = None,
    since: Annotated[
        datetime | None, date_option("--since", "Only those first seen then or later.")
    ] = None,
    until: Annotated[
        datetime | None, date_option("--until", "Only those first seen before.")
    ] = None,
    as_of: Annotated[datetime | None, date_option("--as-of", "As believed then.")] = None,
    simulated: Annotated[
        Simulated, typer.Option(help="Landslides that never happened: they say so in each row.")
    ] = Simulated.NO,
    inventory: Annotated[
        str | None, typer.Option(metavar="NAME", help="An inventory instead, with its own terms.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Terms of use; else the setting licence.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write landslides with licence, credits and lineage as a file, whole or not at all."""
    import gc
    from collections.abc import Callable

    from db import exporting as stored
    from db import queries
    from db.engine import transaction
    from detectors.types import Kind, State, Tier
    from flows.export_rows import UNSTATED
    from flows.exporting import export_inventory, export_landslides

    require_folder(out)
    chosen = {
        "--region": region, "--state": state, "--tier": tier, "--kind": kind, "--bbox": bbox,
        "--since": since, "--until": until, "--as-of": as_of, "--licence": licence,
    }  # fmt: skip
    if inventory is not None and (extra := [name for name, value in chosen.items() if value]):
        raise ConfigurationError(f"an inventory goes out whole: leave out {', '.join(extra)}")
    left_out = 0
    # What was imported stays: it is not looked through for garbage again and again.
    gc.freeze()
    with open_world() as services, ExitStack() as stack:

        def begin(total: int) -> Callable[[], None]:
            return stack.enter_context(
                progress(total, "landslides", hidden=as_json, what="writing")
            )

        own = services.settings
        if inventory is not None:
            terms = ""
            done = export_inventory(
                services.engine, form.value, out, inventory, exercise=own.exercise,
                overwrite=overwrite, begin=begin,
            )  # fmt: skip
        else:
            terms = licence or own.licence or UNSTATED
            only = {Simulated.NO: False, Simulated.ONLY: True}.get(simulated)
            wanted = stored.Wanted(
                region, tuple(map(State, state or ())), Tier(tier) if tier else None,
                Kind(kind) if kind else None, bbox, since, until, as_of, only,
            )  # fmt: skip
            with transaction(services.engine) as s:
                if region is not None:
                    queries.get_region(s, region, include_removed=True)
                if only is False:
                    from dataclasses import replace

                    left_out = stored.count_landslides(s, replace(wanted, simulated=True))
            done = export_landslides(
                services.engine, form.value, out, wanted, licence=terms, exercise=own.exercise,
                overwrite=overwrite, begin=begin,
            )  # fmt: skip
    if as_json:
        emit(
            {
                "files": [str(path) for path in done.files], "format": form.value,
                "landslides": done.rows, "simulated_left_out": left_out, "cut": done.cut,
            }
        )  # fmt: skip
        return
    console = screen()
    console.print(f"Written: {plain(str(done.files[0]))} ({some(done.rows, 'landslide')})")
    for path in done.files[1:]:
        console.print(f"         {plain(path.name)}")
    if left_out:
        console.print(
            f"{some(left_out, 'landslide')} left out: [drill]SIMULATED[/]; --simulated yes takes "
            "them along."
        )
    if form is Format.COOLR and inventory is None and not state:
        console.print("Confirmed and closed ones only: COOLR lists events. --state says otherwise.")
    if terms == UNSTATED:
        aside().print(
            "[warn]No licence:[/] say under which terms with --licence, or the setting licence."
        )
    if form is Format.SHAPEFILE:
        cut = ", ".join(f"{name} ({some(rows, 'row')})" for name, rows in done.cut.items())
        aside().print(
            "[warn]A Shapefile has names of ten characters, no times and 254 bytes of text.[/] "
            + (f"Cut: {cut}; " if cut else "Nothing was cut; ")
            + f"whole in {out.stem}.lineage.csv, names in {out.stem}.readme.txt."
        )
