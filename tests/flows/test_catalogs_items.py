"""STAC items into acquisitions: every catalogue's way, and every way to be wrong."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import UnusableItem
from detectors.types import Acquisition, OrbitState
from flows.archive.manifest import open_archive
from flows.catalogs.items import to_acquisition
from flows.catalogs.searching import records

NOW = datetime(2023, 2, 1, tzinfo=UTC)
OPERA = "OPERA_L2_RTC-S1_T137-292321-IW2_20230101T015907Z_20230101T140000Z_S1A_30_v1.0"
SQUARE = [[-120, 34], [-119, 34], [-119, 35], [-120, 35], [-120, 34]]


def rtc_item(**changes: Any) -> dict[str, Any]:
    """An item shaped like Planetary Computer's ``sentinel-1-rtc``, which calls itself GRD."""
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S1A_IW_GRDH_1SDV_20230101T015900_20230101T015925_046590_059565_rtc",
        "collection": "sentinel-1-rtc",
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "properties": {
            "datetime": "2023-01-01T01:59:12.5Z",
            "start_datetime": "2023-01-01T01:59:00.123456Z",
            "platform": "SENTINEL-1A",
            "sar:product_type": "GRD",
            "sar:instrument_mode": "IW",
            "sar:polarizations": ["VV", "VH"],
            "sat:orbit_state": "ascending",
            "sat:relative_orbit": 137,
            "proj:epsg": 32611,
        },
        "assets": {
            "vh": {"href": "https://x.blob.core.windows.net/c/iw-vh.rtc.tiff"},
            "vv": {"href": "https://x.blob.core.windows.net/c/iw-vv.rtc.tiff"},
        },
        "links": [],
    }
    for name, value in changes.items():
        if name in {"id", "collection", "geometry", "assets", "links", "properties"}:
            item[name] = value
        else:
            key = name.replace("__", ":")
            item["properties"] = {k: v for k, v in item["properties"].items() if k != key}
            if value is not None:
                item["properties"][key] = value
    return item


def cmr_stac_item(prefix: str = "0_") -> dict[str, Any]:
    """An item shaped like CMR-STAC's OPERA items: hardly any properties, assets by number."""
    base = f"https://datapool.asf.alaska.edu/RTC/OPERA-S1/{OPERA}"
    return {
        "type": "Feature",
        "id": OPERA,
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "properties": {"datetime": "2023-01-01T01:59:07.000Z"},
        "assets": {
            f"{prefix}h5": {"href": f"{base}.h5"},
            f"{prefix}VH": {"href": f"{base}_VH.tif"},
            f"{prefix}VV": {"href": f"{base}_VV.tif"},
            f"{prefix}mask": {"href": f"{base}_mask.tif"},
            "s3_VV": {"href": f"s3://asf-products/{OPERA}_VV.tif"},
            "browse": {"href": f"{base}_BROWSE.png", "roles": ["thumbnail"]},
        },
    }


def test_archive_item(archive_folder):
    for item in open_archive(archive_folder).items():
        link = {"rel": "self", "href": f"https://x.org/c/items/{item['id']}"}
        look = to_acquisition({**item, "links": [link]}, "archive/opera-rtc-s1", NOW)
        assert look.burst_id == item["properties"]["opera:burst_id"]
        assert look.polarisations == ("VV", "VH")
        assert look.assets["VV"] == f"https://x.org/c/cogs/{item['id']}_VV.tif"
        assert look.checksums.keys() == {"VV", "VH"}
        assert not look.simulated


def test_planetary_computer_item_is_rtc_though_it_says_grd():
    look = to_acquisition(rtc_item(), "planetary-computer/sentinel-1-rtc", NOW)
    assert look.platform == "sentinel-1a"
    assert look.sensed_at == datetime(2023, 1, 1, 1, 59, 0, 123456, tzinfo=UTC)
    assert look.published_at == NOW
    assert look.track == "137-ascending"
    assert look.assets["VV"].endswith("iw-vv.rtc.tiff")


@pytest.mark.parametrize("prefix", ["0_", "download_", ""])
def test_cmr_stac_item_is_understood_by_its_name(prefix):
    look = to_acquisition(cmr_stac_item(prefix), "opera-cmr-stac/OPERA_L2_RTC-S1_V1_1", NOW)
    assert look.burst_id == "T137-292321-IW2"
    assert look.relative_orbit == 137
    assert look.orbit_state is OrbitState.ASCENDING
    assert look.platform == "sentinel-1a"
    assert look.published_at == datetime(2023, 1, 1, 14, tzinfo=UTC)
    assert look.assets == {
        name: f"https://datapool.asf.alaska.edu/RTC/OPERA-S1/{OPERA}_{name}.tif"
        for name in ("VV", "VH", "mask")
    }


@pytest.mark.parametrize(
    ("told", "platform"),
    [("sentinel-1c", "sentinel-1c"), ("S1D", "sentinel-1d"), ("Sentinel-1A", "sentinel-1a"),
     ("SENTINEL-1", "sentinel-1"), ("radar-9", "radar-9")],
)  # fmt: skip
def test_new_satellites_need_no_code(told, platform):
    assert to_acquisition(rtc_item(platform=told), "a/b", NOW).platform == platform


def test_unknown_platforms_are_kept():
    assert to_acquisition(rtc_item(platform="SENTINEL-1X"), "a/b", NOW).platform == "sentinel-1x"
    assert to_acquisition(rtc_item(platform=None), "a/b", NOW).platform == "sentinel-1a"
    renamed = rtc_item(platform=None, id="renamed_rtc")
    assert to_acquisition(renamed, "a/b", NOW).platform == "unknown"


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (rtc_item(id=""), "no id"),
        (rtc_item(properties=None), "no properties"),
        (rtc_item(id="S1A_IW_GRDH_1SDV_x", collection="grd"), "not terrain-corrected: GRD"),
        (rtc_item(id="S1A_IW_SLC__1SDV_x", collection="x", sar__product_type="SLC"), "SLC"),
        (rtc_item(id="x", collection="x", sar__product_type=None), "product type missing"),
        (rtc_item(id="L2A_x", collection="s2", sar__polarizations=None,
                  sar__instrument_mode=None, sar__product_type=None), "not a radar image"),
        (rtc_item(id=OPERA.replace("RTC-S1_", "RTC-S1-STATIC_")), "static layer"),
        (rtc_item(sar__polarizations=None), "no polarisation"),
        (rtc_item(sar__polarizations=[]), "no polarisation"),
        (rtc_item(sar__polarizations=["RH"]), "unknown polarisation RH"),
        (rtc_item(sar__polarizations=["VH"]), "no co-polarised band, only VH"),
        (rtc_item(sar__polarizations=["HH", "HV"]), "no asset for HH, HV"),
        (rtc_item(assets={}), "no assets"),
        (rtc_item(assets={"vv": {"href": "https://x/vv.tif"}}), "no asset for VH"),
        (rtc_item(assets={"vv": None, "vh": {"href": 7}}), "no asset for VV, VH"),
        (rtc_item(assets={"vv": {"href": "vv.tif"}, "vh": {"href": "vh.tif"}}), "relative href"),
        (rtc_item(geometry=None), "no geometry"),
        (rtc_item(geometry={"type": "Nonsense"}), "geometry cannot be read"),
        (rtc_item(geometry={"type": "Polygon", "coordinates": [[["a", 1]]]}), "geometry"),
        (rtc_item(geometry={"type": "Point", "coordinates": [1, 2]}), "has no area (Point)"),
        (rtc_item(geometry={"type": "Polygon", "coordinates": [
            [[240000, 3800000], [250000, 3800000], [250000, 3900000], [240000, 3800000]]]}),
         "not lon/lat"),
        (rtc_item(start_datetime=None, datetime=None), "no sensing time"),
        (rtc_item(start_datetime="2023-01-01T01:59:00"), "start_datetime has no time zone"),
        (rtc_item(start_datetime="yesterday"), "start_datetime is no time"),
        (rtc_item(published="2023-01-01 12:00"), "published has no time zone"),
        (rtc_item(sat__orbit_state=None), "no flight direction (missing)"),
        (rtc_item(sat__orbit_state="sideways"), "no flight direction (sideways)"),
        (rtc_item(sat__relative_orbit=None), "no relative orbit (missing)"),
        (rtc_item(sat__relative_orbit=176), "no relative orbit (176)"),
        (rtc_item(sat__relative_orbit=True), "no relative orbit"),
        (rtc_item(proj__epsg=4326), "lies in EPSG:4326, not in a projected system"),
        (rtc_item(proj__code="EPSG:2272"), "lies in EPSG:2272"),
        (rtc_item(proj__code="nonsense"), "lies in nonsense"),
    ],
)  # fmt: skip
def test_unusable_item_is_named(item, reason):
    with pytest.raises(UnusableItem) as caught:
        to_acquisition(item, "a/b", NOW)
    assert reason in str(caught.value)


@pytest.mark.parametrize("code", [{"proj__code": "EPSG:32611"}, {"proj__epsg": None}])
def test_both_ways_to_state_the_crs_and_none_are_accepted(code):
    assert to_acquisition(rtc_item(**code), "a/b", NOW)


def test_optical_and_unannounced_times_do_not_pass_as_radar():
    look = to_acquisition(rtc_item(created="2023-01-02T03:04:05Z"), "a/b", NOW)
    assert look.published_at == look.created_at == datetime(2023, 1, 2, 3, 4, 5, tzinfo=UTC)
    look = to_acquisition(rtc_item(scarpwatch__simulated=True), "a/b", NOW)
    assert look.simulated


@pytest.mark.parametrize(
    ("ring", "longitudes"),
    [
        # Fiji, as a ring that jumps, as one that runs past 180, and already split.
        ([[179, -18], [-179, -18], [-179, -17], [179, -17], [179, -18]], [-179.5, 179.5]),
        ([[179, -18], [181, -18], [181, -17], [179, -17], [179, -18]], [-179.5, 179.5]),
        ([[-181, -18], [-179, -18], [-179, -17], [-181, -17], [-181, -18]], [-179.5, 179.5]),
    ],
)
def test_antimeridian_footprints_are_split(ring, longitudes):
    item = rtc_item(geometry={"type": "Polygon", "coordinates": [ring]})
    footprint = to_acquisition(item, "a/b", NOW).footprint
    assert footprint.is_valid
    assert sorted(round(part.centroid.x, 6) for part in footprint.geoms) == longitudes
    split = rtc_item(geometry=json.loads(json.dumps(footprint.__geo_interface__)))
    assert to_acquisition(split, "a/b", NOW).footprint.equals(footprint)


def test_self_crossing_footprint_is_mended():
    bow_tie = [[-120, 34], [-119, 35], [-119, 34], [-120, 35], [-120, 34]]
    item = rtc_item(geometry={"type": "Polygon", "coordinates": [bow_tie]})
    footprint = to_acquisition(item, "a/b", NOW).footprint
    assert footprint.is_valid
    assert footprint.area == pytest.approx(0.5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                               max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(deadline=None)
@given(data=st.data(), value=JSON)
def test_no_broken_item_ever_stops_the_rest(data, value):
    """Replace any one part of a good item by any JSON: it is refused or still understood."""
    item = copy.deepcopy(rtc_item())
    places: list[tuple[Any, Any]] = [(item, key) for key in item]
    places += [(item["properties"], key) for key in item["properties"]]
    places += [(item["assets"], key) for key in item["assets"]]
    places += [(item["geometry"], key) for key in item["geometry"]]
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = value
    good = rtc_item(id="good_rtc")
    area = to_acquisition(good, "a/b", NOW).footprint
    found = [one.record for one in records([item, good], "a/b", area, NOW)]
    assert any(isinstance(r, Acquisition) and r.item_id == "good_rtc" for r in found)
