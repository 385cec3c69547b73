"""What analysts bring along: QGIS, as its own Python runs it, and an inventory to look at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shapely.affinity import translate
from sqlalchemy import Engine

from db import schema, store
from db.engine import transaction
from db.inventories import store_inventory
from detectors.inventories import Inventory, MappedLandslide
from detectors.types import Landslide, State
from tests.records import Make

SYSTEM_PYTHON = Path("/usr/bin/python3")


@pytest.fixture(scope="session")
def qgis_python() -> Path:
    """The Python that QGIS belongs to."""
    asked = [SYSTEM_PYTHON, "-c", "import qgis.core"]
    if not SYSTEM_PYTHON.exists() or subprocess.run(asked, capture_output=True).returncode:
        pytest.skip("no QGIS; install Debian's python3-qgis")
    return SYSTEM_PYTHON


@pytest.fixture(scope="session")
def ogr2ogr() -> str:
    """GDAL's own converter, with the driver that reads an OGC API."""
    found = shutil.which("ogr2ogr")
    if found is None:
        pytest.skip("no ogr2ogr; install Debian's gdal-bin")
    drivers = subprocess.run([found, "--formats"], capture_output=True, text=True, check=True)
    if "OAPIF" not in drivers.stdout:
        pytest.skip("this ogr2ogr has no driver OAPIF")
    return found


@pytest.fixture
def run_qgis(qgis_python: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a script of this folder in QGIS, without a screen, and returns what it says."""
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    environment = {
        **os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(private),
        "XDG_RUNTIME_DIR": str(private),
    }  # fmt: skip

    def run(script: str, *words: str) -> dict[str, Any]:
        ran = subprocess.run(
            [qgis_python, Path(__file__).with_name(script), *words],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
        return told

    return run


@pytest.fixture
def inventory(engine: Engine) -> Landslide:
    """The confirmed one of three side by side: suspected, confirmed, SIMULATED; one is mapped."""
    make = Make()
    schema.upgrade(engine)  # the test's database is a copy under another name
    with transaction(engine) as s:
        store.save_region(s, make.region())
        for number in range(3):
            look = make.acquisition(number, simulated=number == 2)
            detection = make.detection(look, number, simulated=number == 2)
            slide = make.landslide(detection, simulated=number == 2)
            store.record_acquisitions(s, make.region(), [look])
            store.store_detections(s, [detection])
            store.store_landslide(s, slide)
            if number == 1:
                verdict = {"verdict_at": slide.not_after, "d_ndvi": -0.4, "ensemble_score": 0.8}
                store.store_landslide(
                    s, replace(slide, revision=2, state=State.CONFIRMED, **verdict)
                )
                confirmed = slide
    outline = translate(confirmed.geometry, 0, 0.02)
    with transaction(engine) as s:
        terms = Inventory("survey", "survey.gpkg", "", "", "CC BY 4.0", "Survey")
        store_inventory(s, terms, [MappedLandslide("survey", 1, outline)])
    return confirmed
