"""``scarpwatch feed``: alerts for programs that fetch."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.listening import serve_until_told
from flows.cli.options import AsJson, open_world
from flows.cli.output import emit, plain, screen, some

app = typer.Typer(help="Feeds: Atom with GeoRSS, GeoJSON and CAP.")

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of the feeds; made if missing.")
]


@app.command()
def write(folder: Folder, as_json: AsJson = False) -> None:
    """Write the feeds into a folder, for any web server.

    Exercises go to a folder of their own inside, and are never among the others. Files that did
    not change are left alone.
    """
    from flows.feeding import write_feeds

    with open_world() as services:
        written = write_feeds(services, folder)
    if as_json:
        emit({"folder": str(folder), **dataclasses.asdict(written)})
        return
    screen().print(
        f"[name]{plain(str(folder))}[/]  {some(written.events, 'event')}, [drill]EXERCISE[/] "
        f"{some(written.exercises, 'event')}, {some(written.messages, 'CAP message')}; "
        f"{some(written.changed, 'file')} written"
    )


@app.command()
def serve(
    folder: Folder,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="On loopback; 0 takes a free one.")
    ] = 8090,
    every: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How often they are written anew.")
    ] = 60,
) -> None:
    """Write the feeds now and again, and serve them on this machine until Ctrl-C.

    Whoever else is to fetch them comes through a proxy that knows who may: alerts are restricted.
    """
    from flows.archive.server import HOST, listen
    from flows.feed_server import make_app
    from flows.feeding import write_feeds

    with open_world() as services, listen(port) as listener:
        write_feeds(services, folder)
        application = make_app(folder, lambda: write_feeds(services, folder), every)
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        console = screen()
        for name in ("alerts.atom", "alerts.geojson", "cap.atom", "exercise/alerts.atom"):
            console.print(f"{address}/{name}", soft_wrap=True)
        console.print("Ctrl-C ends")
        serve_until_told(application, listener)
