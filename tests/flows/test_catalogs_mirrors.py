"""Several catalogues as one: fail-over, cross-check, and one name for one scene."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from shapely.geometry import MultiPolygon, box

from db import queries, store
from db.engine import transaction
from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import Acquisition, WatchedRegion
from flows.catalogs.base import CatalogueSettings, Refused
from flows.catalogs.mirrors import asked_members
from flows.catalogs.presigning import presign
from flows.catalogs.registry import READY_MADE, make_catalogue
from flows.catalogs.scenes import compare, find, listing

RECORDED = Path(__file__).parent / "recorded"
AREA = box(-62, -62, -56, -58)
SPAN = {
    "sensed_after": datetime(2025, 7, 1, tzinfo=UTC), "until": datetime(2025, 8, 2, tzinfo=UTC)
}  # fmt: skip
QUICK: dict[str, Any] = {"attempts": 2, "backoff_s": 0.0, "longest_wait_s": 0.1, "timeout_s": 2.0}
SECRET = "hush-hush-secret"
CORE = "https://api.stacspec.org/v1.0.0"


def c1_item(day: int = 31, **changes: Any) -> dict[str, Any]:
    """Collection 1 of Earth Search, sensed on another day of July 2025."""
    text = (RECORDED / "earth-search-c1.json").read_text("utf-8")
    item = json.loads(text.replace("20250731", f"202507{day:02d}"))
    item["properties"]["datetime"] = f"2025-07-{day:02d}T13:19:22.930000Z"
    return {**item, **changes}


def product_item(day: int = 31, baseline: str = "05.11", made: str = "143919") -> dict[str, Any]:
    """The same scene as Planetary Computer lists it: other id, other time, other hrefs."""
    version = baseline.replace(".", "")
    date = f"202507{day:02d}"
    item_id = f"S2B_MSIL2A_{date}T131909_R095_T20EPT_{date}T{made}"
    folder = f"https://pc.blob.core.windows.net/s2/{item_id}/L2A_T20EPT_A043879_{date}T131905"
    keys = {"B02": "B02_10m", "B03": "B03_10m", "B04": "B04_10m", "B08": "B08_10m",
            "SCL": "SCL_20m"}  # fmt: skip
    kind = "image/tiff; application=geotiff; profile=cloud-optimized"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "collection": "sentinel-2-l2a",
        "geometry": copy.deepcopy(c1_item()["geometry"]),
        "properties": {
            "datetime": f"2025-07-{day:02d}T13:19:09.024000Z",
            "platform": "Sentinel-2B",
            "constellation": "Sentinel 2",
            "s2:mgrs_tile": "20EPT",
            "s2:product_uri": item_id.replace("_R095", f"_N{version}_R095") + ".SAFE",
            "s2:processing_baseline": baseline,
            "s2:product_type": "S2MSI2A",
            "sat:orbit_state": "descending",
            "sat:relative_orbit": 95,
        },
        "assets": {
            key: {"href": f"{folder}/T20EPT_{name}.tif", "type": kind} for key, name in keys.items()
        },
        "links": [],
    }


class Apis:
    """Two STAC APIs below one server; what each lists is up to the test."""

    def __init__(self, server: Any, reply: Any) -> None:
        self.server, self.reply = server, reply
        self.known: dict[str, CatalogueSettings] = {}
        for name, collection in (("one", "sentinel-2-c1-l2a"), ("two", "sentinel-2-l2a")):
            url = f"{server.url}/{name}"
            server.on(f"/{name}", reply({
                "type": "Catalog", "stac_version": "1.0.0", "id": name, "description": name,
                "conformsTo": [f"{CORE}/core", f"{CORE}/item-search"],
                "links": [{"rel": "self", "href": url}, {"rel": "root", "href": url},
                          {"rel": "search", "href": f"{url}/search", "method": "POST",
                           "type": "application/geo+json"}],
            }))  # fmt: skip
            server.on(f"/{name}/collections/{collection}", reply({"type": "Collection", "id": "x"}))
            self.known[name] = CatalogueSettings(kind="stac", url=url, **QUICK)
            self.lists(name)

    def lists(self, name: str, *items: Any) -> None:
        page = {"type": "FeatureCollection", "features": list(items), "links": []}
        self.server.on(f"/{name}/search", self.reply(page))

    def fails(self, name: str, status: int = 503) -> None:
        self.server.on(f"/{name}/search", self.reply({"why": "tired"}, status=status))

    def mirrors(self, **changes: Any) -> Any:
        members = ("one/sentinel-2-c1-l2a", "two/sentinel-2-l2a")
        settings = CatalogueSettings(kind="mirrors", **({"members": members} | QUICK | changes))
        return make_catalogue("both", settings, {**self.known, "both": settings})

    def search(self, catalogue: Any = None, **changes: Any) -> list[Acquisition | Refused]:
        catalogue = catalogue or self.mirrors()
        return list(catalogue.search("sentinel-2-l2a", AREA, **(SPAN | changes)))


@pytest.fixture
def apis(misbehaving, reply) -> Apis:
    return Apis(misbehaving, reply)


def test_same_scene_of_two_catalogues_comes_once_under_one_name(apis):
    apis.lists("one", c1_item(31))
    apis.lists("two", product_item(31))
    (look,) = apis.search()
    assert look.item_id == "S2B_T20EPT_20250731T131905_L2A"
    assert look.source == "both/sentinel-2-l2a"
    assert "e84-earth-search" in look.assets["red"]
    assert set(look.offset.values()) == {-0.1}


def test_fail_over_keeps_the_reason_and_the_name_of_the_scene(apis):
    apis.lists("one", c1_item(31))
    (before,) = apis.search()
    apis.fails("one")
    apis.lists("two", product_item(31))
    catalogue = apis.mirrors()
    (after,) = apis.search(catalogue)
    assert (after.id, after.item_id, after.tile) == (before.id, before.item_id, before.tile)
    assert "pc.blob.core.windows.net" in after.assets["red"]
    first, second = asked_members(catalogue)
    assert first.source == "one/sentinel-2-c1-l2a"
    assert "answered 503 (2 attempts)" in (first.error or "")
    assert (second.source, second.error) == ("two/sentinel-2-l2a", None)
    apis.lists("one", c1_item(31))
    apis.search(catalogue)
    assert [one.error for one in catalogue.asked] == [None, None]


@pytest.mark.parametrize("status", [400, 404])
def test_member_that_is_set_up_wrongly_is_passed_over_too(apis, status):
    apis.fails("one", status)
    apis.lists("two", product_item(31))
    assert len(apis.search()) == 1


def test_scenes_that_the_first_lacks_are_taken_from_the_second(apis):
    apis.lists("one", c1_item(31), c1_item(21))
    apis.lists("two", product_item(31), product_item(26))
    found = apis.search()
    assert [look.item_id for look in found] == [
        f"S2B_T20EPT_202507{day}T131905_L2A" for day in (21, 31, 26)
    ]
    assert "pc.blob" in found[-1].assets["red"]
    apis.lists("one", c1_item(31))
    assert len(apis.search(apis.mirrors(cross_check=False))) == 1


def test_cross_check_that_fails_harms_nothing_and_is_not_waited_for(apis):
    apis.lists("one", c1_item(31))
    apis.fails("two")
    catalogue = apis.mirrors()
    assert len(apis.search(catalogue)) == 1
    assert catalogue.asked[0].error is None
    assert "503" in (catalogue.asked[1].error or "")
    assert len(apis.server.asked_at("/two/search")) == 1


def test_scene_refused_in_one_is_taken_from_the_other(apis):
    broken = c1_item(31)
    del broken["assets"]["scl"]
    apis.lists("one", broken)
    apis.lists("two", product_item(31))
    refused, look = apis.search()
    assert isinstance(refused, Refused)
    assert isinstance(look, Acquisition)


def test_newest_processing_of_a_scene_counts(apis):
    apis.fails("one")
    apis.lists("two", product_item(31, "05.00", "120000"), product_item(31, "05.11"),
               product_item(31, "04.00", "110000"))  # fmt: skip
    (look,) = apis.search()
    assert look.processing_version == "05.11"


def test_two_strips_of_one_pass_are_two_scenes(apis):
    other = c1_item(31)
    other["id"] = "S2B_T20EPT_20250731T131205_L2A"
    strip = "S2B_OPER_MSI_L2A_DS_2BPS_20250731T143919_S20250731T131205_N05.11"
    other["properties"]["s2:datastrip_id"] = strip
    apis.lists("one", c1_item(31), other)
    assert len({look.item_id for look in apis.search()}) == 2


def test_no_member_left_is_named_with_every_reason(apis):
    apis.fails("one")
    apis.fails("two", 404)
    with pytest.raises(CatalogueUnavailable, match=r"one/.*503.*; two/.*404"):
        apis.search()
    apis.fails("one", 400)
    with pytest.raises(ConfigurationError, match="no mirror of both can be read"):
        apis.search()


def test_member_whose_pixels_cannot_be_read_is_not_asked(apis):
    apis.known["two"] = CatalogueSettings(kind="cdse", url=f"{apis.server.url}/two", **QUICK)
    apis.lists("one", c1_item(31))
    catalogue = apis.mirrors()
    assert len(apis.search(catalogue)) == 1
    assert [one.source for one in catalogue.asked] == ["one/sentinel-2-c1-l2a"]
    assert catalogue.gdal_environment() == {}
    apis.fails("one")
    with pytest.raises(CatalogueUnavailable, match="needs S3 keys"):
        apis.search(catalogue)


def test_hrefs_are_signed_by_the_member_they_belong_to(apis):
    apis.known["two"] = CatalogueSettings(
        kind="cdse", url=f"{apis.server.url}/two", token=SecretStr(f"KEY:{SECRET}"), **QUICK
    )
    catalogue = apis.mirrors()
    assert catalogue.sign("https://e84.example/B04.tif") == "https://e84.example/B04.tif"
    signed = catalogue.sign("s3://eodata/Sentinel-2/a b.jp2")
    assert signed.startswith("https://eodata.dataspace.copernicus.eu/eodata/Sentinel-2/a%20b.jp2?")
    assert "X-Amz-Credential=KEY%2F" in signed
    assert SECRET not in signed


def test_token_is_never_sent_to_a_strangers_host(apis):
    apis.known["one"] = apis.known["one"].model_copy(update={"token": SecretStr(SECRET)})
    # Both APIs are of one host here: the token may go to either.
    assert SECRET in str(apis.mirrors().gdal_environment())
    apis.known["two"] = CatalogueSettings(kind="stac", url="http://other.example", **QUICK)
    with pytest.raises(ConfigurationError, match="would be sent to") as caught:
        apis.mirrors().gdal_environment()
    assert SECRET not in str(caught.value)


def test_check_says_of_every_member_whether_it_answers(apis):
    assert apis.mirrors().check().count("; ") == 1
    apis.server.on("/one", apis.reply({}, status=503))
    said = apis.mirrors().check()
    assert "one/sentinel-2-c1-l2a" in said
    assert "503" in said
    apis.server.on("/two", apis.reply({}, status=503))
    with pytest.raises(CatalogueUnavailable):
        apis.mirrors().check()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"members": ()}, "at least two members"),
        ({"members": ("one/sentinel-2-c1-l2a",)}, "at least two members"),
        ({"members": ("one/x", "three/y")}, "three cannot be a mirror; known: both, one, two"),
        ({"members": ("one/x", "both/y")}, "both cannot be a mirror"),
        ({"members": ("one", "two/y")}, "catalogue/collection"),
    ],
)
def test_wrong_members_are_named(apis, changes, reason):
    with pytest.raises(ConfigurationError, match=reason):
        apis.mirrors(**changes)


def test_collection_that_no_member_has_is_named(apis):
    with pytest.raises(ConfigurationError, match="both mirrors sentinel-2-c1-l2a, sentinel-2-l2a"):
        list(apis.mirrors().search("sentinel-2-l1c", AREA, **SPAN))


def test_ready_made_mirror_is_made_of_ready_made_members_and_takes_their_tokens():
    token = SecretStr(f"KEY:{SECRET}")
    known = {**READY_MADE, "cdse": READY_MADE["cdse"].model_copy(update={"token": token})}
    catalogue = make_catalogue("sentinel-2", READY_MADE["sentinel-2"], known)
    assert "X-Amz-Signature" in catalogue.sign("s3://eodata/a.jp2")


class TestComparison:
    def test_scenes_of_one_that_the_other_lacks(self, apis):
        apis.lists("one", c1_item(31), c1_item(21), c1_item(11))
        apis.lists("two", product_item(31), product_item(26), product_item(11, "05.00"))
        lists = [
            listing(find(make_catalogue(name, apis.known[name]), collection, AREA, **SPAN))
            for name, collection in (("one", "sentinel-2-c1-l2a"), ("two", "sentinel-2-l2a"))
        ]
        found = compare(*lists)
        assert found.both == 2
        assert [scene.name for scene in found.only_left] == ["S2B_T20EPT_20250721T131905_L2A"]
        assert [scene.name for scene in found.only_right] == ["S2B_T20EPT_20250726T131905_L2A"]
        ((left, right),) = found.other_version
        assert left.acquisition.processing_version == "05.11"
        assert right.acquisition.processing_version == "05.00"

    def test_scene_that_tells_no_strip_is_matched_by_tile_and_time(self, apis):
        bare = product_item(31)
        for asset in bare["assets"].values():
            asset["href"] = asset["href"].replace("/L2A_T20EPT_A043879_20250731T131905", "")
        apis.lists("one", c1_item(31))
        apis.lists("two", bare, product_item(26))
        (look, other) = apis.search()
        assert look.item_id == "S2B_T20EPT_20250731T131905_L2A"
        assert other.item_id.startswith("S2B_T20EPT_20250726")

    def test_neighbouring_orbits_are_not_taken_for_one(self, apis):
        later = c1_item(31)
        later["properties"]["datetime"] = "2025-07-31T14:59:22.930000Z"
        later["properties"]["s2:datastrip_id"] = "S2B_OPER_MSI_L2A_DS_X_S20250731T145905_N05.11"
        apis.lists("one", c1_item(31))
        apis.lists("two", {**later, "id": "S2B_T20EPT_20250731T145905_L2A"})
        assert len(apis.search()) == 2


def test_signature_is_that_of_the_published_example():
    """The worked example in Amazon's documentation of presigned links."""
    link = presign(
        "https://examplebucket.s3.amazonaws.com/test.txt", "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC), lasting=timedelta(seconds=86400),
    )  # fmt: skip
    assert link.endswith(
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize("token", [None, "only-one", ":secret", "key:"])
def test_missing_s3_keys_are_named(token):
    settings = CatalogueSettings(kind="cdse", token=SecretStr(token) if token else None)
    catalogue = make_catalogue("cdse", settings)
    for call in (catalogue.gdal_environment, lambda: catalogue.sign("s3://eodata/a.jp2")):
        with pytest.raises(ConfigurationError, match=r"needs S3 keys.*ACCESS_KEY:SECRET_KEY"):
            call()
    assert catalogue.sign("https://example.org/a.tif") == "https://example.org/a.tif"


def test_anonymous_signature_is_asked_for_where_no_key_is_needed(misbehaving, reply):
    path = "/api/sas/v1/token/sentinel2l2a01/sentinel2-l2"
    ends = (datetime.now(UTC) + timedelta(minutes=45)).isoformat().replace("+00:00", "Z")
    misbehaving.on(path, reply({"msft:expiry": ends, "token": "sig=1"}))
    settings = CatalogueSettings(
        kind="planetary-computer", url=f"{misbehaving.url}/api/stac/v1", **QUICK
    )
    catalogue = make_catalogue("planetary-computer", settings)
    href = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/06/B04.tif"
    assert catalogue.sign(href) == f"{href}?sig=1"
    (asked,) = misbehaving.asked_at(path)
    assert "Ocp-Apim-Subscription-Key" not in asked.headers


def test_scene_that_changes_catalogue_is_not_judged_twice(apis, engine):
    """Stored once; what the pixels need follows the catalogue that listed it last."""
    region = WatchedRegion(
        id="slope", name="Slope", geometry=MultiPolygon([AREA]),
        sources=("both/sentinel-2-l2a",), watch_from=SPAN["sensed_after"],
    )  # fmt: skip
    apis.lists("one", c1_item(31))
    first = apis.search()
    apis.fails("one")
    apis.lists("two", product_item(31, "03.01"))
    second = apis.search()
    with transaction(engine) as s:
        store.save_region(s, region)
        (new,) = store.record_acquisitions(s, region, first)
        assert store.record_acquisitions(s, region, second) == []
        stored = queries.get_acquisition(s, new)
    assert "pc.blob" in stored.assets["red"]
    assert (stored.processing_version, set(stored.offset.values())) == ("03.01", {0.0})
