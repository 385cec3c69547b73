"""``scarpwatch import`` and ``scarpwatch inventories``: what people mapped."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import (
    TIERS,
    AsJson,
    OnlyRegion,
    date_option,
    one_of,
    open_world,
    require_folder,
)
from flows.cli.output import aside, details, emit, plain, screen, some, table

if TYPE_CHECKING:
    from db.inventories import InventorySummary
    from flows.inventories import Imported
    from flows.inventory_scores import Scored, ScoreRow

app = typer.Typer(help="Inventories of mapped landslides: truth, kept apart and never alerted.")

#: Rows that are shown of what was mended, refused or mapped twice; all are in --json.
SHOWN = 5
#: What an unstated licence is called.
NONE_STATED = "none stated"


class Every(StrEnum):
    """What rows of a score are cut into; ``flows.inventory_scores.PERIODS``."""

    ALL = "all"
    YEAR = "year"
    MONTH = "month"


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the inventory.")]


def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Any format OGR reads, GeoParquet, COOLR's CSV.")
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name to store it under; else the file's.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help=f"Its terms; '{NONE_STATED}' where there are none."),
    ] = None,
    author: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Who mapped it, and is to be credited.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Where it was published, or mapped from.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="What a column holds; repeatable."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="TOML", help="File with all of this; options go before.")
    ] = None,
    crs: Annotated[
        str | None, typer.Option(metavar="CRS", help="System of coordinates, if the file has none.")
    ] = None,
    dates: Annotated[
        str | None, typer.Option(metavar="ORDER", help="month-first or day-first, for 8/1/2008.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layer, where the file has several.")
    ] = None,
    distance: Annotated[
        float, typer.Option(min=0, metavar="M", help="Points this close are one landslide.")
    ] = 50.0,
    days: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="Brackets this close are one landslide.")
    ] = 3.0,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Nothing of it ever happened.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and store nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import an inventory of mapped landslides: truth to score against and to learn from.

    Fields: date, not_before, not_after, key, name, category, trigger, mapped_by, accuracy_m.
    Importing twice stores once. Landslides that are mapped already are stored, marked and counted
    once: outlines that overlap by half, points within --distance, both within --days.
    """
    import re
    from datetime import timedelta

    from detectors.inventories import Inventory, Sameness
    from flows.inventories import import_inventory
    from flows.inventory_files import DATE_ORDERS, Layout, check_columns, read_mapping

    told = read_mapping(mapping) if mapping is not None else {}
    typed = _pairs(columns or [])
    check_columns(typed)
    licence, author = licence or told.get("licence"), author or told.get("author")
    if not licence or not author:
        raise ConfigurationError(
            "an inventory has terms and an author: say --licence and --author "
            f"(--licence '{NONE_STATED}' where nobody said)"
        )
    order = dates or told.get("dates")
    if order not in {None, *DATE_ORDERS}:
        raise ConfigurationError(f"--dates takes {' or '.join(DATE_ORDERS)}, not {order!r}")
    called = name or told.get("name") or re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")
    inventory = Inventory(
        called, file.name, "", source or told.get("source", ""), licence, author, simulated
    )
    layout = Layout(
        {**told.get("columns", {}), **typed}, crs or told.get("crs"), order,
        layer or told.get("layer"),
    )  # fmt: skip
    with open_world() as services, aside().status(f"reading {plain(file.name)}"):
        done = import_inventory(
            services.engine, file, inventory, layout,
            Sameness(distance, timedelta(days=days)), dry=dry_run,
        )  # fmt: skip
    if as_json:
        emit(_import_document(done))
    else:
        _print_import(done)


def _pairs(typed: list[str]) -> dict[str, str]:
    pairs = {}
    for one in typed:
        field, sign, column = one.partition("=")
        if not sign or not field or not column:
            raise ConfigurationError(
                f"--map takes FIELD=COLUMN, such as date=EVENT_DATE, not {one}"
            )
        pairs[field] = column
    return pairs


def _import_document(done: Imported) -> dict[str, Any]:
    from flows.cli.documents import as_json

    document: dict[str, Any] = as_json(
        {
            "inventory": done.inventory,
            "stored": done.stored,
            "crs": done.read.crs,
            "columns": done.read.columns,
            "new": done.new,
            "known": done.known,
            "duplicates": done.duplicates,
            "mended": done.read.mended,
            "refused": done.read.refused,
        }
    )
    return document


def _print_import(done: Imported) -> None:
    console, read = screen(), done.read
    name = plain(done.inventory.id)
    verb = "stored" if done.stored else "would be stored"
    if not done.stored:
        console.print("[warn]Dry run:[/] nothing was stored.\n")
    if done.inventory.simulated:
        console.print("[drill]SIMULATED[/]: nothing of it ever happened.\n")
    columns = ", ".join(f"{field} = {plain(column)}" for field, column in read.columns.items())
    console.print(
        f"[name]{name}[/]: {some(done.new, 'landslide')} {verb}, {done.known} known already, "
        f"{len(done.duplicates)} of the new ones mapped already (kept, counted once), "
        f"{some(len(read.refused), 'row')} refused."
    )
    undated = not {"date", "not_before", "not_after"} & set(read.columns)
    console.print(
        details(
            [
                ("coordinates", plain(read.crs)),
                ("columns", columns or "[warn]none: say --map date=COLUMN, key=COLUMN, ...[/]"),
                ("licence", plain(done.inventory.licence)),
                ("author", plain(done.inventory.author)),
            ]
        )
    )
    if undated and columns:
        console.print("[warn]No dates:[/] they fit any time when scored; say --map date=COLUMN.")
    told = (
        ("Mended", [(one.row, one.reason) for one in read.mended]),
        ("Refused", [(one.row, one.reason) for one in read.refused]),
        ("Mapped already", [
            (one.row, f"row {one.of_row} of {one.of_inventory}") for one in done.duplicates
        ]),
    )  # fmt: skip
    for heading, rows in told:
        if not rows:
            continue
        made = table(heading)
        made.columns[0].overflow = "fold"
        for row, reason in rows[:SHOWN]:
            made.add_row(f"row {row}: {plain(reason)}")
        if len(rows) > SHOWN:
            made.add_row(f"[dim]and {len(rows) - SHOWN} more: --json has them all[/]")
        console.print()
        console.print(made)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List the inventories: what they hold, of which time, whose they are."""
    from db import inventories
    from db.engine import transaction
    from flows.cli.documents import as_json as plain_values

    with open_world() as services, transaction(services.engine) as s:
        found = inventories.list_inventories(s)
    if as_json:
        emit({"inventories": plain_values(found)})
        return
    if not found:
        screen().print(
            "No inventory is stored. Next: scarpwatch import FILE --licence L --author A"
        )
        return
    made = table("Inventory")
    for heading in ("Landslides", "Mapped twice", "km2"):
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("Happened", no_wrap=True)
    made.add_column("Licence, author", overflow="fold")
    for one in found:
        mark = " [drill]SIMULATED[/]" if one.inventory.simulated else ""
        made.add_row(
            f"[name]{plain(one.inventory.id)}[/]{mark}", str(one.landslides), str(one.duplicates),
            f"{one.area_m2 / 1e6:.2f}", _period(one),
            f"{plain(one.inventory.licence)}\n{plain(one.inventory.author)}",
        )  # fmt: skip
    screen().print(made)


def _period(one: InventorySummary) -> str:
    def day(moment: datetime | None) -> str:
        return f"{moment:%Y-%m-%d}" if moment else "unknown"

    if one.not_before is None and one.not_after is None:
        return "unknown"
    return f"{day(one.not_before)} to\n{day(one.not_after)}"


@app.command()
def remove(name: Name) -> None:
    """Remove an inventory and all it holds."""
    from db import inventories
    from db.engine import transaction

    with open_world() as services, transaction(services.engine) as s:
        held = inventories.remove_inventory(s, name)
    screen().print(f"[name]{plain(name)}[/] with {some(held, 'landslide')} is removed.")


@app.command()
def score(
    name: Name,
    region: OnlyRegion = None,
    since: Annotated[
        datetime | None, date_option("--since", "Only what had happened then or later.")
    ] = None,
    until: Annotated[datetime | None, date_option("--until", "Only what happened before.")] = None,
    tier: Annotated[str | None, one_of(TIERS)] = None,
    distance: Annotated[
        float, typer.Option(min=0, metavar="M", help="So far apart they may be one landslide.")
    ] = 50.0,
    days: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="And so far apart in time.")
    ] = 30.0,
    every: Annotated[Every, typer.Option(help="What rows are cut into.")] = Every.YEAR,
    as_json: AsJson = False,
) -> None:
    """Score what the monitoring found against an inventory.

    POD is the share of mapped landslides that were found: of all, and of those that the looks after
    them could see. False are found ones that nothing mapped explains: wrong only where the
    inventory is complete.
    """
    from datetime import timedelta

    from detectors.inventories import Sameness
    from detectors.types import Tier
    from flows.inventory_scores import Asked, score_inventory

    with open_world() as services, aside().status("matching"):
        asked = Asked(region, since, until, Tier(tier) if tier else None, every.value)
        same = Sameness(distance, timedelta(days=days), iou=0.0)
        done = score_inventory(services.engine, name, asked, same)
    if as_json:
        emit(_score_document(done))
    else:
        _print_score(done)


def _score_document(done: Scored) -> dict[str, Any]:
    from flows.cli.documents import as_json

    rows = [
        {
            "region_id": row.region_id, "period": row.period, **as_json(row.score),
            "pod": row.score.pod, "pod_interval": as_json(row.score.pod_interval),
            "far": row.score.far, "pod_visible": row.pod_visible,
            "visibility": as_json(row.visibility),
        }
        for row in done.rows
    ]  # fmt: skip
    return {
        "inventory": as_json(done.inventory), "rows": rows, "outside": done.outside,
        "unwatched": done.unwatched,
    }  # fmt: skip


def _print_score(done: Scored) -> None:
    from flows.inventory_scores import ALL

    console = screen()
    if done.inventory.simulated:
        console.print("[drill]SIMULATED[/] landslides against a [drill]SIMULATED[/] inventory.\n")
    made = table("Region")
    made.add_column("When", no_wrap=True)
    for heading in ("Mapped", "Detected", "POD (95 %)", "Found", "False", "FAR", "IoU"):
        made.add_column(heading, justify="right", no_wrap=True)
    for row in done.rows:
        one = row.score
        sure = one.pod_interval
        pod = "-" if sure is None else f"{one.pod:.2f} ({sure[0]:.2f}-{sure[1]:.2f})"
        made.add_row(
            f"[name]{plain(row.region_id)}[/]", row.period, str(one.mapped), str(one.detected),
            pod, str(one.found), str(one.false), _rate(one.far), _rate(one.iou),
        )  # fmt: skip
    console.print(made)
    for row in done.rows:
        if row.period == ALL and row.score.mapped:
            console.print(f"\n{_seen_in_words(row)}")
    console.print(
        f"\n{some(done.outside, 'mapped landslide')} outside these regions, {done.unwatched} from "
        "before they were watched: not counted. False: nothing mapped explains them, which is "
        "wrong only where the inventory is complete."
    )


def _seen_in_words(row: ScoreRow) -> str:
    """Say what could be seen of a region's mapped landslides, and why not the rest."""
    seen = row.visibility
    reasons = ", ".join(
        f"{number:.0f} {name.replace('_', ' ')}"
        for name, number in seen.reasons.items()
        if number >= 0.5
    )
    pod = "" if row.pod_visible is None else f"POD of what could be seen {row.pod_visible:.2f}; "
    return (
        f"[name]{plain(row.region_id)}[/]: {pod}{seen.seen} could be seen, {seen.partly} in part, "
        f"{seen.unseen} could not{f' (about {reasons})' if reasons else ''}. By the best look "
        "within --days after each, and by its share of the region, not place by place."
    )


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


@app.command()
def mask(
    name: Name,
    out: Annotated[Path, typer.Argument(metavar="OUT.tif", help="Mask to write.")],
    raster: Annotated[Path, typer.Option(metavar="FILE", help="Raster it is to lie on.")],
    at: Annotated[
        datetime | None,
        date_option("--at", "When the raster was taken: later landslides do not show on it."),
    ] = None,
    binary: Annotated[
        bool, typer.Option("--binary", help="Unknown ground is 0, too: for scarpwatch train.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write an inventory as a mask on a raster's pixels, to learn from.

    1 landslide, 0 none, 255 unknown. It serves as --labels of scarpwatch recipes train; with
    --binary, in a folder, under the name of its picture, as --masks of scarpwatch train.
    """
    from flows.cli.documents import as_json as plain_values
    from flows.inventory_masks import write_mask

    require_folder(out)
    with open_world() as services:
        done = write_mask(services.engine, name, raster, out, at, binary=binary)
    if as_json:
        emit(plain_values(done))
        return
    console = screen()
    mark = "[drill]SIMULATED[/] " if done.simulated else ""
    console.print(
        f"Written: {plain(str(out))} ({mark}{some(done.landslides, 'outline')}; "
        f"{100 * done.share_landslide:.1f} % of the known pixels are landslides, "
        f"{100 * done.share_unknown:.1f} % of all are unknown{', written as 0' if binary else ''})"
    )
    if done.undecided:
        console.print(
            f"{some(done.undecided, 'outline')} may have come later than the raster: unknown."
        )
    console.print(f"What is trained on it stands under its terms: {plain(done.licence)}.")
