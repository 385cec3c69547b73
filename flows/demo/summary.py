"""What the demo has to show for itself, read from the database and the receipts alone."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from db import counts, outbox, queries
from db.engine import transaction
from db.records import AlertRecord, LookRecord
from detectors.types import Landslide
from detectors.vectorize import to_lonlat, to_projected
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
    """Landslides suspected in the drill region."""
    alerts_sent: int
    """Alerts of the drill region that the webhook receiver acknowledged."""
    control_suspected: int
    """Landslides suspected in the quiet control, tier *watch* included."""
    control_alerts: int
    """Alerts decided for the quiet control."""
    drill_iou: float
    """Intersection over union of the planted and the best suspected outline."""
    drill_looks_to_suspect: int | None
    """Looks of the planted burst after the event until suspicion; 1 = the first."""
    seconds_publish_to_alert_median: float | None
    """Wall clock from the item's ``created`` in the catalogue to the receiver's receipt."""
    second_run_processed: int
    """Looks judged when the whole archive was polled again."""
    second_run_sent: int
    """Messages sent by that."""


def work_done(engine: Engine) -> tuple[int, int]:
    """Return how often looks were taken up, and how many receipts there are."""
    with transaction(engine) as s:
        attempts = sum(look.attempts for look in queries.list_looks(s))
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
        suspected = queries.list_landslides(s, drill.id)
        records = outbox.list_alerts(s, drill.id)
        looks = queries.list_looks(s, region_id=drill.id)
    best, iou = best_match(suspected)
    seconds = seconds_to_receipt(records, looks)
    return DemoSummary(
        acquisitions_seen=summary.acquisitions,
        acquisitions_processed=summary.looks("processed"),
        acquisitions_failed=summary.looks("failed"),
        suspected=len(suspected),
        alerts_sent=len(seconds),
        control_suspected=sum(summary.regions[control.id].landslides.get("suspected", {}).values()),
        control_alerts=summary.regions[control.id].alerts,
        drill_iou=round(iou, 3),
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


def best_match(landslides: list[Landslide]) -> tuple[Landslide | None, float]:
    """Return the landslide that fits the planted outline best, and their IoU."""
    truth, epsg = Drill().outline, Drill().epsg
    best: tuple[Landslide | None, float] = (None, 0.0)
    for landslide in landslides:
        found = to_projected(landslide.geometry, epsg)
        iou = found.intersection(truth).area / found.union(truth).area
        if iou > best[1]:
            best = (landslide, float(iou))
    return best


def looks_to_suspect(landslide: Landslide, looks: list[LookRecord]) -> int:
    """Count the looks that could have shown the planted slide, up to the one that did."""
    truth = to_lonlat(Drill().outline, Drill().epsg)
    return sum(
        bool(
            Drill().happened_at <= look.acquisition.sensed_at <= landslide.not_after
            and look.acquisition.footprint.intersects(truth)
        )
        for look in looks
    )
