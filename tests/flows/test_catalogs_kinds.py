"""Planetary Computer on loopback, and what every kind of catalogue must do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from shapely.geometry import box

from detectors.errors import CatalogueUnavailable, ConfigurationError, ImageryUnavailable
from flows.catalogs.base import Catalogue, CatalogueSettings
from flows.catalogs.registry import KINDS, READY_MADE, make_catalogue, split_source

AREA = box(-150, 64, -146, 66)
SPAN = {
    "sensed_after": datetime(2023, 11, 1, tzinfo=UTC),
    "until": datetime(2023, 12, 10, tzinfo=UTC),
}
SECRET = "hush-hush-token"
#: Where the collections are known beforehand.
COLLECTIONS = {"sentinel-hub": "sentinel-1-grd"}
QUICK = {"attempts": 3, "backoff_s": 0.01, "longest_wait_s": 0.1, "timeout_s": 2.0}


class TestPlanetaryComputer:
    HREF = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc/a/iw-vv.rtc.tiff"
    TOKEN = "/api/sas/v1/token/sentinel1euwestrtc/sentinel1-grd-rtc"

    @pytest.fixture
    def catalogue(self, misbehaving):
        settings = CatalogueSettings(
            kind="planetary-computer",
            url=f"{misbehaving.url}/api/stac/v1",
            token=SecretStr(SECRET),
            **QUICK,
        )
        return make_catalogue("planetary-computer", settings)

    @staticmethod
    def token(reply, text: str, minutes: float) -> Any:
        ends = datetime.now(UTC) + timedelta(minutes=minutes)
        expiry = ends.isoformat().replace("+00:00", "Z")
        return reply({"msft:expiry": expiry, "token": text})

    def test_signature_is_kept_while_it_lasts_and_renewed_on_demand(
        self, catalogue, misbehaving, reply
    ):
        misbehaving.on(self.TOKEN, self.token(reply, "sig=1", 45), self.token(reply, "sig=2", 45))
        assert catalogue.sign(self.HREF) == f"{self.HREF}?sig=1"
        assert catalogue.sign(self.HREF) == f"{self.HREF}?sig=1"
        assert catalogue.sign(self.HREF, renew=True) == f"{self.HREF}?sig=2"
        asked = misbehaving.asked_at(self.TOKEN)
        assert len(asked) == 2
        assert asked[0].headers["Ocp-Apim-Subscription-Key"] == SECRET

    def test_signature_that_comes_nearly_expired_is_not_reused(self, catalogue, misbehaving, reply):
        misbehaving.on(self.TOKEN, self.token(reply, "sig=1", 0), self.token(reply, "sig=2", 45))
        assert catalogue.sign(self.HREF).endswith("sig=1")
        assert catalogue.sign(self.HREF).endswith("sig=2")

    def test_other_places_are_not_signed(self, catalogue):
        assert catalogue.sign("https://example.org/a.tif") == "https://example.org/a.tif"
        assert catalogue.gdal_environment() == {}

    @pytest.mark.parametrize(
        "trouble",
        [{"status": 503, "body": {}}, {"body": {"no": "token"}},
         {"body": {"token": "x", "msft:expiry": "soon"}}],
    )  # fmt: skip
    def test_no_signature_is_named(self, catalogue, misbehaving, reply, trouble):
        misbehaving.on(self.TOKEN, reply(**trouble))
        with pytest.raises(ImageryUnavailable) as caught:
            catalogue.sign(self.HREF)
        assert SECRET not in str(caught.value)

    def test_missing_and_refused_key_are_named(self, catalogue, misbehaving, reply):
        misbehaving.on(self.TOKEN, reply({"message": "who are you"}, status=401))
        with pytest.raises(ConfigurationError, match="401"):
            catalogue.sign(self.HREF)
        bare = make_catalogue("pc", CatalogueSettings(kind="planetary-computer"))
        with pytest.raises(ConfigurationError, match="subscription key"):
            bare.sign(self.HREF)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_keeps_the_contract(kind):
    settings = CatalogueSettings(
        kind=kind, url="http://127.0.0.1:9", attempts=1, token=SecretStr(f"key:{SECRET}"),
        token_url="http://127.0.0.1:9/token", client_id="client", client_secret=SecretStr(SECRET),
    )  # fmt: skip
    catalogue = make_catalogue("some-name", settings)
    assert isinstance(catalogue, Catalogue)
    assert catalogue.name == "some-name"
    assert SECRET not in repr(settings)
    assert isinstance(catalogue.gdal_environment(), dict)
    assert catalogue.sign("https://example.org/a.tif") == "https://example.org/a.tif"
    for call in (
        catalogue.check,
        lambda: list(catalogue.search(COLLECTIONS.get(kind, "OPERA_L2_RTC-S1_V1"), AREA, **SPAN)),
    ):
        with pytest.raises(CatalogueUnavailable) as caught:
            call()
        assert SECRET not in str(caught.value)


def test_ready_made_sources_can_be_made_without_a_network():
    for name, settings in READY_MADE.items():
        assert make_catalogue(name, settings).name == name


def test_wrong_settings_are_named():
    with pytest.raises(ConfigurationError, match="unknown kind gopher; known are stac"):
        make_catalogue("x", CatalogueSettings(kind="gopher"))
    with pytest.raises(ConfigurationError, match="catalogue x needs a url"):
        make_catalogue("x", CatalogueSettings(kind="stac"))
    with pytest.raises(ValidationError):
        CatalogueSettings(kind="stac", ulr="https://example.org")
    assert split_source("opera-asf/OPERA_L2_RTC-S1_V1") == ("opera-asf", "OPERA_L2_RTC-S1_V1")
    for wrong in ("opera-asf", "opera-asf/", "/x", ""):
        with pytest.raises(ConfigurationError, match="catalogue/collection"):
            split_source(wrong)
