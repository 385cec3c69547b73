"""``scarpwatch platforms``: which satellites may alert, and who said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, OnlyRegion, open_world
from flows.cli.output import emit, plain, screen, some

if TYPE_CHECKING:
    from flows.cli.platform_view import PlatformsView
    from flows.services import Services

app = typer.Typer(help="Satellites: which are known, checked on stable ground, approved.")

Platform = Annotated[str, typer.Argument(metavar="PLATFORM", help="For instance sentinel-1d.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who decides.")]
Version = Annotated[
    str, typer.Option("--processing", metavar="VERSION", help="Only of this processing version.")
]


@app.callback(invoke_without_command=True)
def platforms(context: typer.Context, region: OnlyRegion = None, as_json: AsJson = False) -> None:
    """List satellites by track and tile: known, passed, checking, failed, approved, rejected.

    One that was not there when a region began, or a new processing version, is first compared with
    the known ones on stable ground, over three passes or more. Until then its looks are judged and
    stored, and their alerts are held; optical ones confirm and refute nothing.
    """
    if context.invoked_subcommand is not None:
        return
    from flows.cli.platform_view import print_platforms

    with open_world() as services:
        views = _load(services, region)
    if as_json:
        emit({"regions": [view.document() for view in views]})
    else:
        print_platforms(screen(), views)


@app.command()
def approve(
    platform: Platform, reason: Reason, by: By, processing: Version = "", region: OnlyRegion = None
) -> None:
    """Let a platform alert, whatever comparing says; alerts that waited go out now."""
    _decide(platform, "approved", reason, by, processing, region)


@app.command()
def reject(
    platform: Platform, reason: Reason, by: By, processing: Version = "", region: OnlyRegion = None
) -> None:
    """Let a platform alert no more; its looks are still judged and stored."""
    _decide(platform, "rejected", reason, by, processing, region)


def _decide(
    platform: str, decision: str, reason: str, by: str, version: str, region: str | None
) -> None:
    from flows.deciding import decide_platform

    with open_world() as services:
        told = decide_platform(
            services, platform, decision, reason, by, version=version, region_id=region
        )
    console = screen()
    of = f", processing {version}" if version else ""
    where = f" in {region}" if region else ""
    console.print(f"[name]{plain(platform + of)}[/] is {decision}{where} by {plain(by)}.")
    if told:
        console.print(f"{some(told, 'alert')} in the outbox; sent by the next poll.")


def _load(services: Services, region: str | None) -> list[PlatformsView]:
    from collections import Counter

    from db import platforms as stored
    from db import queries
    from db.engine import transaction
    from flows.cli.platform_view import PlatformsView
    from flows.platforms import states

    with transaction(services.engine) as s:
        wanted = queries.list_regions(s) if region is None else [queries.get_region(s, region)]
        return [
            PlatformsView(
                one, tuple(states(services, s, one)),
                Counter(
                    (held.track, held.platform, held.processing_version)
                    for held in stored.held_alerts(s, one.id)
                ),
            )
            for one in wanted
        ]  # fmt: skip
