"""``scarpwatch statistics``: sizes, density, ground and season, as figures and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detectors.errors import ConfigurationError
from flows.cli.options import (
    STATES,
    AsJson,
    OnlyRegion,
    date_option,
    one_of,
    open_world,
    require_folder,
)
from flows.cli.output import aside, details, emit, plain, screen, table

if TYPE_CHECKING:
    from flows.statistics import Statistics


def statistics(
    inventory: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of an inventory; else of what is believed.")
    ] = None,
    region: OnlyRegion = None,
    state: Annotated[list[str] | None, one_of(STATES, " Else confirmed, closed.")] = None,
    since: Annotated[
        datetime | None, date_option("--since", "Only what had happened then or later.")
    ] = None,
    until: Annotated[datetime | None, date_option("--until", "Only what happened before.")] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="SIMULATED ones, too: everything says so.")
    ] = False,
    elevation: Annotated[
        Path | None, typer.Option(metavar="DEM", help="Elevation model: slope and aspect.")
    ] = None,
    land_cover: Annotated[
        Path | None, typer.Option(metavar="RASTER", help="Class codes: land cover.")
    ] = None,
    cover_class: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="CODE=NAME", help="Its names; repeatable."),
    ] = None,
    png: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Draw it, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count landslides: sizes with their power-law tail, density, slope, land cover, months.

    Exponent and beginning of the tail by maximum likelihood (Clauset et al. 2009), with errors over
    bootstraps. Ground counts by pixel, beside all ground of the raster.
    """
    from detectors.types import State
    from flows.statistics import Asked, count
    from flows.statistics_picture import draw

    if png is not None:
        require_folder(png)
    names = dict(_pair(one) for one in cover_class or [])
    states = tuple(map(State, state or (State.CONFIRMED, State.CLOSED)))
    asked = Asked(inventory, region, states, since, until, simulated, elevation, land_cover, names)
    with open_world() as services, aside().status("counting"):
        made = count(services.engine, asked, exercise=services.settings.exercise)
        if png is not None:
            png.write_bytes(draw(made))
    if as_json:
        emit(_document(made))
        return
    _print(made)
    if png is not None:
        screen().print(f"\nWritten: {plain(str(png))}")


def _pair(text: str) -> tuple[str, str]:
    code, sign, name = text.partition("=")
    if not sign or not code or not name:
        raise ConfigurationError(f"--class takes CODE=NAME, such as 3=forest, not {text}")
    return code, name


def _document(made: Statistics) -> dict[str, Any]:
    from flows.cli.documents import as_json
    from flows.statistics import MONTHS

    def shares(given: Any) -> list[Any]:
        return [as_json(one) | {"ratio": one.ratio} for one in given]

    return {
        "title": made.title, "status": made.mark or "actual", "credits": made.credits,
        "landslides": made.landslides, "simulated_left_out": made.left_out,
        "areas_m2": {"count": len(made.areas_m2), "total": float(made.areas_m2.sum())},
        "sizes": as_json(made.sizes), "no_sizes": made.no_sizes,
        "density": [as_json(one) | {"per_km2": one.per_km2} for one in made.density],
        "months": dict(zip(MONTHS, made.months, strict=True)),
        "month_unknown": made.month_unknown,
        "slope": shares(made.slope), "aspect": shares(made.aspect),
        "land_cover": shares(made.land_cover), "land_covers": made.covers,
    }  # fmt: skip


def _covers(covers: Mapping[str, int]) -> str:
    """Say how many landslides have which land cover; empty where none is known."""
    from flows.statistics import UNKNOWN

    known = [f"{plain(name)} {number}" for name, number in covers.items() if name != UNKNOWN]
    if not known:
        return ""
    left = covers.get(UNKNOWN, 0)
    return ", ".join(known) + (f"; {left} unknown" if left else "")


def _print(made: Statistics) -> None:
    console = screen()
    if made.mark:
        console.print(f"[drill]{made.mark}[/]: some of these landslides never happened.\n")
    console.print(f"[name]{plain(made.title)}[/]: {made.landslides}")
    fitted, tail = made.sizes, made.no_sizes
    if fitted is not None:
        verdict = "" if fitted.p >= 0.1 else "; [warn]a power law is ruled out[/]"
        tail = (
            f"exponent {fitted.alpha:.2f} ± {fitted.alpha_error:.2f} from {fitted.x_min:.0f} ± "
            f"{fitted.x_min_error:.0f} m2 on; {fitted.tail} of {fitted.sizes} in the tail; "
            f"KS {fitted.ks:.3f}, p {fitted.p:.2f}{verdict}"
        )
    from flows.statistics import MONTHS

    months = ", ".join(
        f"{month} {number}" for month, number in zip(MONTHS, made.months, strict=True) if number
    )
    console.print(
        details(
            [
                ("sizes", tail),
                ("area", f"{made.areas_m2.sum() / 1e6:.2f} km2 in {len(made.areas_m2)} outlines"),
                ("months", f"{months or 'none'}; {made.month_unknown} not known to the month"),
                ("land cover", _covers(made.covers)),
                ("left out", f"{made.left_out} SIMULATED (--simulated)" if made.left_out else ""),
                ("credits", plain(made.credits)),
            ]
        )
    )
    if made.density:
        shown = table("Region")
        for heading in ("km2", "Landslides", "per km2", "% of ground"):
            shown.add_column(heading, justify="right")
        for one in made.density:
            shown.add_row(
                f"[name]{plain(one.region_id)}[/]", f"{one.km2:.1f}", str(one.landslides),
                f"{one.per_km2:.3g}", f"{100 * one.share:.3g}",
            )  # fmt: skip
        console.print()
        console.print(shown)
    for heading, shares in (
        ("Slope, degrees", made.slope), ("Faces", made.aspect), ("Land cover", made.land_cover),
    ):  # fmt: skip
        if not shares:
            continue
        shown = table(heading)
        for name in ("% of landslides", "% of ground", "Ratio"):
            shown.add_column(name, justify="right")
        for share in shares:
            ratio = "-" if share.ratio is None else f"{share.ratio:.2f}"
            shown.add_row(
                plain(share.label), f"{100 * share.landslides:.1f}", f"{100 * share.ground:.1f}",
                ratio,
            )  # fmt: skip
        console.print()
        console.print(shown)
