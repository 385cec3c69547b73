"""``scarpwatch stac``: composites and score maps for STAC clients."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.listening import serve_until_told
from flows.cli.options import open_world
from flows.cli.output import screen, some

app = typer.Typer(help="A STAC API over composites and score maps.")


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="On loopback; 0 takes a free one.")
    ] = 8092,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where clients reach it, behind a proxy."),
    ] = None,
) -> None:
    """Serve what judged looks left on this machine until Ctrl-C.

    For pystac-client, QGIS, GDAL. The first start installs pgstac in the database, which takes the
    right to make extensions. Others who are to fetch them come through a proxy that knows who may.
    """
    from flows.archive.server import HOST, listen
    from flows.stac import install, load, make_app

    with open_world() as services, listen(port) as listener:
        base = f"http://{HOST}:{listener.getsockname()[1]}"
        console = screen()
        with console.status("installing pgstac, loading items"):
            version = install(services)
            loaded = load(services, url or base)
        console.print(
            f"pgstac {version}: {some(loaded.written, 'item')} written, {loaded.removed} removed"
        )
        console.print(f"{url or base}  STAC API, for clients; Ctrl-C ends", soft_wrap=True)
        serve_until_told(make_app(services, url or base), listener)
