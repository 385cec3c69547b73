"""The real QGIS: the ready project opens, draws, edits; layers opened by hand come styled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from sqlalchemy import Engine, text

from db.engine import connection
from db.layers import COLOURS, LAYERS
from db.project import Server, project
from db.styles import columns, extent
from detectors.types import Landslide, State

Run = Callable[..., dict[str, Any]]
BY_HAND = ("landslides_current", "detections")


def _open(run_qgis: Run, engine: Engine, folder: Path, *words: str) -> dict[str, Any]:
    """Write the project, let QGIS open it, and return what it says."""
    file = folder / "analysts.qgs"
    with connection(engine) as opened:
        info = opened.connection.dbapi_connection.info
        server = Server(info.dbname, info.host, info.port, info.user)
        said = {layer.view: columns(opened, layer.view) for layer in LAYERS}
        file.write_text(project(server, said, extent(opened)))
    return run_qgis("open_project.py", str(file), str(folder / "map.png"), *words)


def test_the_project_opens_draws_and_edits(
    run_qgis: Run, engine: Engine, inventory: Landslide, tmp_path: Path
) -> None:
    said = _open(run_qgis, engine, tmp_path, "--edit", str(inventory.id), *BY_HAND)
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
            {"id": inventory.id},
        )
        given = opened.scalar(
            text('SELECT "trigger" FROM analysts.landslides_current WHERE id = :id'),
            {"id": inventory.id},
        )
    assert latest.revision == before.revision + 1
    assert latest.area_m2 > before.area_m2
    assert latest.drawn_by
    assert "seen from the road" in latest.cause
    assert given == "rainfall"
