"""A database with something in it."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db import store
from db.engine import transaction
from detectors.types import Acquisition, Detection, Landslide, WatchedRegion
from tests.records import Make


@pytest.fixture
def make() -> Make:
    return Make()


@dataclasses.dataclass
class World:
    """A database with one region, one look, two detections and one landslide stored."""

    engine: Engine
    region: WatchedRegion
    acquisition: Acquisition
    detections: tuple[Detection, Detection]
    landslide: Landslide

    def open(self) -> AbstractContextManager[Session]:
        return transaction(self.engine)


@pytest.fixture
def world(engine: Engine, make: Make) -> World:
    region, acquisition = make.region(), make.acquisition()
    detections = (make.detection(acquisition), make.detection(acquisition, 1))
    landslide = make.landslide(*detections)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [acquisition])
        store.store_detections(s, detections)
        store.store_landslide(s, landslide)
    return World(engine, region, acquisition, detections, landslide)
