"""``scarpwatch ogc``: the views for analysts by the standards of the OGC."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.listening import serve_until_told
from flows.cli.options import open_world
from flows.cli.output import screen

app = typer.Typer(help="OGC API Features and vector tiles over the views for analysts.")


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="On loopback; 0 takes a free one.")
    ] = 8091,
) -> None:
    """Serve landslides, detections and what could be seen on this machine until Ctrl-C.

    For QGIS, ogr2ogr and web maps. Whoever else is to fetch them comes through a proxy that knows
    who may.
    """
    from flows.archive.server import HOST, listen
    from flows.ogc import COLLECTIONS, SCHEMA, make_app

    with open_world() as services, listen(port) as listener:
        address = services.engine.url.set(drivername="postgresql")
        application = make_app(address.render_as_string(hide_password=False))
        base = f"http://{HOST}:{listener.getsockname()[1]}"
        console = screen()
        for view in COLLECTIONS:
            console.print(f"{base}/collections/{SCHEMA}.{view}/items", soft_wrap=True)
        console.print(f"{base}  OGC API, for QGIS and other clients; Ctrl-C ends", soft_wrap=True)
        serve_until_told(application, listener)
