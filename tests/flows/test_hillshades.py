"""Hillshades: whole or not at all, in bounded blocks, and served by name alone."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import rasterio
from PIL import Image
from shapely.geometry import MultiPolygon, box

from db import store
from db.engine import transaction
from detectors.errors import ConfigurationError, NothingObserved, UnreadableRaster
from detectors.terrain import hillshade
from flows import hillshades
from flows.archive.cogs import is_cog
from flows.elevation import CREDITS
from flows.services import Services
from flows.web.hills import Hills
from flows.web.tiles import Layer, make_tiles
from tests.hills import heights
from tests.page_server import served_page

AREA = MultiPolygon([box(-119.90, 34.60, -119.82, 34.66)])


@pytest.fixture
def made(watch_optically: Any, tmp_path: Path) -> Any:
    """A region of its own with heights around it: services and region."""
    w = watch_optically(before=(), geometry=AREA)
    model = heights(tmp_path / "dem.tif", AREA, 32611)
    return with_heights(w.services, model), region_of(w)


def region_of(w: Any) -> Any:
    from db import queries

    with transaction(w.services.engine) as s:
        return queries.get_region(s, "slope")


def with_heights(services: Services, *paths: Path) -> Services:
    chosen = {"elevation": tuple(map(str, paths))}
    return replace(services, settings=services.settings.model_copy(update=chosen))


def test_it_is_what_gdal_calls_cloud_optimised_and_what_terrain_says(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, region = made
    told: list[tuple[int, int]] = []
    # Several blocks, so that seams would show.
    monkeypatch.setattr(hillshades, "_BLOCK", 64)
    path = hillshades.make(services, region, lambda *one: told.append(one))
    assert is_cog(path)
    assert told[-1][0] == told[-1][1] > 9
    with rasterio.open(path) as dataset, rasterio.open(services.settings.elevation[0]) as model:
        light, place = dataset.read(1), dataset.transform
        whole = hillshade(model.read(1), 30.0)
        row, column = (round(v) for v in (~model.transform @ (place.c, place.f))[::-1])
        assert dataset.tags()["CREDIT"] == "waves <b>of our own</b>"
    there = light > 0
    expected = whole[row : row + light.shape[0], column : column + light.shape[1]]
    # Grids differ by less than a pixel; waves are long.
    assert there.mean() > 0.9
    assert np.abs((light[there] - 1) / 254 - expected[there]).max() < 0.06
    before = path.stat().st_mtime_ns
    assert hillshades.make(services, region) == path
    assert path.stat().st_mtime_ns == before, "what is there is left"


def test_other_ground_is_another_file_and_the_old_one_goes(made: Any) -> None:
    services, region = made
    old = hillshades.make(services, region)
    neighbour = old.with_name("slope-2-0123456789ab.tif")
    neighbour.write_bytes(b"of the region slope-2")
    smaller = replace(region, geometry=MultiPolygon([box(-119.88, 34.61, -119.84, 34.64)]))
    new = hillshades.make(services, smaller)
    assert new != old
    assert sorted(old.parent.iterdir()) == sorted([new, neighbour])


def test_whole_or_not_at_all(made: Any, tmp_path: Path) -> None:
    services, region = made
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"nothing")
    with pytest.raises(UnreadableRaster):
        hillshades.make(with_heights(services, broken), region)
    elsewhere = heights(tmp_path / "far.tif", box(-117, 34.6, -116.9, 34.7), 32611)
    with pytest.raises(NothingObserved, match="reaches slope"):
        hillshades.make(with_heights(services, elsewhere), region)
    with pytest.raises(ConfigurationError, match="names no elevation model"):
        hillshades.make(with_heights(services), region)
    assert list(hillshades.folder(services).iterdir()) == []


def test_wide_regions_get_coarser_pixels_and_blocks_of_as_much_ground(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, region = made
    monkeypatch.setattr(hillshades, "MOST", 100)
    kept = hillshades.make(services, region)
    with rasterio.open(kept) as dataset:
        assert dataset.transform.a == 120
        assert max(dataset.shape) <= 100


def test_both_sides_of_the_antimeridian_are_one_raster() -> None:
    sides = MultiPolygon([box(179.9, -17, 180, -16.9), box(-180, -17, -179.9, -16.9)])
    ground, grid = hillshades._ground(sides)
    assert grid.width < 1_000
    assert len(getattr(ground, "geoms", [ground])) == 1


def test_tiles_are_grey_over_nothing_and_names_are_no_paths(made: Any) -> None:
    services, region = made
    path = hillshades.make(services, region)
    with served_page(services) as page, httpx.Client(base_url=page, timeout=60) as client:
        found = client.get("/hillshade.json").json()
        (layer,) = found["layers"]
        assert found["pending"] == 0
        west, south, east, north = layer["bounds"]
        assert west < -119.90 < -119.82 < east
        assert south < 34.60 < 34.66 < north
        tile = client.get(layer["tiles"].format(z=12, x=684, y=1627))
        assert tile.status_code == 200
        assert tile.headers["content-type"] == "image/png"
        drawn = np.asarray(Image.open(io.BytesIO(tile.content)).convert("LA"))
        assert drawn[..., 0][drawn[..., 1] == 255].std() > 10
        assert client.get(layer["tiles"].format(z=12, x=0, y=0)).status_code == 204
        one = layer["tiles"].format(z=12, x=684, y=1627)
        name = path.stem
        for wrong, status in {
            one + "?tilesize=100000": 400, one + "?url=/etc/passwd": 400,
            one.replace(name, "slope"): 404, one.replace(name, "..%2Fpictures%2Fx"): 404,
            one.replace(name, f"..%2Fhillshade%2F{name}"): 404,
            one.replace("hillshade", "composites", 1): 404, one.replace("/12/", "/99999999/"): 422,
            one.replace("WebMercatorQuad", "WGS1984Quad"): 422,
            f"/tiles/hillshade/{name}/info": 404, f"/tiles/hillshade/{name}/statistics": 404,
            f"/tiles/hillshade/{name}/tilejson.json": 404, "/tiles/docs": 404,
        }.items():  # fmt: skip
            assert client.get(wrong).status_code == status, wrong
    with transaction(services.engine) as s:
        store.remove_region(s, region.id)
    assert b"layers" in Hills(services).layers(None).body  # type: ignore[arg-type]


def test_another_kind_of_raster_is_one_more_resolver(made: Any, tmp_path: Path) -> None:
    services, region = made
    with rasterio.open(hillshades.make(services, region)) as dataset:
        profile, light = dataset.profile, dataset.read(1)
    linear = tmp_path / "linear.tif"
    kept = {k: profile[k] for k in ("driver", "width", "height", "crs", "transform")}
    with rasterio.open(linear, "w", **kept, count=2, dtype="float32", nodata=np.nan) as dataset:
        dataset.write(np.stack([light / 255.0, light * 0.0]).astype(np.float32))
    layer = Layer(linear, indexes=(1,), rescale=((0.0, 1.0),))
    app = make_tiles({"composites": lambda name: layer if name == "one" else None})
    from starlette.testclient import TestClient

    client = TestClient(app)
    tile = client.get("/composites/one/tiles/WebMercatorQuad/12/684/1627.png")
    assert tile.status_code == 200
    assert np.asarray(Image.open(io.BytesIO(tile.content)).convert("L")).std() > 10
    assert client.get("/composites/two/tiles/WebMercatorQuad/12/684/1627.png").status_code == 404


def test_a_collection_brings_its_credit() -> None:
    assert "Airbus" in hillshades._credit((), "planetary-computer/cop-dem-glo-30")
    assert set(CREDITS) == {"cop-dem-glo-30", "cop-dem-glo-90"}
