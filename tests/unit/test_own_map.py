"""``scarpwatch map-my-own`` and its notebook, on a SIMULATED place, run for real."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile
from shapely.geometry import box

from flows.own_example import write_example
from tests.learning import typed

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "infra" / "notebooks" / "map-my-own.ipynb"


def test_one_command_from_rasters_to_a_map(tmp_path: Path) -> None:
    rasters, polygons = write_example(tmp_path / "example", 176)
    out = tmp_path / "out"
    words = [word for path in rasters for word in ("--raster", path)]
    result = typed("map-my-own", *words, "--polygons", polygons, "--out", out, "--epochs", 2,
                   "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["window"] == 32
    assert set(answer["test"]["pixels"]["classes"]) == {"background", "mapped"}
    with rasterio.open(out / "map.tif") as codes, rasterio.open(rasters[0]) as first:
        assert codes.shape == first.shape
        assert codes.transform == first.transform
        mapped = codes.read(1)
    # Beyond the polygons, too.
    assert set(np.unique(mapped[:, 140:])) <= {0, 1}
    assert len(gpd.read_file(out / "outlines.gpkg")) == answer["outlines"]
    with MemoryFile((out / "picture.png").read_bytes()) as file, file.open() as picture:
        assert picture.shape == (1230, 1095)
    assert "SIMULATED_polygons" in (out / "model" / "CARD.md").read_text(encoding="utf-8")
    again = typed("map-my-own", *words, "--polygons", polygons, "--out", out, "--epochs", 2,
                  "--resume")  # fmt: skip
    assert again.exit_code == 0
    assert answer["model"] in again.stdout.replace("\n", "")


def test_polygons_that_cannot_be_learnt_from_are_named(tmp_path: Path) -> None:
    rasters, _ = write_example(tmp_path / "example", 176)

    def order(*shapes) -> str:
        gpd.GeoDataFrame(geometry=list(shapes), crs=32624).to_file(tmp_path / "p.gpkg")
        result = typed("map-my-own", "--raster", rasters[0], "--polygons", tmp_path / "p.gpkg",
                       "--out", tmp_path / "out")  # fmt: skip
        assert result.exit_code == 1
        return result.output.replace("\n", " ")

    alone = box(500_100, 4_899_000, 500_900, 4_899_500)
    assert "fill their convex hull" in order(alone)
    near = box(500_100, 4_899_600, 500_300, 4_899_700)
    assert "add polygons" in order(alone, near)
    assert "no label lies inside" in order(box(0, 0, 10, 10))


def test_the_notebook_is_what_its_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("make", NOTEBOOK.with_name("make.py"))
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert NOTEBOOK.read_text(encoding="utf-8") == made.notebook()


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(cell.get("outputs", []) == [] for cell in cells)
    # The same cells on a smaller example, for one epoch.
    shorter = {"EPOCHS = 12": "EPOCHS = 1", '/ "example")': '/ "example", 176)'}
    for long, short in shorter.items():
        assert sum(long in code for code in codes) == 1
        codes = [code.replace(long, short) for code in codes]
    names: dict[str, object] = {}
    for code in codes:
        exec(compile(code, "cell", "exec"), names)
    for name in ("map.tif", "score.tif", "outlines.gpkg", "picture.png", "model/CARD.md"):
        assert (tmp_path / "my-map" / name).is_file()
