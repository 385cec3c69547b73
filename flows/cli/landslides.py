"""``scarpwatch landslides``: what is suspected, and all that is known of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import (
    STATES,
    TIERS,
    AsJson,
    OnlyRegion,
    date_option,
    one_of,
    open_world,
    require_folder,
)
from flows.cli.output import aside, emit, progress, screen, some

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.orm import Session

app = typer.Typer(help="Landslides: what is suspected, where and since when.")

LandslideId = Annotated[
    str, typer.Argument(metavar="ID", help="Id, or as many first digits as it takes.")
]


@app.command("list")
def list_landslides(
    region: OnlyRegion = None,
    state: Annotated[str | None, one_of(STATES)] = None,
    tier: Annotated[str | None, one_of(TIERS)] = None,
    since: Annotated[
        datetime | None, date_option("--since", "Only those first seen then or later.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        date_option("--as-of", "What was known then: nothing that was stored later counts."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List landslides, newest first. Suspected means: a look saw a change, none confirmed it."""
    from alerts.rules import EXCLUDED_FROM
    from db import queries
    from db.engine import transaction
    from db.exclusions import covered_landslides
    from flows.cli import landslide_views as views
    from flows.cli.documents import as_json as as_json_values
    from flows.cli.documents import landslide_document

    with open_world() as services, transaction(services.engine) as s:
        if region is not None:
            queries.get_region(s, region, include_removed=True)
        if as_of is None:
            found = queries.list_landslides(s, region, state, tier, since)[::-1]
        else:
            known = queries.landslides_as_of(s, as_of, region_id=region, state=state, tier=tier)
            found = [one for one in reversed(known) if since is None or one.not_after >= since]
        inside = covered_landslides(s, found, EXCLUDED_FROM)
    if as_json:
        emit(
            {
                "landslides": [
                    landslide_document(one) | {"excluded": as_json_values(inside.get(one.id))}
                    for one in found
                ]
            }
        )
        return
    console = screen()
    if not found:
        console.print(
            "No landslide is suspected. (An empty answer is a good one.)"
            if as_of is None
            else f"No landslide was known on {as_of:%Y-%m-%d at %H:%M} UTC."
        )
        return
    if as_of is not None:
        console.print(f"As known on {as_of:%Y-%m-%d at %H:%M} UTC:\n")
    console.print(views.as_table(found, console.width, inside))
    console.print(f"\n{some(len(found), 'landslide')}. More of one: scarpwatch landslides show ID")


@app.command()
def show(landslide_id: LandslideId, as_json: AsJson = False) -> None:
    """Show a landslide: where, since when, how sure, its versions, looks and alerts."""
    from db.engine import transaction
    from flows import dossiers
    from flows.cli import landslide_views as views

    with open_world() as services, transaction(services.engine) as s:
        found = dossiers.load(s, find(s, landslide_id))
    if as_json:
        emit(views.document(found))
    else:
        views.print_one(screen(), found)


@app.command()
def measure(region: OnlyRegion = None) -> None:
    """Measure the ground inside outlines that have none yet: heights, slope, aspect, land cover.

    Polls do this for what is new; this is for an elevation model or a map that was set later.
    """
    from db.engine import transaction
    from db.measures import unmeasured
    from flows import measuring

    with open_world() as services:
        own = services.settings
        if not own.elevation and own.land_cover.file is None:
            raise ConfigurationError(
                "no elevation model is set, nor a land-cover map; name one in SCARPWATCH_ELEVATION "
                "or in SCARPWATCH_LAND_COVER__FILE"
            )
        with transaction(services.engine) as s:
            waiting = len(unmeasured(s, region)), len(unmeasured(s, region, cover=True))
        console = screen()
        if own.elevation:
            with progress(waiting[0], "landslides", hidden=False, what="reading heights") as step:
                done, unknown = measuring.measure(services, region, at_work=step)
            console.print(f"{some(done, 'landslide')} measured.")
            if unknown:
                console.print(f"{unknown} lie where no elevation model that is set has heights.")
        if own.land_cover.file is not None:
            with progress(waiting[1], "landslides", hidden=False, what="reading the map") as step:
                done, unknown = measuring.read_land_cover(services, region, at_work=step)
            console.print(f"{some(done, 'landslide')} got a land cover.")
            if unknown:
                console.print(f"{unknown} lie where the map does not say: unknown.")


@app.command()
def picture(
    landslide_id: LandslideId,
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="Picture to write.")],
    radar: Annotated[
        bool | None,
        typer.Option("--radar/--optical", help="Which eye; else the one that decided."),
    ] = None,
) -> None:
    """Draw a landslide: before, after, what changed, outline. Reads the imagery again."""
    from db.engine import transaction
    from detectors.types import Sensor
    from flows.pictures import draw_landslide

    require_folder(out)
    with open_world() as services:
        with transaction(services.engine) as s:
            wanted = find(s, landslide_id)
        with aside().status("reading imagery"):
            eye = None if radar is None else (Sensor.SAR if radar else Sensor.OPTICAL)
            drawn = draw_landslide(services, wanted, out, eye)
    seen = "radar" if drawn is Sensor.SAR else "optical"
    screen().print(f"Written: {out} ({seen})")


@app.command()
def date(
    landslide_id: LandslideId,
    png: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Draw the history that tells most."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell when it happened: between which looks, and by the history of its own pixels.

    Reads two years of radar looks again. *Unknown* is an answer: seasons, rain and crops step, too.
    """
    from db.engine import transaction
    from flows.cli import dating_view as view
    from flows.dating import date_landslide, plan_dating

    if png is not None:
        require_folder(png)
    with open_world() as services:
        with transaction(services.engine) as s:
            wanted = find(s, landslide_id)
        plan = plan_dating(services, wanted)
        with progress(plan.total, "passes", hidden=as_json, what="reading") as done:
            dated = date_landslide(services, plan, done)
    if png is not None:
        png.write_bytes(view.draw(dated))
    if as_json:
        emit(view.document(dated))
    else:
        view.print_dated(screen(), dated)


def find(s: Session, digits: str) -> uuid.UUID:
    """Return the one landslide whose id begins so.

    Raises:
        ConfigurationError: none, or several.
    """
    from db.facts import landslide_ids

    found = landslide_ids(s, digits)
    if not found:
        raise ConfigurationError(f"no landslide {digits}; see: scarpwatch landslides list")
    if len(found) > 1:
        raise ConfigurationError(f"{len(found)} landslides begin with {digits}; type more digits")
    return found[0]
