"""The one contract every detector in the registry keeps, on real and on made ground."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from detectors import registry
from detectors.errors import ConfigurationError
from detectors.normalise import MAXIMUM_LOOKS, NormalisedStack, normalise
from detectors.registry import SarDetector
from detectors.types import MINIMUM_LOOKS, LookStack
from tests.scenes import (
    SHIPPED,
    STEEP,
    crop,
    made_series,
    read_series,
    split,
    stack_of,
    times_db,
)

SIDE = 48
#: Where the planted change lies: 30 pixels, 2.7 ha.
PATCH = np.zeros((SIDE, SIDE), dtype=bool)
PATCH[18:24, 20:25] = True
#: Positions in the shipped series: autumn and winter, none of them flagged wet.
QUIET_LOOKS = (9, 13, 15, 17)


@pytest.fixture(params=registry.names())
def detector(request: pytest.FixtureRequest) -> SarDetector:
    return registry.create(request.param)


@pytest.fixture(scope="module")
def real() -> LookStack:
    return crop(read_series(SHIPPED, STEEP), slice(4, 4 + SIDE), slice(40, 40 + SIDE))


@pytest.fixture(scope="module")
def quiet(real: LookStack) -> NormalisedStack:
    return normalise(*split(real, 15))


def planted(real: LookStack, decibel: float, looks: int | None = None) -> NormalisedStack:
    pre, post = split(real, 15, looks)
    return normalise(pre, times_db(post, np.where(PATCH, decibel, 0.0)))


def robust_sigma(values: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def test_says_who_it_is(detector: SarDetector) -> None:
    assert detector.name in registry.names()
    assert registry.create(detector.name) == detector
    assert detector.weights_version
    assert detector.minimum_polarisations in (1, 2)
    # The configuration hash is made of the fields; a detector without would hide its settings.
    assert is_dataclass(detector)


def test_score_fits_the_grid(detector: SarDetector, quiet: NormalisedStack) -> None:
    score = detector.score(quiet)
    assert score.shape == quiet.looks.grid.shape
    assert score.dtype == np.float32
    assert np.isfinite(score).all()


def test_same_looks_same_score_and_untouched(detector: SarDetector, quiet: NormalisedStack) -> None:
    arrays = [f.name for f in fields(quiet) if isinstance(getattr(quiet, f.name), np.ndarray)]
    before = {name: getattr(quiet, name).copy() for name in arrays}
    first, second = detector.score(quiet), registry.create(detector.name).score(quiet)
    np.testing.assert_array_equal(first, second)
    for name in arrays:
        np.testing.assert_array_equal(getattr(quiet, name), before[name], err_msg=name)


@pytest.mark.parametrize("number", QUIET_LOOKS)
def test_quiet_ground_scatters_by_about_one(
    detector: SarDetector, real: LookStack, number: int
) -> None:
    score = detector.score(normalise(*split(real, number)))
    # Two polarisations are averaged, hence below one.
    assert 0.5 < robust_sigma(score) < 1.1
    assert abs(np.median(score)) < 0.1
    assert np.percentile(np.abs(score), 99) < 3.0


@pytest.mark.parametrize("decibel", [5.0, -5.0])
def test_sign_follows_the_change(detector: SarDetector, real: LookStack, decibel: float) -> None:
    change = np.sign(decibel) * detector.score(planted(real, decibel))
    assert change[PATCH].mean() > 2.5
    assert change[PATCH].min() > 0.0


def test_change_stays_where_it_is(
    detector: SarDetector, real: LookStack, quiet: NormalisedStack
) -> None:
    before, after = detector.score(quiet), detector.score(planted(real, 5.0))
    far = np.ones(PATCH.shape, dtype=bool)
    far[8:34, 10:35] = False
    # The patch is an eightieth of this small scene, so it moves the yardstick a little.
    assert np.median(np.abs(after - before)[far]) < 0.1
    assert np.corrcoef(before[far], after[far])[0, 1] > 0.95


@pytest.mark.parametrize("looks", range(MINIMUM_LOOKS, MAXIMUM_LOOKS + 1))
def test_works_with_every_allowed_number_of_looks(
    detector: SarDetector, real: LookStack, looks: int
) -> None:
    score = detector.score(planted(real, 5.0, looks))
    assert np.isfinite(score).all()
    assert robust_sigma(score[~PATCH]) < 1.1
    assert score[PATCH].mean() > 2.5


def with_gaps(real: LookStack) -> tuple[LookStack, LookStack]:
    """One look without data, a pixel block seldom seen, a hole in the new look, water."""
    pre, post = split(real, 15, 10)
    level = np.zeros((SIDE, SIDE))
    level[:10, :10] = -20.0
    pre, post = times_db(pre, level), times_db(post, level)
    before, now = pre.gamma0.copy(), post.gamma0.copy()
    before[3] = np.nan
    before[:5, :, 30:36, 30:36] = np.nan
    before[7, 1, 10:30, 30:] = np.nan
    now[0, 0, 40:, :8] = np.nan
    return replace(pre, gamma0=before), replace(post, gamma0=now)


def test_no_data_exactly_where_not_judged(detector: SarDetector, real: LookStack) -> None:
    stack = normalise(*with_gaps(real))
    judged = stack.judged
    assert not judged[30:36, 30:36].any()
    assert not judged[40:, :8].any()
    assert not judged[:9, :9].any()
    assert judged.mean() > 0.9
    np.testing.assert_array_equal(np.isfinite(detector.score(stack)), judged)


def test_gaps_in_the_stack_change_little_elsewhere(
    detector: SarDetector, real: LookStack, quiet: NormalisedStack
) -> None:
    # A look without data must not silence the others.
    score = detector.score(normalise(*with_gaps(real)))
    seen = np.isfinite(score)
    assert robust_sigma(score[seen]) < 1.1
    assert np.corrcoef(score[seen], detector.score(quiet)[seen])[0, 1] > 0.8


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 9), (5, 7), (17, 23)])
def test_very_small_scenes_are_scored(detector: SarDetector, shape: tuple[int, int]) -> None:
    power = np.random.default_rng(8).gamma(8.0, 0.01, (8, 2, *shape))
    score = detector.score(normalise(*split(stack_of(power))))
    assert score.shape == shape
    assert np.isfinite(score).all()


def test_ground_that_never_changes_scores_zero(detector: SarDetector) -> None:
    # Without a least scatter this is nought divided by nought.
    one = made_series(1, 20, 20).gamma0
    score = detector.score(normalise(*split(stack_of(np.repeat(one, 8, axis=0)))))
    assert np.isfinite(score).all()
    assert abs(np.median(score)) < 0.01
    assert np.abs(score).max() < 2.5


def test_single_polarisation_as_the_detector_says(detector: SarDetector) -> None:
    stack = normalise(*split(made_series(8, 20, 20, polarisations=("VV",))))
    if detector.minimum_polarisations > 1:
        with pytest.raises(ConfigurationError, match=rf"{detector.name}.* 1 polarisation"):
            registry.judge(stack, [detector])
    else:
        scores = registry.judge(stack, [detector])
        assert not scores.complete
        assert np.isfinite(scores.score).all()
