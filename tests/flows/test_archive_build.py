"""Archives made from folders of GeoTIFFs, good ones and bad ones."""

from __future__ import annotations

import hashlib

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from shapely.geometry import shape

from flows.archive.build import build
from flows.archive.cogs import is_cog
from flows.archive.manifest import open_archive


def reasons(report) -> dict[str, str]:
    return {entry.name: entry.reason for entry in report.unused}


def test_archive_holds_every_look_without_loss(products, archive_folder):
    archive = open_archive(archive_folder)
    items = archive.items()
    assert len(items) == 6
    for item in items:
        pystac.Item.from_dict(item)
        for layer in ("VV", "VH"):
            cog = archive.cog(item, layer)
            assert is_cog(cog)
            with rasterio.open(cog) as made, rasterio.open(products / cog.name) as source:
                assert np.array_equal(made.read(1), source.read(1), equal_nan=True)
                assert (made.crs, made.transform) == (source.crs, source.transform)
                assert np.isnan(made.nodata)
                assert made.profile["compress"] == "deflate"
            digest = hashlib.sha256(cog.read_bytes()).hexdigest()
            assert item["assets"][layer]["file:checksum"] == "1220" + digest
    assert pystac.Collection.from_dict(archive.collection).license == "Apache-2.0"


def test_item_says_what_the_name_says(archive_folder):
    item = next(i for i in open_archive(archive_folder).items() if "20230101" in i["id"])
    assert item["properties"] | {"gsd": 30} == item["properties"]
    expected = {
        "platform": "sentinel-1a",
        "sat:orbit_state": "ascending",
        "sat:relative_orbit": 137,
        "sar:polarizations": ["VV", "VH"],
        "proj:code": "EPSG:32611",
        "processing:version": "1.0",
        "published": "2023-01-01T14:00:00Z",
        "scarpwatch:published_assumed": False,
        "scarpwatch:simulated": False,
    }
    assert expected.items() <= item["properties"].items()


def test_reprocessed_look_is_taken_to_have_come_out_in_its_time(archive_folder):
    item = next(i for i in open_archive(archive_folder).items() if "20230113" in i["id"])
    assert item["properties"]["published"] == "2023-01-13T13:59:06Z"
    assert item["properties"]["scarpwatch:published_assumed"] is True


@pytest.mark.parametrize(
    ("sensed", "tags", "expected"),
    [
        ("20230101T015907", {}, "ascending"),
        ("20230101T135907", {}, "descending"),
        ("20230101T015907", {"ORBIT_PASS_DIRECTION": "Descending"}, "descending"),
    ],
)
def test_flight_direction(product, tmp_path, sensed, tags, expected):
    product(tmp_path / "in", sensed=sensed, tags=tags)
    build(tmp_path / "in", tmp_path / "out")
    item = open_archive(tmp_path / "out").items()[0]
    assert item["properties"]["sat:orbit_state"] == expected
    assert item["properties"]["scarpwatch:orbit_state_derived"] is not bool(tags)


def test_same_input_same_bytes(products, tmp_path):
    first = build(products, tmp_path / "one").path
    second = build(products, tmp_path / "two").path
    for path in first.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes()


def test_truncated_file_is_named_and_the_rest_goes_on(products, tmp_path):
    victim = sorted(products.glob("*20230101*VH.tif"))[0]
    victim.write_bytes(victim.read_bytes()[:2_000])
    report = build(products, tmp_path / "out")
    assert report.items == 6
    assert "cannot be read" in reasons(report)[victim.name]
    assert str(products) not in reasons(report)[victim.name]
    damaged = [i for i in open_archive(report.path).items() if "VH" not in i["assets"]]
    assert [i["properties"]["sar:polarizations"] for i in damaged] == [["VV"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epsg": 4326}, "not in a projected system in metres"),
        ({"epsg": None}, "no coordinate system"),
        ({"values": np.zeros((4, 4), np.uint16)}, "holds uint16 instead of float32"),
        ({"epsg": 2272}, "not in a projected system in metres"),
        ({"transform": Affine(30, 3, 239_250, 3, -30, 3_853_590)}, "rotated"),
        ({"transform": Affine(30, 0, 239_250, 0, 30, 3_853_590)}, "not north-up"),
        ({"count": 2}, "has 2 bands"),
        ({"values": np.full((4, 4), -12.5, np.float32)}, "decibels"),
        ({"values": np.full((4, 4), np.inf, np.float32)}, None),
        ({"values": np.full((4, 4), np.nan, np.float32)}, None),
    ],
)
def test_unusable_raster_is_named(product, products, tmp_path, change, reason):
    odd = product(products, sensed="20230206T015906", processed="20230206T140000", **change)
    report = build(products, tmp_path / "out")
    if reason is None:
        assert report.items == 7
    else:
        assert report.items == 6
        assert reason in reasons(report)[odd.name]
        assert "no usable co-polarised band" in reasons(report)[odd.stem.removesuffix("_VV")]


def test_numbers_for_no_data_become_nan(product, tmp_path):
    values = np.full((4, 4), 0.1, np.float32)
    values[0, 0] = -9999
    product(tmp_path / "in", values=values, nodata=-9999)
    report = build(tmp_path / "in", tmp_path / "out")
    with rasterio.open(next((report.path / "cogs").iterdir())) as dataset:
        assert np.isnan(dataset.read(1)).sum() == 1


def test_item_without_co_polarised_band_is_named(products, tmp_path):
    victim = sorted(products.glob("*20230101*VV.tif"))[0]
    victim.unlink()
    report = build(products, tmp_path / "out")
    assert report.items == 5
    assert reasons(report) == {victim.stem.removesuffix("_VV"): "no usable co-polarised band"}
    assert not [p for p in (report.path / "cogs").iterdir() if p.name.startswith(victim.stem[:-3])]


def test_polarisations_on_different_grids_are_never_mixed(product, tmp_path):
    product(tmp_path / "in", layer="VV")
    odd = product(tmp_path / "in", layer="VH", origin=(239_280.0, 3_853_590.0))
    report = build(tmp_path / "in", tmp_path / "out")
    assert "another grid" in reasons(report)[odd.name]


def test_newest_processing_wins_and_the_older_one_is_reported(product, tmp_path):
    old = product(tmp_path / "in", processed="20230101T140000")
    new = product(tmp_path / "in", processed="20230102T140000")
    report = build(tmp_path / "in", tmp_path / "out")
    assert [i["id"] for i in open_archive(report.path).items()] == [new.stem[:-3]]
    assert report.superseded == (old.stem[:-3],)


def test_older_processing_steps_in_for_a_broken_newer_one(product, tmp_path):
    old = product(tmp_path / "in", processed="20230101T140000")
    product(tmp_path / "in", processed="20230102T140000").write_bytes(b"not a raster")
    report = build(tmp_path / "in", tmp_path / "out")
    assert [i["id"] for i in open_archive(report.path).items()] == [old.stem[:-3]]


def test_file_in_two_subfolders_is_used_once(product, tmp_path):
    product(tmp_path / "in" / "a")
    again = product(tmp_path / "in" / "b")
    report = build(tmp_path / "in", tmp_path / "out")
    assert report.items == 1
    assert reasons(report) == {again.name: "lies in the folder twice"}


def test_mask_layer_is_kept_and_other_files_are_named(product, tmp_path):
    product(tmp_path / "in")
    product(tmp_path / "in", layer="mask", values=np.full((30, 40), 2, np.uint8))
    (tmp_path / "in" / "holiday.tif").write_bytes(b"x")
    static = "OPERA_L2_RTC-S1-STATIC_T137-292321-IW2_20140403_S1A_30_v1.0_incidence_angle.tif"
    (tmp_path / "in" / static).write_bytes(b"x")
    report = build(tmp_path / "in", tmp_path / "out")
    item = open_archive(report.path).items()[0]
    assert item["assets"]["mask"]["roles"] == ["data-mask"]
    assert item["properties"]["sar:polarizations"] == ["VV"]
    assert "not named like" in reasons(report)["holiday.tif"]
    assert "static layer" in reasons(report)[static]


def test_burst_across_the_antimeridian_gets_a_split_footprint(product, tmp_path):
    product(tmp_path / "in", epsg=32760, origin=(812_000.0, 8_020_000.0), values=np.full(
        (60, 400), 0.1, np.float32))  # fmt: skip
    build(tmp_path / "in", tmp_path / "out")
    item = open_archive(tmp_path / "out").items()[0]
    footprint = shape(item["geometry"])
    assert footprint.geom_type == "MultiPolygon"
    assert footprint.is_valid
    assert sorted(round(part.centroid.x) for part in footprint.geoms) == [-180, 180]
    west, _, east, _ = item["bbox"]
    assert west > 179 > -179 > east


def test_large_raster_gets_overviews(product, tmp_path):
    product(tmp_path / "in", values=np.full((700, 900), 0.1, np.float32))
    report = build(tmp_path / "in", tmp_path / "out")
    cog = next((report.path / "cogs").iterdir())
    with rasterio.open(cog) as dataset:
        assert dataset.overviews(1)
        assert dataset.block_shapes == [(512, 512)]
