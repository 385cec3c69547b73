"""The STAC client against a real server that misbehaves."""

from __future__ import annotations

import email.utils
import itertools
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from shapely.geometry import box

from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import Acquisition
from flows.catalogs.base import CatalogueSettings, Refused
from flows.catalogs.patience import retry_after
from flows.catalogs.registry import make_catalogue
from flows.catalogs.searching import windows

AREA = box(-121, 34, -119, 36)
SPAN = {
    "sensed_after": datetime(2023, 1, 1, tzinfo=UTC),
    "until": datetime(2023, 1, 20, tzinfo=UTC),
}
CORE = "https://api.stacspec.org/v1.0.0"
SQUARE = [[-120, 34], [-119, 34], [-119, 35], [-120, 35], [-120, 34]]


def look(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"look-{number}_rtc",
        "collection": "rtc",
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "properties": {
            "datetime": "2023-01-05T02:00:00Z",
            "sar:polarizations": ["VV"],
            "sat:orbit_state": "ascending",
            "sat:relative_orbit": 137,
        },
        "assets": {"vv": {"href": "https://example.org/vv.tif"}},
        "links": [],
        **changes,
    }


@pytest.fixture
def api(misbehaving, reply):
    """A small STAC API; what ``/search`` answers is up to the test."""

    class Api:
        server = misbehaving
        url = misbehaving.url
        Reply = reply

        def landing(self, *conformance: str, **changes: Any) -> None:
            misbehaving.on("/", reply({
                "type": "Catalog", "stac_version": "1.0.0", "id": "test", "title": "Test",
                "description": "a test",
                "conformsTo": [f"{CORE}/core", f"{CORE}/item-search",
                               *(f"{CORE}/item-search#{name}" for name in conformance)],
                "links": [
                    {"rel": "self", "href": self.url},
                    {"rel": "root", "href": self.url},
                    {"rel": "search", "href": f"{self.url}/search", "method": "POST",
                     "type": "application/geo+json"},
                ],
                **changes,
            }))  # fmt: skip

        def answers(self, *replies: Any) -> None:
            misbehaving.on("/search", *replies)

        def page(self, features: list[Any], following: int | None = None, **extra: Any) -> Any:
            links = []
            if following is not None:
                links = [{"rel": "next", "href": f"{self.url}/search", "method": "POST",
                          "body": {"token": f"page-{following}"}}]  # fmt: skip
            return reply(
                {"type": "FeatureCollection", "features": features, "links": links, **extra}
            )

        def catalogue(self, **changes: Any) -> Any:
            settings = {"attempts": 3, "backoff_s": 0.01, "longest_wait_s": 0.3, "timeout_s": 2.0}
            return make_catalogue(
                "test", CatalogueSettings(kind="stac", url=self.url, **(settings | changes))
            )

        def search(self, catalogue: Any = None, **changes: Any) -> list[Acquisition | Refused]:
            catalogue = catalogue or self.catalogue()
            return list(catalogue.search("rtc", AREA, **(SPAN | changes)))

    made = Api()
    made.landing()
    misbehaving.on("/collections/rtc", reply({"type": "Collection", "id": "rtc"}))
    return made


def ids(found) -> list[str]:
    return [record.item_id for record in found]


def test_pages_are_followed_whatever_the_total_says(api):
    api.answers(
        api.page([look(1), look(2)], 2, numberMatched=2),
        api.page([look(3)], 3, numberMatched=2),
        api.page([look(4)], numberMatched=2),
    )
    assert ids(api.search()) == [f"look-{n}_rtc" for n in (1, 2, 3, 4)]
    asked = [request.json for request in api.server.asked_at("/search")]
    assert asked[0]["datetime"] == "2023-01-01T00:00:00.000000Z/2023-01-20T00:00:00.000000Z"
    assert asked[0]["collections"] == ["rtc"]
    assert asked[2] == {"token": "page-3"}


def test_duplicate_on_another_page_comes_once(api):
    api.answers(api.page([look(1), look(2)], 2), api.page([look(2)], 3), api.page([look(2)]))
    assert ids(api.search()) == ["look-1_rtc", "look-2_rtc"]


def test_pages_that_go_round_end_in_an_error(api):
    api.answers(api.page([look(1)], 1))
    with pytest.raises(CatalogueUnavailable, match="same pages again and again"):
        api.search()


def test_one_bad_item_is_refused_and_the_rest_goes_on(api):
    nameless = look(3)
    del nameless["id"]
    bad = [None, "nonsense", nameless, look(2, assets={}), look(4, geometry=None)]
    api.answers(api.page([*bad, look(1)]))
    found = api.search()
    assert [r.item_id for r in found if isinstance(r, Acquisition)] == ["look-1_rtc"]
    refused = {r.item_id: r.reason for r in found if isinstance(r, Refused)}
    assert refused.pop("look-2_rtc") == "no assets"
    assert refused.pop("look-4_rtc") == "no geometry"
    assert sorted(refused.values()) == ["no id", "not a STAC item", "not a STAC item"]
    assert all(name.startswith("unnamed-") for name in refused)
    assert ids(api.search()) == ids(found)


def test_item_beside_the_area_is_dropped(api):
    far = [[[lon + 90, lat] for lon, lat in SQUARE]]
    api.answers(api.page([look(1, geometry={"type": "Polygon", "coordinates": far}), look(2)]))
    assert ids(api.search()) == ["look-2_rtc"]


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ({"status": 429, "body": {}}, "answered 429"),
        ({"status": 500, "body": {}}, "answered 500"),
        ({"status": 503, "body": b"<html>busy</html>"}, "answered 503"),
        ({"body": b"<html>log in</html>", "headers": {"Content-Type": "text/html"}}, "HTML"),
        ({"body": b"<html>log in</html>"}, "HTML"),
        ({"body": b'{"type": "FeatureColl'}, "broken JSON"),
        ({"body": b"\xff\xfe"}, "broken JSON"),
        ({"body": b'{"a":' * 100_000}, "broken JSON"),
        ({"body": []}, "no JSON object"),
        ({"body": {"message": "an error, but with status 200"}}, "not STAC"),
        ({"body": {"type": "FeatureCollection"}}, "without a list of features"),
        ({"body": {"type": "FeatureCollection", "features": []}, "cut": True}, "cannot be reached"),
        ({"body": {"type": "FeatureCollection", "features": []}, "delay_s": 1.0}, "timed out"),
    ],
)
class TestTrouble:
    def test_that_stays_is_named_after_the_last_attempt(self, api, trouble, message):
        api.answers(api.Reply(**trouble))
        catalogue = api.catalogue(timeout_s=0.3 if "delay_s" in trouble else 2.0)
        with pytest.raises(CatalogueUnavailable, match=message):
            api.search(catalogue)
        assert len(api.server.asked_at("/search")) == 3

    def test_that_passes_loses_nothing(self, api, trouble, message):
        api.answers(
            api.page([look(1)], 2), api.Reply(**trouble), api.Reply(**trouble), api.page([look(2)])
        )
        catalogue = api.catalogue(timeout_s=0.3 if "delay_s" in trouble else 2.0)
        assert ids(api.search(catalogue)) == ["look-1_rtc", "look-2_rtc"]


def test_answers_without_end_are_given_up(api):
    """Each byte comes within the time-out; what is packed small may be as large as it likes."""
    dripping = api.Reply({"type": "FeatureCollection", "features": [], "x": "x" * 100}, drip_s=0.05)
    api.answers(dripping)
    with pytest.raises(CatalogueUnavailable, match="does not come to an end"):
        api.search(api.catalogue(timeout_s=0.2, attempts=1))
    bomb = zlib.compress(b'{"type": "FeatureCollection", "features": [' + b" " * (80 * 2**20))
    api.answers(api.Reply(bomb, headers={"Content-Encoding": "deflate"}))
    with pytest.raises(CatalogueUnavailable, match="does not come to an end"):
        api.search(api.catalogue(timeout_s=30.0, attempts=1))


@pytest.mark.parametrize(("wanted", "least", "most"), [("0.2", 0.2, 2), ("86400", 0.3, 2)])
def test_retry_after_is_respected_but_bounded(api, wanted, least, most):
    trouble = api.Reply({}, status=429, headers={"Retry-After": wanted})
    api.answers(trouble, api.page([look(1)]))
    catalogue = api.catalogue()
    api.server.on("/", *api.server.replies["/"])
    started = time.monotonic()
    assert ids(api.search(catalogue)) == ["look-1_rtc"]
    assert least <= time.monotonic() - started < most


def test_retry_after_is_read_in_both_forms():
    in_a_minute = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=60), True)
    assert 55 < (retry_after(in_a_minute) or 0) <= 60
    assert retry_after("7") == 7
    assert retry_after("-7") == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusal_is_not_repeated(api, status):
    api.answers(api.Reply({"description": "no such thing"}, status=status))
    with pytest.raises(ConfigurationError, match=f"refuses: {status}.*no such thing"):
        api.search()
    assert len(api.server.asked_at("/search")) == 1


def test_unknown_collection_is_named_not_taken_for_a_quiet_one(api):
    with pytest.raises(ConfigurationError, match="catalogue test has no collection other"):
        list(api.catalogue().search("other", AREA, **SPAN))


def test_page_that_is_no_stac_api_is_named(api):
    api.server.on("/", api.Reply({"type": "Catalog"}))
    with pytest.raises(CatalogueUnavailable, match="is no STAC API"):
        api.catalogue().check()
    api.landing()
    assert api.catalogue().check() == f"{api.url}: Test"


@pytest.mark.parametrize("links", [None, [{"href": "x"}], [{"rel": "next"}], "nonsense"])
def test_page_that_cannot_be_followed_is_named(api, links):
    api.answers(api.Reply({"type": "FeatureCollection", "features": [look(1)], "links": links}))
    with pytest.raises(CatalogueUnavailable, match="cannot be followed"):
        api.search()


def test_api_without_item_search_is_named(api):
    api.landing(conformsTo=[f"{CORE}/core"])
    with pytest.raises(ConfigurationError, match="has no item search"):
        api.search()


def test_api_that_offers_get_only_is_asked_by_get(api):
    search_link = {"rel": "search", "href": f"{api.url}/search", "method": "GET",
                   "type": "application/geo+json"}  # fmt: skip
    api.landing(links=[{"rel": "self", "href": api.url}, search_link])
    api.answers(api.page([look(1)]))
    assert ids(api.search()) == ["look-1_rtc"]
    (asked,) = api.server.asked_at("/search")
    assert asked.method == "GET"
    assert "collections=rtc" in asked.path


@pytest.mark.parametrize("href", ["s3://bucket/search", "file://{file}", "s3:"])
def test_no_file_of_this_machine_is_read_for_a_catalogue(api, tmp_path, href):
    file = tmp_path / "page.json"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [look(1)]}))
    named = {"rel": "search", "href": href.format(file=file), "method": "GET",
             "type": "application/geo+json"}  # fmt: skip
    api.landing(links=[{"rel": "self", "href": api.url}, named])
    with pytest.raises(CatalogueUnavailable, match="no address of a server"):
        api.search()
    api.landing()
    api.answers(api.Reply({"type": "FeatureCollection", "features": [look(1)],
                           "links": [{**named, "rel": "next"}]}))  # fmt: skip
    with pytest.raises(CatalogueUnavailable, match="no address of a server"):
        api.search()


def test_nobody_listening_is_named(api):
    catalogue = make_catalogue(
        "test",
        CatalogueSettings(kind="stac", url="http://127.0.0.1:9", attempts=2, backoff_s=0),
    )
    with pytest.raises(CatalogueUnavailable, match=r"cannot be reached.*2 attempts"):
        catalogue.check()


def test_publication_is_asked_for_by_filter(api):
    api.landing("filter", "query")
    api.answers(api.page([look(1)]))
    since = datetime(2023, 1, 18, 6, tzinfo=UTC)
    catalogue = api.catalogue(published_property="published")
    api.search(catalogue, published_after=since)
    asked = api.server.asked_at("/search")[0].json
    assert asked["filter-lang"] == "cql2-json"
    assert asked["filter"]["args"][0] == {
        "op": ">=",
        "args": [{"property": "published"}, {"timestamp": "2023-01-18T06:00:00.000000Z"}],
    }
    assert asked["datetime"].startswith("2023-01-01T")
    api.search(catalogue)
    assert "filter" not in api.server.asked_at("/search")[1].json


def test_publication_is_asked_for_by_query_where_there_is_no_filter(api):
    api.landing("query")
    api.answers(api.page([look(1)]))
    since = datetime(2023, 1, 18, 6, tzinfo=UTC)
    api.search(api.catalogue(published_property="created"), published_after=since)
    assert api.server.asked_at("/search")[0].json["query"] == {
        "created": {"gte": "2023-01-18T06:00:00.000000Z", "lte": "2023-01-20T00:00:00.000000Z"}
    }


def test_catalogue_that_cannot_filter_says_so_or_is_searched_by_sensing(api):
    api.answers(api.page([look(1)]))
    since = datetime(2023, 1, 18, 6, tzinfo=UTC)
    with pytest.raises(ConfigurationError, match="leave published_property empty"):
        api.search(api.catalogue(published_property="created"), published_after=since)
    assert ids(api.search(published_after=since)) == ["look-1_rtc"]
    asked = api.server.asked_at("/search")[-1].json
    assert asked["datetime"].startswith("2023-01-01T")


def test_long_spans_are_searched_in_windows_and_ids_come_once(api):
    api.answers(api.page([look(1)]))
    assert ids(api.search(api.catalogue(window=timedelta(days=7)))) == ["look-1_rtc"]
    asked = [request.json["datetime"] for request in api.server.asked_at("/search")]
    assert [span[:10] for span in asked] == ["2023-01-01", "2023-01-08", "2023-01-15"]
    assert asked[-1].endswith("2023-01-20T00:00:00.000000Z")


def test_windows_leave_no_gap():
    start, end = datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 3, 1, tzinfo=UTC)
    cut = list(windows(start, end, timedelta(days=13)))
    assert cut[0][0] == start
    assert cut[-1][1] == end
    assert all(left[1] == right[0] for left, right in itertools.pairwise(cut))
    assert list(windows(end, start, timedelta(days=1))) == []
    with pytest.raises(ValueError, match="no time zone"):
        list(windows(datetime(2023, 1, 1), end, timedelta(days=1)))  # noqa: DTZ001
