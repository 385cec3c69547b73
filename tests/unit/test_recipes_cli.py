"""``scarpwatch recipes`` as it is typed, on SIMULATED places."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio import features
from shapely.geometry import LineString, box, shape

from bench.recipes.judging import TINY
from bench.recipes.places import gully, landslides
from bench.recipes.places import write as write_raster
from detectors.training import raster_recipes
from flows import raster_maps, raster_training
from flows.archive.cogs import is_cog
from flows.places import Source, open_place
from flows.raster_training import Reading
from tests.learning import typed

SHORT = ("--window", 32, "--epochs", 2, "--steps", 2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of places and two short trainings."""
    folder = tmp_path_factory.mktemp("recipes")
    for number in range(3):
        landslides(number, 64).write(folder / f"slides{number}")
    gully(1, 144).write(folder / "ravines")
    for name, words in (
        ("landslide-local-2", [f"--place={folder / f'slides{n}'}" for n in range(3)]),
        ("gully", ["--raster", folder / "ravines" / "SIMULATED_0.tif",
                   "--labels", folder / "ravines" / "labels.tif"]),
    ):  # fmt: skip
        result = typed("recipes", "train", "--recipe", name, *words, *SHORT,
                       "--out", folder / name, "--json")  # fmt: skip
        assert result.exit_code == 0, result.output
        answer = json.loads(result.stdout)
        assert answer["model"].startswith(f"{name}/")
        assert {"overall_accuracy", "classes", "total"} == set(answer["test"]["pixels"])
        assert {"pixels", "objects", "by_area"} == set(answer["test"])
    return folder


def test_there_is_one_list(tmp_path: Path) -> None:
    listed = json.loads(typed("recipes", "list", "--json").stdout)["recipes"]
    names = [one["name"] for one in listed]
    assert {"outcrop", "cart", "segments", "landslide-rgb", "time-series"} < set(names)
    shown = json.loads(typed("recipes", "show", "landslide-all", "--json").stdout)
    assert [band["name"] for band in shown["bands"]] == [
        "pre_vv", "post_vv", "d_vv", "pre_vh", "post_vh", "d_vh", "layover", "shadow", "lia",
        "elevation", "slope", "climate", "tree_height", "land_cover", "d_ndvi",
    ]  # fmt: skip
    for name in ("gully", "cart", "landslide-rgb", "bring-your-own"):
        assert name in typed("recipes", "show", name).stdout
    unknown = typed("recipes", "train", "--recipe", "nope", "--out", tmp_path)
    assert unknown.exit_code != 0
    assert "landslide-local-13" in unknown.output
    elsewhere = typed("recipes", "train", "--recipe", "landslide-rgb", "--out", tmp_path)
    assert "scarpwatch train" in elsewhere.output


def test_a_map_is_written_and_scored(models: Path, tmp_path: Path) -> None:
    place, model = models / "slides0", models / "landslide-local-2"
    out = tmp_path / "map"
    words = ("--model", model, "--raster", place / "SIMULATED_0.tif")
    result = typed("recipes", "predict", *words, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    with rasterio.open(out / "map.tif") as codes, rasterio.open(out / "score.tif") as score:
        assert set(np.unique(codes.read(1))) <= {0, 1, 255}
        assert codes.nodata == 255
        share = (codes.read(1) == 1).mean()
        assert score.read(1).max() <= 1
    assert is_cog(out / "map.tif")
    assert is_cog(out / "score.tif")
    assert answer["hectares"]["landslide"] == pytest.approx(share * 64 * 64 * 0.09)
    assert len(gpd.read_file(out / "outlines.gpkg")) == answer["outlines"]
    assert "hectares" in typed("recipes", "predict", *words, "--out", out).stdout
    scored = typed("recipes", "evaluate", *words, "--labels", place / "labels.tif", "--json")
    counted = json.loads(scored.stdout)
    assert counted["pixels"]["total"] == 64 * 64
    assert 0 < counted["objects"]["total"] < 64 * 64
    by_folder = typed("recipes", "evaluate", "--model", model, "--place", place, "--json")
    assert json.loads(by_folder.stdout) == counted


def test_polygons_say_what_a_raster_says(models: Path, tmp_path: Path) -> None:
    place = models / "slides0"
    with rasterio.open(place / "labels.tif") as raster:
        codes = raster.read(1)
        found = features.shapes(codes, codes == 1, transform=raster.transform)
        frame = gpd.GeoDataFrame(geometry=[shape(s) for s, _ in found], crs=raster.crs)
    frame.to_crs(4326).to_file(tmp_path / "slides.geojson")
    words = ("recipes", "evaluate", "--model", models / "landslide-local-2",
             "--raster", place / "SIMULATED_0.tif", "--json")  # fmt: skip
    raster, polygons = (
        json.loads(typed(*words, "--labels", path).stdout)["pixels"]["classes"]["landslide"]
        for path in (place / "labels.tif", tmp_path / "slides.geojson")
    )
    assert polygons["f1"] == pytest.approx(raster["f1"], abs=0.01)
    # Outside of an area nothing is known.
    west, south, east, north = frame.total_bounds
    area = gpd.GeoDataFrame(geometry=[box(west, south, (west + east) / 2, north)], crs=frame.crs)
    area.to_file(tmp_path / "area.gpkg")
    halved = typed(*words, "--labels", place / "labels.tif", "--area", tmp_path / "area.gpkg")
    assert 0.2 < json.loads(halved.stdout)["pixels"]["total"] / 64**2 < 0.6


def test_points_give_figures_by_area_an_interval(models: Path, tmp_path: Path) -> None:
    place = models / "slides0"
    with rasterio.open(place / "labels.tif") as raster:
        codes, transform, crs = raster.read(1), raster.transform, raster.crs
    drawn = np.random.default_rng(0).choice(codes.size, 400, replace=False)
    rows, columns = np.divmod(drawn, codes.shape[1])
    points = gpd.points_from_xy(*(transform @ (columns + 0.5, rows + 0.5)))
    frame = gpd.GeoDataFrame({"class": codes[rows, columns]}, geometry=points, crs=crs)
    frame.to_file(tmp_path / "points.gpkg")
    words = ("recipes", "evaluate", "--model", models / "landslide-local-2",
             "--raster", place / "SIMULATED_0.tif", "--labels")  # fmt: skip
    whole = json.loads(typed(*words, place / "labels.tif", "--json").stdout)
    sample = json.loads(typed(*words, tmp_path / "points.gpkg", "--json").stdout)
    assert sample["pixels"]["total"] == 400
    # Where all is known, weighing changes nothing, and there is nothing to draw from.
    overall = whole["by_area"]["overall_accuracy"]
    assert overall["value"] == pytest.approx(whole["pixels"]["overall_accuracy"])
    assert overall["half"] is None
    slides = whole["by_area"]["classes"]["landslide"]["area"]["value"]
    assert slides == pytest.approx((codes == 1).sum() * 0.09)
    found = sample["by_area"]["overall_accuracy"]
    assert 0 < found["half"] < 0.1
    assert abs(found["value"] - overall["value"]) < 2 * found["half"]
    assert "±" in typed(*words, tmp_path / "points.gpkg").stdout
    assert "no intervals" in typed(*words, place / "labels.tif").stdout


def test_ravines_of_two_models_merge_and_meet_lines(models: Path, tmp_path: Path) -> None:
    made = gully(1, 144)
    line = [
        LineString([(500_000 + x, 4_900_000 - y) for y, x in enumerate(path)])
        for path in made.lines
    ]
    gpd.GeoDataFrame(geometry=line, crs=32624).to_crs(4326).to_file(tmp_path / "lines.gpkg")
    model = models / "gully"
    dem = models / "ravines" / "SIMULATED_0.tif"
    result = typed("recipes", "predict", "--model", model, "--model", model, "--raster", dem,
                   "--out", tmp_path / "map", "--json")  # fmt: skip
    assert result.exit_code == 0, result.output
    outlines = gpd.read_file(tmp_path / "map" / "outlines.gpkg")
    assert set(outlines["class"]) <= {"all classes"}
    assert (outlines.area >= 5000).all()
    scored = typed(
        "recipes", "evaluate", "--model", model, "--raster", dem, "--labels",
        models / "ravines" / "labels.tif", "--lines", tmp_path / "lines.gpkg",
        "--outlines", tmp_path / "map" / "outlines.gpkg", "--json",
    )  # fmt: skip
    found = json.loads(scored.stdout)["lines"]
    assert found["outlines"] == len(outlines)
    assert set(json.loads(scored.stdout)["pixels"]["classes"]) == {"background", "sharp", "smooth"}


def test_blocks_say_what_the_whole_says(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = landslides(9, 96)
    path = tmp_path / "bands.tif"
    bands = {name: made.looks[0][name] for name in ("pre_vv", "post_vv")}
    values = np.stack(list(bands.values())).astype(np.float32)[:, :90, :77]
    values[:, 40:50, 60:] = np.nan
    write_raster(path, values, 10.0, bands)
    asked = raster_maps.load(models / "landslide-local-2")
    monkeypatch.setattr(raster_maps, "BLOCK", 32)
    with open_place("p", [Source(path)]) as place:
        whole = asked.judge(place.read(asked.bands, slice(0, 90), slice(0, 77)))
        joined = np.zeros_like(whole)
        for cut, (part,) in raster_maps.scores([asked], place, slice(0, 90), slice(0, 77)):
            joined[:, *cut] = part
        raster_maps.write_maps([asked], place, tmp_path / "map")
    np.testing.assert_allclose(joined, whole, atol=2e-5)
    with rasterio.open(tmp_path / "map" / "score.tif") as score:
        np.testing.assert_allclose(score.read(1), whole[0], atol=2e-5)
    assert np.isnan(whole[0, 40:50, 60:]).all()


def test_a_training_goes_on_after_a_kill(models: Path, tmp_path: Path) -> None:
    recipe = raster_recipes.shortened(raster_recipes.get("landslide-local-2"), 32, 6, 1, TINY)
    examples = [
        raster_training.Example((Source(models / f"slides{n}" / "SIMULATED_0.tif"),),
                                models / f"slides{n}" / "labels.tif")
        for n in range(3)
    ]  # fmt: skip
    gathered = raster_training.gather(recipe, examples, Reading())
    calls = []

    def killed() -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        raster_training.train(recipe, gathered, tmp_path / "a", killed)
    again, _ = raster_training.train(recipe, gathered, tmp_path / "a", resume=True)
    straight, _ = raster_training.train(recipe, gathered, tmp_path / "b")
    assert again.model.version == straight.model.version
    assert not list((tmp_path / "a").glob("*.checkpoint"))


def test_what_cannot_be_done_is_named(models: Path, tmp_path: Path) -> None:
    place = models / "slides0"
    out = ("--out", tmp_path / "m")
    rasters = ("--raster", place / "SIMULATED_0.tif")
    lacking = typed("recipes", "train", "--recipe", "landslide-all", *rasters, "--labels",
                    place / "labels.tif", *SHORT, *out)  # fmt: skip
    assert lacking.exit_code == 1
    assert "layover" in lacking.output
    both = typed("recipes", "train", "--recipe", "gully", *rasters, "--labels", "a", "--labels",
                 "b", *out)  # fmt: skip
    assert "name one for all" in both.output
    nothing = typed("recipes", "train", "--recipe", "gully", "--place", tmp_path, *out)
    assert "a place is a" in nothing.output.replace("\n", " ")
    odd = typed("recipes", "train", "--recipe", "gully", "--place", place, "--window", 50, *out)
    assert "multiple of 16" in odd.output
    wrong = typed("recipes", "train", "--recipe", "erosion", "--raster",
                  f"ndvi={models / 'ravines' / 'SIMULATED_0.tif'}", "--labels",
                  _polygons(tmp_path, "awful"), "--attribute", "state", *SHORT, *out)  # fmt: skip
    assert "1 normal, 2 initial" in wrong.output.replace("\n", " ")
    unknown = typed("recipes", "predict", "--model", "nope", *rasters, *out)
    assert unknown.exit_code == 2
    pictures = typed("recipes", "predict", "--model", "landslide-rgb", *rasters, *out)
    assert "scarpwatch evaluate" in pictures.output


def _polygons(folder: Path, state: str) -> Path:
    frame = gpd.GeoDataFrame(
        {"state": [state]}, geometry=[box(500_010, 4_899_950, 500_050, 4_899_990)], crs=32624
    )
    frame.to_file(folder / "p.gpkg")
    return folder / "p.gpkg"
