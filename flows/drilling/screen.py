"""The drill's last screen: the life of each landslide, what was sent, and what arrived."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from alerts.rules import severity
from db import outbox, queries
from db.engine import transaction
from flows.demo.stage import Stage
from flows.drilling.summary import DrillSummary


def print_result(console: Console, on: Stage, summary: DrillSummary, seconds: float) -> None:
    """Print the tables and the figures of the summary."""
    console.print(_lives(on))
    console.print(_messages(on))
    figures = Table.grid(padding=(0, 2))
    for name, value in asdict(summary).items():
        bad = name in ("cap_faults", "duplicates", "lost", "broken") and value
        told = escape("; ".join(value) or "nothing") if name == "broken" else str(value)
        figures.add_row(name, f"[bad]{told}[/]" if bad else told)
    console.print(figures)
    text = f"""\
{
        "Every state was reached and every message arrived."
        if summary.complete
        else "[bad]Something was not reached, or did not arrive: see the figures above.[/]"
    }
Twice the worker was killed: between storing and sending, and between sending and the receipt.
{summary.alerts} alerts were decided; {summary.lost} are lost, {summary.repeated_same_key} came \
again under the same key.
Written to {on.home}: summary.json, cap/, feed/ after {seconds:.0f} s.
[dim]Contains modified Copernicus Sentinel data 2021-2025, processed from NASA/JPL OPERA RTC-S1.
All landslides, the water and all optical looks are SIMULATED.[/dim]"""
    console.print(Panel(text, title="EXERCISE: the drill's result", expand=False))


def _lives(on: Stage) -> Table:
    """What became of each landslide."""
    table = Table(title="Lives", title_justify="left")
    for column in ("landslide", "kind", "states", "last cause"):
        table.add_column(column)
    with transaction(on.engine) as s:
        for one in queries.list_landslides(s, on.regions[0].id):
            history = queries.landslide_history(s, one.id)
            states = dict.fromkeys(version.state.value for version in history)
            table.add_row(
                f"{str(one.id)[:8]} SIMULATED", one.kind.value, " > ".join(states), one.cause
            )
    return table


def _messages(on: Stage) -> Table:
    """What was sent, oldest first."""
    table = Table(title="Sent", title_justify="left")
    for column in ("alert", "landslide", "kind", "severity", "channels"):
        table.add_column(column)
    with transaction(on.engine) as s:
        records = outbox.list_alerts(s)
    for record in sorted(records, key=lambda one: one.recorded_at):
        alert = record.alert
        table.add_row(
            f"{str(alert.id)[:8]} EXERCISE", str(alert.landslide.id)[:8], alert.kind,
            severity(alert.landslide, alert.exposure).value,
            ", ".join(f"{one.channel} {one.state}" for one in record.deliveries),
        )  # fmt: skip
    return table
