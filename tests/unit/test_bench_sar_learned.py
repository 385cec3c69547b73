"""The learned radar model in the table of the radar detectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench.sar import learned
from bench.sar.figures import Level, Record
from bench.sar.judging import SHIPPED
from bench.sar.learned_page import LEARNED, parts
from bench.sar.page import page
from bench.sar.running import CALIBRATION, Plan
from detectors.radiometry import to_db
from detectors.training import raster_recipes
from detectors.types import Unseen
from tests.scenes import made_series, split

BENCH = Path(learned.__file__).parents[1]


def test_the_recipe_gets_its_bands_from_looks() -> None:
    pre, post = split(made_series(looks=13))
    unseen = np.zeros(post.grid.shape, dtype=np.uint8)
    unseen[0, 0], unseen[0, 1] = Unseen.LAYOVER, Unseen.RADAR_SHADOW
    made = learned.bands(pre, post, unseen, np.full(unseen.shape, 39.0))
    held = {name for band in raster_recipes.get(LEARNED).bands for name in (band.name, *band.needs)}
    assert set(made) <= held | {"local_incidence"}
    np.testing.assert_allclose(made["post_vh"], to_db(post.gamma0[0, 1]))
    # Ten looks before, no more.
    np.testing.assert_allclose(made["pre_vv"], np.median(to_db(pre.gamma0[-10:, 0]), axis=0))
    assert (made["layover"].sum(), made["shadow"].sum()) == (1, 1)


def test_pairs_are_counted_by_landslide() -> None:
    def look(mine: list[int], theirs: list[int]) -> Record:
        def patches(found: list[int], evidence: float) -> list[Record]:
            return [{"slide": n, "iou": 0.5, "evidence": evidence} for n in found]

        slides = [{"visible": n != 3, "contrast": 3.0, "pixels": 20} for n in range(5)]
        return {
            "patches": {LEARNED: patches(mine, 2.0), SHIPPED: patches(theirs, 20.0)},
            "slides": slides,
        }

    levels = {n: Level(n, 1.0, 1.0, 1, 0.0, 9.0) for n in (LEARNED, SHIPPED)}
    # Landslide 3 is not visible, landslide 4 is found by both.
    found = learned.compared([look([0, 1, 3, 4], [2, 3, 4]), look([0], [])], levels, SHIPPED)
    assert (found["only_learned"], found["only_other"]) == (3, 1)
    assert found["p"] == pytest.approx(0.625)
    levels[LEARNED] = Level(LEARNED, 2.0, 1.0, 1, 0.0, 9.0)
    assert learned.compared([look([0], [])], levels, SHIPPED)["only_learned"] == 0


def test_it_learns_from_other_events_than_it_is_judged_on() -> None:
    judged = {seed for seeds in Plan().seeds().values() for seed in seeds}
    assert not judged & set(learned.Lessons().seeds)
    assert max(learned.Lessons().seeds) < min(1000, CALIBRATION)


def test_the_page_is_what_the_figures_say() -> None:
    results = BENCH / "results"
    found = json.loads((results / "sar.json").read_text(encoding="utf-8"))
    assert (BENCH / "sar.md").read_text(encoding="utf-8") == page(found, parts(results))
