"""``scarpwatch catalogs``: what catalogues offer, lack, and what their items are good for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.errors import FAILED
from flows.cli.options import AsJson, Verbose, date_option, open_world
from flows.cli.output import aside, emit, screen

app = typer.Typer(help="Catalogues: what they offer and lack, and what items are good for.")

#: Span that is compared where none is typed.
COMPARED = timedelta(days=30)


@app.command("list")
def list_catalogues(as_json: AsJson = False) -> None:
    """List the catalogues: ready-made ones, and those of the settings.

    A source in a region file is one of these names, a slash and a collection.
    """
    from flows import settings
    from flows.catalogs.offers import offers
    from flows.cli import catalog_views as views
    from flows.cli.documents import as_json as plain_values

    found = offers(settings.load().catalogues)
    if as_json:
        emit({"catalogues": plain_values(found)})
    else:
        views.print_offers(screen(), found)


@app.command()
def check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="File or folder of recorded items (JSON).")
    ],
    as_json: AsJson = False,
) -> None:
    """Read recorded items as a poll would: which would be taken, and why the others would not.

    No href is followed. Ends with status 1 where a file holds no JSON, or an item crashed.
    """
    from flows.catalogs.recorded import examine
    from flows.cli import catalog_views as views

    with aside().status(f"reading {path}"):
        found = examine(path)
    if as_json:
        emit(views.findings_document(found))
    else:
        views.print_findings(screen(), found)
    if found.crashes or found.unreadable:
        raise typer.Exit(FAILED)


@app.command()
def compare(
    left: Annotated[str, typer.Argument(metavar="SOURCE", help="catalogue/collection")],
    right: Annotated[str, typer.Argument(metavar="SOURCE", help="Another one of the same data.")],
    region: Annotated[str, typer.Option("--region", metavar="ID", help="Watched region.")],
    since: Annotated[
        Any, date_option("--since", "Sensed from then on; else 30 days before --until.")
    ] = None,
    until: Annotated[Any, date_option("--until", "Sensed before; else now.")] = None,
    as_json: AsJson = False,
    _verbose: Verbose = 0,
) -> None:
    """Ask two catalogues for the same scenes: what does one list that the other lacks?

    Ids differ between catalogues, so scenes are matched by satellite, tile or burst, and time.
    """
    from db import queries
    from db.engine import transaction
    from detectors.errors import ConfigurationError
    from flows.catalogs import scenes
    from flows.catalogs.registry import split_source
    from flows.cli import catalog_views as views

    end: datetime = until or datetime.now(UTC)
    start: datetime = since or end - COMPARED
    if start >= end:
        raise ConfigurationError("--since must lie before --until")
    with open_world() as services:
        with transaction(services.engine) as s:
            area = queries.get_region(s, region).geometry
        lists = []
        for source in (left, right):
            name, collection = split_source(source)
            with aside().status(f"asking {source}"):
                found = scenes.find(
                    services.catalogue(name), collection, area, sensed_after=start, until=end
                )
                lists.append(scenes.listing(found))
    comparison = scenes.compare(*lists)
    if as_json:
        emit(views.comparison_document(region, (start, end), (left, right), lists, comparison))
    else:
        views.print_comparison(screen(), (left, right), lists, comparison)
