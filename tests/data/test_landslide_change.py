"""``landslide-change``: on scenes of segments held out, and on a tile it was not trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.learning import change as recipe
from detectors.learning import ranking
from flows import change
from flows.stacks import read_stack
from tests.data.conftest import Record

pytestmark = pytest.mark.data

HEAD = ["", "AUC", "95 %"]


@pytest.fixture(scope="module")
def folder(data_folder: Path) -> Path:
    return data_folder / "kaikoura-2016-s2-change"


def test_segments_of_scenes_held_out(folder: Path, tmp_path: Path, record: Record) -> None:
    segments = change.read_segments(folder / "segments_df4ML.csv")
    score = recipe.held_out(segments.values, segments.landslide, segments.scenes, segments.area_m2)
    yes = segments.landslide
    ours = ranking.rank(score[yes], score[~yes])
    rows, best = [row("landslide-change", ours)], 0.0
    for name, sign, band in zip(recipe.BANDS, (1, 1, -1), segments.values.T, strict=True):
        alone = ranking.rank(sign * band[yes], sign * band[~yes])
        rows.append(row(name, alone))
        best = max(best, alone.auc)
    record(
        "landslide-change, segments",
        "465 labelled segments of 29 scenes; each scene scored by a model that never saw it.\n"
        "What is usual in a scene is taken from its own quiet segments; the bands alone lack that.",
        HEAD,
        rows,
        "",
    )
    assert ours.auc >= 0.96
    assert ours.auc > best + 0.04
    # What ships is what these segments give.
    again, shipped = change.train(segments, tmp_path)[0], change.load()
    assert again.weights == pytest.approx(shipped.weights, rel=1e-4)
    assert again.pooled_spread == pytest.approx(shipped.pooled_spread)
    assert again.windows_m == shipped.windows_m


def test_kaikoura_tile(folder: Path, record: Record) -> None:
    ranked = change.evaluate_points(
        change.load(),
        read_stack(folder / "diff_landslide_01.tif"),
        folder / "landslides_kaikoura_2016_points.geojson",
    )
    gain, low, high = ranked.gain
    record(
        "landslide-change, Kaikoura tile 01",
        f"{ranked.n_points} inventory points against {ranked.n_random} random pixels (seed 0),\n"
        "the largest score of 5 x 5 pixels around both. Never trained on, but the form of the\n"
        "recipe was chosen with this tile in sight: six runs, see CARD.md of the model.",
        HEAD,
        [row("landslide-change", ranked.recipe), *(row(n, r) for n, r in ranked.bands.items())],
        f"The gain over {ranked.best_band} is {gain:.3f}, 95 % interval {low:.3f} to {high:.3f}\n"
        "(DeLong, paired; points are taken as independent, which neighbours are not).",
    )
    assert ranked.n_points == 189
    assert ranked.bands["rg"].auc == pytest.approx(0.82, abs=0.005)
    assert ranked.bands["ndvi_change"].auc == pytest.approx(0.67, abs=0.01)
    assert gain >= 0.04
    assert low > 0


def row(name: str, ranked: ranking.Ranking) -> list[str]:
    return [name, f"{ranked.auc:.3f}", f"{ranked.low:.3f} to {ranked.high:.3f}"]
