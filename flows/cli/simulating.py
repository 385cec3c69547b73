"""``scarpwatch simulate``: landslide events that never happened, to try the system on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson
from flows.cli.output import aside, details, emit, minute, plain, screen, some, table

if TYPE_CHECKING:
    from flows.simulating import SimulationReport


def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.")],
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of the first event; the next follow by one.")
    ] = 0,
    events: Annotated[int, typer.Option(min=1, metavar="K", help="How many events, up to 50.")] = 1,
    size: Annotated[
        int, typer.Option(min=60, metavar="PIXELS", help="Of 30 m on each side of an event.")
    ] = 300,
    optical: Annotated[
        bool, typer.Option("--optical", help="Sentinel-2 over the same ground too: OUT/optical.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="An archive already there may be replaced.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate landslide events: an archive for `scarpwatch replay`, and the truth about it.

    The same seed gives the same pixels. Everything written says SIMULATED; the mountains stand in
    the middle of the North Atlantic, where nobody can take them for real ones.
    """
    from flows import simulating
    from flows.cli.documents import as_json as plain_values

    with aside().status("simulating") as status:
        report = simulating.write_events(
            out, seed=seed, events=events, size=size, optical=optical, replace=replace,
            progress=lambda done: status.update(f"{done} of {events} events"),
        )  # fmt: skip
    if as_json:
        emit(plain_values(report))
    else:
        _print_report(report)


def _print_report(report: SimulationReport) -> None:
    console = screen()
    console.print(f"[name]{plain(str(report.radar.path))}[/]  [drill]SIMULATED[/]")
    rows = [("radar", f"{report.radar.items} looks, {report.radar.size_bytes / 1e6:,.1f} MB")]
    if report.optical:
        rows.append(("optical", f"{report.optical.items} pictures in {report.optical.path.name}"))
    rows += [("truth", report.truth.name), ("parameters", report.parameters_sha256[:12])]
    console.print(details(rows))
    shown = table("Event", "Happened (UTC)", "Landslides", "Look-alikes")
    for one in report.events:
        ponds = f", {some(one.ponds, 'pond')}" if one.ponds else ""
        shown.add_row(
            str(one.event_seed), minute(one.happened_at),
            f"{one.slides}, {one.visible} visible{ponds}", ", ".join(one.look_alikes) or "none",
        )  # fmt: skip
    console.print(shown)
    optical = f" {plain(str(report.optical.path))}" if report.optical else ""
    console.print(f"Next: scarpwatch replay {plain(str(report.radar.path))}{optical}")
