"""Predicted land cover as the band that landslide recipes look at, on SIMULATED places.

Landslides and harvested fields lose as much vegetation here; the cover under them tells them apart.
"""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from bench.recipes.judging import compare, tiny
from bench.recipes.places import spots
from bench.recipes.places import write as write_raster
from flows import raster_training
from flows.places import Source, open_place
from flows.raster_training import Example, Reading
from tests.learning import typed

S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
#: Codes of the recipe.
CONIFEROUS, GRASS, CROP = 1, 6, 9
SIZE, PIXEL, HELD_OUT = 96, 10.0, 1


def place(folder: Path, number: int) -> Path:
    """A folder with reflectance before, the change, and both truths."""
    draw = np.random.default_rng(number)

    def scatter(spread: float) -> np.ndarray:
        return draw.normal(0, spread, (SIZE, SIZE))

    forest, farmed = (spots(draw, SIZE, longest, 0.5) for longest in (30, 40))
    cover = np.where(farmed, CROP, np.where(forest, CONIFEROUS, GRASS))
    bared = spots(draw, SIZE, 16, 0.25)
    slides = (bared & ~farmed).astype(np.uint8)[None]
    here = folder / f"place{number}"
    tones = np.random.default_rng(3).uniform(0.05, 0.4, (11, len(S2)))
    reflectance = np.stack([tones[cover, n] + scatter(0.05) for n in range(len(S2))])
    plants = np.where(bared, 0.2, 0.8) + scatter(0.1)
    change = {
        "pre_red": 0.05 + scatter(0.004), "pre_nir": 0.3 + scatter(0.01),
        "post_red": 0.14 - 0.1 * plants, "post_nir": 0.19 + 0.12 * plants,
    }  # fmt: skip
    for path, values, names in (
        ("before/s2.tif", reflectance.astype(np.float32), S2),
        ("before/labels.tif", cover[None].astype(np.uint8), ["class"]),
        ("change.tif", np.stack(list(change.values())).astype(np.float32), change),
        ("truth/labels.tif", slides, ["class"]),
        # Trees know classes from 1 on.
        ("labels.tif", slides + 1, ["class"]),
    ):
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        write_raster(here / path, values, PIXEL, names)
    return here


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("places")
    return [place(folder, number) for number in range(5)]


def test_a_tree_maps_cover_that_a_tree_looks_at(places: list[Path], tmp_path: Path) -> None:
    learnt, held = [p for n, p in enumerate(places) if n != HELD_OUT], places[HELD_OUT]
    words = [f"--place={p / 'before'}" for p in learnt]
    made = typed("recipes", "train", "--recipe", "cart", *words, "--out", tmp_path / "cover.json")
    assert made.exit_code == 0, made.output
    for one in places:
        mapped = typed(
            "recipes", "predict", "--model", tmp_path / "cover.json",
            "--raster", one / "before" / "s2.tif", "--out", one / "land_cover.tif",
        )  # fmt: skip
        assert mapped.exit_code == 0, mapped.output
    words = [f"--place={p}" for p in learnt]
    tree = tmp_path / "slides.json"
    made = typed("recipes", "train", "--recipe", "cart", "--bands-of", "landslide-s2", *words,
                 "--out", tree)  # fmt: skip
    assert made.exit_code == 0, made.output
    assert json.loads(tree.read_text())["features"] == ["land_cover", "d_ndvi"]
    scored = typed(
        "recipes", "evaluate", "--model", tree, "--raster", held / "change.tif",
        "--raster", f"land_cover={held / 'land_cover.tif'}", "--labels", held / "labels.tif",
        "--json",
    )  # fmt: skip
    assert scored.exit_code == 0, scored.output
    answer = json.loads(scored.stdout)
    f1 = answer["pixels"]["classes"]["2"]["f1"]
    assert f1 > best_of_one(learnt, held) + 0.03
    assert answer["by_area"]["classes"]["2"]["area"]["half"] is None
    without = typed("recipes", "predict", "--model", tree, "--raster", held / "change.tif",
                    "--out", tmp_path / "m.tif")  # fmt: skip
    assert without.exit_code != 0
    assert "land-cover or cart" in without.output.replace("\n", " ")


def best_of_one(learnt: list[Path], held: Path) -> float:
    """F1 of the best threshold on the change of NDVI, learnt and used."""

    def change(one: Path) -> tuple[np.ndarray, np.ndarray]:
        with rasterio.open(one / "change.tif") as raster, rasterio.open(one / "labels.tif") as says:
            pre_red, pre_nir, red, nir = raster.read()
            truth = says.read(1) == 2
        return (nir - red) / (nir + red) - (pre_nir - pre_red) / (pre_nir + pre_red), truth

    def f1(values: np.ndarray, truth: np.ndarray, level: float) -> float:
        called = values < level
        return float(2 * (called & truth).sum() / (called.sum() + truth.sum()))

    parts = [change(one) for one in learnt]
    values, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
    best = max(np.quantile(values, np.linspace(0.01, 0.99, 99)), key=lambda x: f1(values, truth, x))
    return f1(*change(held), float(best))


@pytest.mark.slow
def test_a_network_maps_cover_that_a_network_looks_at(places: list[Path], tmp_path: Path) -> None:
    covers = [
        Example((Source(one / "before" / "s2.tif"),), one / "before" / "labels.tif")
        for one in places
    ]
    recipe, model = tiny("land-cover", 0, 6, 6), tmp_path / "land-cover"
    gathered = raster_training.gather(recipe, covers, Reading())
    asked, _ = raster_training.train(recipe, gathered, model)
    test = raster_training.examine(asked, recipe, covers, Reading(), gathered)
    assert test.pixels.overall_accuracy is not None
    assert test.pixels.overall_accuracy > 0.9
    examples = []
    for number, one in enumerate(places):
        out = tmp_path / f"cover{number}"
        mapped = typed("recipes", "predict", "--model", model,
                       "--raster", one / "before" / "s2.tif", "--out", out)  # fmt: skip
        assert mapped.exit_code == 0, mapped.output
        # No name is typed: the map says itself which band it is.
        sources = (Source(one / "change.tif"), Source(out / "map.tif"))
        examples.append(Example(sources, one / "truth" / "labels.tif"))
    with open_place("held out", examples[HELD_OUT].sources) as opened:
        assert "land_cover" in opened.names
    found = compare(tiny("landslide-s2", 0, 6, 8), examples, tmp_path / "slides")
    assert found.recipe > max(found.one_band, found.majority) + 0.03
    outlines = gpd.read_file(tmp_path / "cover0" / "outlines.gpkg")
    assert {"coniferous", "grass", "growing crop"} <= set(outlines["class"])
    assert (outlines.area >= 2500).all()
