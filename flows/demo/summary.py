"""What the demo has to show for itself, read from the database and the receipts alone."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import counts, outbox, queries
from db.engine import transaction
from db.records import AlertRecord, LookRecord
from detectors.projections import to_lonlat, to_projected
from detectors.types import Landslide, Sensor, State
from flows.demo.scene import regions
from flows.drill import Drill

#: The channel whose receipts count as arrival.
RECEIVER = "webhook"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What ``summary.json`` holds; everything is read from the database and the receipts."""

    acquisitions_seen: int
    """Catalogue items that were polled, the earlier ones that only feed stacks included."""
    acquisitions_processed: int
    """Looks that were judged to their end."""
    acquisitions_failed: int
    """Looks that could not be judged for a reason that is an error."""
    suspected: int
    """Landslides suspected in the drill region, whatever became of them, and not counting those
    that *follow* another: radar sees a change that was refuted for some more looks, which are
    watched and never alerted."""
    confirmed: int
    """Of these, those an optical look confirmed, closed since or not."""
    refuted: int
    """Of these, those an optical look refuted."""
    withdrawn: int
    """Withdrawals of the drill region that the webhook receiver acknowledged."""
    alerts_sent: int
    """Alerts of the drill region that the webhook receiver acknowledged."""
    control_suspected: int
    """Landslides suspected in the quiet control, tier *watch* included."""
    control_alerts: int
    """Alerts decided for the quiet control."""
    drill_iou: float
    """Intersection over union of the planted and the best outline the radar suspected."""
    confirmed_iou: float | None
    """The same of the outline that the optical look confirmed it with; None without one."""
    drill_looks_to_suspect: int | None
    """Looks of the planted burst after the event until suspicion; 1 = the first."""
    seconds_publish_to_alert_median: float | None
    """Wall clock from the item's ``created`` in the catalogue to the receiver's receipt."""
    second_run_processed: int
    """Looks judged when the whole archive was polled again."""
    second_run_sent: int
    """Messages sent by that."""


def work_done(engine: Engine) -> tuple[int, int]:
    """Return how often looks were taken up or asked for a verdict, and how many receipts are."""
    with transaction(engine) as s:
        attempts = sum(look.attempts for look in queries.list_looks(s))
        summary = counts.summary(s)
        attempts += sum(sum(region.checks.values()) for region in summary.regions.values())
        receipts = sum(
            len(delivery.receipts)
            for record in outbox.list_alerts(s)
            for delivery in record.deliveries
        )
    return attempts, receipts


def summarise(engine: Engine, again: tuple[int, int]) -> DemoSummary:
    """Read the result.

    Args:
        engine: the demo's database.
        again: looks judged and messages sent by the second run.
    """
    drill, control = regions()
    with transaction(engine) as s:
        summary = counts.summary(s)
        suspected = [one for one in queries.list_landslides(s, drill.id) if one.follows is None]
        control_suspected = len(queries.list_landslides(s, control.id))
        history = versions(s, drill.id)
        records = outbox.list_alerts(s, drill.id)
        looks = queries.list_looks(s, region_id=drill.id)
    reached = {(version.id, version.state) for version in history if version.follows is None}
    states = Counter(state for _, state in reached)
    by_radar = [v for v in history if v.state is State.SUSPECTED and v.source is Sensor.SAR]
    best, iou = best_match(by_radar)
    confirmed, confirmed_iou = best_match([v for v in history if v.state is State.CONFIRMED])
    seconds = seconds_to_receipt(records, looks)
    return DemoSummary(
        acquisitions_seen=summary.acquisitions,
        acquisitions_processed=summary.looks("processed"),
        acquisitions_failed=summary.looks("failed"),
        suspected=len(suspected),
        confirmed=states[State.CONFIRMED],
        refuted=states[State.REFUTED],
        withdrawn=len(
            seconds_to_receipt([r for r in records if r.alert.kind == "withdrawn"], looks)
        ),
        alerts_sent=len(seconds),
        control_suspected=control_suspected,
        control_alerts=summary.regions[control.id].alerts,
        drill_iou=round(iou, 3),
        confirmed_iou=round(confirmed_iou, 3) if confirmed else None,
        drill_looks_to_suspect=None if best is None else looks_to_suspect(best, looks),
        seconds_publish_to_alert_median=round(statistics.median(seconds), 1) if seconds else None,
        second_run_processed=again[0],
        second_run_sent=again[1],
    )


def seconds_to_receipt(records: list[AlertRecord], looks: list[LookRecord]) -> list[float]:
    """Return wall-clock seconds from an item's ``created`` to the receiver's receipt, per alert."""
    created = {look.acquisition.item_id: look.acquisition.created_at for look in looks}
    seconds = []
    for record in records:
        visible = created[record.alert.item_id]
        for delivery in record.deliveries:
            if delivery.channel == RECEIVER and delivery.receipts and visible is not None:
                received = datetime.fromisoformat(delivery.receipts[0].content["received_at"])
                seconds.append((received - visible).total_seconds())
    return seconds


def versions(s: Session, region_id: str) -> list[Landslide]:
    """Return every version of every landslide of a region, the latest ones included."""
    return [
        version
        for landslide in queries.list_landslides(s, region_id)
        for version in queries.landslide_history(s, landslide.id)
    ]


def best_match(landslides: list[Landslide]) -> tuple[Landslide | None, float]:
    """Return the version that fits the planted outline best, and their IoU."""
    truth, epsg = Drill().slide.outline, Drill().epsg
    best: tuple[Landslide | None, float] = (None, 0.0)
    for landslide in landslides:
        found = to_projected(landslide.geometry, epsg)
        iou = found.intersection(truth).area / found.union(truth).area
        if iou > best[1]:
            best = (landslide, float(iou))
    return best


def looks_to_suspect(landslide: Landslide, looks: list[LookRecord]) -> int:
    """Count the radar looks that could have shown the planted slide, up to the one that did."""
    slide = Drill().slide
    truth = to_lonlat(slide.outline, Drill().epsg)
    return sum(
        bool(
            look.acquisition.sensor is Sensor.SAR
            and slide.happened_at <= look.acquisition.sensed_at <= landslide.not_after
            and look.acquisition.footprint.intersects(truth)
        )
        for look in looks
    )
