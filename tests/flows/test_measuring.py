"""The ground inside outlines, out of a real elevation file, into the views."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pydantic import ValidationError
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from db import store
from db.engine import transaction
from detectors.errors import ScarpwatchError
from flows import measuring
from flows.cli import app
from flows.clock import SystemClock
from flows.services import Services
from flows.settings import Settings
from tests.records import Make

VIEW = "SELECT elevation_min_m, elevation_max_m, slope_deg, aspect_deg FROM analysts.{}"


@pytest.fixture
def dem(tmp_path: Path) -> str:
    """Ground that falls to the west by one in ten, around the first landslide only."""
    path = tmp_path / "dem.tif"
    metres = np.tile(1_000 + 3.0 * np.arange(200, dtype=np.float32), (200, 1))
    with rasterio.open(
        path, "w", driver="GTiff", height=200, width=200, count=1, dtype="float32",
        crs="EPSG:32611", transform=Affine(30, 0, 249_500, 0, -30, 3_825_000), nodata=-9999.0,
    ) as dataset:  # fmt: skip
        dataset.write(metres, 1)
    return str(path)


@pytest.fixture
def two(engine: Engine) -> tuple[Any, Any]:
    make = Make()
    region, look = make.region(), make.acquisition()
    here, beyond = make.detection(look), make.detection(look, 50)
    with transaction(engine) as s:
        store.save_region(s, region)
        store.record_acquisitions(s, region, [look])
        store.store_detections(s, [here, beyond])
        for one in (here, beyond):
            store.store_landslide(s, make.landslide(one))
    return make.landslide(here), make.landslide(beyond)


def services(engine: Engine, home: Path, *elevation: str) -> Services:
    return Services(Settings(home=home, elevation=elevation), engine, SystemClock(), ())


def rows(engine: Engine, view: str = "landslides_current") -> list[tuple[Any, ...]]:
    with transaction(engine) as s:
        query = VIEW.format(view) + " ORDER BY elevation_min_m NULLS LAST, revision"
        return [tuple(row) for row in s.execute(text(query))]


def test_heights_reach_the_views_where_there_are_any(
    engine: Engine, two: Any, dem: str, tmp_path: Path
) -> None:
    unknown = (None, None, None, None)
    assert measuring.measure(services(engine, tmp_path)) == (0, 2)
    assert rows(engine) == [unknown, unknown]
    world = services(engine, tmp_path, dem)
    assert measuring.measure_new(world, "san-rafael") == 1
    measured, beyond = rows(engine)
    low, high, slope, aspect = measured
    assert 1_000 < low < high < 1_600
    assert high - low == pytest.approx(0.1 * 184, abs=8)
    assert slope == pytest.approx(5.71, abs=0.1)
    assert aspect == pytest.approx(270, abs=3)
    assert beyond == unknown, "not known is not nought"
    assert measuring.measure(world) == (0, 1), "what is measured is not measured again"


def test_a_version_with_the_same_outline_keeps_its_ground(
    engine: Engine, two: Any, dem: str, tmp_path: Path
) -> None:
    measuring.measure(services(engine, tmp_path, dem))
    (measured, _) = rows(engine)
    here, beyond = two
    with transaction(engine) as s:
        store.store_landslide(s, replace(here, revision=2, cause="seen again"))
        moved = replace(here, revision=3, geometry=beyond.geometry)
        store.store_landslide(s, moved)
    history = rows(engine, "landslide_history")
    assert history[:2] == [measured, measured]
    assert history[2:] == [(None, None, None, None)] * 2


def test_the_command_measures_what_waits(
    two: Any, dem: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_HOME", str(tmp_path))
    monkeypatch.setenv("SCARPWATCH_DATABASE_URL", database_url)
    refused = CliRunner().invoke(app, ["landslides", "measure"])
    assert "no elevation model is set" in str(refused.output) + str(refused.exception)
    monkeypatch.setenv("SCARPWATCH_ELEVATION", json.dumps([dem]))
    said = CliRunner().invoke(app, ["landslides", "measure"]).output
    assert "1 landslide measured." in said
    assert "1 lie where no elevation model" in said


COVER = (
    "SELECT id, land_cover, land_cover_share, land_cover_source FROM analysts.{}"
    " ORDER BY land_cover NULLS LAST, id"
)


def covers(engine: Engine, view: str = "landslides_current") -> list[tuple[Any, ...]]:
    with transaction(engine) as s:
        return [tuple(row) for row in s.execute(text(COVER.format(view)))]


@pytest.fixture
def cover_map(tmp_path: Path, two: Any) -> Path:
    """Class codes around the first landslide only, in degrees: trees, with a cropped corner."""
    path = tmp_path / "cover-2021.tif"
    west, _, east, north = two[0].geometry.bounds
    step = (east - west) / 10
    codes = np.full((30, 30), 10, np.uint8)
    codes[15:17, 15:17] = 40
    with rasterio.open(
        path, "w", driver="GTiff", height=30, width=30, count=1, dtype="uint8", crs="EPSG:4326",
        transform=Affine(step, 0, west - 10 * step, 0, -step, north + 10 * step), nodata=0,
    ) as dataset:  # fmt: skip
        dataset.write(codes, 1)
    return path


def test_land_cover_of_a_map_stands_until_a_person_says_otherwise(
    engine: Engine, two: Any, cover_map: Path, database_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    here, beyond = two
    assert covers(engine) == [(one, None, None, None) for one in sorted((here.id, beyond.id))]
    for name, value in (
        ("HOME", tmp_path), ("DATABASE_URL", database_url), ("LAND_COVER__FILE", cover_map),
        ("LAND_COVER__CLASSES", "esa-worldcover"),
    ):  # fmt: skip
        monkeypatch.setenv(f"SCARPWATCH_{name}", str(value))
    said = CliRunner().invoke(app, ["landslides", "measure"]).output
    assert "1 landslide got a land cover." in said
    assert "1 lie where the map does not say" in said
    (told, unknown) = covers(engine)
    assert told[:2] == (here.id, "tree cover")
    assert 0.9 < told[2] < 1
    assert told[3] == "cover-2021"
    assert unknown == (beyond.id, None, None, None), "beyond the map nothing is guessed"
    with transaction(engine) as s:
        store.store_landslide(s, replace(here, revision=2, cause="seen again"))
        assert s.scalar(text("SELECT land_cover FROM analysts.landslides_edit WHERE id = :id"),
                        {"id": here.id}) is None  # fmt: skip
    assert covers(engine)[0] == told, "the same outline keeps it"
    assert covers(engine, "landslides_as_of(now())")[0] == told
    with transaction(engine) as s:
        s.execute(text("UPDATE analysts.landslides_edit SET land_cover = 'orchard' WHERE id = :id"),
                  {"id": here.id})  # fmt: skip
    for view in ("landslides_current", "landslides_as_of(clock_timestamp())"):
        assert covers(engine, view)[0] == (here.id, "orchard", None, "person")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dtype": "float32"}, "whole numbers"),
        ({"crs": None}, "where it lies"),
        ({}, "not there"),
    ],
)
def test_a_map_that_is_none_is_named_and_stops_no_poll(
    engine: Engine, two: Any, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    path = tmp_path / "odd.tif"
    if change:
        profile = {
            "driver": "GTiff",
            "height": 2,
            "width": 2,
            "count": 1,
            "dtype": "uint8",
            "crs": "EPSG:4326",
            "transform": Affine(1, 0, -120, 0, -1, 35),
        } | change
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(np.ones((1, 2, 2), profile["dtype"]))
    settings = Settings(home=tmp_path, land_cover={"file": path, "classes": {1: "forest"}})
    world = Services(settings, engine, SystemClock(), ())
    with pytest.raises(ScarpwatchError, match=says):
        measuring.read_land_cover(world)
    assert measuring.measure_new(world, "san-rafael") == 0


def test_a_map_without_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="name the classes"):
        Settings(home=tmp_path, land_cover={"file": tmp_path / "codes.tif"})
