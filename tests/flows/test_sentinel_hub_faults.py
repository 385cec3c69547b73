"""What Sentinel Hub may get wrong, on a real server: tokens, limits, quotas, broken answers."""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from affine import Affine
from shapely.geometry import box

from detectors.errors import (
    CatalogueUnavailable,
    ConfigurationError,
    ImageryUnavailable,
    QuotaSpent,
)
from detectors.types import Grid
from flows.catalogs.base import Quota, Refused
from tests.sentinel_hub_server import (
    CATALOG,
    CLIENT_ID,
    CLIENT_SECRET,
    PROCESS,
    QUOTA,
    TOKEN,
    Fault,
    s1_feature,
)

WHEN = datetime(2023, 1, 1, 1, 59, 7, tzinfo=UTC)
AREA = box(-119.5, 34.2, -119.4, 34.3)
SPAN = {"sensed_after": WHEN - timedelta(days=30), "until": WHEN + timedelta(days=30)}
S1 = "sentinel-1-grd"
SEARCH = f"{CATALOG}/search"


def grid(column: int = 0) -> Grid:
    return Grid(32611, Affine(30, 0, 270_000 + 30 * column, 0, -30, 3_800_010), 20, 20)


@pytest.fixture
def look(hub, hub_catalogue):
    """One scene, found; nothing has been rendered yet."""
    hub.features[S1] = [s1_feature(WHEN)]

    def find(**settings):
        catalogue = hub_catalogue(**settings)
        (found,) = catalogue.search(S1, AREA, **SPAN)
        return catalogue, found

    return find


def every_word(error: BaseException) -> str:
    """The message of an error and of all that led to it."""
    words = []
    cause: BaseException | None = error
    while cause is not None:
        words.append(f"{cause!r} {cause}")
        cause = cause.__cause__ or cause.__context__
    return " ".join(words)


class TestSearch:
    def test_pages_are_followed_to_the_end(self, hub, hub_catalogue) -> None:
        hub.features[S1] = [s1_feature(WHEN + timedelta(hours=k)) for k in range(7)]
        found = list(hub_catalogue(page_size=3).search(S1, AREA, **SPAN))
        assert len({a.item_id for a in found}) == len(found) == 7
        assert [c.body.get("next") for c in hub.at(SEARCH)] == [None, 3, 6]
        asked = hub.at(SEARCH)[0].body
        assert asked["filter"] == "sar:instrument_mode='IW'"
        assert asked["limit"] == 3

    def test_long_spans_are_cut_into_windows(self, hub, hub_catalogue) -> None:
        hub.features[S1] = [s1_feature(WHEN)]
        found = list(hub_catalogue(window=timedelta(days=30)).search(S1, AREA, **SPAN))
        # The scene lies on the border of two windows and comes once.
        assert len(found) == 1
        assert [c.body["datetime"] for c in hub.at(SEARCH)] == [
            "2022-12-02T01:59:07Z/2023-01-01T01:59:07Z",
            "2023-01-01T01:59:07Z/2023-01-31T01:59:07Z",
        ]

    def test_a_later_poll_reaches_back_as_far_as_looks_come_late(self, hub, hub_catalogue) -> None:
        catalogue = hub_catalogue(late=timedelta(days=2))
        list(catalogue.search(S1, AREA, **SPAN, published_after=WHEN))
        assert hub.at(SEARCH)[0].body["datetime"].startswith("2022-12-30T01:59:07Z/")

    def test_one_bad_feature_does_not_stop_the_rest(self, hub, hub_catalogue) -> None:
        bad = s1_feature(WHEN + timedelta(hours=1), **{"s1:polarization": "VH"})
        hub.features[S1] = [bad, s1_feature(WHEN)]
        refused, taken = hub_catalogue().search(S1, AREA, **SPAN)
        assert isinstance(refused, Refused)
        assert "no co-polarised band" in refused.reason
        assert taken.sensed_at == WHEN

    def test_pages_that_go_round_are_an_error(self, hub, hub_catalogue) -> None:
        page = {"type": "FeatureCollection", "features": [s1_feature(WHEN)] * 100,
                "context": {"next": 100}}  # fmt: skip
        hub.on(SEARCH, *[Fault(status=200, body=page)] * 9)
        with pytest.raises(CatalogueUnavailable, match="same pages"):
            list(hub_catalogue().search(S1, AREA, **SPAN))

    @pytest.mark.parametrize(
        "body", [{"features": None}, {"features": []}, {"error": "sorry"}, [], b"<html>", b"{"]
    )
    def test_an_error_with_status_200_is_not_nothing_new(self, hub, hub_catalogue, body) -> None:
        hub.on(SEARCH, *[Fault(status=200, body=body)] * 3)
        with pytest.raises(CatalogueUnavailable):
            list(hub_catalogue().search(S1, AREA, **SPAN))

    def test_other_collections_are_refused(self, hub_catalogue) -> None:
        with pytest.raises(ConfigurationError, match="no collection sentinel-3"):
            list(hub_catalogue().search("sentinel-3", AREA, **SPAN))

    def test_check_says_what_is_there_and_what_is_spent(self, hub, hub_catalogue) -> None:
        catalogue = hub_catalogue()
        assert "2 collections; this month 1 of 10000 requests" in catalogue.check()
        del hub.features["sentinel-2-l2a"]
        with pytest.raises(ConfigurationError, match="no collection sentinel-2-l2a"):
            catalogue.check()


class TestTokens:
    def test_one_token_serves_many_requests(self, look, hub) -> None:
        catalogue, found = look()
        for column in range(3):
            catalogue.render(found, ("VV",), grid(column * 20))
        assert len(hub.at(TOKEN)) == 1

    def test_a_token_near_its_end_is_renewed_before(self, look, hub) -> None:
        hub.lifetime_s = 0.4
        catalogue, found = look()
        catalogue.render(found, ("VV",), grid())
        assert len(hub.at(TOKEN)) == 1
        time.sleep(0.35)
        catalogue.render(found, ("VV",), grid(20))
        assert len(hub.at(TOKEN)) == 2
        assert [c.headers["authorization"] for c in hub.at(PROCESS)] == [
            f"Bearer {token}" for token in hub.tokens
        ]

    def test_a_token_that_expired_early_is_renewed_once(self, look, hub) -> None:
        catalogue, found = look(attempts=1)
        hub.expire_tokens()
        assert np.isfinite(catalogue.render(found, ("lia",), grid())).all()
        assert len(hub.at(TOKEN)) == 2
        assert len(hub.at(PROCESS)) == 2

    def test_a_service_that_takes_no_token_at_all_is_not_asked_on_and_on(self, look, hub) -> None:
        catalogue, found = look()
        hub.on(PROCESS, *[Fault(status=401, body={"error": "no"})] * 9)
        with pytest.raises(ConfigurationError, match="refuses a token that it has just given"):
            catalogue.render(found, ("VV",), grid())
        assert len(hub.at(PROCESS)) == 2

    def test_wrong_credentials_are_named_and_not_repeated(self, hub, hub_catalogue) -> None:
        catalogue = hub_catalogue(client_secret="wrong-secret")
        with pytest.raises(ConfigurationError, match="401 invalid_client") as caught:
            catalogue.check()
        assert "wrong-secret" not in every_word(caught.value)
        assert CLIENT_ID not in every_word(caught.value)
        assert len(hub.at(TOKEN)) == 1

    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=503, body={}),
            Fault(status=429, body={}, headers={"Retry-After": "100"}),
            Fault(status=200, body={"no": "token"}),
            Fault(status=200, body=b"<html>"),
            Fault(cut=True),
            Fault(delay_s=0.5),
        ],
        ids=str,
    )
    def test_tokens_are_asked_for_again_and_not_for_ever(self, hub, hub_catalogue, fault) -> None:
        catalogue = hub_catalogue(timeout_s=0.2)
        hub.on(TOKEN, fault)
        assert "2 collections" in catalogue.check()
        hub.expire_tokens()
        again = hub_catalogue(timeout_s=0.2)
        hub.on(TOKEN, *[fault] * 3)
        with pytest.raises(CatalogueUnavailable, match="3 attempts"):
            again.check()

    def test_threads_share_a_renewal(self, look, hub) -> None:
        catalogue, found = look()
        hub.expire_tokens()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda k: catalogue.render(found, ("VV",), grid(20 * k)), range(4)))
        assert len(hub.at(TOKEN)) == 2


class TestLimits:
    def test_429_is_read_in_milliseconds_and_holds_everybody(self, look, hub) -> None:
        catalogue, found = look(longest_wait_s=5.0)
        hub.on(PROCESS, Fault(status=429, body={}, headers={"Retry-After": "400"}))
        began = time.monotonic()
        catalogue.render(found, ("VV",), grid())
        assert 0.4 <= time.monotonic() - began < 3
        assert len(hub.at(PROCESS)) == 2

    @pytest.mark.parametrize("value", ["3600000", "inf", "soon", None])
    def test_whatever_429_demands_waits_are_bounded(self, look, hub, value) -> None:
        catalogue, found = look(longest_wait_s=0.1)
        headers = {"Retry-After": value} if value else {}
        hub.on(PROCESS, *[Fault(status=429, body={}, headers=headers)] * 3)
        began = time.monotonic()
        with pytest.raises(ImageryUnavailable, match=r"answered 429 \(3 attempts\)"):
            catalogue.render(found, ("VV",), grid())
        assert time.monotonic() - began < 2
        assert len(hub.at(PROCESS)) == 3

    def test_a_spent_month_is_named_and_not_asked_again(self, look, hub) -> None:
        catalogue, found = look()
        hub.on(PROCESS, Fault(status=403, body=QUOTA))
        for _ in range(3):
            with pytest.raises(QuotaSpent, match=r"month is spent; it renews on \d{4}-\d\d-01"):
                catalogue.render(found, ("VV",), grid())
        assert len(hub.at(PROCESS)) == 1
        with pytest.raises(CatalogueUnavailable, match="month is spent"):
            list(catalogue.search(S1, AREA, **SPAN))

    def test_another_403_is_no_quota(self, look, hub) -> None:
        catalogue, found = look()
        denied = {"error": {"status": 403, "message": "not your collection", "code": "DENIED"}}
        hub.on(PROCESS, Fault(status=403, body=denied))
        with pytest.raises(ConfigurationError, match=r"refuses: 403 .*not your collection"):
            catalogue.render(found, ("VV",), grid())
        catalogue.render(found, ("VV",), grid())

    def test_our_own_count_stops_before_the_service_has_to(self, look, hub) -> None:
        # The search is the first request.
        catalogue, found = look(quota=Quota(requests_a_month=3))
        catalogue.render(found, ("VV",), grid())
        catalogue.render(found, ("VV",), grid(20))
        with pytest.raises(QuotaSpent, match="3 of 3 requests"):
            catalogue.render(found, ("VV",), grid(40))
        assert len(hub.at(PROCESS)) == 2

    def test_what_the_service_charges_is_what_counts(self, look, hub) -> None:
        catalogue, found = look()
        before = catalogue._budget.spent()
        where = Grid(32611, grid().transform, 300, 400)
        catalogue.render(found, ("VV", "VH"), where)
        spent = catalogue._budget.spent()
        assert spent.units - before.units == pytest.approx(hub.charged, abs=1e-5)
        assert hub.charged == pytest.approx(300 * 400 / 512**2 * 5)
        hub.on(PROCESS, *[Fault(status=500, body={})] * 3)
        with pytest.raises(ImageryUnavailable):
            catalogue.render(found, ("VV",), grid())
        assert catalogue._budget.spent().units == pytest.approx(spent.units)

    def test_no_more_requests_at_a_time_than_allowed(self, look, hub) -> None:
        catalogue, found = look(quota=Quota(connections=2), longest_wait_s=1)
        hub.on(PROCESS, *[Fault(delay_s=0.15)] * 8)
        hub.most_at_once = 0
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda k: catalogue.render(found, ("VV",), grid(20 * k)), range(8)))
        assert hub.most_at_once == 2


class TestBadAnswers:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault(status=500, body={"error": "x"}),
            Fault(status=503, body=b"<html>busy</html>", headers={"Retry-After": "0"}),
            Fault(status=408, body={}),
            Fault(cut=True),
            Fault(delay_s=0.6),
            Fault(drip_s=0.05),
            Fault(content_type="text/html", replace=b"<html>busy</html>"),
            Fault(content_type="application/json", replace=b'{"status": "later"}'),
        ],
        ids=str,
    )
    def test_passing_trouble_is_tried_again_within_bounds(self, look, hub, fault) -> None:
        catalogue, found = look(timeout_s=0.3)
        hub.on(PROCESS, fault)
        assert np.isfinite(catalogue.render(found, ("lia",), grid())).all()
        assert len(hub.at(PROCESS)) == 2
        hub.on(PROCESS, *[fault] * 3)
        began = time.monotonic()
        with pytest.raises(ImageryUnavailable, match=r"S1A_IW.*3 attempts"):
            catalogue.render(found, ("VH",), grid())
        # Three answers of four time-outs at most.
        assert time.monotonic() - began < 3 * 4 * 0.3 + 2

    def test_refusals_are_final_and_say_why(self, look, hub) -> None:
        catalogue, found = look()
        said = {"error": {"message": f"bad evalscript {CLIENT_SECRET}"}}
        hub.on(PROCESS, Fault(status=400, body=said))
        with pytest.raises(ConfigurationError, match=r"400 .*bad evalscript \*\*\*") as caught:
            catalogue.render(found, ("VV",), grid())
        assert CLIENT_SECRET not in every_word(caught.value)
        assert len(hub.at(PROCESS)) == 1

    def test_redirects_are_not_followed_with_the_token(self, look, hub) -> None:
        catalogue, found = look()
        elsewhere = Fault(status=307, body={}, headers={"Location": f"{hub.url}/elsewhere"})
        hub.on(PROCESS, elsewhere)
        with pytest.raises(ConfigurationError, match="refuses: 307"):
            catalogue.render(found, ("VV",), grid())
        assert hub.at("/elsewhere") == []

    def test_the_stand_in_refuses_what_the_service_refuses(self, look, hub) -> None:
        from flows.catalogs.sentinel_hub import catalogue as module

        catalogue, found = look()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "TILE_PIXELS", 5_000)
            with pytest.raises(ConfigurationError, match="between 1 and 2500"):
                catalogue.render(found, ("VV",), Grid(32611, grid().transform, 10, 2_501))


class TestKept:
    def test_what_was_rendered_is_not_paid_for_again(self, look, hub, tmp_path) -> None:
        catalogue, found = look(state=tmp_path)
        first = catalogue.render(found, ("VV", "VH"), grid())
        other, _ = look(state=tmp_path)
        np.testing.assert_array_equal(other.render(found, ("VV", "VH"), grid()), first)
        assert len(hub.at(PROCESS)) == 1
        other.render(found, ("VV", "VH"), grid(1))
        other.render(found, ("VV",), grid())
        assert len(hub.at(PROCESS)) == 3

    def test_a_damaged_copy_is_replaced(self, look, hub, tmp_path) -> None:
        catalogue, found = look(state=tmp_path)
        first = catalogue.render(found, ("VV",), grid())
        (copy,) = (tmp_path / "sentinel-hub").iterdir()
        copy.write_bytes(copy.read_bytes()[:100])
        np.testing.assert_array_equal(catalogue.render(found, ("VV",), grid()), first)
        assert len(hub.at(PROCESS)) == 2
        catalogue.render(found, ("VV",), grid())
        assert len(hub.at(PROCESS)) == 2

    def test_emptiness_is_not_kept(self, look, hub, tmp_path) -> None:
        catalogue, found = look(state=tmp_path)
        hub.features[S1] = []
        assert np.isnan(catalogue.render(found, ("VV",), grid())).all()
        hub.features[S1] = [s1_feature(WHEN)]
        assert np.isfinite(catalogue.render(found, ("VV",), grid())).any()

    def test_the_room_is_bounded_and_the_oldest_goes_first(self, look, hub, tmp_path) -> None:
        catalogue, found = look(state=tmp_path)
        folder = tmp_path / "sentinel-hub"
        catalogue.render(found, ("VV",), grid())
        (first,) = folder.iterdir()
        os.utime(first, (1, 1))
        size = first.stat().st_size
        small, _ = look(state=tmp_path, cache_gb=2.5 * size / 1e9)
        for column in (20, 40, 60):
            small.render(found, ("VV",), grid(column))
        assert not first.exists()
        assert sum(path.stat().st_size for path in folder.iterdir()) <= 2.5 * size
        none, _ = look(state=tmp_path / "other", cache_gb=0)
        none.render(found, ("VV",), grid())
        assert not (tmp_path / "other" / "sentinel-hub").exists()


def test_nothing_is_read_from_or_written_to_the_home_folder(
    look, hub, tmp_path, monkeypatch
) -> None:
    home = tmp_path / "home"
    (home / "sentinelhub").mkdir(parents=True)
    settings = home / "sentinelhub" / "config.toml"
    settings.write_text('[default-profile]\nsh_base_url = "https://elsewhere.example"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("SH_CLIENT_ID", "somebody else")
    catalogue, found = look()
    catalogue.render(found, ("VV",), grid())
    settings.unlink()
    catalogue.render(found, ("VV",), grid(20))
    assert not settings.exists()
    assert not (tmp_path / "nobody").exists()


def test_secrets_are_in_no_log_and_no_representation(look, hub, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        catalogue, found = look()
        hub.on(PROCESS, Fault(status=500, body={}))
        catalogue.render(found, ("VV",), grid())
        hub.expire_tokens()
        catalogue.render(found, ("VV",), grid(20))
    said = f"{caplog.text} {found!r} {catalogue.settings!r} {catalogue.check()}"
    said += repr(vars(catalogue._service())) + repr(catalogue._service()._config)
    for secret in (CLIENT_SECRET, *hub.tokens):
        assert secret not in said
    assert CLIENT_SECRET[-6:] not in caplog.text
