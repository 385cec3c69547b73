"""The command line: words around ``flows.steps``, the database and the channels.

One module a group. Heavy imports (database, detectors, Prefect) wait inside the commands that need
them, so that ``scarpwatch --help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.activating import activate
from flows.cli.alerts import app as alerts_app
from flows.cli.archives import app as archive_app
from flows.cli.backfilling import backfill
from flows.cli.bulletin import bulletin
from flows.cli.cap import app as cap_app
from flows.cli.catalogs import app as catalogs_app
from flows.cli.composites import app as composites_app
from flows.cli.database import app as database_app
from flows.cli.deploying import deploy
from flows.cli.errors import Commands
from flows.cli.exclusions import app as exclusions_app
from flows.cli.exporting import export
from flows.cli.exposure import app as exposure_app
from flows.cli.feeds import app as feed_app
from flows.cli.health import doctor, status
from flows.cli.health_service import app as health_app
from flows.cli.inventories import app as inventories_app
from flows.cli.inventories import import_file
from flows.cli.landslides import app as landslides_app
from flows.cli.learning import evaluate, train
from flows.cli.ledger import ledger
from flows.cli.looks import app as looks_app
from flows.cli.metrics import metrics
from flows.cli.models import app as models_app
from flows.cli.ogc import app as ogc_app
from flows.cli.options import set_up_logging
from flows.cli.own import map_my_own
from flows.cli.platforms import app as platforms_app
from flows.cli.polling import poll, scene
from flows.cli.recipes import app as recipes_app
from flows.cli.recipes import evaluate_points
from flows.cli.regions import app as regions_app
from flows.cli.replaying import demo, drill, replay
from flows.cli.reviewing import review
from flows.cli.series import date_series, evaluate_series
from flows.cli.serving import serve
from flows.cli.simulating import simulate
from flows.cli.stac import app as stac_app
from flows.cli.statistics import statistics
from flows.cli.terrain import terrain
from flows.cli.triggers import triggers
from flows.cli.verification import verification
from flows.cli.web import app as web_app

__all__ = ["app", "main"]

NAME = "scarpwatch"
WATCH, READ, ARCHIVES, KEEP = "Watch", "Read", "Archives and trials", "Keep running"
LEARN = "Learning"

app = typer.Typer(
    name=NAME,
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
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
            help="Log what happens; -vv logs more.",
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
    (regions_app, "regions", WATCH),
    (exposure_app, "exposure", WATCH),
    (exclusions_app, "exclusions", WATCH),
    (landslides_app, "landslides", READ),
    (inventories_app, "inventories", READ),
    (looks_app, "looks", READ),
    (composites_app, "composites", READ),
    (alerts_app, "alerts", READ),
    (cap_app, "cap", READ),
    (feed_app, "feed", KEEP),
    (ogc_app, "ogc", KEEP),
    (stac_app, "stac", KEEP),
    (archive_app, "archive", ARCHIVES),
    (recipes_app, "recipes", LEARN),
    (models_app, "models", LEARN),
    (catalogs_app, "catalogs", KEEP),
    (health_app, "health", KEEP),
    (database_app, "db", KEEP),
):
    app.add_typer(group, name=name, rich_help_panel=panel, no_args_is_help=True)
# Without a command of their own they list and serve, so no help stands in for that.
app.add_typer(platforms_app, name="platforms", rich_help_panel=WATCH)
app.add_typer(web_app, name="web", rich_help_panel=READ)
app.command(rich_help_panel=WATCH)(poll)
app.command(rich_help_panel=WATCH)(serve)
app.command(rich_help_panel=WATCH)(review)
app.command(rich_help_panel=WATCH)(backfill)
# A box may begin with a minus, which is no option.
app.command(rich_help_panel=WATCH, context_settings={"ignore_unknown_options": True})(activate)
app.command(rich_help_panel=KEEP)(deploy)
app.command(rich_help_panel=READ)(status)
app.command(rich_help_panel=READ)(ledger)
app.command(rich_help_panel=READ)(triggers)
app.command(rich_help_panel=READ)(scene)
app.command(rich_help_panel=READ)(bulletin)
app.command(rich_help_panel=READ)(export)
app.command(rich_help_panel=READ)(statistics)
app.command(rich_help_panel=READ)(verification)
app.command("import", rich_help_panel=READ)(import_file)
app.command(rich_help_panel=ARCHIVES)(replay)
app.command(rich_help_panel=ARCHIVES)(demo)
app.command(rich_help_panel=ARCHIVES)(drill)
app.command(rich_help_panel=ARCHIVES)(simulate)
app.command(rich_help_panel=ARCHIVES)(terrain)
app.command(rich_help_panel=LEARN)(evaluate)
app.command(rich_help_panel=LEARN)(train)
app.command(rich_help_panel=LEARN)(map_my_own)
app.command(rich_help_panel=LEARN)(metrics)
app.command(rich_help_panel=LEARN)(evaluate_points)
app.command(rich_help_panel=LEARN)(evaluate_series)
app.command(rich_help_panel=READ)(date_series)
app.command(rich_help_panel=KEEP)(doctor)


def main() -> None:
    """Run the command line."""
    app(prog_name=NAME)
