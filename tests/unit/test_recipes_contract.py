"""Every recipe of rasters keeps the contract, and learns what one band cannot say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.recipes.judging import compare, tiny
from bench.recipes.places import KINDS, make
from detectors.networks import MAXIMUM_PARAMETERS, SIDE_MULTIPLE, parameters
from detectors.training import losses, raster_recipes
from detectors.training.bands import STATISTICS
from detectors.training.grid import grid_members
from flows.model_registry import CARD, check
from flows.raster_maps import load
from flows.recipe_list import every

#: The one network that its source names and that is larger.
LARGER = {"erosion"}
#: Radar, cover of two kinds, and whatever an operator brings; the others are for ``make long``.
SAMPLE = {"landslide-s1", "land-cover", "wetland", "bring-your-own"}


@pytest.mark.parametrize("name", raster_recipes.names())
def test_recipes_are_whole(name: str) -> None:
    recipe = raster_recipes.get(name)
    assert name in KINDS
    names = [band.name for band in recipe.bands]
    assert len(set(names)) == len(names)
    assert all(band.needs or band.formula is None or band.over for band in recipe.bands)
    assert all(band.over in {"", *STATISTICS} for band in recipe.bands)
    assert len(set(recipe.classes)) == len(recipe.classes) != 1
    assert recipe.window % SIDE_MULTIPLE == 0
    assert recipe.stride * 2 == recipe.window
    for spec in recipe.members:
        assert spec.loss in losses.names()
        outputs = 1 if len(recipe.classes) == 2 else max(len(recipe.classes), 2)
        size = parameters(spec.network.build(max(len(names), 3), outputs))
        assert (size <= MAXIMUM_PARAMETERS) == (name not in LARGER)


def test_each_recipe_is_listed_once() -> None:
    listed = [one.name for one in every()]
    assert len(set(listed)) == len(listed)
    assert {*raster_recipes.names(), "cart", "segments", "landslide-change", "time-series"} < {
        *listed
    }
    assert len(grid_members(128)) == 90


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one, marks=[] if one in SAMPLE else pytest.mark.long)
        for one in raster_recipes.names()
    ],
)
def test_recipes_beat_one_band_and_the_majority(name: str, tmp_path: Path) -> None:
    # One seed of the three in bench/recipes.md, half as long; whole SIMULATED places held out.
    found = compare(tiny(name, 0, 6, 8), make(name, tmp_path, 0), tmp_path / name)
    assert found.recipe > max(found.one_band, found.majority) + 0.03
    model = load(tmp_path / name).model
    assert model.classes == (raster_recipes.get(name).classes or model.classes)
    (tmp_path / name / CARD).write_text("# A card\n", encoding="utf-8")
    assert check(tmp_path / name).version == model.version
