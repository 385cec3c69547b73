"""Landslides with everything that is known of them, and how they look on the screen."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from alerts.exposed import lines
from alerts.rules import EXCLUDED_FROM, severity
from alerts.wording import amount, area, change, hundredths, parts, place, span
from db.exclusions import Covered
from db.records import TransitionRecord
from detectors.types import Detection, Landslide, OpticalCheck, RadarCheck, Sensor
from flows.cli.documents import (
    alert_document,
    as_json,
    check_document,
    detection_document,
    landslide_document,
)
from flows.cli.output import WIDE, details, minute, plain, some, styled, table
from flows.dossiers import Dossier

_NONE: Mapping[uuid.UUID, Covered] = MappingProxyType({})
NO_PROBABILITY = "a score, not a probability"


def document(view: Dossier) -> dict[str, Any]:
    """Return a landslide as JSON."""
    return landslide_document(view.latest) | {
        "versions": [landslide_document(version) for version in view.versions],
        "found": [detection_document(detection) for detection in view.detections],
        "checks": [check_document(check) for check in view.checks],
        "radar_checks": [as_json(check) for check in view.support],
        "alerts": [alert_document(record) for record in view.alerts],
        "exposure": as_json(view.exposure),
        "excluded": as_json(view.excluded),
        "transitions": [as_json(step) for step in view.transitions],
        "reviews": [as_json(review) for review in view.reviews],
        "backfilled": view.backfilled,
    }


def where(landslide: Landslide, digits: int = 5) -> str:
    """Return a point inside the outline, longitude first."""
    point = place(landslide.geometry)
    return f"{point[0]:.{digits}f}, {point[1]:.{digits}f}" if point else "unknown"


def shift(found: Landslide | Detection) -> str:
    """Return by how much the ground changed: backscatter, or NDVI where only optics saw it."""
    if found.change_db is not None:
        return f"{found.change_db:+.1f} dB"
    return "unknown" if found.d_ndvi is None else f"{hundredths(found.d_ndvi, signed=True)} NDVI"


def as_table(
    landslides: Sequence[Landslide], width: int, inside: Mapping[uuid.UUID, Covered] = _NONE
) -> Table:
    """Return the list of landslides; wide screens see more columns.

    Args:
        landslides: What is listed.
        width: Of the screen.
        inside: Which of them are excluded, and why.
    """
    wide = width >= WIDE
    made = table()
    made.add_column("Id", no_wrap=True)
    made.add_column("Region", overflow="fold", min_width=10)
    for heading in ("State", "Tier"):
        made.add_column(heading, no_wrap=True)
    made.add_column("First seen, UTC" if wide else "First seen", no_wrap=True)
    made.add_column("Area", justify="right", no_wrap=True)
    if wide:
        for heading in ("Change", "Evidence", "Looks"):
            made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("Lon, lat", no_wrap=True)
    for landslide in landslides:
        drill = "\n[drill]simulated[/]" if landslide.simulated else ""
        figures = [shift(landslide), amount(landslide.evidence), str(landslide.looks)]
        seen = minute(landslide.not_after)
        made.add_row(
            f"[name]{str(landslide.id)[:8]}[/]",
            f"{landslide.region_id}{drill}{_excluded(inside.get(landslide.id))}",
            styled(landslide.state),
            styled(landslide.tier),
            seen if wide else seen[:10],
            area(landslide.area_m2),
            *(figures if wide else ()),
            where(landslide, digits=5 if wide else 3),
        )
    return made


def _excluded(by: Covered | None) -> str:
    """Return why it is never alerted, on a line of its own."""
    return "" if by is None else f"\n[dim]excluded: {plain(by.reason, 40)}[/]"


def print_one(console: Console, view: Dossier) -> None:
    """Print everything about one landslide."""
    latest = view.latest
    drill = "  [drill]SIMULATED: this never happened[/]" if latest.simulated else ""
    console.print(f"[name]Landslide {latest.id}[/]{drill}")
    bracket = span(latest.not_after - latest.not_before)
    when = f"after {minute(latest.not_before)} UTC, by {minute(latest.not_after)} UTC ({bracket})"
    seen = f"in {some(latest.looks, 'optical look')}; radar has not seen it"
    if latest.change_db is not None:
        looks = f"in {some(latest.looks, 'look')}, first by {_EYES[latest.source]}"
        seen = f"backscatter {change(latest.change_db)}, {looks}"
    highest = f"highest score {amount(latest.score_max, 'sigma')}"
    console.print(
        details(
            [
                ("state", f"{styled(latest.state)}, tier {styled(latest.tier)}"),
                ("region", latest.region_id),
                ("where", f"{where(latest)} (lon, lat)"),
                ("area", f"{area(latest.area_m2)}{parts(len(latest.geometry.geoms))}"),
                ("when", when),
                ("seen", seen),
                ("optical", _optical(latest)),
                ("there", "\n".join(_there(view))),
                ("evidence", f"{amount(latest.evidence)} ({NO_PROBABILITY}), {highest}"),
                ("excluded", _told_excluded(view.excluded)),
                ("decided by", plain(latest.reviewed_by)),
                ("outline by", plain(latest.drawn_by)),
                ("lineage", _lineage(view)),
                ("beware", f"[warn]{plain(latest.advisory)}[/]" if latest.advisory else ""),
            ]
        )
    )
    console.print("\n[name]Steps[/]")
    console.print(_steps(view.transitions))
    console.print("\n[name]Versions[/]")
    console.print(_versions(view.versions))
    console.print("\n[name]Detections[/]")
    _print_detections(console, view.detections)
    _print_support(console, view.support)
    _print_checks(console, view.checks)
    _print_alerts(console, view)


def _told_excluded(by: Covered | None) -> str:
    """Return how far it lies in exclusions, and what follows from that."""
    if by is None:
        return ""
    name = f", {plain(by.name)}" if by.name else ""
    kept = "not alerted" if by.share >= EXCLUDED_FROM else "too little to keep alerts back"
    return f"{100 * by.share:.0f} % in {plain(by.reason)}{name}: {kept}"


def _there(view: Dossier) -> list[str]:
    """Return what lies there and how bad it may be, line by line."""
    worst = severity(view.latest, view.exposure).value
    if view.exposure is None:
        return [f"unknown: no map is loaded here (scarpwatch exposure load); severity {worst}"]
    return [*(plain(line) for line in lines(view.exposure, view.latest.kind)), f"severity {worst}"]


_EYES = {Sensor.SAR: "radar", Sensor.OPTICAL: "an optical look"}


def _optical(landslide: Landslide) -> str:
    """Return what the optical look that decided found, empty before one."""
    if landslide.d_ndvi is None or landslide.ensemble_score is None:
        return ""
    return (
        f"NDVI {hundredths(landslide.d_ndvi, signed=True)} against its surroundings, ensemble "
        f"{hundredths(landslide.ensemble_score)} ({NO_PROBABILITY})"
    )


def _print_support(console: Console, support: Sequence[RadarCheck]) -> None:
    """Print what radar looks say that no detection came of; they raise and lower the tier."""
    said = [check for check in support if check.tier is None]
    if said:
        console.print("\n[name]Later radar looks[/]")
    for check in said:
        console.print(f"  {minute(check.sensed_at)} UTC  {check.finding}: {plain(check.reason)}")


def _print_checks(console: Console, checks: Sequence[OpticalCheck]) -> None:
    if checks:
        console.print("\n[name]Optical looks[/]")
    for check in checks:
        console.print(f"  {minute(check.sensed_at)} UTC  {check.finding}")
        console.print(Padding(plain(check.reason), (0, 0, 0, 4)))


def _lineage(view: Dossier) -> str:
    """Return which landslides it came of and went into, by the first digits of their ids."""
    landslide = view.latest
    said = (
        ("merged into", (landslide.merged_into,)),
        ("merged from", landslide.merged_from),
        ("split from", (landslide.split_from,)),
        ("split into", landslide.split_into),
        ("follows", (landslide.follows,)),
    )
    past = ["backfill: first seen before its region was watched"] if view.backfilled else []
    return "; ".join(
        past
        + [
            f"{how} {', '.join(str(one)[:8] for one in others if one)}"
            for how, others in said
            if any(others)
        ]
    )


def _steps(transitions: Sequence[TransitionRecord]) -> Table:
    """Return every step of state or tier: since when it holds, and what made it."""
    made = table()
    for heading in ("Since, UTC", "State", "Tier", "By"):
        made.add_column(heading, no_wrap=True)
    made.add_column("Evidence", overflow="fold")
    for step in transitions:
        made.add_row(
            minute(step.valid_from), styled(step.state), styled(step.tier), step.cause_kind.value,
            plain(step.item_id or step.reviewed_by),
        )  # fmt: skip
    return made


def _versions(versions: Sequence[Landslide]) -> Table:
    made = table()
    for heading in ("No", "State", "Tier"):
        made.add_column(heading, no_wrap=True)
    made.add_column("Area", justify="right", no_wrap=True)
    made.add_column("Why", overflow="fold")
    for version in versions:
        made.add_row(
            str(version.revision), styled(version.state), styled(version.tier),
            area(version.area_m2), plain(version.cause),
        )  # fmt: skip
    return made


def _print_detections(console: Console, detections: Sequence[Detection]) -> None:
    for detection in detections:
        console.print(
            f"  {minute(detection.not_after)} UTC  {styled(detection.tier)}"
            f"  {area(detection.area_m2)}  {shift(detection)}"
            f"  evidence {amount(detection.evidence)}"
        )
        # The judged item is the last one; whole, since people copy it into `scarpwatch scene`.
        for item in detection.item_ids[-1:]:
            console.print(f"  {plain(item)}", style="dim", soft_wrap=True)


def _print_alerts(console: Console, view: Dossier) -> None:
    if not view.alerts:
        console.print("\n[name]Alerts[/]\n  none: tier watch is stored, not sent")
        return
    console.print("\n[name]Alerts[/]")
    for record in view.alerts:
        kind = "[drill]EXERCISE[/] " if record.alert.exercise else ""
        console.print(
            f"  {kind}{record.alert.kind}, {minute(record.recorded_at)} UTC,"
            f" {str(record.alert.id)[:8]}"
        )
        for notice in record.notices:
            if notice.state != "sent":
                why = f": {notice.reason}" if notice.reason else ""
                console.print(f"    {plain(notice.subscriber)} {notice.state}{why}")
        if not record.deliveries and not record.notices:
            console.print("    [fail]nobody was told[/]")
        for delivery in record.deliveries:
            reason = f": {plain(delivery.reason)}" if delivery.reason else ""
            console.print(f"    {delivery.channel} {styled(delivery.state)}{reason}")
