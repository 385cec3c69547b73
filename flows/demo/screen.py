"""The demo's last screen: what was polled, detected, stored and sent, and how fast."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from db import counts, optical, outbox, queries
from db.engine import transaction
from detectors.types import Finding, Sensor
from flows.demo.scene import regions
from flows.demo.stage import Stage
from flows.demo.summary import DemoSummary

#: What an optical look does to a suspicion.
_SAID = {
    Finding.AGREES: "CONFIRMED",
    Finding.DISAGREES: "REFUTED",
    Finding.UNDECIDED: "undecided",
    Finding.NOT_SEEN: "not seen",
}


def print_result(
    console: Console, on: Stage, summary: DemoSummary, pictures: tuple[str, ...], seconds: float
) -> None:
    """Print tables of looks, landslides and messages, and the figures of the summary."""
    for table in (_looks(on), _verdicts(on), _landslides(on), _messages(on)):
        console.print(table)
        console.print()
    waited = summary.seconds_publish_to_alert_median
    fits = summary.confirmed_iou
    text = f"""\
The planted landslide was suspected at radar look {summary.drill_looks_to_suspect} after the \
event; its outline fits by IoU {summary.drill_iou:.2f}.
By optical looks {summary.confirmed} confirmed{f" (outline: IoU {fits:.2f})" if fits else ""}, \
{summary.refuted} refuted; {summary.withdrawn} alert withdrawn.
From publication to the receiver's receipt: {waited} s (median, waiting for the schedule included).
The quiet control: {summary.control_suspected} suspected, {summary.control_alerts} alerts.
Polled again from the first look: {summary.second_run_processed} looks judged, \
{summary.second_run_sent} messages sent.
Written to {", ".join((str(on.home / "summary.json"), *pictures))} after {seconds:.0f} s.
[dim]Contains modified Copernicus Sentinel data 2021-2025, processed from NASA/JPL OPERA RTC-S1.
The landslide, the decoy and all optical looks are SIMULATED; recall on real landslides is \
unproven.[/dim]"""
    console.print(Panel(text, title="EXERCISE: the demo's result", expand=False))


def _looks(on: Stage) -> Table:
    """Looks by region and what became of them."""
    with transaction(on.engine) as s:
        summary = counts.summary(s)
    numbers = ("baseline", "processed", "not judged", "failed", "alerts")
    table = _table("Polled and judged", "region", *numbers, numbers=numbers)
    for region in regions():
        found = summary.regions[region.id]
        states = ("baseline", "processed", "skipped", "failed")
        table.add_row(
            region.id, *(str(found.looks.get(state, 0)) for state in states), str(found.alerts)
        )
    return table


def _verdicts(on: Stage) -> Table:
    """The drill look by look: what was suspected, and what each optical look said of it."""
    told = []
    with transaction(on.engine) as s:
        for landslide in queries.list_landslides(s, regions()[0].id):
            first, *_ = queries.landslide_history(s, landslide.id)
            name = str(landslide.id)[:8]
            told.append((first.not_after, name, first.source.value, f"suspected, {first.tier}"))
            for check in optical.optical_checks(s, landslide.id):
                said = f"{_SAID[check.finding]}: {check.reason}"
                told.append((check.sensed_at, name, Sensor.OPTICAL.value, said))
    table = _table("The drill, look by look", "look of", "landslide", "sensor", "says")
    for moment, name, sensor, said in sorted(told):
        table.add_row(f"{moment:%Y-%m-%d}", name, sensor, said)
    return table


def _landslides(on: Stage) -> Table:
    """Landslides that are stored."""
    with transaction(on.engine) as s:
        landslides = queries.list_landslides(s)
    numbers = ("ha", "dB", "NDVI", "evidence")
    table = _table(
        "Stored in PostGIS", "landslide", "region", "state", *numbers, "between", numbers=numbers
    )
    for one in landslides:
        table.add_row(
            str(one.id)[:8] + ("\nSIMULATED" if one.simulated else ""),
            one.region_id, f"{one.state.value}\n{one.tier.value}",
            f"{one.area_m2 / 1e4:.1f}",
            "-" if one.change_db is None else f"{one.change_db:+.1f}",
            "-" if one.d_ndvi is None else f"{one.d_ndvi:+.2f}",
            f"{one.evidence:.1f}",
            f"{one.not_before:%Y-%m-%d}\n{one.not_after:%Y-%m-%d}",
        )  # fmt: skip
    return table


def _messages(on: Stage) -> Table:
    """Messages and their receipts."""
    with transaction(on.engine) as s:
        records = outbox.list_alerts(s)
    table = _table("Sent", "alert", "kind", "channel", "state", "received")
    for record in records:
        for delivery in record.deliveries:
            when = delivery.receipts[0].received_at if delivery.receipts else None
            table.add_row(
                str(record.alert.id)[:8] + (" EXERCISE" if record.alert.exercise else ""),
                record.alert.kind, delivery.channel, delivery.state,
                f"{when:%H:%M:%S} UTC" if when else "-",
            )  # fmt: skip
    return table


def _table(title: str, *columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """Return an empty table that fits 80 columns, with its ``numbers`` set to the right."""
    table = Table(
        title=title, title_justify="left", title_style="bold",
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False,
    )  # fmt: skip
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table
