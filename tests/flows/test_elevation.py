"""Elevation models from files and catalogues; geoid and ellipsoid are not confused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.transform import from_origin

from detectors import terrain
from detectors.errors import (
    ConfigurationError,
    ImageryUnavailable,
    InvalidElevation,
    NothingObserved,
    UnreadableRaster,
)
from detectors.look_geometry import viewing, viewing_on
from detectors.types import Grid, OrbitState
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.registry import make_catalogue
from flows.elevation import Vertical, above_ellipsoid, fetch_elevation, read_elevation

#: Around 118.5 degrees west and 34 degrees north, where four GLO-30 tiles could meet.
GRID = Grid(32611, Affine(30, 0, 359_970, 0, -30, 3_764_000), 80, 120)
STEP = 1 / 3600


def height_at(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Even ground that rises to the east and, half as much, to the north: metres."""
    return 900 + 12_000 * (lon + 118.5) + 6_000 * (lat - 34)


def expected(grid: Grid = GRID) -> np.ndarray:
    rows, columns = np.indices(grid.shape) + 0.5
    t = grid.transform
    across = Transformer.from_crs(grid.epsg, 4326, always_xy=True)
    return height_at(*across.transform(t.c + t.a * columns, t.f + t.e * rows))


def write_tile(
    path: Path, west: float, north: float, side: int = 400, crs: Any = "EPSG:4326", **profile: Any
) -> Path:
    """Part of a GLO-30 tile: float32, no nodata declared, nothing said of the heights' datum."""
    transform = from_origin(west, north, STEP, STEP)
    rows, columns = np.indices((side, side)) + 0.5
    values = height_at(west + columns * STEP, north - rows * STEP).astype(np.float32)
    given = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "float32",
             "crs": crs, "transform": transform} | profile  # fmt: skip
    with rasterio.open(path, "w", **given) as dataset:
        dataset.write(values, 1)
    return path


def stac_item(name: str, url: str, key: str = "data") -> dict[str, Any]:
    """The parts of an item of ``cop-dem-glo-30`` that are looked at."""
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "cop-dem-glo-30",
        "geometry": {"type": "Polygon", "coordinates": [
            [[-119, 34], [-118, 34], [-118, 35], [-119, 35], [-119, 34]]]},
        "bbox": [-119, 34, -118, 35], "stac_extensions": [], "links": [],
        "properties": {"datetime": "2021-04-22T00:00:00Z", "gsd": 30, "proj:epsg": 4326},
        "assets": {
            "tilejson": {"href": "https://example.org/tilejson", "type": "application/json"},
            "preview": {"href": "https://example.org/preview.png", "type": "image/png"},
            key: {"href": f"{url}/{name}.tif",
                  "type": "image/tiff; application=geotiff; profile=cloud-optimized"}},
    }  # fmt: skip


@pytest.fixture
def shown(misbehaving, reply):
    """A STAC API on loopback that lists these items, whatever is asked."""

    def show(*features: Any) -> Any:
        url = misbehaving.url
        core = "https://api.stacspec.org/v1.0.0"
        misbehaving.on("/", reply({
            "type": "Catalog", "id": "dem", "description": "-", "stac_version": "1.0.0",
            "conformsTo": [f"{core}/core", f"{core}/item-search"],
            "links": [{"rel": "self", "href": url}, {"rel": "root", "href": url},
                      {"rel": "search", "href": f"{url}/search", "method": "POST",
                       "type": "application/geo+json"}],
        }))  # fmt: skip
        misbehaving.on("/collections/cop-dem-glo-30", reply({"type": "Collection"}))
        misbehaving.on("/collections/other-dem", reply({"type": "Collection"}))
        misbehaving.on(
            "/search", reply({"type": "FeatureCollection", "features": list(features), "links": []})
        )
        quick = {"attempts": 2, "backoff_s": 0.01, "timeout_s": 2.0}
        return make_catalogue("dem", CatalogueSettings(kind="stac", url=url, **quick))

    return show


# --- files


def test_a_file_on_its_own_pixels_is_copied(tmp_path) -> None:
    values = np.random.default_rng(1).uniform(0, 3000, (50, 60)).astype(np.float32)
    values[3, 4] = -9999
    profile = {"width": 60, "height": 50, "count": 1, "dtype": "float32", "crs": "EPSG:32611",
               "transform": GRID.transform, "nodata": -9999}  # fmt: skip
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile) as dataset:
        dataset.write(values, 1)
    found = read_elevation(tmp_path / "a.tif")
    assert found.grid == Grid(32611, GRID.transform, 50, 60)
    assert found.vertical is Vertical.UNKNOWN
    assert found.source == "a.tif"
    assert np.isnan(found.metres[3, 4])
    values[3, 4] = np.nan
    np.testing.assert_array_equal(found.metres, values)
    part = read_elevation(tmp_path / "a.tif", Grid(32611, GRID.transform, 20, 20))
    np.testing.assert_array_equal(part.metres, values[:20, :20])
    beyond = read_elevation(tmp_path / "a.tif", GRID)
    assert np.isnan(beyond.metres[50:]).all()


def test_degrees_become_metres_on_the_grid(tmp_path) -> None:
    path = write_tile(tmp_path / "t.tif", -118.56, 34.06)
    found = read_elevation(path, GRID, vertical=Vertical.EGM2008)
    assert found.vertical is Vertical.EGM2008
    np.testing.assert_allclose(found.metres, expected(), atol=0.01)
    own = read_elevation(path)
    assert own.grid.epsg == 32611
    assert own.grid.transform.a == -own.grid.transform.e
    middle = np.s_[100:-100, 100:-100]
    np.testing.assert_allclose(own.metres[middle], expected(own.grid)[middle], atol=0.01)


def test_finer_heights_are_averaged_and_not_picked(tmp_path) -> None:
    """A lidar model of 1 m, rough at every pixel, on a grid of 30 m."""
    fine = Affine(1, 0, GRID.transform.c, 0, -1, GRID.transform.f)
    checks = 1000 + 50.0 * (np.indices((300, 300)).sum(axis=0) % 2) + np.arange(300)
    profile = {"width": 300, "height": 300, "count": 1, "dtype": "float32", "crs": "EPSG:32611",
               "transform": fine}  # fmt: skip
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile) as dataset:
        dataset.write(checks.astype(np.float32), 1)
    found = read_elevation(tmp_path / "a.tif", Grid(32611, GRID.transform, 10, 10)).metres
    means = 1025 + 14.5 + 30 * np.arange(10)
    np.testing.assert_allclose(found, np.broadcast_to(means, (10, 10)), atol=0.01)


def test_a_value_that_stands_for_no_data_without_saying_so(tmp_path) -> None:
    values = np.full((20, 20), 1500, np.int16)
    values[:, :7] = 0
    values[:, 7] = 700  # what resampling made of both
    profile = {"width": 20, "height": 20, "count": 1, "dtype": "int16", "crs": "EPSG:32611",
               "transform": GRID.transform, "nodata": -9999}  # fmt: skip
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile) as dataset:
        dataset.write(values, 1)
    assert (read_elevation(tmp_path / "a.tif").metres[:, :7] == 0).all()
    found = read_elevation(tmp_path / "a.tif", missing=0).metres
    np.testing.assert_array_equal(np.isnan(found), values < 1500)


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ({"crs": None}, "no coordinate reference system"),
        ({"transform": Affine(STEP, 1e-5, -118.6, 0, -STEP, 34.1)}, "rotated"),
    ],
)
def test_files_without_a_place_are_refused(tmp_path, profile, why) -> None:
    path = write_tile(tmp_path / "t.tif", -118.56, 34.06, **profile)
    with pytest.raises(InvalidElevation, match=why):
        read_elevation(path)


def test_numbers_that_are_no_heights_are_refused(tmp_path) -> None:
    path = write_tile(tmp_path / "t.tif", -118.56, 34.06)
    with rasterio.open(path, "r+") as dataset:
        values = dataset.read(1)
        values[0, 0] = -32768
        dataset.write(values, 1)
    with pytest.raises(InvalidElevation, match="heights from -32768"):
        read_elevation(path)
    with rasterio.open(path, "r+") as dataset:
        dataset.nodata = -32768
    assert np.isfinite(read_elevation(path).metres).any()
    with rasterio.open(path, "r+") as dataset:
        dataset.units = ("ft",)
    with pytest.raises(InvalidElevation, match="heights in ft"):
        read_elevation(path)


def test_files_that_are_none_are_named(tmp_path) -> None:
    with pytest.raises(ImageryUnavailable, match=r"a\.tif: the file is not there"):
        read_elevation(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(b"no")
    with pytest.raises(UnreadableRaster, match=r"a\.tif: not a raster"):
        read_elevation(tmp_path / "a.tif")
    elsewhere = write_tile(tmp_path / "t.tif", 10, 45)
    with pytest.raises(NothingObserved, match=r"t\.tif has no heights"):
        read_elevation(elsewhere, GRID)


# --- what heights are measured from


@pytest.mark.parametrize(
    ("crs", "vertical"),
    [("EPSG:4326+3855", Vertical.EGM2008), ("EPSG:4326+5773", Vertical.EGM96),
     ("EPSG:4979", Vertical.ELLIPSOID), ("EPSG:4326", Vertical.UNKNOWN),
     ("EPSG:4326+5703", Vertical.UNKNOWN)],
)  # fmt: skip
def test_the_file_tells_what_heights_are_measured_from(tmp_path, crs, vertical) -> None:
    path = write_tile(tmp_path / "t.tif", -118.56, 34.06, crs=crs)
    found = read_elevation(path, GRID)
    assert found.vertical is vertical
    # Told or not, reading changes no height.
    np.testing.assert_allclose(found.metres, expected(), atol=0.01)


def test_two_answers_to_that_are_one_too_many(tmp_path) -> None:
    path = write_tile(tmp_path / "t.tif", -118.56, 34.06, crs="EPSG:4326+5773")
    with pytest.raises(InvalidElevation, match="of egm96, not of egm2008"):
        read_elevation(path, GRID, vertical=Vertical.EGM2008)


def test_heights_of_unknown_origin_are_not_taken_for_the_ellipsoid(tmp_path) -> None:
    path = write_tile(tmp_path / "t.tif", -118.56, 34.06)
    with pytest.raises(InvalidElevation, match="does not say what its heights are measured from"):
        above_ellipsoid(read_elevation(path, GRID))
    told = read_elevation(path, GRID, vertical=Vertical.ELLIPSOID)
    assert above_ellipsoid(told) is told


def test_geoid_without_its_grid_is_refused_and_with_it_is_lifted(tmp_path, monkeypatch) -> None:
    """PROJ alone would return the heights unchanged and say nothing."""
    path = write_tile(tmp_path / "t.tif", -118.56, 34.06)
    geoid = read_elevation(path, GRID, vertical=Vertical.EGM2008)
    here = pyproj.datadir.get_data_dir()
    try:
        with pytest.raises(ConfigurationError, match="no grid of the geoid egm2008"):
            above_ellipsoid(geoid)
        with rasterio.open(
            tmp_path / "us_nga_egm08_25.tif", "w", driver="GTiff", width=360, height=180, count=1,
            dtype="float32", crs="EPSG:4979", transform=from_origin(-180, 90, 1, 1),
        ) as grid:  # fmt: skip
            grid.write(np.full((180, 360), -35.5, np.float32), 1)
            grid.update_tags(
                TYPE="VERTICAL_OFFSET_GEOGRAPHIC_TO_VERTICAL", target_crs_epsg_code="3855",
                AREA_OR_POINT="Point",
            )  # fmt: skip
            grid.descriptions, grid.units = ("geoid_undulation",), ("metre",)
        pyproj.datadir.append_data_dir(str(tmp_path))
        lifted = above_ellipsoid(geoid)
    finally:
        pyproj.datadir.set_data_dir(here)
    assert lifted.vertical is Vertical.ELLIPSOID
    np.testing.assert_allclose(lifted.metres, geoid.metres - 35.5, atol=1e-3)


# --- catalogues


def test_tiles_of_a_catalogue_are_joined_without_a_seam(tmp_path, files, shown) -> None:
    """Two tiles meet in the middle of the grid; the slope does not notice."""
    seam = -118.5
    write_tile(files.root / "west.tif", seam - 400 * STEP, 34.06)
    write_tile(files.root / "east.tif", seam, 34.06)
    items = [stac_item(name, files.url) for name in ("west", "east")]
    # The same item twice, as pages sometimes have it.
    found = fetch_elevation(shown(*items, items[0]), "cop-dem-glo-30", GRID)
    assert found.vertical is Vertical.EGM2008
    assert found.source == "dem/cop-dem-glo-30"
    assert len([a for a in files.seen() if "GET" in a and "west" in a]) > 0
    np.testing.assert_allclose(found.metres, expected(), atol=0.01)
    wanted = terrain.slope(expected().astype(np.float32), 30)
    np.testing.assert_allclose(terrain.slope(found.metres, 30), wanted, atol=0.01)


def test_the_question_names_collection_and_area_and_no_time(files, shown, misbehaving) -> None:
    write_tile(files.root / "t.tif", -118.56, 34.06)
    fetch_elevation(shown(stac_item("t", files.url, "DEM")), "cop-dem-glo-30", GRID)
    (asked,) = misbehaving.asked_at("/search")
    assert asked.json["collections"] == ["cop-dem-glo-30"]
    assert "datetime" not in asked.json
    west, south, east, north = (
        f(c[k] for c in asked.json["intersects"]["coordinates"][0])
        for f, k in ((min, 0), (min, 1), (max, 0), (max, 1))
    )
    assert -118.53 < west < east < -118.45
    assert 33.9 < south < north < 34.1


def test_where_no_tile_is_heights_are_missing(files, shown) -> None:
    write_tile(files.root / "t.tif", -118.5, 34.06)
    found = fetch_elevation(shown(stac_item("t", files.url)), "cop-dem-glo-30", GRID)
    missing = np.isnan(found.metres)
    assert 0.2 < missing.mean() < 0.8
    np.testing.assert_allclose(found.metres[~missing], expected()[~missing], atol=10)
    with pytest.raises(NothingObserved, match="dem/cop-dem-glo-30 has no heights"):
        fetch_elevation(shown(), "cop-dem-glo-30", GRID)


def test_tiles_that_cannot_be_used_are_named(files, shown) -> None:
    item = stac_item("t", files.url)
    with pytest.raises(ImageryUnavailable, match="t: HTTP 404"):
        fetch_elevation(shown(item), "cop-dem-glo-30", GRID)
    with pytest.raises(InvalidElevation, match="t: no asset with heights"):
        fetch_elevation(shown({**item, "assets": {}}), "cop-dem-glo-30", GRID)
    with pytest.raises(InvalidElevation, match="without assets"):
        fetch_elevation(shown({"type": "Feature", "id": "x"}), "cop-dem-glo-30", GRID)
    with pytest.raises(ConfigurationError, match="no collection cop-dem-glo-31"):
        fetch_elevation(shown(item), "cop-dem-glo-31", GRID)


def test_an_unknown_collection_says_nothing_of_its_datum(files, shown) -> None:
    write_tile(files.root / "t.tif", -118.56, 34.06)
    found = fetch_elevation(shown(stac_item("t", files.url)), "other-dem", GRID)
    assert found.vertical is Vertical.UNKNOWN


# --- where north is


def test_azimuths_count_from_the_grids_north() -> None:
    """West of a zone's middle, grid north lies west of true north by lon sin(lat)."""
    look = viewing_on(GRID, OrbitState.ASCENDING, 39.0)
    true = viewing(OrbitState.ASCENDING, 34.0, 39.0)
    assert look.azimuth - true.azimuth == pytest.approx(1.5 * np.sin(np.radians(34.0)), abs=0.03)
