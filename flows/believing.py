"""What new evidence makes of the landslides of a region, in the caller's transaction.

Evidence that comes in the order of the world is worked into what is believed. Evidence that is
older than something already heard is judged as of its own time: all that was said of that place is
folded anew (``detectors.lifecycle``), and what differs from what stands is appended as new
versions. One alert at most follows for each landslide, about what is believed in the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shapely.geometry.base import BaseGeometry
from sqlalchemy.orm import Session

from alerts.cap import Context
from db import evidence, queries, radar, store
from db.evidence import Place
from detectors.fusion import merged, weighed
from detectors.lifecycle import Evidence, Life, Waits, differing, refold, retired
from detectors.tracking import SETTLED
from detectors.types import (
    Acquisition,
    Detection,
    Landslide,
    OpticalCheck,
    RadarCheck,
    Review,
    WatchedRegion,
)
from flows.services import Services
from flows.telling import tell


def waits_of(services: Services) -> Waits:
    """Return how long this installation waits."""
    return Waits(services.settings.optical_window, services.settings.close_after)


def last_look(s: Session, landslide: Landslide) -> Acquisition:
    """Return the last look that a landslide was changed by: what people and time speak about."""
    made = [v.acquisition_id for v in queries.landslide_history(s, landslide.id)]
    looks = [queries.get_acquisition(s, one) for one in made if one is not None]
    found = queries.landslide_detections(s, landslide.id)
    looks += [queries.get_acquisition(s, found[-1].acquisition_id)] if not looks else []
    return max(looks, key=lambda look: look.sensed_at)


@dataclass(slots=True)
class Books:
    """The landslides of a region while one look, or one person, is worked into them.

    The caller holds the region's lock.
    """

    services: Services
    s: Session
    region: WatchedRegion
    look: Acquisition
    """The look that speaks, or the last one that a person spoke about."""
    context: Context | None = None
    """What else alerts tell of that look."""
    alerts: int = 0
    """Alerts written to the outbox."""
    known: dict[uuid.UUID, Landslide] = field(default_factory=dict)
    """Latest versions, as far as they were needed."""
    _life: Life = field(init=False)

    def judged(self, detections: Sequence[Detection], checks: Sequence[RadarCheck]) -> None:
        """Work in what a look found, and what it says of landslides that it did not find."""
        says = {one.id for one in detections}
        again = evidence.supersede(self.s, self.region.id, self.look.id, says)
        at = self.look.sensed_at
        if again or evidence.anything_since(self.s, self.region.id, at, self.look.id):
            radar.record_radar_checks(self.s, checks)
            asked = (queries.get_landslide(self.s, check.landslide_id) for check in checks)
            self._fold([*(d.polygon for d in detections), *(one.geometry for one in asked if one)])
            return
        self._join(detections)
        self._weigh(checks)

    def seen(self, check: OpticalCheck, latest: Landslide) -> Landslide:
        """Work in what an optical look says of a landslide; return what is believed now."""
        if evidence.anything_since(self.s, self.region.id, check.sensed_at, check.acquisition_id):
            self._fold([latest.geometry])
        else:
            self._step([latest]).see(check)
            self._keep()
        return self.known.get(latest.id, latest)

    def reviewed(self, review: Review, latest: Landslide) -> Landslide:
        """Work in a person's verdict; return what is believed now."""
        store.record_review(self.s, review)
        self._step([latest]).review(review)
        self._keep()
        return self.known.get(latest.id, latest)

    def waited(self, latest: Landslide, now: datetime) -> Landslide:
        """Work in what time alone decides; return what is believed now."""
        self._step([latest]).wait(now)
        self._keep()
        return self.known[latest.id]

    def _step(self, landslides: Sequence[Landslide]) -> Life:
        """Begin with what is stored of some landslides."""
        self.known |= {one.id: one for one in landslides}
        self._life = Life(
            waits_of(self.services),
            current={one.id: one for one in landslides},
            said=dict(radar.radar_checks(self.s, [one.id for one in landslides])),
        )
        return self._life

    def _keep(self) -> None:
        """Store what has come about, and tell whom it concerns: once, of what is believed now."""
        before: dict[uuid.UUID, Landslide | None] = {}
        for version in self._life.versions:
            before.setdefault(version.id, self.known.get(version.id))
            store.store_landslide(self.s, version)
            self.known[version.id] = version
        for identity, previous in before.items():
            self._tell(self.known[identity], previous)

    def _join(self, detections: Sequence[Detection]) -> None:
        """Let detections join landslides or start them."""
        if not detections:
            return
        ground = [detection.polygon for detection in detections]
        met = [
            one
            for one in queries.open_landslides(self.s, self.region.id)
            if any(one.geometry.intersects(polygon) for polygon in ground)
            or any(detection.id in one.detections for detection in detections)
        ]
        ended = queries.ended_landslides(self.s, self.region.id, over_any=ground)
        ended += [
            one
            for detection in detections
            for one in queries.landslides_of_detection(self.s, detection.id)
            if one.id not in {*(m.id for m in met), *(e.id for e in ended)}
        ]
        life = self._step([*met, *ended])
        earlier = (d for one in met for d in queries.landslide_detections(self.s, one.id))
        life.found = {one.id: one for one in earlier}
        life.take(detections)
        begun = [v for v in life.versions if v.revision == 1]
        touched = {version.id for version in life.versions}
        self._keep()
        self._record_sightings(life, touched)
        for version in begun:
            radar.reopen_later_looks(self.s, version, SETTLED)

    def _record_sightings(self, life: Life, touched: Collection[uuid.UUID]) -> None:
        said = [
            check
            for landslide in touched
            for check in life.said.get(landslide, ())
            if check.tier is not None
        ]
        radar.record_radar_checks(self.s, merged(said))

    def _weigh(self, checks: Collection[RadarCheck]) -> None:
        """Let a look raise or lower landslides it was asked about; what it found itself stands."""
        open_ones = {one.id: one for one in queries.open_landslides(self.s, self.region.id)}
        asked = {check.landslide_id for check in checks if check.landslide_id in open_ones}
        found = {
            landslide
            for landslide, said in radar.radar_checks(self.s, asked).items()
            if any(one.acquisition_id == self.look.id and one.tier is not None for one in said)
        }
        fresh = [check for check in checks if check.landslide_id in asked - found]
        radar.record_radar_checks(self.s, fresh)
        self._step([open_ones[one] for one in sorted(asked - found)]).hear(fresh)
        self._keep()

    def _tell(self, version: Landslide, previous: Landslide | None) -> None:
        """Write the alert that a version deserves."""
        self.alerts += tell(
            self.services, self.s, self.region, self.look, version, previous, self.context
        )

    def _fold(self, ground: Iterable[BaseGeometry]) -> None:
        """Judge places anew, each with all that was said of it."""
        for place in evidence.places(self.s, self.region.id, ground):
            self._refold(place)

    def _refold(self, place: Place) -> None:
        said = Evidence(place.detections, place.radar, place.optical, place.reviews, place.drawn)
        life, gone = refold(
            said, waits_of(self.services), self.services.clock.now(), place.landslides,
            place.superseded,
        )  # fmt: skip
        before = {one.id: one for one in place.landslides}
        self.known |= before
        evidence.name_landslides(self.s, self.region.id, list(life.current))
        changed: list[Landslide] = []
        for identity in life.current:
            latest = before.get(identity)
            heirs = tuple(old for old, heir in gone.items() if heir == identity)
            version = self._rewrite(life, identity, latest, place, heirs)
            if version is not None:
                changed.append(version)
        for old, heir in gone.items():
            since = min(one.valid_from for one in place.stands[old])
            store.store_landslide(self.s, retired(before[old], heir, since))
        ours = [c for said_of in life.said.values() for c in said_of if c.tier is not None]
        evidence.replace_sightings(self.s, list(before), merged(ours))
        for version in changed:
            previous = before.get(version.id)
            self._tell(version, previous)
            if previous is None or (weighed(version) and _moved(previous, version)):
                radar.reopen_later_looks(self.s, version, SETTLED, heard=previous is not None)

    def _rewrite(
        self,
        life: Life,
        identity: uuid.UUID,
        latest: Landslide | None,
        place: Place,
        heirs: tuple[uuid.UUID, ...],
    ) -> Landslide | None:
        """Append what a fold says differently of one landslide; return the last version of it."""
        timeline = [version for version in life.versions if version.id == identity]
        rest = differing(timeline, place.stands.get(identity, ()))
        if heirs and not rest:
            rest = [timeline[-1]]
        revision = latest.revision if latest else 0
        absorbed = () if latest is None else latest.merged_from
        for number, version in enumerate(rest, start=revision + 1):
            whole = tuple(dict.fromkeys((*absorbed, *version.merged_from, *heirs)))
            self.known[identity] = replace(version, revision=number, merged_from=whole)
            store.store_landslide(self.s, self.known[identity])
        return self.known[identity] if rest else None


def _moved(before: Landslide, now: Landslide) -> bool:
    """Tell whether later looks were asked about another landslide than this."""
    return (before.geometry, before.not_after) != (now.geometry, now.not_after)
