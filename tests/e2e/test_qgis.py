"""The real QGIS: the ready project opens, draws, edits; layers opened by hand come styled."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from sqlalchemy import Engine, text

from db import schema, store
from db.engine import connection, transaction
from db.layers import COLOURS, LAYERS
from db.project import Server, project
from db.styles import columns, extent
from detectors.types import Landslide, State
from tests.records import Make

SYSTEM_PYTHON = Path("/usr/bin/python3")
SCRIPT = Path(__file__).parents[1] / "qgis_script.py"
BY_HAND = ("landslides_current", "detections")


def _qgis_is_there() -> bool:
    found = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import qgis.core"], capture_output=True, check=False
    )
    return found.returncode == 0


pytestmark = pytest.mark.skipif(
    not (SYSTEM_PYTHON.exists() and _qgis_is_there()),
    reason="no QGIS; install Debian's python3-qgis",
)


@pytest.fixture
def slide(engine: Engine) -> Landslide:
    """The confirmed one of three side by side: suspected, confirmed, SIMULATED."""
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
    return confirmed


def _open(engine: Engine, folder: Path, *words: str) -> dict[str, Any]:
    """Write the project, let QGIS open it, and return what it says."""
    file = folder / "analysts.qgs"
    with connection(engine) as opened:
        info = opened.connection.dbapi_connection.info
        server = Server(info.dbname, info.host, info.port, info.user)
        said = {layer.view: columns(opened, layer.view) for layer in LAYERS}
        file.write_text(project(server, said, extent(opened)))
    private = folder / "home"
    private.mkdir(mode=0o700)
    ran = subprocess.run(
        [SYSTEM_PYTHON, SCRIPT, file, folder / "map.png", *words],
        env={
            **os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(private),
            "XDG_RUNTIME_DIR": str(private),
        },
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return told


def test_the_project_opens_draws_and_edits(
    engine: Engine, slide: Landslide, tmp_path: Path
) -> None:
    said = _open(engine, tmp_path, "--edit", str(slide.id), *BY_HAND)
    assert said["read"], said["error"]
    layers = said["layers"]
    assert set(layers) == {f"analysts_{layer.view}" for layer in LAYERS}
    for layer in LAYERS:
        found = layers[f"analysts_{layer.view}"]
        assert found["valid"], found["error"]
        assert found["name"] == layer.title
        assert found["legend"] == [rule.label for rule in layer.rules]
        assert found["labels"] is bool(layer.label)
        assert found["read_only"] is not bool(layer.edited)
        assert not set(found["fixed"]) & set(layer.edited)
        assert {n for n, kind in found["form"].items() if kind == "ValueMap"} == set(layer.choices)
    assert set(said["relations"].values()) == {True}
    for view in BY_HAND:
        (layer,) = (one for one in LAYERS if one.view == view)
        assert said["by_hand"][view] == {
            "valid": True, "legend": [rule.label for rule in layer.rules],
        }  # fmt: skip
    with rasterio.open(tmp_path / "map.png") as picture:
        pixels = picture.read([1, 2, 3]).reshape(3, -1).T
    for state in (State.SUSPECTED, State.CONFIRMED):
        assert np.any(np.all(pixels == COLOURS[state], axis=1)), f"no outline of {state}"
    assert said["edited"]["committed"], said["edited"]["errors"]
    with connection(engine) as opened:
        latest, before = opened.execute(
            text(
                "SELECT revision, area_m2, drawn_by, cause FROM analysts.landslide_history"
                " WHERE id = :id ORDER BY revision DESC LIMIT 2"
            ),
            {"id": slide.id},
        )
        given = opened.scalar(
            text('SELECT "trigger" FROM analysts.landslides_current WHERE id = :id'),
            {"id": slide.id},
        )
    assert latest.revision == before.revision + 1
    assert latest.area_m2 > before.area_m2
    assert latest.drawn_by
    assert "seen from the road" in latest.cause
    assert given == "rainfall"
