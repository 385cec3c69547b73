"""``landslide-change`` on segments and scenes made here, through the command line as well."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from scipy import ndimage
from sklearn.metrics import balanced_accuracy_score
from typer.testing import CliRunner, Result

from detectors.errors import InvalidSamples, InvalidWeights
from detectors.learning import change, ranking
from detectors.learning.change import ChangeModel
from flows import change as recipe
from flows.cli import app

#: What a landslide adds to each band, and how far quiet ground scatters.
SLIDE, QUIET = np.array([0.25, 0.33, -0.5]), np.array([0.12, 0.12, 0.2])
TRANSFORM = Affine(10, 0, 600_000, 0, -10, 5_300_000)


def segments(seed: int, scenes: int = 12, each: int = 16) -> recipe.Segments:
    """Scenes that lie elsewhere each, a third of whose segments are landslides."""
    draw = np.random.default_rng(seed)
    names = np.repeat([f"L{n}" for n in range(scenes)], each)
    level = np.repeat(draw.normal(0, 0.2, (scenes, 3)), each, axis=0)
    landslide = np.tile(np.arange(each) % 3 == 0, scenes)
    values = level + draw.normal(0, QUIET, (len(names), 3)) + landslide[:, None] * SLIDE
    return recipe.Segments(values, landslide, names, draw.uniform(3e3, 3e4, len(names)))


def scene(seed: int, side: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Slopes that turn green, and a dozen small scars; bands and mask."""
    draw = np.random.default_rng(seed)
    smooth = [ndimage.gaussian_filter(draw.normal(0, 1, (side, side)), 15) for _ in range(3)]
    ground = np.stack([0.2 * part / part.std() for part in smooth])
    mask = np.zeros((side, side), dtype=bool)
    for row, column in draw.integers(8, side - 8, (12, 2)):
        mask[row - 2 : row + 3, column - 1 : column + 2] = True
    noise = draw.normal(0, 0.05, ground.shape)
    return (ground + noise + mask * SLIDE[:, None, None]).astype(np.float32), mask


def fitted(seed: int) -> ChangeModel:
    made = segments(seed)
    return change.fit(made.values, made.landslide, made.scenes, made.area_m2)


@pytest.mark.parametrize("seed", range(3))
def test_beats_the_majority_and_one_band_on_scenes_held_out(seed: int) -> None:
    made = segments(seed)
    train = np.isin(made.scenes, [f"L{n}" for n in range(6)])
    model = change.fit(
        *(part[train] for part in (made.values, made.landslide, made.scenes, made.area_m2))
    )
    truth = made.landslide[~train]
    said = np.zeros(len(truth), dtype=bool)
    for name in np.unique(made.scenes[~train]):
        here = made.scenes == name
        usual = model.usual(made.values[here & ~made.landslide])
        said[made.scenes[~train] == name] = model.score(made.values[here], usual) > 0.5
    alone = max(
        balanced_accuracy_score(truth, made.values[~train, band] * sign > threshold)
        for band, sign in enumerate((1, 1, -1))
        for threshold in [_best(made.values[train, band] * sign, made.landslide[train])]
    )
    ours = balanced_accuracy_score(truth, said)
    assert ours > 0.5 + 0.3  # the majority has 0.5
    assert ours > alone + 0.05


def _best(values: np.ndarray, truth: np.ndarray) -> float:
    return max(np.unique(values), key=lambda level: balanced_accuracy_score(truth, values > level))


@pytest.mark.parametrize("seed", range(3))
def test_small_scars_stand_out_of_slopes_that_turn_green(seed: int) -> None:
    bands, mask = scene(seed)
    score = fitted(seed).map(bands, 10.0)
    ours = ranking.rank(*(score[part].astype(np.float64) for part in (mask, ~mask)))
    alone = [
        ranking.rank(*((sign * band[part]).astype(np.float64) for part in (mask, ~mask))).auc
        for sign, band in zip((1, 1, -1), bands, strict=True)
    ]
    assert ours.low > max(alone)
    # Where the scene lies, and in what unit, means nothing.
    moved = fitted(seed).map(bands + np.float32(3), 10.0)
    assert np.allclose(moved, score, atol=1e-3)


def test_gaps_stay_gaps() -> None:
    bands, _ = scene(0)
    bands[1, 10:20, 10:20] = np.nan
    score = fitted(0).map(bands, 10.0)
    assert np.isnan(score[10:20, 10:20]).all()
    assert np.isfinite(score).sum() == score.size - 100
    with pytest.raises(InvalidSamples, match="no pixel"):
        fitted(0).map(np.full_like(bands, np.nan), 10.0)
    with pytest.raises(InvalidSamples, match="2 bands"):
        fitted(0).map(bands[:2], 10.0)


def test_surroundings_are_medians() -> None:
    band = np.random.default_rng(0).normal(0, 1, (40, 50)).astype(np.float32)
    assert change.surroundings(band, [9]) == pytest.approx(ndimage.median_filter(band, 9))
    # Large windows on a coarser grid: a plane comes out as it is, away from the border.
    plane = np.add.outer(np.arange(90.0), np.arange(80.0)).astype(np.float32)
    assert np.abs(change.surroundings(plane, [43]) - plane)[30:-30, 30:-30].max() < 0.2


def test_what_cannot_be_learnt_from() -> None:
    made = segments(0)
    with pytest.raises(InvalidSamples, match="with and without"):
        change.fit(made.values, ~made.landslide | True, made.scenes, made.area_m2)
    only = made.landslide | (made.scenes != "L0")
    parts = (part[only] for part in (made.values, made.landslide, made.scenes, made.area_m2))
    with pytest.raises(InvalidSamples, match="without any quiet"):
        change.fit(*parts)


def test_the_shipped_model_is_checked(tmp_path: Path) -> None:
    shipped = recipe.load()
    assert shipped.bands == change.BANDS
    assert ChangeModel.from_json(shipped.to_json()) == shipped
    folder = Path(shutil.copytree(change.MODELS / change.NAME, tmp_path / "copy"))
    assert "Licence" in (folder / "CARD.md").read_text(encoding="utf-8")
    weights = folder / recipe.WEIGHTS
    weights.write_text(weights.read_text().replace("0.76", "0.96"))
    with pytest.raises(InvalidWeights, match="was changed"):
        recipe.load(folder)
    weights.unlink()
    with pytest.raises(InvalidWeights, match="no trained"):
        recipe.load(folder)
    for text in ("{}", "no", shipped.to_json().replace('"rg",', "")):
        with pytest.raises(InvalidWeights):
            ChangeModel.from_json(text)


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def written(path: Path, bands: np.ndarray, names: tuple[str, ...] = change.BANDS) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2],
        dtype="float32", crs="EPSG:32759", transform=TRANSFORM,
    ) as raster:  # fmt: skip
        raster.write(bands)
        for index, name in enumerate(names, start=1):
            raster.set_band_description(index, name)
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    bands, mask = scene(1)
    rows, columns = np.nonzero(ndimage.minimum_filter(mask, (5, 3)))
    east, north = TRANSFORM @ (columns + 0.5, rows + 0.5)
    far = gpd.points_from_xy([*east, 0], [*north, 0], crs="EPSG:32759")
    gpd.GeoDataFrame(geometry=far).to_crs(4326).to_file(tmp_path / "points.geojson")
    return written(tmp_path / "change.tif", bands), tmp_path / "points.geojson"


def test_points_are_ranked(inputs: tuple[Path, Path]) -> None:
    raster, points = inputs
    words = (
        "evaluate-points",
        "--recipe",
        "landslide-change",
        "--raster",
        raster,
        "--points",
        points,
    )
    result = typed(*words, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["n_points"] >= 10
    assert 0.9 < document["auc_low"] < document["auc"] <= document["auc_high"]
    assert set(document["bands"]) == set(change.BANDS)
    assert document["gain"] == pytest.approx(
        document["auc"] - document["bands"][document["best_band"]]["auc"]
    )
    assert typed(*words, "--json").stdout == result.stdout
    assert "random pixels" in typed(*words).stdout


def test_training_and_mapping(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    made, table = segments(0), tmp_path / "segments.csv"
    frame = pd.DataFrame(made.values, columns=list(recipe.COLUMNS))
    ids = [f"{scene}_S{number}" for number, scene in enumerate(made.scenes)]
    frame.assign(segment_id=ids, area_m2=made.area_m2, Type=made.landslide.astype(float)).to_csv(
        table
    )
    result = typed("recipes", "train-change", "--segments", table, "--out", tmp_path / "model")
    assert result.exit_code == 0, result.output
    assert "scenes held out" in result.stdout
    assert recipe.load(tmp_path / "model").weights == pytest.approx(fitted(0).weights)
    out = tmp_path / "score.tif"
    assert typed("recipes", "map-change", "--raster", inputs[0], "--out", out).exit_code == 0
    with rasterio.open(out) as raster:
        assert raster.descriptions == ("landslide-change",)
        assert 0 <= raster.read(1).min() < raster.read(1).max() <= 1


def test_bad_input_is_named(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    raster, points = inputs
    other = written(tmp_path / "other.tif", scene(0)[0], ("rg", "ndvi_change", "blue"))
    lines = tmp_path / "lines.csv"
    lines.write_text("segment_id,area_m2\nL0_S1,4\n")
    for words, said in (
        (("--recipe", "moon", "--raster", raster, "--points", points), "known: landslide-change"),
        (
            ("--recipe", "landslide-change", "--raster", other, "--points", points),
            "brightness_change",
        ),
        (("--recipe", "landslide-change", "--raster", lines, "--points", points), "cannot be read"),
        (("--recipe", "landslide-change", "--raster", raster, "--points", lines), "points"),
        (
            ("--recipe", "landslide-change", "--raster", raster, "--points", tmp_path),
            "cannot be read",
        ),
    ):
        result = typed("evaluate-points", *words)
        assert result.exit_code in (1, 2), result.output
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    result = typed("recipes", "train-change", "--segments", lines, "--out", tmp_path / "m")
    assert "no column 'ratio_rg_change'" in result.stderr
