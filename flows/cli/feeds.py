"""``scarpwatch feed``: alerts for programs that fetch."""

from __future__ import annotations

import dataclasses
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

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
    import uvicorn

    from flows.archive.server import HOST, listen
    from flows.feed_server import make_app
    from flows.feeding import write_feeds

    with open_world() as services, listen(port) as listener:
        write_feeds(services, folder)
        application = make_app(folder, lambda: write_feeds(services, folder), every)
        server = uvicorn.Server(
            uvicorn.Config(
                application, log_config=None, access_log=False, ws="none",
                timeout_graceful_shutdown=3,
            )
        )  # fmt: skip
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        console = screen()
        for name in ("alerts.atom", "alerts.geojson", "cap.atom", "exercise/alerts.atom"):
            console.print(f"{address}/{name}", soft_wrap=True)
        console.print("Ctrl-C ends")
        sys.stdout.flush()
        # uvicorn raises the signal again when it has finished; ending on request is no failure.
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, _done)
        server.run(sockets=[listener])


def _done(*_: Any) -> None:
    """Take the second signal, which would end the program as if it had failed."""
