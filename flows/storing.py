"""What a judged look changes: detections, what radar says of landslides, versions, alerts.

All of it in ONE transaction with the end of the look, so that an alert is in the outbox if and only
if its landslide is stored, and a worker that lost its lease stores nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from alerts.cap import Context
from db import queries, radar, store
from db.engine import transaction
from db.records import ClaimedLook
from detectors.fusion import merged, sighting, weigh
from detectors.tracking import REPEATS, SETTLED, kept_out, repeats, track
from detectors.types import Acquisition, Landslide, RadarCheck, Sensor, State, WatchedRegion
from flows.services import Services
from flows.telling import tell

if TYPE_CHECKING:
    from flows.judging import Judgement


def known_changes(s: Session, region: WatchedRegion, look: Acquisition) -> list[Landslide]:
    """Return the landslides that are left out of the history a radar look is held against."""
    known = queries.open_landslides(s, region.id)
    if not known:
        return []
    since = min(one.not_after for one in known) - REPEATS
    refuted = queries.list_landslides(s, region.id, state=State.REFUTED, since=since)
    near = [one for one in known if one.geometry.intersects(look.footprint)]
    return kept_out(near, refuted, look.sensed_at)


def store_judgement(
    services: Services, region: WatchedRegion, claimed: ClaimedLook, judgement: Judgement
) -> int:
    """Store detections, landslides, alerts and the end of the look in ONE transaction.

    Returns:
        How many alerts were written to the outbox.
    """
    look = claimed.acquisition
    with transaction(services.engine) as s:
        store.lock_region(s, region.id)
        store.store_detections(s, judgement.detections)
        work = _Work(services, s, region, look, Context(share_seen=judgement.share_seen))
        work.join(judgement)
        work.weigh(judgement.checks)
        radar.record_observability(
            s, region.id, look.id, judgement.coverage,
            simulated=region.simulated or look.simulated,
        )  # fmt: skip
        reason = f"left out: {', '.join(judgement.left_out)}" if judgement.left_out else None
        store.finish_look(
            s, claimed.id, services.owner, "processed", reason, judgement.share_seen,
            judgement.advisory, datetime.now(UTC),
        )  # fmt: skip
    return work.alerts


@dataclass(slots=True)
class _Work:
    """The landslides of a region while one look is worked into them."""

    services: Services
    s: Session
    region: WatchedRegion
    look: Acquisition
    context: Context
    alerts: int = 0
    known: dict[uuid.UUID, Landslide] = field(init=False)

    def __post_init__(self) -> None:
        self.known = {one.id: one for one in queries.open_landslides(self.s, self.region.id)}

    def join(self, judgement: Judgement) -> None:
        """Let detections join landslides or start them."""
        found = judgement.detections
        if not found:
            return
        met = [
            one.id
            for one in self.known.values()
            if any(one.geometry.intersects(detection.polygon) for detection in found)
        ]
        earlier = [held for one in met for held in queries.landslide_detections(self.s, one)]
        refuted = self._just_refuted(min(detection.not_after for detection in found))
        heard = self._heard(met)
        before = tuple(self.known.values())
        by_id = {detection.id: detection for detection in found}
        said: list[RadarCheck] = []
        for version in track(found, before, earlier, refuted, heard):
            new = version.id not in self.known
            self._append(version)
            detection = by_id[version.detections[-1]]
            if detection.source is Sensor.SAR:
                repeated = repeats(detection.not_after, detection.polygon, refuted)
                said.append(sighting(version, detection, repeats=repeated))
            if new:
                radar.reopen_later_looks(self.s, version, SETTLED)
        radar.record_radar_checks(self.s, merged(said))

    def weigh(self, checks: Collection[RadarCheck]) -> None:
        """Let a look raise or lower landslides it was asked about; what it found itself stands."""
        asked = {check.landslide_id for check in checks if check.landslide_id in self.known}
        found = {
            landslide
            for landslide, said in self._heard(asked).items()
            if any(one.acquisition_id == self.look.id and one.tier is not None for one in said)
        }
        fresh = [check for check in checks if check.landslide_id in asked - found]
        radar.record_radar_checks(self.s, fresh)
        for landslide, said in self._heard(asked - found).items():
            version = weigh(self.known[landslide], said)
            if version is not None:
                self._append(version)

    def _append(self, version: Landslide) -> None:
        """Store a version and the alert it deserves."""
        store.store_landslide(self.s, version)
        previous = self.known.get(version.id)
        self.alerts += tell(
            self.services, self.s, self.region, self.look, version, previous, self.context
        )
        self.known[version.id] = version

    def _heard(self, landslides: Collection[uuid.UUID]) -> Mapping[uuid.UUID, list[RadarCheck]]:
        """Return what radar looks have said of landslides."""
        return radar.radar_checks(self.s, landslides)

    def _just_refuted(self, since: datetime) -> list[Landslide]:
        """Return the refuted landslides whose radar change detections may be showing again."""
        return queries.list_landslides(
            self.s, self.region.id, state=State.REFUTED, since=since - REPEATS
        )
