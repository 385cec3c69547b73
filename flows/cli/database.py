"""``scarpwatch db``: the private PostGIS, and the schema of whichever PostGIS is used."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detectors.errors import ConfigurationError, ScarpwatchError
from flows.cli.database_roles import app as roles_app
from flows.cli.database_saving import backup, restore
from flows.cli.options import AsJson
from flows.cli.output import details, emit, plain, screen, table

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.cluster import Cluster
    from flows.settings import Settings

app = typer.Typer(help="The database: a private PostGIS, or the one that is set.")
app.add_typer(roles_app, name="roles")
app.command()(backup)
app.command()(restore)

ELSEWHERE = "SCARPWATCH_DATABASE_URL names another server; starting and stopping it is its own"


def _cluster(settings: Settings) -> Cluster | None:
    """Return the private cluster; says so and returns None where another server is used."""
    from db.cluster import Cluster

    if settings.database_url is None:
        return Cluster(settings.home)
    screen().print(f"{ELSEWHERE} administrator's business. Nothing done.")
    return None


@app.command()
def start() -> None:
    """Start the private database; made if there is none, recovered if it was killed."""
    from flows import settings
    from flows.services import DATABASE

    cluster = _cluster(settings.load())
    if cluster is None:
        return
    fresh = cluster.status().state == "absent"
    cluster.ensure()
    cluster.create_database(DATABASE)
    found = cluster.status()
    screen().print(f"The database [ok]runs[/], server process {found.pid}, in {found.folder}")
    if fresh:
        either = "scarpwatch db upgrade, or scarpwatch db restore FILE"
        screen().print(f"It is new and empty; next: {either}")


@app.command()
def stop() -> None:
    """Stop the private database; work under way is taken up again later."""
    from flows import settings

    cluster = _cluster(settings.load())
    if cluster is None:
        return
    ran = cluster.status().state in {"running", "starting"}
    cluster.stop()
    screen().print("The database has stopped." if ran else "No database was running.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show where the database is and whether its schema fits; starts nothing."""
    from flows import settings

    document = _status(settings.load())
    if as_json:
        emit(document)
        return
    schema, colour = document["schema"], "ok" if document["state"] == "running" else "fail"
    needed = "[ok]fits[/]" if schema["current"] == schema["head"] else "run: scarpwatch db upgrade"
    rows = [
        ("state", f"[{colour}]{document['state']}[/]"),
        ("kind", document["kind"]),
        ("reason", plain(document["reason"])),
        ("folder", plain(document["folder"])),
        ("elsewhere", "the state folder is closed to the server's user" * document["relocated"]),
        ("socket", plain(document["socket"])),
        ("server", plain(document["server"])),
        ("PostGIS", plain(document["postgis"])),
        ("size", f"{document['size_bytes'] / 1e6:,.0f} MB" if document["size_bytes"] else ""),
    ]
    if document["state"] == "running":
        rows.append(("schema", f"{schema['current'] or 'none'}, {needed}"))
    if document["state"] in {"absent", "stopped"}:
        rows.append(("next", "scarpwatch db start"))
    screen().print(details(rows))


@app.command()
def qgis(
    out: Annotated[Path, typer.Argument(metavar="FILE.qgs", help="The project to write.")],
    user: Annotated[
        str, typer.Option(metavar="LOGIN", help="Login that stands in it; QGIS asks without one.")
    ] = "",
    composites: Annotated[
        int, typer.Option(min=0, max=200, help="Newest looks whose rasters go along.")
    ] = 0,
    page: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Rasters as tiles of this scarpwatch web, not as files from here."
        ),
    ] = "",
    overwrite: Annotated[bool, typer.Option(help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a QGIS project: all layers, styled and labelled, with forms and relations.

    It holds no password. Layers that are opened from the database by hand have the same styles,
    which lie beside them.
    """
    from sqlalchemy.engine import make_url

    from db.engine import connection
    from db.layers import LAYERS
    from db.project import Server, project
    from db.styles import columns, extent
    from flows.cli.database_rasters import rasters
    from flows.cli.options import open_world
    from flows.files import write_whole

    if out.suffix.lower() != ".qgs":
        raise ConfigurationError(f"{out}: QGIS knows projects by the ending .qgs")
    if out.exists() and not overwrite:
        raise ConfigurationError(f"{out} is there already; give another name, or --overwrite")
    with open_world() as services, connection(services.engine) as opened:
        url = make_url(services.engine.url)
        told = opened.connection.dbapi_connection
        info = told.info  # type: ignore[union-attr]
        server = Server(url.database or info.dbname, info.host, info.port, user)
        said = {layer.view: columns(opened, layer.view) for layer in LAYERS}
        pictures = rasters(services, composites, page)
        document = project(server, said, extent(opened), pictures)
    write_whole(out, document.encode())
    if as_json:
        shown = [one.id for one in pictures]
        emit({"project": str(out), "layers": [layer.view for layer in LAYERS], "rasters": shown})
        return
    also = f" and {len(pictures)} rasters" if composites else ""
    screen().print(
        f"Wrote [name]{plain(str(out))}[/], {len(LAYERS)} layers{also}; open it in QGIS."
    )


def _status(settings: Settings) -> dict[str, Any]:
    """Look at the database without changing anything."""
    from db import facts, schema
    from db.cluster import Cluster
    from db.engine import make_engine
    from flows.services import DATABASE

    document: dict[str, Any] = {
        "state": "running", "kind": "another server", "reason": None, "folder": None,
        "relocated": False, "socket": None, "pid": None, "server": None, "postgis": None,
        "size_bytes": None, "schema": {"current": None, "head": schema.head()},
    }  # fmt: skip
    if settings.database_url is None:
        cluster = Cluster(settings.home)
        found = cluster.status()
        document |= {
            "state": found.state, "kind": "private", "relocated": found.relocated,
            "folder": str(found.folder) if found.folder else None,
            "socket": str(found.socket) if found.socket else None, "pid": found.pid,
        }  # fmt: skip
        if found.state != "running":
            return document
        url = cluster.url(DATABASE)
    else:
        url = settings.database_url.get_secret_value()
    engine = make_engine(url)
    try:
        server = facts.server_facts(engine)
        document |= {
            "server": server.version, "postgis": server.postgis, "size_bytes": server.size_bytes
        }  # fmt: skip
        document["schema"]["current"] = schema.current(engine)
    except ScarpwatchError as error:
        document |= {"state": "unreachable", "reason": str(error)}
    finally:
        engine.dispose()
    return document


@app.command()
def upgrade() -> None:
    """Bring the schema to what this version needs; stored data are kept."""
    from db import schema
    from flows.cli.options import open_world

    with open_world(create=True) as services:
        before = schema.current(services.engine)
        schema.upgrade(services.engine)
        after = schema.current(services.engine)
        without = _roles(services.engine)
    if before == after:
        screen().print(f"The schema is [ok]up to date[/] ({after}).")
    else:
        screen().print(f"The schema is [ok]ready[/] ({before or 'empty'} -> {after}).")
    if without:
        screen().print(f"[warn]Nobody else can read the views yet:[/] {plain(without)}")


def _roles(engine: Engine) -> str:
    """Make the roles of readers and editors; return why not, empty where they are there."""
    from db import roles

    try:
        roles.ensure_roles(engine)
    except ConfigurationError as error:
        return str(error)
    return ""


@app.command()
def views(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page that is in db/VIEWS.md.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what analysts can query, column by column."""
    from db.views import list_views, page
    from flows.cli.documents import as_json as plain_values
    from flows.cli.options import open_world

    with open_world() as services:
        found = list_views(services.engine)
    if as_json:
        emit({"schema": "analysts", "views": plain_values(found)})
        return
    if markdown:
        sys.stdout.write(page(found))
        return
    for view in found:
        screen().print(f"[name]analysts.{plain(view.name)}[/]  {plain(view.says)}", soft_wrap=True)
        made = table(show_header=False)
        for width in (18, None):
            made.add_column(min_width=width, overflow="fold")
        for one in view.columns:
            made.add_row(f"  {plain(one.name)}", plain(one.says))
        screen().print(made)
