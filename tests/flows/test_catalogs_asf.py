"""OPERA RTC-S1 at ASF, as far as a recorded granule and a loopback server allow."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pydantic import SecretStr
from shapely.geometry import MultiPolygon, box

from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import Acquisition, OrbitState
from flows.catalogs.base import CatalogueSettings, Refused
from flows.catalogs.registry import make_catalogue

AREA = box(-150, 64, -146, 66)
SPAN = {
    "sensed_after": datetime(2023, 11, 1, tzinfo=UTC),
    "until": datetime(2023, 12, 10, tzinfo=UTC),
}
NAME = "OPERA_L2_RTC-S1_T131-279916-IW1_20231202T162856Z_20231202T232622Z_S1A_30_v1.0"
SECRET = "hush-hush-token"
QUICK = {"attempts": 3, "backoff_s": 0.01, "longest_wait_s": 0.1, "timeout_s": 2.0}


def granule(name: str = NAME) -> dict[str, Any]:
    """The parts of a real UMM-G record of OPERA RTC-S1 that are looked at."""
    base = f"https://datapool.asf.alaska.edu/RTC/OPERA-S1/{name}"
    points = [(64.92, -147.09), (65.11, -148.95), (64.94, -149.03), (64.76, -147.18),
              (64.92, -147.09)]  # fmt: skip
    return {
        "meta": {"concept-type": "granule", "revision-id": 1},
        "umm": {
            "GranuleUR": name,
            "TemporalExtent": {"RangeDateTime": {
                "BeginningDateTime": "2023-12-02T16:28:56Z",
                "EndingDateTime": "2023-12-02T16:28:59Z"}},
            "ProviderDates": [
                {"Type": "Insert", "Date": "2023-12-03T00:11:26Z"},
                {"Type": "Update", "Date": "2023-12-04T00:11:26Z"}],
            "AdditionalAttributes": [
                {"Name": "ASCENDING_DESCENDING", "Values": ["DESCENDING"]},
                {"Name": "PATH_NUMBER", "Values": ["131"]},
                {"Name": "POLARIZATION", "Values": ["VV", "VH"]},
                {"Name": "PRODUCT_VERSION", "Values": ["1.0"]}],
            "SpatialExtent": {"HorizontalSpatialDomain": {"Geometry": {"GPolygons": [
                {"Boundary": {"Points": [
                    {"Latitude": lat, "Longitude": lon} for lat, lon in points]}}]}}},
            "RelatedUrls": [
                {"URL": f"{base}_VH.tif", "Type": "GET DATA"},
                {"URL": f"s3://bucket/{name}_VH.tif", "Type": "GET DATA VIA DIRECT ACCESS"},
                {"URL": f"{base}_VV.tif", "Type": "GET DATA"},
                {"URL": f"{base}_mask.tif", "Type": "GET DATA"},
                {"URL": f"{base}.h5", "Type": "GET DATA"},
                {"URL": f"{base}_BROWSE.png", "Type": "GET RELATED VISUALIZATION"},
                {"URL": f"{base}_VV.tif.md5", "Type": "EXTENDED METADATA"}],
        },
    }  # fmt: skip


@pytest.fixture
def asf(misbehaving, reply):
    misbehaving.on("/health", reply({"ok?": True}))
    settings = CatalogueSettings(
        kind="opera-asf", url=misbehaving.url, token=SecretStr(SECRET), **QUICK
    )
    return make_catalogue("opera-asf", settings)


def search(asf, **changes: Any) -> list[Acquisition | Refused]:
    return list(asf.search("OPERA_L2_RTC-S1_V1", AREA, **(SPAN | changes)))


def page(reply, *granules: Any, after: str | None = None) -> Any:
    headers = {"CMR-Search-After": after} if after else {}
    return reply({"hits": 1, "items": list(granules)}, headers=headers)


class TestAsf:
    def test_granule_becomes_an_acquisition(self, asf, misbehaving, reply):
        misbehaving.on("/granules.umm_json", page(reply, granule()))
        (look,) = search(asf)
        assert look.source == "opera-asf/OPERA_L2_RTC-S1_V1"
        assert look.item_id == NAME
        assert look.burst_id == "T131-279916-IW1"
        assert look.orbit_state is OrbitState.DESCENDING
        assert look.relative_orbit == 131
        assert look.platform == "sentinel-1a"
        assert look.sensed_at == datetime(2023, 12, 2, 16, 28, 56, tzinfo=UTC)
        assert look.published_at == look.created_at
        assert look.published_at == datetime(2023, 12, 3, 0, 11, 26, tzinfo=UTC)
        assert look.assets == {
            pol: f"https://datapool.asf.alaska.edu/RTC/OPERA-S1/{NAME}_{pol}.tif"
            for pol in ("VV", "VH", "mask")
        }

    def test_pages_are_followed_past_the_announced_hits(self, asf, misbehaving, reply):
        names = [NAME.replace("279916", f"27991{n}") for n in range(3)]
        misbehaving.on(
            "/granules.umm_json",
            page(reply, granule(names[0]), after='["a", 1]'),
            page(reply, granule(names[1]), granule(names[0]), after='["b", 2]'),
            page(reply, granule(names[2])),
        )
        assert [look.item_id for look in search(asf)] == names
        asked = misbehaving.asked_at("/granules.umm_json")
        assert [request.headers.get("CMR-Search-After") for request in asked] == [
            None, '["a", 1]', '["b", 2]'
        ]  # fmt: skip
        assert "short_name=OPERA_L2_RTC-S1_V1&provider=ASF" in asked[0].body
        assert "bounding_box=-150.000000%2C64.000000%2C-146.000000%2C66.000000" in asked[0].body
        assert "updated_since" not in asked[0].body

    def test_polling_asks_for_what_came_in_since(self, asf, misbehaving, reply):
        misbehaving.on("/granules.umm_json", page(reply))
        since = datetime(2023, 12, 8, tzinfo=UTC)
        assert search(asf, published_after=since, sensed_after=since - timedelta(days=900)) == []
        (asked,) = misbehaving.asked_at("/granules.umm_json")
        assert "updated_since=2023-12-08T00%3A00%3A00.000000Z" in asked.body

    def test_first_poll_is_cut_into_windows(self, asf, misbehaving, reply):
        misbehaving.on("/granules.umm_json", page(reply))
        search(asf, sensed_after=SPAN["until"] - timedelta(days=100))
        assert len(misbehaving.asked_at("/granules.umm_json")) == 2

    def test_area_across_the_antimeridian_is_two_boxes(self, asf, misbehaving, reply):
        misbehaving.on("/granules.umm_json", page(reply))
        fiji = MultiPolygon([box(178, -19, 180, -16), box(-180, -19, -179, -16)])
        assert list(asf.search("OPERA_L2_RTC-S1_V1_1", fiji, **SPAN)) == []
        bodies = [request.body for request in misbehaving.asked_at("/granules.umm_json")]
        assert "bounding_box=-180.000000%2C-19.000000%2C-179.000000%2C-16.000000" in bodies[0]
        assert "bounding_box=178.000000%2C-19.000000%2C180.000000%2C-16.000000" in bodies[1]

    @pytest.mark.parametrize(
        ("path", "value", "reason"),
        [
            (("umm",), None, "no id"),
            (("umm", "GranuleUR"), 7, "no id"),
            (("umm", "SpatialExtent"), [], "no geometry"),
            (("umm", "RelatedUrls"), None, "no assets"),
            (("umm", "TemporalExtent"), {"RangeDateTime": {}}, "no sensing time"),
        ],
    )
    def test_one_bad_granule_is_refused(self, asf, misbehaving, reply, path, value, reason):
        bad = copy.deepcopy(granule())
        holder = bad
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = value
        good = NAME.replace("279916", "279917")
        misbehaving.on("/granules.umm_json", page(reply, None, bad, granule(good)))
        found = search(asf)
        assert [r.item_id for r in found if isinstance(r, Acquisition)] == [good]
        assert {r.reason for r in found if isinstance(r, Refused)} == {"not a STAC item", reason}

    def test_missing_attributes_are_taken_from_the_name(self, asf, misbehaving, reply):
        bare = granule()
        for key in ("AdditionalAttributes", "ProviderDates"):
            del bare["umm"][key]
        misbehaving.on("/granules.umm_json", page(reply, bare))
        (look,) = search(asf)
        assert (look.relative_orbit, look.orbit_state) == (131, OrbitState.DESCENDING)
        assert look.published_at == datetime(2023, 12, 2, 23, 26, 22, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("trouble", "message"),
        [
            ({"status": 429, "body": {}}, "answered 429"),
            ({"status": 504, "body": {}}, "answered 504"),
            ({"body": b"<html></html>"}, "HTML"),
            ({"body": {"errors": ["with status 200"]}}, "without a list of items"),
            ({"body": {"items": []}, "cut": True}, "cannot be reached"),
        ],
    )
    def test_trouble_is_named_and_passing_trouble_loses_nothing(
        self, asf, misbehaving, reply, trouble, message
    ):
        misbehaving.on("/granules.umm_json", reply(**trouble))
        with pytest.raises(CatalogueUnavailable, match=message) as caught:
            search(asf)
        assert SECRET not in str(caught.value)
        misbehaving.on("/granules.umm_json", reply(**trouble), page(reply, granule()))
        assert len(search(asf)) == 1

    def test_pages_that_go_round_end_in_an_error(self, asf, misbehaving, reply):
        misbehaving.on("/granules.umm_json", page(reply, granule(), after="x"))
        with pytest.raises(CatalogueUnavailable, match="again and again"):
            search(asf)

    def test_other_collections_and_a_missing_token_are_named(self, asf):
        with pytest.raises(ConfigurationError, match="serves OPERA_L2_RTC-S1_V1"):
            list(asf.search("SENTINEL-1A_SLC", AREA, **SPAN))
        bare = make_catalogue("opera-asf", CatalogueSettings(kind="opera-asf"))
        with pytest.raises(ConfigurationError, match="needs an Earthdata token"):
            bare.gdal_environment()
        assert asf.check().endswith("/health: healthy")

    def test_token_is_sent_to_the_archive_and_not_after_a_redirect(
        self, asf, misbehaving, reply, tmp_path: Path
    ):
        """GDAL itself reads a COG behind a redirect to a signed address on another host."""
        path = tmp_path / "look.tif"
        with rasterio.open(
            path, "w", driver="COG", width=8, height=8, count=1, dtype="float32",
            crs="EPSG:32611", transform=rasterio.Affine(30, 0, 0, 0, -30, 0),
        ) as dataset:  # fmt: skip
            dataset.write(np.ones((8, 8), np.float32), 1)
        port = misbehaving.url.rpartition(":")[2]
        elsewhere = f"http://localhost:{port}/signed.tif?signature=1"
        misbehaving.on("/look.tif", reply(b"", status=302, headers={"Location": elsewhere}))
        misbehaving.on("/signed.tif", reply(path.read_bytes()))
        options = {**asf.gdal_environment(), "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
                   "GDAL_HTTP_TIMEOUT": "5"}  # fmt: skip
        href = asf.sign(f"{misbehaving.url}/look.tif")
        with rasterio.Env(**options), rasterio.open(f"/vsicurl/{href}") as dataset:
            assert dataset.read(1).sum() == 64
        told = [
            request.headers.get("Authorization") for request in misbehaving.asked_at("/look.tif")
        ]
        leaked = [r.headers.get("Authorization") for r in misbehaving.asked_at("/signed.tif")]
        assert set(told) == {f"Bearer {SECRET}"}
        assert set(leaked) == {None}
