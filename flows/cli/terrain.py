"""``scarpwatch terrain``: what a radar can see of an elevation model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson
from flows.cli.output import aside, details, emit, plain, screen

if TYPE_CHECKING:
    from flows.terrain_maps import TerrainReport

#: Pixels of exactly 0 m beyond this share are worth a word.
_MANY = 0.02


def terrain(
    dem: Annotated[
        Path, typer.Argument(metavar="DEM", exists=True, dir_okay=False, help="Heights in metres.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the layers.")],
    orbit: Annotated[
        str, typer.Option(metavar="DIRECTION", help="ascending or descending.")
    ] = "ascending",
    incidence: Annotated[
        float, typer.Option(min=15, max=70, metavar="DEGREES", help="On flat ground.")
    ] = 39.0,
    no_data: Annotated[
        float | None,
        typer.Option(metavar="METRES", help="A height that means no data and is not declared."),
    ] = None,
    vertical: Annotated[
        str | None,
        typer.Option(
            metavar="DATUM",
            help="What heights are measured from, where the file does not tell: egm2008, egm96 or "
            "ellipsoid.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write slope, aspect, local incidence, layover and radar shadow, and a picture of them.

    The DEM should reach beyond the ground of interest: what stands outside throws no shadow.
    """
    from detectors.types import OrbitState
    from flows.cli.documents import as_json as plain_values
    from flows.elevation import Vertical, read_elevation
    from flows.terrain_maps import write_maps

    direction = _choice(OrbitState, orbit, "--orbit")
    datum = _choice(Vertical, vertical, "--vertical") if vertical else None
    with aside().status("looking"):
        elevation = read_elevation(dem, vertical=datum, missing=no_data)
        report = write_maps(elevation, direction, incidence, out)
    if as_json:
        document = plain_values(report)
        document["grid"] |= {"transform": list(report.grid.transform)[:6]}
        emit(document)
    else:
        _print_report(report, out)


def _choice[Choice: str](of: type[Choice], text: str, flag: str) -> Choice:
    try:
        return of(text)
    except ValueError:
        known = ", ".join(of)  # type: ignore[arg-type]
        raise typer.BadParameter(f"{text!r} is none of {known}", param_hint=flag) from None


def _print_report(report: TerrainReport, out: Path) -> None:
    console = screen()
    grid = report.grid
    look = f"{report.orbit_state.value}, towards {report.azimuth:.1f} degrees"
    console.print(f"[name]{plain(report.source)}[/]  {grid.height} x {grid.width} pixels")
    console.print(
        details(
            [
                ("look", f"{look}, incidence {report.incidence:g}"),
                ("layover", f"{report.share_layover:.1%}"),
                ("shadow", f"{report.share_shadow:.1%}"),
                ("steep", f"99 % of the ground under {report.steepest:.0f} degrees"),
                ("no height", f"{report.share_missing:.1%}" if report.share_missing else ""),
                ("heights", str(report.vertical)),
                ("files", ", ".join(report.files)),
                ("in", plain(str(out))),
            ]
        )
    )  # fmt: skip
    if report.share_zero > _MANY:
        console.print(
            f"[warn]{report.share_zero:.0%} of the pixels are 0 m exactly[/]: sea, or no data that "
            "the file does not declare? Then: --no-data 0"
        )
