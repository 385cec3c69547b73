"""``scarpwatch health``: the state of the watch for machines that ask."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.listening import serve_until_told
from flows.cli.options import open_world
from flows.cli.output import screen

app = typer.Typer(help="Health and Prometheus metrics, for machines that watch the watch.")


@app.callback()
def health() -> None:
    """Health and Prometheus metrics, for machines that watch the watch."""


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="On loopback; 0 takes a free one.")
    ] = 8092,
) -> None:
    """Answer /health and /metrics on this machine until Ctrl-C.

    It reads the database and changes nothing. Prometheus on another machine comes through a proxy.
    """
    from flows.archive.server import HOST, listen
    from flows.health_server import make_app

    with open_world() as services, listen(port) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        console = screen()
        for name in ("health", "metrics"):
            console.print(f"{address}/{name}", soft_wrap=True)
        console.print("Ctrl-C ends")
        serve_until_told(make_app(services), listener)
