"""Features of Sentinel Hub's catalogue into acquisitions, and what requests cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from affine import Affine
from shapely.geometry import MultiPolygon, box

from detectors.errors import ConfigurationError, UnreadableRaster, UnusableItem
from detectors.types import Grid, OrbitState, Sensor
from flows.catalogs.base import CatalogueSettings
from flows.catalogs.registry import make_catalogue
from flows.catalogs.sentinel_hub.items import to_acquisition
from flows.catalogs.sentinel_hub.recipes import recipes, search_units
from tests.sentinel_hub_server import s1_feature, s2_feature

WHEN = datetime(2023, 1, 1, 1, 59, 7, tzinfo=UTC)
NOW = datetime(2023, 1, 3, tzinfo=UTC)
S1, S2 = "hub/sentinel-1-grd", "hub/sentinel-2-l2a"


def grid(height: int, width: int, size: float = 10.0) -> Grid:
    return Grid(32611, Affine(size, 0, 240_000, 0, -size, 3_850_000), height, width)


def test_a_radar_feature_becomes_a_look_that_is_rendered() -> None:
    look = to_acquisition(s1_feature(WHEN), S1, NOW)
    assert (look.sensor, look.platform, look.sensed_at) == (Sensor.SAR, "sentinel-1a", WHEN)
    assert (look.orbit_state, look.relative_orbit) == (OrbitState.DESCENDING, 137)
    assert look.track == "137-descending"
    assert look.polarisations == ("VV", "VH")
    assert look.assets["VH"] == f"sentinelhub://sentinel-1-grd/{look.item_id}#VH"
    # The catalogue tells no publication: the poll's clock stands in.
    assert look.published_at == NOW


@pytest.mark.parametrize(
    ("satellite", "orbit", "sensed", "track"),
    [
        ("A", 46584, WHEN, 137),
        ("B", 25000, WHEN, (25000 - 27) % 175 + 1),
        ("C", 5000, datetime(2025, 9, 1, tzinfo=UTC), (5000 - 172) % 175 + 1),
        ("C", 9000, datetime(2026, 8, 1, tzinfo=UTC), (9000 - 99) % 175 + 1),
        ("D", 3000, datetime(2026, 5, 1, tzinfo=UTC), (3000 - 42) % 175 + 1),
    ],
)
def test_the_track_follows_from_the_absolute_orbit(satellite, orbit, sensed, track) -> None:
    feature = s1_feature(sensed, satellite=satellite, orbit=orbit)
    assert to_acquisition(feature, S1, NOW).relative_orbit == track


def test_a_track_that_is_told_wins() -> None:
    feature = s1_feature(WHEN, satellite="E", **{"sat:relative_orbit": 12})
    look = to_acquisition(feature, S1, NOW)
    assert (look.relative_orbit, look.platform) == (12, "sentinel-1e")


@pytest.mark.parametrize(
    ("feature", "reason"),
    [
        (s1_feature(WHEN, **{"sar:instrument_mode": "EW"}), "mode EW"),
        (s1_feature(WHEN, **{"s1:polarization": "VH"}), "no co-polarised band"),
        (s1_feature(WHEN, **{"sat:orbit_state": None}), "no flight direction"),
        (s1_feature(WHEN, datetime=None), "no sensing time"),
        (s1_feature(WHEN, datetime="2023-01-01T01:59:07"), "no time zone"),
        (s1_feature(WHEN, satellite="E"), "Sentinel-1E cannot be derived"),
        (s1_feature(datetime(2026, 6, 15, tzinfo=UTC), satellite="C"), "was being moved"),
        ({**s1_feature(WHEN), "id": "odd"}, "no relative orbit"),
        ({**s1_feature(WHEN), "id": ""}, "no id"),
        ({**s1_feature(WHEN), "properties": None}, "no properties"),
        ({**s1_feature(WHEN), "geometry": None}, "no geometry"),
    ],
)
def test_what_cannot_be_used_is_named(feature, reason) -> None:
    with pytest.raises(UnusableItem, match=reason):
        to_acquisition(feature, S1, NOW)


def test_other_polarisations_are_kept() -> None:
    look = to_acquisition(s1_feature(WHEN, **{"s1:polarization": "DH"}), S1, NOW)
    assert look.polarisations == ("HH", "HV")


@pytest.mark.parametrize("baseline", ["0301", "0509"])
def test_an_optical_feature_has_one_scaling_whatever_its_baseline(baseline) -> None:
    look = to_acquisition(s2_feature(WHEN, tile="01KAB", baseline=baseline), S2, NOW)
    assert (look.sensor, look.platform, look.tile) == (Sensor.OPTICAL, "sentinel-2b", "T01KAB")
    assert look.processing_version == f"{baseline[:2]}.{baseline[2:]}"
    assert look.cloud_cover == 12.5
    assert set(look.assets) == {"blue", "green", "red", "nir", "scl", "cloud"}
    assert set(look.scale.values()) == {1e-4}
    assert set(look.offset.values()) == {-0.1}


def test_cloud_cover_that_is_unknown_stays_unknown() -> None:
    look = to_acquisition(s2_feature(WHEN, **{"eo:cloud_cover": -1}), S2, NOW)
    assert look.cloud_cover is None
    with pytest.raises(UnusableItem, match="no MGRS tile"):
        to_acquisition({**s2_feature(WHEN), "id": "S2B_nowhere"}, S2, NOW)


def catalogue(**settings):
    return make_catalogue("hub", CatalogueSettings(kind="sentinel-hub", **settings))


@pytest.mark.parametrize("size", [10.0, 30.0])
def test_grids_are_utm_and_aligned_to_their_pixels(size) -> None:
    hub = catalogue(sar_pixel_m=size)
    radar = hub.native_grid(to_acquisition(s1_feature(WHEN), S1, NOW))
    optical = hub.native_grid(to_acquisition(s2_feature(WHEN), S2, NOW))
    for found, pixel in ((radar, size), (optical, 10.0)):
        assert found.epsg == 32611
        assert (found.transform.a, found.transform.e) == (pixel, -pixel)
        assert found.transform.c % pixel == found.transform.f % pixel == 0
    assert 7_000 < radar.height * size / 30 < 8_000


def test_a_scene_across_the_antimeridian_has_a_grid_of_its_own_size() -> None:
    parts = MultiPolygon([box(178.5, -17.5, 180, -16), box(-180, -17.5, -179.5, -16)])
    feature = s1_feature(WHEN, footprint=parts)
    found = catalogue().native_grid(to_acquisition(feature, S1, NOW))
    assert found.epsg in (32701, 32760)
    assert found.width * 30 < 250_000


def test_every_radar_request_asks_for_corrected_terrain() -> None:
    look = to_acquisition(s1_feature(WHEN), S1, NOW)
    for bands in (["VV"], ["VV", "VH"], ["VH", "lia"], ["shadow"], ["VV", "VH", "lia", "shadow"]):
        (recipe,) = recipes(look, bands, "COPERNICUS_30")
        assert recipe.processing["backCoeff"] == "GAMMA0_TERRAIN"
        assert recipe.processing["orthorectify"] is True
        assert recipe.processing["demInstance"] == "COPERNICUS_30"
        assert '"shadowMask", "dataMask"]' in recipe.script
        assert recipe.data_filter["orbitDirection"] == "DESCENDING"
        assert recipe.data_filter["timeRange"] == {
            "from": "2023-01-01T01:59:04Z", "to": "2023-01-01T01:59:10Z",
        }  # fmt: skip


def test_there_is_no_way_to_ask_for_the_ellipsoid() -> None:
    with pytest.raises(ValueError, match="back_coeff"):
        CatalogueSettings(kind="sentinel-hub", back_coeff="GAMMA0_ELLIPSOID")


def test_reflectance_is_not_harmonised_by_the_service_and_masks_are_not_smoothed() -> None:
    look = to_acquisition(s2_feature(WHEN), S2, NOW)
    bands, masks = recipes(look, ["red", "scl", "nir", "cloud"], "")
    assert bands.processing["harmonizeValues"] is False
    assert bands.processing["upsampling"] == "BILINEAR"
    assert masks.processing == {"upsampling": "NEAREST", "downsampling": "NEAREST"}
    assert bands.parts[0].layers == ("red", "nir", "seen")
    assert masks.parts[0].layers == ("scl", "cloud", "seen")


def test_unknown_bands_are_named() -> None:
    with pytest.raises(UnreadableRaster, match="has no HH"):
        recipes(to_acquisition(s1_feature(WHEN), S1, NOW), ["VV", "HH"], "")
    with pytest.raises(UnreadableRaster, match="has no VV"):
        recipes(to_acquisition(s2_feature(WHEN), S2, NOW), ["VV"], "")


def test_costs_follow_the_documented_formula() -> None:
    radar = to_acquisition(s1_feature(WHEN), S1, NOW)
    optical = to_acquisition(s2_feature(WHEN), S2, NOW)
    (both,) = recipes(radar, ["VV", "VH"], "")
    # Two bands and the shadow mask, float32 twice, terrain correction two and a half times.
    assert both.units(grid(512, 512)) == pytest.approx(3 / 3 * 2 * 2.5)
    assert both.units(grid(1024, 1024)) == pytest.approx(4 * 5)
    bands, masks = recipes(optical, ["blue", "green", "red", "nir", "scl", "cloud"], "")
    assert bands.units(grid(512, 512)) == pytest.approx(4 / 3)
    assert masks.units(grid(512, 512)) == pytest.approx(2 / 3)
    assert masks.units(grid(20, 20)) == pytest.approx(0.01 * 2 / 3)
    (one,) = recipes(optical, ["scl"], "")
    assert one.units(grid(2, 2)) == 0.005


def test_searches_cost_by_area_and_months() -> None:
    small, wide = box(10, 46, 10.1, 46.1), box(0, 40, 12, 50)
    assert search_units(small, timedelta(days=20)) == 0.01
    assert search_units(small, timedelta(days=60)) == 0.02
    assert 0.9 < search_units(wide, timedelta(days=20)) <= 1.0
    assert search_units(box(-180, -90, 180, 90), timedelta(days=900)) == 1.0


def test_settings_that_cannot_work_are_named() -> None:
    with pytest.raises(ConfigurationError, match="needs its token_url"):
        catalogue(url="https://hub.example")
    with pytest.raises(ConfigurationError, match="needs client_id and client_secret"):
        catalogue().check()
    with pytest.raises(ConfigurationError, match="https only"):
        catalogue(
            url="http://hub.example", token_url="https://hub.example/token", client_id="a",
            client_secret="b",
        ).check()  # fmt: skip
