"""The command line: words around ``flows.steps``, the database and the channels.

One module a group. Heavy imports (database, detectors, Prefect) wait inside the commands that need
them, so that ``scarpwatch --help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import (
    alerts,
    archives,
    database,
    health,
    landslides,
    looks,
    polling,
    regions,
    replaying,
    serving,
)
from flows.cli.errors import Commands
from flows.cli.options import set_up_logging

__all__ = ["app", "main"]

WATCH, READ, ARCHIVES, KEEP = "Watch", "Read", "Archives and trials", "Keep running"

app = typer.Typer(
    name="scarpwatch",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    # Plain tracebacks for what nobody foresaw: complete, and fit to be sent to somebody.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"scarpwatch {version('scarpwatch')}")
        raise typer.Exit


@app.callback()
def begin(
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, metavar="",
            help="Log what happens to standard error; -vv logs more.",
        ),
    ] = 0,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:  # fmt: skip
    """Watch regions for landslides with Sentinel-1, and tell people.

    Settings: scarpwatch.toml in the state folder, or SCARPWATCH_ variables; see infra/runbook.md.
    All times are UTC.
    """
    set_up_logging(verbose)


for group, name, panel in (
    (regions.app, "regions", WATCH),
    (landslides.app, "landslides", READ),
    (looks.app, "looks", READ),
    (alerts.app, "alerts", READ),
    (archives.app, "archive", ARCHIVES),
    (database.app, "db", KEEP),
):
    app.add_typer(group, name=name, rich_help_panel=panel, no_args_is_help=True)
app.command(rich_help_panel=WATCH)(polling.poll)
app.command(rich_help_panel=WATCH)(serving.serve)
app.command(rich_help_panel=READ)(health.status)
app.command(rich_help_panel=READ)(polling.scene)
app.command(rich_help_panel=ARCHIVES)(replaying.replay)
app.command(rich_help_panel=ARCHIVES)(replaying.demo)
app.command(rich_help_panel=KEEP)(health.doctor)


def main() -> None:
    """Run the command line."""
    app()
