"""What the demo reads out of versions, looks and receipts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, box
from shapely.geometry.base import BaseGeometry

from db.records import LookRecord
from detectors.projections import to_lonlat
from detectors.types import Acquisition, Landslide
from flows.demo.scene import regions
from flows.demo.summary import best_match, looks_to_suspect
from flows.drill import Drill
from flows.drill_optical import COLLECTION
from tests.records import Make

DRILL = Drill()
SLIDE = DRILL.slide
PLACE = to_lonlat(SLIDE.outline, DRILL.epsg)
make = Make()


def landslide(outline: BaseGeometry, seen: datetime) -> Landslide:
    detection = make.detection(make.acquisition())
    return make.landslide(
        detection, geometry=MultiPolygon([to_lonlat(outline, DRILL.epsg)]), not_after=seen
    )


def look(acquisition: Acquisition) -> LookRecord:
    return LookRecord(
        id=acquisition.id, region_id="san-rafael", acquisition=acquisition, state="processed",
        attempts=1, retry_at=None, reason=None, share_seen=1.0, advisory=None, finished_at=None,
    )  # fmt: skip


def test_the_drill_region_is_watched_by_radar_and_by_eye() -> None:
    drill, control = regions()
    assert [source.partition("/")[2] for source in drill.sources] == [DRILL.collection, COLLECTION]
    assert len(control.sources) == 1
    assert drill.simulated
    assert not control.simulated


def test_the_best_outline_is_the_one_that_overlaps_most() -> None:
    seen = SLIDE.happened_at + timedelta(days=6)
    near, far = (landslide(translate(SLIDE.outline, east), seen) for east in (40.0, 120.0))
    best, iou = best_match([far, near])
    assert best is near
    assert 0.2 < iou < 0.8
    assert best_match([landslide(SLIDE.outline, seen)])[1] == pytest.approx(1, abs=1e-3)
    assert best_match([landslide(DRILL.decoy.outline, seen)]) == (None, 0.0)


def test_only_radar_looks_after_the_event_count_until_suspicion() -> None:
    happened, area = SLIDE.happened_at, PLACE.buffer(0.01)
    day = timedelta(days=1)
    looks = [
        look(make.acquisition(number, sensed_at=happened + days * day, footprint=where))
        for number, (days, where) in enumerate(
            [(-6, area), (6, area), (6, box(0, 0, 1, 1)), (18, area), (30, area)]
        )
    ]
    looks.append(look(make.optical(9, sensed_at=happened + 7 * day, footprint=area)))
    assert looks_to_suspect(landslide(SLIDE.outline, happened + 18 * day), looks) == 2
    assert looks_to_suspect(landslide(SLIDE.outline, happened + 6 * day), looks) == 1
