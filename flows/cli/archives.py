"""``scarpwatch archive``: downloaded looks as an archive that can be served and replayed."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson
from flows.cli.output import aside, details, emit, plain, screen, some

if TYPE_CHECKING:
    from flows.archive.manifest import ArchiveReport
    from flows.settings import Settings

app = typer.Typer(help="Archives: looks downloaded by hand, to be served or replayed.")

#: Database of the private cluster that serves archives; what is watched for real lies elsewhere.
DATABASE = "scarpwatch_archive"
#: Files left out that are shown; all of them are in archive.json.
SHOWN = 20


@app.command()
def build(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="GeoTIFFs named as NASA names them.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    collection: Annotated[str | None, typer.Option(metavar="ID", help="Collection id.")] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Of the collection.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Where the files come from.")
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="SPDX", help="Licence of the files, or other.")
    ] = "other",
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The pixels hold something that never happened.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="An archive already there may be replaced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an archive of OPERA RTC-S1 GeoTIFFs: STAC items and cloud-optimised GeoTIFFs.

    Files that cannot be used are left out and named. OUT appears only when everything is written.
    """
    from flows.archive import build as making
    from flows.cli.documents import as_json as plain_values

    with aside().status(f"reading {folder}"):
        report = making.build(
            folder, out, collection=collection or making.DEFAULT_COLLECTION, title=title,
            source=source, licence=licence, simulated=simulated, replace=replace,
        )  # fmt: skip
    if as_json:
        emit(plain_values(report))
    else:
        _print_report(report)


def _print_report(report: ArchiveReport) -> None:
    """Say what an archive holds and what was left out."""
    from rich.padding import Padding

    console = screen()
    drill = "  [drill]SIMULATED[/]" if report.simulated else ""
    console.print(f"[name]{plain(str(report.path))}[/]{drill}")
    console.print(
        details(
            [
                ("collection", plain(report.collection)),
                ("looks", f"{report.items} of {some(len(report.bursts), 'burst')}"),
                ("sensed", f"{report.first:%Y-%m-%d} to {report.last:%Y-%m-%d}"),
                ("rasters", f"{report.rasters}, {report.size_bytes / 1e6:,.1f} MB in all"),
            ]
        )
    )
    if report.superseded:
        kept = some(len(report.superseded), "product")
        console.print(f"{kept} left out for a newer processing of the same look")
    if report.unused:
        console.print(f"[warn]{len(report.unused)} left out:[/]")
        for entry in report.unused[:SHOWN]:
            console.print(f"  {plain(entry.name)}", soft_wrap=True)
            console.print(Padding(plain(entry.reason), (0, 0, 0, 4)))
        if len(report.unused) > SHOWN:
            console.print(f"  and {len(report.unused) - SHOWN} more; see archive.json")
    console.print(f"Next: scarpwatch replay {plain(str(report.path))}")


@app.command()
def serve(
    archives: Annotated[list[Path], typer.Argument(metavar="ARCHIVE", help="Archives.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="On loopback; 0 takes a free one.")
    ] = 8081,
) -> None:
    """Serve archives as a STAC API on this machine, until Ctrl-C."""
    from flows import settings
    from flows.archive.publish import publish
    from flows.archive.server import ArchiveServer

    url = _database_url(settings.load())
    finished = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: finished.set())
    with ArchiveServer(url, archives, port) as server:
        console = screen()
        for archive in server.archives:
            publish(url, archive, datetime.now(UTC), server.url)
            console.print(f"[name]{plain(archive.id)}[/]  {some(len(archive.items()), 'look')}")
        console.print(f"Served at {server.url} until Ctrl-C. For a region, in scarpwatch.toml:")
        console.print(
            f'\n  [catalogues.archive]\n  kind = "stac"\n  url = "{server.url}"\n'
            '  published_property = "published"\n',
            markup=False,
        )
        source = f"archive/{server.archives[0].id}"
        console.print(f'and in the region file: "sources": ["{source}"]', markup=False)
        finished.wait()


def _database_url(loaded: Settings) -> str:
    """Return a database of its own in the private cluster, whatever the settings name."""
    from db.cluster import Cluster

    cluster = Cluster(loaded.home)
    cluster.ensure()
    cluster.create_database(DATABASE)
    return cluster.url(DATABASE)
