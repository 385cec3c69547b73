"""The table of a replay: how soon each landslide was told, and what that was worth."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from flows.cli.output import minute, plain, styled, table

if TYPE_CHECKING:
    from flows.replay import ReplayReport
    from flows.replay_skill import Played, Skill, Told


def skill_document(played: Played) -> dict[str, Any]:
    """Return the table as JSON; spans in seconds."""
    from flows.cli.documents import as_json

    told = []
    for one in played.told:
        row = as_json(one)
        row["landslide"] = str(one.landslide.id)
        row["state"] = one.landslide.state.value
        row["after_publication_s"] = as_json(one.after_publication)
        row["after_event_s"] = as_json(one.after_event)
        told.append(row)
    return {
        "told": told,
        "truth": played.truth or None,
        "skill": [
            as_json(one) | {"pod": one.pod, "false_per_1000_km2": one.false_per_1000_km2}
            for one in played.skill
        ],
        "latency_s": {name: as_json(spans) for name, spans in latencies(played).items()},
    }


def latencies(played: Played) -> dict[str, tuple[timedelta, timedelta]]:
    """Return median and 90 % of the times to the first alert; what nobody knows is left out."""
    from flows.replay_skill import quantiles

    spans = {
        "from sensing": [one.told_at - one.sensed_at for one in played.told],
        "from publication": [one.after_publication for one in played.told],
        "from the event, at most": [one.after_event for one in played.told if one.after_event],
    }
    found = {name: quantiles(some_) for name, some_ in spans.items()}
    return {name: both for name, both in found.items() if both is not None}


def print_skill(console: Console, report: ReplayReport, played: Played) -> None:
    """Print who would have been told when, the latencies, and the score against truth."""
    if played.told:
        made = table("Landslide", "", "Replay clock, UTC", "First told")
        for one in played.told:
            _add(made, one, known=bool(played.truth))
            made.add_section()
        console.print("")
        console.print(made)
    for name, (median, ninety) in latencies(played).items():
        console.print(f"  {name}: median {_span(median)}, 90 % within {_span(ninety)}")
    if played.skill:
        _print_scores(console, played)
    every = min(region.poll_every for region in report.regions)
    console.print(
        f"\nClock: {report.span / timedelta(days=1):,.0f} days in {report.seconds:,.0f} s, "
        f"{report.days_a_second:,.1f} days a second. Polled every {_span(every)}; the time that "
        "judging takes is not in the latencies."
    )


def _add(made: Table, one: Told, *, known: bool) -> None:
    """Add what happened to a landslide, line by line, and how long before or after it was told."""
    lines = (
        ("happened", one.happened_at), ("sensed", one.sensed_at), ("published", one.published_at),
        ("told", one.told_at), ("confirmed", one.confirmed_at), ("withdrawn", one.withdrawn_at),
    )  # fmt: skip
    beside = [f"{str(one.landslide.id)[:8]} {styled(one.tier.value)}"]
    beside += ["[drill]SIMULATED[/]"] if one.landslide.simulated else []
    beside += [f"now {styled(one.landslide.state.value)}"]
    if known:
        false = one.happened_at is None and one.iou is None
        beside.append(
            "not in the truth" if false else "a point" if one.iou is None else f"IoU {one.iou:.2f}"
        )
    for number, (word, at) in enumerate(pair for pair in lines if pair[1] is not None):
        assert at is not None  # noqa: S101 - those without were left out
        gap = _span(abs(at - one.told_at)) + (" earlier" if at < one.told_at else " later")
        said = "" if word == "told" else gap
        made.add_row(beside[number] if number < len(beside) else "", word, minute(at), said)


def _print_scores(console: Console, played: Played) -> None:
    made = table("Tier")
    for heading in ("Mapped", "Found", "POD", "False", "False per\n1000 km2", "Mean\nIoU"):
        made.add_column(heading, justify="right", no_wrap=True)
    for one in played.skill:
        made.add_row(*_score(one))
    console.print(f"\nAgainst {plain(played.truth)}, refuted ones left out:")
    console.print(made)


def _score(one: Skill) -> list[str]:
    iou = "-" if one.iou is None else f"{one.iou:.2f}"
    return [
        "told" if one.tier == "likely" else "all found",
        str(one.mapped), str(one.found), "-" if one.pod is None else f"{100 * one.pod:.0f} %",
        str(one.false), f"{one.false_per_1000_km2:.2f}", iou,
    ]  # fmt: skip


def _span(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if abs(hours) < 2:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if abs(hours) < 48 else f"{hours / 24:.1f} d"
