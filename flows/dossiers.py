"""Everything that is stored about one landslide, read at once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db import optical, outbox, queries, radar
from db.exclusions import Covered, covered
from db.exposure import exposure_of
from db.records import AlertRecord, TransitionRecord
from detectors.exposure import Exposure
from detectors.types import Detection, Landslide, OpticalCheck, RadarCheck, Review


@dataclass(frozen=True, slots=True)
class Dossier:
    """A landslide, its past and what was said of it."""

    versions: tuple[Landslide, ...]
    """First to last, at least one."""
    detections: tuple[Detection, ...]
    """In order of sensing."""
    checks: tuple[OpticalCheck, ...]
    """What optical looks said, in order of sensing."""
    support: tuple[RadarCheck, ...]
    """What radar looks said, in order of sensing: the evidence behind its tier."""
    alerts: tuple[AlertRecord, ...]
    """Oldest first."""
    exposure: Exposure | None
    """What lies there by the maps that are loaded now; None: no map reaches it."""
    excluded: Covered | None
    """How far exclusions cover it now; None: not at all."""
    transitions: tuple[TransitionRecord, ...] = ()
    """Steps of state and tier, in the order in which we learnt of them."""
    reviews: tuple[Review, ...] = ()
    """What people decided, oldest first."""
    backfilled: bool = False
    """First seen by a look from before its region was watched: nobody was told of it then."""

    @property
    def latest(self) -> Landslide:
        """What is believed now."""
        return self.versions[-1]


def load(s: Session, landslide_id: uuid.UUID) -> Dossier:
    """Read a stored landslide."""
    versions = tuple(queries.landslide_history(s, landslide_id))
    region = queries.get_region(s, versions[-1].region_id, include_removed=True)
    return Dossier(
        versions,
        tuple(queries.landslide_detections(s, landslide_id)),
        tuple(optical.optical_checks(s, landslide_id)),
        tuple(radar.radar_checks(s, [landslide_id]).get(landslide_id, ())),
        tuple(outbox.list_alerts(s, landslide_id=landslide_id)[::-1]),
        exposure_of(s, versions[-1].geometry),
        covered(s, versions[-1].geometry),
        tuple(queries.list_transitions(s, landslide_id)),
        tuple(queries.list_reviews(s, [landslide_id])),
        versions[-1].not_after < region.watch_from,
    )
