"""``scarpwatch verification``: how a month's alerts turned out, as a page, a document, a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, open_world
from flows.cli.output import aside, emit, plain, screen, table

if TYPE_CHECKING:
    from flows.verification import Verification


def verification(
    region: Annotated[
        str | None, typer.Argument(metavar="REGION", help="Only this one; else every region.")
    ] = None,
    month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="Which month; without it the last that is over."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where pages go, by region; else below the state folder.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how a month went: looks, alerts, verdicts, precision, delays, misses, drift.

    Writes REGION/YYYY-MM.html, to be read and printed, and the same figures as JSON. By what is
    known now: verdicts come for months. At the start of each month scarpwatch serve does this by
    itself and tells operators once.
    """
    from db import queries
    from db.engine import transaction
    from flows.verification import month_before
    from flows.verification_report import document, report

    with open_world() as services, aside().status("counting"):
        chosen = month or month_before(services.clock.now())
        with transaction(services.engine) as s:
            regions = [one.id for one in queries.list_regions(s)] if region is None else [region]
        made = [report(services, one, chosen, out) for one in regions]
    if as_json:
        emit({"regions": [document(one) | {"page": str(path)} for one, path in made]})
        return
    if not made:
        screen().print("No region is watched. Next: scarpwatch regions add FILE")
    for number, (one, path) in enumerate(made):
        if number:
            screen().print()
        _print(one, path)


def _print(made: Verification, path: Path) -> None:
    from flows.verification_report import mark_of

    console = screen()
    mark = f" [drill]{mark_of(made)}[/]" if mark_of(made) else ""
    console.print(f"[name]{plain(made.region)}[/], {made.month}{mark}")
    if made.empty:
        console.print("[warn]No look of this month was there to be judged.[/]")
    for one in made.looked:
        if one.states:
            states = ", ".join(f"{n} {state}" for state, n in one.states.items())
            console.print(
                f"{one.sensor.value}: {states}; {one.km2_days:,.0f} km2 x days over {one.days} days"
            )
    told = [
        f"{n} {kind} ({tier})" for tier, kinds in made.alerts.items() for kind, n in kinds.items()
    ]
    console.print(f"alerts: {', '.join(told) or 'none'}")
    shown = table("Suspected by")
    for heading in ("n", "Confirmed", "Refuted", "Unresolved", "Open"):
        shown.add_column(heading, justify="right")
    shown.add_column("Precision, twelve months")
    for group in made.groups:
        v = group.month
        shown.add_row(
            group.name, str(v.suspected), str(v.confirmed + v.confirmed_by_person), str(v.wrong),
            str(v.unresolved), str(v.open), group.year.precision.words,
        )  # fmt: skip
    console.print(shown)
    for track in made.drifts:
        style = "fail" if track.scores.trend == "drifts" else "dim"
        value = "" if track.scores.p90 is None else f", {track.scores.p90:.2f} sigma"
        usual = "" if track.scores.usual is None else f", {track.scores.usual:.2f} before"
        console.print(
            f"stable ground, {track.track}: [{style}]{track.scores.trend.value}[/]{value}{usual}"
        )
    console.print(f"Written: {plain(str(path), 400)}", soft_wrap=True)
