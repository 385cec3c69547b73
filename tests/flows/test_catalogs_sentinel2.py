"""Sentinel-2 items of every public catalogue, as recorded, and every way they may be wrong."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from detectors.errors import UnusableItem
from detectors.types import Acquisition, OrbitState, Sensor
from flows.catalogs.items import scene_name, to_acquisition
from flows.catalogs.searching import records

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RECORDED = Path(__file__).parent / "recorded"
L2A = {
    "earth-search-c1", "earth-search-v1", "earth-search-v0", "planetary-computer", "cdse-2020",
    "cdse-2026", "stactools-t01wcp", "stactools-t60cws", "stactools-t34lbq",
}  # fmt: skip
SCENE = ("blue", "green", "red", "nir", "scl")


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text("utf-8"))


def accept(item: dict[str, Any], **options: Any) -> Acquisition:
    return to_acquisition(item, "a/b", NOW, **{"base": "/somewhere/item.json", **options})


def changed(item: dict[str, Any], **properties: Any) -> dict[str, Any]:
    item = copy.deepcopy(item)
    for name, value in properties.items():
        key = name.replace("__", ":")
        item["properties"].pop(key, None)
        if value is not None:
            item["properties"][key] = value
    return item


@pytest.mark.parametrize("name", sorted(L2A))
def test_recorded_item_is_a_look(name):
    item = recorded(name)
    look = accept(item)
    assert look.sensor is Sensor.OPTICAL
    assert set(look.assets) - {"cloud"} == set(SCENE)
    assert set(look.scale) == set(look.offset) == {"blue", "green", "red", "nir"}
    assert set(look.scale.values()) == {1e-4}
    assert look.polarisations == ()
    assert look.tile is not None
    assert look.track == look.tile
    assert look.footprint.is_valid
    parts = getattr(look.footprint, "geoms", [look.footprint])
    assert all(part.bounds[2] - part.bounds[0] < 10 for part in parts)
    assert not look.simulated


@pytest.mark.parametrize(
    ("name", "offset", "baseline"),
    [
        ("earth-search-c1", -0.1, "05.11"),
        # Says that it took the offset out, and leaves -0.1 in the raster metadata: never twice.
        ("earth-search-v1", 0.0, "05.11"),
        ("earth-search-v0", 0.0, "05.11"),
        # Sensed in 2019 and processed with an old baseline; no raster metadata at all.
        ("planetary-computer", 0.0, "02.12"),
        # Sensed in March 2020, years before the offset, and processed again with a new baseline.
        ("cdse-2020", -0.1, "05.00"),
        ("cdse-2026", -0.1, "05.12"),
        ("stactools-t01wcp", -0.1, "05.09"),
    ],
)
def test_offset_follows_the_very_product(name, offset, baseline):
    look = accept(recorded(name))
    assert set(look.offset.values()) == {offset}
    assert look.processing_version == baseline


def test_what_each_catalogue_tells():
    first = accept(recorded("earth-search-c1"))
    assert first.platform == "sentinel-2b"
    assert first.tile == "T20EPT"
    assert first.cloud_cover == pytest.approx(26.02542)
    assert first.sensed_at == datetime(2025, 7, 31, 13, 19, 22, 930_000, UTC)
    assert first.published_at == datetime(2025, 7, 31, 15, 0, 24, 817_000, UTC)
    assert (first.orbit_state, first.relative_orbit) == (None, 95)
    assert first.assets["nir"].endswith("/B08.tif")
    assert first.assets["cloud"].endswith("/CLD_20m.tif")
    assert set(first.checksums) == set(first.assets)

    # The cloud probability of the older collection lies in storage that asks for payment.
    assert "cloud" not in accept(recorded("earth-search-v1")).assets
    assert accept(recorded("earth-search-v0")).assets["nir"].endswith("/B08.tif")

    microsoft = accept(recorded("planetary-computer"))
    assert microsoft.platform == "sentinel-2a"
    assert microsoft.orbit_state is OrbitState.DESCENDING
    assert microsoft.published_at == NOW
    assert microsoft.assets["red"].endswith("_B04_10m.tif")

    space = accept(recorded("cdse-2026"))
    assert space.platform == "sentinel-2c"
    assert f"{space.published_at:%Y-%m-%d}" == "2026-05-27"
    assert all(href.startswith("https://download.dataspace") for href in space.assets.values())
    assert "B04_10m.jp2" in space.assets["red"]
    assert "MSK_CLDPRB_20m" in space.assets["cloud"]


def test_object_storage_is_taken_where_the_catalogue_reads_it():
    look = accept(recorded("cdse-2026"), from_storage=True)
    assert all(href.startswith("s3://eodata/") for href in look.assets.values())


@pytest.mark.parametrize(
    ("name", "tile"), [("stactools-t01wcp", "T01WCP"), ("stactools-t60cws", "T60CWS")]
)
def test_tiles_across_the_antimeridian_keep_zero_and_both_halves(name, tile):
    look = accept(recorded(name))
    assert look.tile == tile
    assert look.footprint.geom_type == "MultiPolygon"
    west, _, east, _ = look.footprint.bounds
    assert (west, east) == (-180, 180)
    assert look.footprint.intersects(box(179.9, -85, 180, 85))
    assert look.footprint.intersects(box(-180, -85, -179.9, 85))


def test_same_scene_has_one_name_in_every_catalogue():
    names = {}
    for name in L2A:
        item = recorded(name)
        names[name] = scene_name(item, accept(item))
    assert names["earth-search-c1"] == names["earth-search-v1"] == "S2B_T20EPT_20250731T131905_L2A"
    assert recorded("earth-search-c1")["id"] == names["earth-search-c1"]
    assert names["cdse-2026"] == "S2C_T55WFR_20260527T014647_L2A"
    assert names["planetary-computer"] == "S2A_T60VUK_20181231T235957_L2A"
    assert names["stactools-t34lbq"] == "S2A_T34LBQ_20220401T090142_L2A"
    # Tells no data strip: its own sensing time stands in.
    assert names["earth-search-v0"] == "S2B_T20EPT_20250731T131922_L2A"


@pytest.mark.parametrize(
    ("told", "platform"),
    [
        ("Sentinel-2D", "sentinel-2d"), ("sentinel-2c", "sentinel-2c"), ("S2C", "sentinel-2c"),
        ("SENTINEL-2A", "sentinel-2a"), ("sentinel_2b", "sentinel-2b"), (None, "sentinel-2b"),
        ("Copernicus Next", "copernicus next"),
    ],
)  # fmt: skip
def test_platforms_are_data_and_unknown_ones_are_kept(told, platform):
    item = changed(recorded("earth-search-c1"), platform=told)
    assert accept(item).platform == platform


@pytest.mark.parametrize(
    ("changes", "tile"),
    [
        ({"grid__code": "MGRS-1LAC"}, "T01LAC"),
        ({"grid__code": None, "mgrs__utm_zone": 1, "mgrs__latitude_band": "L",
          "mgrs__grid_square": "AC"}, "T01LAC"),
        ({"grid__code": "MGRS-61LAC", "mgrs__utm_zone": None, "s2__mgrs_tile": "01LAC"}, "T01LAC"),
        ({"grid__code": None, "mgrs__utm_zone": None}, "T20EPT"),
        ({"grid__code": 7}, "T20EPT"),
    ],
)  # fmt: skip
def test_tile_is_text_with_its_zero(changes, tile):
    assert accept(changed(recorded("earth-search-c1"), **changes)).tile == tile


@pytest.mark.parametrize(
    ("told", "cover"),
    [(0, 0.0), (12.5, 12.5), (100, 100.0), (-1, None), (101, None), (None, None), ("7", None),
     (True, None), (float("nan"), None)],
)  # fmt: skip
def test_unknown_cloud_cover_is_unknown(told, cover):
    assert accept(changed(recorded("earth-search-c1"), eo__cloud_cover=told)).cloud_cover == cover


def test_invalid_cloud_cover_of_the_old_catalogue_is_unknown():
    item = changed(recorded("earth-search-v0"), sentinel__valid_cloud_cover=False)
    assert accept(item).cloud_cover is None


def test_stac_1_1_has_scale_and_offset_in_its_bands():
    item = recorded("cdse-2026")
    for asset in item["assets"].values():
        for name in ("raster:scale", "raster:offset"):
            if name in asset:
                asset["bands"][0][name] = asset.pop(name)
    assert set(accept(item).offset.values()) == {-0.1}


def test_bands_may_have_their_own_offsets():
    item = recorded("earth-search-c1")
    item["assets"]["blue"]["raster:bands"][0]["offset"] = -0.12
    assert accept(item).offset == {"blue": -0.12, "green": -0.1, "red": -0.1, "nir": -0.1}


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    item = copy.deepcopy(item)
    for name in names:
        del item["assets"][name]
    return item


def in_storage(name: str) -> dict[str, Any]:
    item = recorded("earth-search-c1")
    item["assets"][name]["href"] = "s3://bucket/B04.jp2"
    return item


def hls(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "id": "HLS.S30.T20EPT.2025212T131919.v2.0", "collection": "HLSS30_2.0"}


C1 = recorded("earth-search-c1")
PLANETARY = recorded("planetary-computer")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (recorded("earth-search-v1-l1c"), "top of atmosphere (L1C) without a cloud mask"),
        (recorded("cdse-mosaic"), "a mosaic of many dates"),
        (hls(C1), "harmonised (HLS)"),
        (recorded("search-without-assets")["response"]["features"][0], "no assets"),
        (without(C1, "scl"), "no scene classification (SCL)"),
        (without(C1, "blue", "nir"), "no asset for blue, nir"),
        (in_storage("red"), "only in object storage that needs an account: red"),
        ({**C1, "geometry": None}, "no geometry"),
        (changed(C1, datetime=None), "no sensing time"),
        (changed(C1, datetime="2025-07-31T13:19:22"), "datetime has no time zone"),
        (changed(C1, datetime="0001-01-01T00:00:00+09:00"), "datetime is no time"),
        (changed(C1, proj__epsg=4326), "lies in EPSG:4326"),
        (changed(C1, s2__processing_baseline="02.12"), "contradicts the product's name (05.11)"),
        (changed(PLANETARY, s2__processing_baseline=None, s2__product_uri=None,
                 s2__datastrip_id=None, s2__datatake_id=None, s2__granule_id=None),
         "no processing baseline"),
        ({**C1, "id": "x", "collection": "some-sentinel-2", "assets": {"a": {"href": "b"}},
          "properties": {"constellation": "sentinel-2"}}, "not known to be surface reflectance"),
    ],
)  # fmt: skip
def test_unusable_item_is_named(item, reason):
    with pytest.raises(UnusableItem) as caught:
        accept(item)
    assert reason in str(caught.value)


def test_search_results_without_a_place_do_not_guess_one():
    with pytest.raises(UnusableItem, match="relative href without a self link"):
        accept(recorded("stactools-t01wcp"), base=None)
    look = accept(recorded("stactools-t01wcp"), base="/data/x/item.json")
    assert look.assets["scl"].startswith("/data/x/GRANULE/")


@pytest.mark.parametrize("odd", ["a\0b", "\ud800"])
def test_characters_that_are_none_reach_no_database(odd):
    item = recorded("earth-search-c1")
    item["properties"]["platform"] = odd
    named = {**copy.deepcopy(C1), "id": odd}
    wrong = changed(C1, proj__epsg=odd)
    area = box(-180, -90, 180, 90)
    found = [one.record for one in records([item, {**wrong, "id": "y"}, named], "a/b", area, NOW)]
    texts = [text for one in found for text in (one.item_id, one.reason)]
    assert len(texts) == 6
    assert all("\0" not in text and text.encode() for text in texts)


def test_malformed_hrefs_are_refused_not_crashed():
    item = recorded("earth-search-c1")
    item["assets"]["red"]["href"] = "http://[broken"
    with pytest.raises(UnusableItem, match="href cannot be read"):
        accept(item)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                               max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(deadline=None)
@given(data=st.data(), value=JSON, name=st.sampled_from(sorted(L2A - {"stactools-t01wcp"})))
def test_no_broken_item_ever_stops_the_rest(data, value, name):
    """Replace any one part of a recorded item by any JSON: it is refused or still understood."""
    item = recorded(name)
    places: list[tuple[Any, Any]] = [(item, key) for key in item]
    places += [(item["properties"], key) for key in item["properties"]]
    places += [(item["assets"], key) for key in item["assets"]]
    for asset in item["assets"].values():
        places += [(asset, key) for key in asset]
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = value
    good = {**copy.deepcopy(C1), "id": "good"}
    found = [one.record for one in records([item, good], "a/b", box(-180, -90, 180, 90), NOW)]
    assert any(isinstance(r, Acquisition) and r.item_id == "good" for r in found)
