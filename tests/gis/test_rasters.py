"""Composites in the real QGIS: as files in their units, and as tiles of the page, drawn alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from typer.testing import CliRunner

from db.layers import COLOURS
from detectors.types import State
from flows.cli import app
from tests.optical_watch import OpticalWatch
from tests.page_server import served_page
from tests.radar_layers import CHANGE_DB, SIGMA, keep_radar

#: Pictures of the maps, kept as build output.
KEPT = Path(__file__).resolve().parents[2] / "build" / "gis"
ORANGE = (178, 74, 0)


@pytest.fixture
def world(watch_optically: Any, monkeypatch: pytest.MonkeyPatch, database_url: str) -> OpticalWatch:
    """A landslide that radar suspects, and what the look left."""
    made = watch_optically(before=(), settings={"keep_composites_days": 30})
    keep_radar(made, made.suspect())
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", database_url)
    return made


@pytest.fixture
def page(world: OpticalWatch) -> Iterator[str]:
    with served_page(world.services) as address:
        yield address


@pytest.fixture
def opened(
    run_qgis: Callable[..., dict[str, Any]], world: OpticalWatch, tmp_path: Path
) -> Callable[..., tuple[dict[str, Any], np.ndarray]]:
    """Writes a project, lets QGIS draw it, and returns what it says and the picture (y, x, 3)."""

    def run(name: str, *words: str) -> tuple[dict[str, Any], np.ndarray]:
        file = tmp_path / f"{name}.qgs"
        ran = CliRunner().invoke(
            app, ["db", "qgis", str(file), "--composites", "3", "--user", "postgres", *words]
        )
        assert ran.exit_code == 0, ran.output
        assert "4 rasters" in ran.output
        KEPT.mkdir(parents=True, exist_ok=True)
        picture = KEPT / f"composites-{name}.png"
        (one,) = world.landslides()
        middle = one.geometry.representative_point()
        said = run_qgis("open_rasters.py", str(file), str(picture), str(middle.x), str(middle.y))
        assert said["read"], said["error"]
        assert all(layer["valid"] for layer in said["layers"].values()), said
        assert all(
            layer["name"].startswith("EXERCISE SIMULATED") for layer in said["layers"].values()
        )
        with rasterio.open(picture) as drawn:
            return said["layers"], drawn.read([1, 2, 3]).transpose(1, 2, 0).astype(int)

    return run


def like_orange(pixels: np.ndarray) -> np.ndarray:
    """Return where a picture shows a full score over grey."""
    return np.abs(pixels - ORANGE).sum(axis=-1) < 60


def test_files_open_in_their_units_and_tiles_look_the_same(opened: Any, page: str) -> None:
    layers, files = opened("files")
    kinds = {name.rsplit("_", 1)[1]: layer for name, layer in layers.items()}
    assert {kind: layer["renderer"] for kind, layer in kinds.items()} == {
        "score": "singlebandpseudocolor", "post": "singlebandgray", "pre": "singlebandgray",
        "unseen": "paletted",
    }  # fmt: skip
    assert {kind for kind, layer in kinds.items() if layer["shown"]} == {"score", "post"}
    assert {layer["crs"] for layer in kinds.values()} == {"EPSG:32611"}
    # dB and sigma, not numbers of the file.
    assert abs(kinds["post"]["value"] - kinds["pre"]["value"] - CHANGE_DB) < 6
    assert abs(kinds["score"]["value"] - SIGMA) < 4
    assert kinds["unseen"]["value"] == 0
    outlined = np.abs(files - COLOURS[State.SUSPECTED]).sum(axis=-1) < 10
    assert outlined.sum() > 100, "outlines lie over rasters"
    scored = like_orange(files)
    assert scored.sum() > 500
    layers, tiles = opened("tiles", "--page", page)
    assert {layer["provider"] for layer in layers.values()} == {"wms"}
    both = like_orange(tiles)
    assert (both & scored).sum() > 0.5 * scored.sum(), "hatched, the slide lies where it lay"
    apart = np.abs(tiles - files).mean()
    assert apart < 12, "tiles are drawn as QGIS draws files"
