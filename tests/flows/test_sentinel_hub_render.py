"""Pixels from a stand-in for Sentinel Hub that evaluates the scripts it is sent."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from affine import Affine
from shapely.geometry import MultiPolygon, box

from detectors.errors import ImageryUnavailable, UnreadableRaster
from detectors.types import Grid, WatchedRegion
from flows.catalogs.base import Catalogue, Renderer
from flows.catalogs.sentinel_hub import catalogue as module
from flows.imagery import plan_blocks, read_pass
from flows.optical_imagery import read_optical, window_grid
from tests.sentinel_hub_server import (
    PROCESS,
    Fault,
    Refusal,
    Request,
    pattern,
    s1_feature,
    s2_feature,
)

WHEN = datetime(2023, 1, 1, 1, 59, 7, tzinfo=UTC)
AREA = box(-119.5, 34.2, -119.4, 34.3)
S1, S2 = "sentinel-1-grd", "sentinel-2-l2a"
#: Well inside the scenes, on their lattice.
WEST, NORTH = 270_000.0, 3_800_010.0


def grid(height: int = 60, width: int = 40, size: float = 30.0, west: float = WEST) -> Grid:
    return Grid(32611, Affine(size, 0, west, 0, -size, NORTH), height, width)


def ground(where: Grid):
    """What the stand-in draws there."""
    columns, rows = np.meshgrid(np.arange(where.width) + 0.5, np.arange(where.height) + 0.5)
    place = where.transform
    return pattern(place.c + columns * place.a, place.f + rows * place.e)


@pytest.fixture
def look(hub, hub_catalogue):
    """Puts one feature into the catalogue and finds it again."""

    def find(feature, collection=S1, **settings):
        hub.features[collection] = [feature]
        catalogue = hub_catalogue(**settings)
        (found,) = catalogue.search(
            collection, AREA, sensed_after=WHEN - timedelta(days=9), until=WHEN + timedelta(days=9)
        )
        return catalogue, found

    return find


def test_it_is_a_catalogue_that_renders(hub_catalogue) -> None:
    catalogue = hub_catalogue()
    assert isinstance(catalogue, Catalogue)
    assert isinstance(catalogue, Renderer)
    href = "sentinelhub://sentinel-1-grd/x#VV"
    assert catalogue.sign(href) == href
    assert catalogue.gdal_environment() == {}


def test_radar_comes_linear_and_empty_in_shadow(look, hub) -> None:
    catalogue, found = look(s1_feature(WHEN))
    where = grid()
    vv, vh, angle, shadow = catalogue.render(found, ("VV", "VH", "lia", "shadow"), where)
    drawn = ground(where)
    dark = drawn > 0.9
    assert dark.any()
    np.testing.assert_allclose(vv[~dark], (0.2 + drawn / 10)[~dark], rtol=1e-6)
    np.testing.assert_allclose(vh[~dark], (0.05 + drawn / 100)[~dark], rtol=1e-6)
    assert np.isnan(vv[dark]).all()
    assert np.isnan(vh[dark]).all()
    np.testing.assert_allclose(angle, 30 + 10 * drawn, rtol=1e-6)
    np.testing.assert_array_equal(shadow == 1, dark)
    (call,) = hub.at(PROCESS)
    assert call.body["input"]["data"][0]["processing"] == {
        "backCoeff": "GAMMA0_TERRAIN", "orthorectify": True, "demInstance": "COPERNICUS_30",
        "upsampling": "BILINEAR",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda b: b["input"]["data"][0]["processing"].pop("orthorectify"), "needs orthorectify"),
        (lambda b: b["input"]["data"][0]["processing"].pop("backCoeff"), "terrain correction"),
        (lambda b: b["input"]["data"][0]["processing"].update(ortho=True), "knows no"),
        (lambda b: b["output"].update(width=2501), "between 1 and 2500"),
        (lambda b: b["output"].update(width=1, height=1), "meters per pixel"),
        (lambda b: b["output"]["responses"].pop(), "differ"),
        (lambda b: b.pop("evalscript"), "required"),
        (lambda b: b["input"]["data"][0].pop("type"), "collection"),
    ],
)
def test_the_stand_in_is_as_strict_as_the_documentation(look, hub, change, why) -> None:
    catalogue, found = look(s1_feature(WHEN))
    catalogue.render(found, ("VV",), grid(100, 100))
    body = hub.at(PROCESS)[0].body
    Request.of(body, "application/x-tar")
    change(body)
    with pytest.raises(Refusal, match=why):
        Request.of(body, "application/x-tar")


def test_order_and_choice_of_bands_are_the_callers(look) -> None:
    catalogue, found = look(s1_feature(WHEN))
    where = grid()
    vh, vv = catalogue.render(found, ("VH", "VV"), where)
    assert np.nanmean(vv) > 0.2 > 0.1 > np.nanmean(vh)
    (shadow,) = catalogue.render(found, ("shadow",), where)
    assert set(np.unique(shadow)) == {0.0, 1.0}


def test_reflectance_below_zero_is_kept_whatever_the_baseline(look, hub) -> None:
    for baseline in ("0301", "0509"):
        catalogue, found = look(s2_feature(WHEN, baseline=baseline), S2)
        where = grid(size=10.0)
        blue, nir = catalogue.render(found, ("blue", "nir"), where)
        drawn = ground(where)
        for layer, number, name in ((blue, 0, "blue"), (nir, 3, "nir")):
            reflectance = layer * found.scale[name] + found.offset[name]
            np.testing.assert_allclose(
                reflectance, np.round(number / 10 + 0.3 * (drawn - 0.2), 4), atol=1e-6
            )
        assert (blue * found.scale["blue"] + found.offset["blue"]).min() < -0.05
    for call in hub.at(PROCESS):
        assert call.body["input"]["data"][0]["processing"]["harmonizeValues"] is False


def test_masks_are_classes_and_per_cent(look) -> None:
    catalogue, found = look(s2_feature(WHEN), S2)
    where = grid(size=10.0)
    scl, cloud = catalogue.render(found, ("scl", "cloud"), where)
    np.testing.assert_array_equal(scl, 4 + np.floor(ground(where) * 5))
    np.testing.assert_array_equal(cloud, np.floor(100 * ground(where)))


def test_large_grids_are_asked_for_in_tiles_and_put_together(look, hub, monkeypatch) -> None:
    monkeypatch.setattr(module, "TILE_PIXELS", 64)
    catalogue, found = look(s1_feature(WHEN))
    where = grid(150, 100)
    (angle,) = catalogue.render(found, ("lia",), where)
    np.testing.assert_allclose(angle, 30 + 10 * ground(where), rtol=1e-6)
    sizes = [(c.body["output"]["height"], c.body["output"]["width"]) for c in hub.at(PROCESS)]
    assert sizes == [(50, 50)] * 6


def test_tiles_stay_within_what_the_service_takes() -> None:
    assert module.TILE_PIXELS <= 2500
    tiles = list(module._tiles(grid(2600, 1025)))
    assert max(max(tile.shape) for tile, _, _ in tiles) <= module.TILE_PIXELS
    covered = np.zeros((2600, 1025), dtype=int)
    for _, rows, columns in tiles:
        covered[rows, columns] += 1
    assert (covered == 1).all()


def test_outside_the_scene_nothing_is_asked_and_nothing_is_there(look, hub) -> None:
    catalogue, found = look(s1_feature(WHEN, footprint=box(-120, 34, -119, 35)))
    assert np.isnan(catalogue.render(found, ("VV",), grid(west=600_000.0))).all()
    assert hub.at(PROCESS) == []
    half = grid(40, 200, west=400_000.0 - 40 * 30)
    catalogue.render(found, ("VV",), half)


def test_the_edge_of_a_scene_is_the_edge_of_the_data(look) -> None:
    catalogue, found = look(s1_feature(WHEN, footprint=box(-120, 34, -119.4, 35)))
    where = grid(200, 1000)
    (angle,) = catalogue.render(found, ("lia",), where)
    empty = np.isnan(angle)
    assert 0.1 < empty.mean() < 0.9
    assert not empty[:, 0].any()
    assert empty[:, -1].all()


def test_only_the_pass_asked_for_answers(hub, hub_catalogue) -> None:
    later = WHEN + timedelta(days=12)
    hub.features[S1] = [s1_feature(WHEN), s1_feature(later, level=1.0)]
    catalogue = hub_catalogue()
    looks = list(catalogue.search(S1, AREA, sensed_after=WHEN, until=later + timedelta(days=1)))
    means = {a.sensed_at: np.nanmean(catalogue.render(a, ("VV",), grid())) for a in looks}
    assert means[WHEN] < 0.5 < 1.0 < means[later]


def test_too_coarse_pixels_are_refused_here(look, hub) -> None:
    catalogue, found = look(s1_feature(WHEN))
    with pytest.raises(UnreadableRaster, match="1500 m"):
        catalogue.render(found, ("VV",), grid(size=2_000.0))
    assert hub.at(PROCESS) == []


def test_answers_without_place_are_taken(look, hub) -> None:
    hub.georeferenced = False
    catalogue, found = look(s1_feature(WHEN))
    assert np.isfinite(catalogue.render(found, ("lia",), grid())).all()


def test_an_answer_of_another_place_or_type_is_refused(look, hub) -> None:
    catalogue, found = look(s2_feature(WHEN), S2, attempts=1)
    catalogue.render(found, ("scl",), grid(size=10.0))
    elsewhere = hub._process({"accept": "image/tiff"}, hub.at(PROCESS)[0].body)[1]
    for where in (grid(size=10.0, west=WEST + 10), grid(61, 40, size=10.0)):
        hub.on(PROCESS, Fault(replace=elsewhere))
        with pytest.raises(UnreadableRaster, match=r"another place|instead of"):
            catalogue.render(found, ("scl",), where)
    hub.on(PROCESS, Fault(replace=elsewhere))
    with pytest.raises(UnreadableRaster, match="uint8 instead of uint16"):
        catalogue.render(found, ("red",), grid(size=10.0))


@pytest.mark.parametrize("broken", [b"", b"II*\0nothing", b"<html>busy</html>"])
def test_broken_answers_are_asked_for_again(look, hub, broken) -> None:
    catalogue, found = look(s2_feature(WHEN), S2)
    hub.on(PROCESS, Fault(replace=broken))
    assert np.isfinite(catalogue.render(found, ("scl",), grid(size=10.0))).all()
    hub.on(PROCESS, *[Fault(replace=broken)] * 3)
    with pytest.raises(ImageryUnavailable, match=r"not a whole raster|is empty"):
        catalogue.render(found, ("red",), grid(size=10.0))
    assert len(hub.at(PROCESS)) == 5


def test_a_broken_tar_is_asked_for_again(look, hub) -> None:
    catalogue, found = look(s1_feature(WHEN))
    hub.on(PROCESS, Fault(replace=b"x" * 700))
    assert np.isfinite(catalogue.render(found, ("lia",), grid())).all()


def region(outline) -> WatchedRegion:
    return WatchedRegion("here", "Here", MultiPolygon([outline]), (f"hub/{S1}",))


def test_the_radar_reader_goes_through_it(look, hub) -> None:
    catalogue, found = look(s1_feature(WHEN))
    block = next(plan_blocks(found, region(AREA), catalogue))
    assert block.grid.transform.a == 30.0
    read = read_pass([found], found.polarisations, block.grid, catalogue)
    assert read.shape == (2, *block.grid.shape)
    drawn = ground(block.grid)
    lit = drawn <= 0.9
    np.testing.assert_allclose(read[0][lit], (0.2 + drawn / 10)[lit], rtol=1e-6)
    # Both bands, and the mask, in one request.
    assert len(hub.at(PROCESS)) == 1


def test_a_neighbour_of_the_pass_fills_what_the_first_lacks(hub, hub_catalogue) -> None:
    west, east = box(-120, 34, -119.45, 35), box(-119.5, 34, -118, 35)
    hub.features[S1] = [
        s1_feature(WHEN, footprint=west),
        s1_feature(WHEN + timedelta(seconds=25), footprint=east, level=1.0),
    ]
    catalogue = hub_catalogue()
    items = sorted(
        catalogue.search(S1, AREA, sensed_after=WHEN, until=WHEN + timedelta(days=1)),
        key=lambda a: a.sensed_at,
    )
    block = next(plan_blocks(items[0], region(AREA), catalogue))
    read = read_pass(items, ("VV",), block.grid, catalogue)[0]
    lit = ground(block.grid) <= 0.9
    assert np.isfinite(read[lit]).all()
    assert read[lit].min() < 0.5 < 1.0 < read[lit].max()


def test_the_optical_reader_goes_through_it(look) -> None:
    catalogue, found = look({**s2_feature(WHEN, level=0.1), "clear": True}, S2)
    where = window_grid(found, box(-119.45, 34.25, -119.44, 34.26), 100.0, catalogue)
    assert (where.transform.a, where.transform.c % 10) == (10.0, 0.0)
    read = read_optical([found], where, catalogue)
    drawn = ground(where)
    clear = read.unseen == 0
    assert clear.any()
    expected = np.round(0.1 + 0.1 + 0.3 * (drawn - 0.2), 4)
    np.testing.assert_allclose(read.reflectance[1][clear], expected[clear], atol=1e-6)


def test_searching_imports_nothing_slow_before_it_asks() -> None:
    code = (
        "import sys, flows.catalogs.registry as r\n"
        "r.make_catalogue('cdse-hub', r.READY_MADE['cdse-hub'])\n"
        "print([m for m in ('sentinelhub', 'rasterio.warp', 'requests') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "sentinelhub" not in said.stdout
