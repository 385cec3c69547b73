"""The records: what they refuse."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from affine import Affine
from shapely.geometry import box

from detectors.errors import IncomparableLooks, PermanentError, ScarpwatchError
from detectors.types import (
    Acquisition,
    Detection,
    Grid,
    LookStack,
    Observability,
    OrbitState,
    ScoreMap,
    Sensor,
    Tier,
    derive_id,
    ensure_comparable,
    require_utc,
)
from tests.scenes import START, made_series, make_grid, split, stack_of, times_db

NAIVE = datetime(2023, 1, 1)  # noqa: DTZ001 - the point of the test


def acquisition(**changes: Any) -> Acquisition:
    values: dict[str, Any] = {
        "source": "asf/opera-rtc-s1", "item_id": "one", "platform": "sentinel-1c",
        "sensor": Sensor.SAR,
        "orbit_state": OrbitState.ASCENDING, "relative_orbit": 7,
        "sensed_at": START, "published_at": START + timedelta(hours=9),
        "footprint": box(-120, 34, -119, 35), "polarisations": ("VV", "VH"),
        "assets": {"VV": "a", "VH": "b"},
    }  # fmt: skip
    return Acquisition(**(values | changes))


@pytest.mark.parametrize("field", ["sensed_at", "published_at", "created_at"])
def test_acquisition_refuses_naive_times(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} has no time zone"):
        acquisition(**{field: NAIVE})


def test_times_come_back_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    moment = datetime(2023, 1, 1, 9, tzinfo=tokyo)
    assert require_utc(moment, "t") == moment
    assert acquisition(sensed_at=moment).sensed_at.tzinfo is UTC
    series = replace(made_series(1, 4, 4), sensed_at=(moment,))
    assert series.sensed_at[0].tzinfo is UTC


def test_tracks_of_different_orbit_direction_or_burst_differ() -> None:
    tracks = {
        acquisition(**changes).track
        for changes in (
            {}, {"relative_orbit": 8}, {"orbit_state": OrbitState.DESCENDING},
            {"burst_id": "T007-000001-IW1"}, {"burst_id": "T007-000002-IW1"},
        )
    }  # fmt: skip
    assert len(tracks) == 5
    assert acquisition().track == "007-ascending"


def test_same_item_of_same_source_is_the_same_acquisition() -> None:
    assert acquisition().id == acquisition(published_at=START + timedelta(days=2)).id
    assert acquisition().id != acquisition(source="other/opera-rtc-s1").id


@pytest.mark.parametrize(
    ("transform", "height", "words"),
    [
        (Affine(30, 0, 0, 0, -30, 0), 0, "needs pixels"),
        (Affine(30, 1, 0, 0, -30, 0), 2, "north-up"),
        (Affine(30, 0, 0, 0, 30, 0), 2, "north-up"),
        (Affine(-30, 0, 0, 0, -30, 0), 2, "north-up"),
    ],
)
def test_grid_must_be_north_up_and_hold_pixels(transform: Affine, height: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Grid(32611, transform, height, 3)


def test_grid_knows_its_area_and_bounds() -> None:
    grid = Grid(32611, Affine(20, 0, 1000, 0, -10, 5000), 4, 3)
    assert grid.pixel_area_m2 == 200
    assert grid.bounds == (1000, 4960, 1060, 5000)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gamma0": np.zeros((3, 2, 4, 5), np.float32)}, "does not fit"),
        ({"gamma0": np.zeros((3, 2, 4, 4), np.float64)}, "float32"),
        ({"polarisations": ("VV",)}, "does not fit"),
        ({"sensed_at": (START, START + timedelta(days=2), START)}, "ordered"),
        ({"item_ids": (("a",),)}, "items"),
    ],
)
def test_stack_refuses_what_does_not_fit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(IncomparableLooks, match=words):
        replace(made_series(3, 4, 4), **changes)


def test_stack_refuses_naive_times() -> None:
    with pytest.raises(ValueError, match="sensed_at has no time zone"):
        replace(made_series(1, 4, 4), sensed_at=(NAIVE,))


def test_records_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        made_series(1, 4, 4).track = "other"  # type: ignore[misc]


def test_looks_that_differ_in_time_only_are_comparable() -> None:
    ensure_comparable(*split(made_series(3, 4, 4)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": make_grid(4, 4, west=240_030.0)}, "different grids"),
        ({"grid": make_grid(4, 4, epsg=32610)}, "different grids"),
        ({"grid": make_grid(4, 4, pixel_m=20.0)}, "different grids"),
        ({"polarisations": ("VH", "VV")}, "against post"),
        ({"polarisations": ("HH", "HV")}, "against post"),
        ({"track": "144-descending-T144-000001-IW1"}, "against track"),
        ({"sensed_at": (START,)}, "end before"),
    ],
)
def test_looks_that_differ_in_more_are_not(changes: dict[str, Any], words: str) -> None:
    pre, post = split(made_series(3, 4, 4))
    with pytest.raises(IncomparableLooks, match=words):
        ensure_comparable(pre, replace(post, **changes))


def test_single_and_dual_polarisation_are_never_mixed() -> None:
    pre, _ = split(made_series(3, 4, 4))
    _, post = split(made_series(3, 4, 4, polarisations=("VV",)))
    with pytest.raises(IncomparableLooks, match="against post"):
        ensure_comparable(pre, post)


def score_map(score: np.ndarray) -> ScoreMap:
    grid = make_grid(*score.shape)
    return ScoreMap(
        grid, score, np.zeros_like(score), "d", "none", "c", False, True,
        Observability.of(grid, np.isfinite(score)),
    )  # fmt: skip


def test_score_map_fits_its_grid_and_knows_what_was_seen() -> None:
    score = np.zeros((4, 5), dtype=np.float32)
    score[0] = np.nan
    assert score_map(score).share_seen == pytest.approx(0.75)
    with pytest.raises(IncomparableLooks, match="do not fit"):
        replace(score_map(score), grid=make_grid(5, 4))
    with pytest.raises(IncomparableLooks, match="do not fit"):
        replace(score_map(score), change_db=score[:2])


def test_detection_id_follows_what_made_it_and_nothing_else() -> None:
    detection = Detection(
        region_id="r", acquisition_id=derive_id("a"), polygon=box(0, 0, 1, 1), area_m2=9e3,
        score_max=5.0, score_mean=4.0, evidence=13.0, change_db=3.0, tier=Tier.WATCH,
        not_before=START, not_after=START + timedelta(days=12), item_ids=("x",), detector="d",
        weights_version="none", config_hash="c",
    )  # fmt: skip
    # The same ring from another corner is the same outline.
    turned = box(0, 0, 1, 1, ccw=False)
    assert replace(detection, polygon=turned).id == detection.id
    assert replace(detection, score_max=6.0, tier=Tier.LIKELY).id == detection.id
    for change in (
        {"region_id": "s"}, {"acquisition_id": derive_id("b")}, {"detector": "e"},
        {"weights_version": "w"}, {"config_hash": "k"}, {"polygon": box(0, 0, 1, 2)},
    ):  # fmt: skip
        assert replace(detection, **change).id != detection.id


def test_incomparable_looks_are_permanent() -> None:
    assert issubclass(IncomparableLooks, PermanentError)
    assert issubclass(PermanentError, ScarpwatchError)


def test_made_looks_are_what_they_say() -> None:
    series = made_series(3, 10, 10)
    assert isinstance(series, LookStack)
    np.testing.assert_allclose(times_db(series, 10.0).gamma0, series.gamma0 * 10, rtol=1e-6)
    assert stack_of(series.gamma0).grid.shape == (10, 10)
