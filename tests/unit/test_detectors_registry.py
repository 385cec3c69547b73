"""The registry, the judge that joins detectors, and the weights."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from detectors import normalise as normalising
from detectors import radiometry, registry, types
from detectors.errors import ConfigurationError
from detectors.normalise import NormalisedStack, normalise
from detectors.sar_disturbance import SarDisturbance, load_model, weights_version
from detectors.sar_log_ratio import SarLogRatio
from detectors.types import FloatArray
from flows.doctor import EXPECTED_WEIGHTS
from tests.scenes import made_series, split, times_db


@dataclass(frozen=True)
class Constant:
    """A detector that says one number."""

    value: float
    minimum_polarisations: int = 1
    name: str = "constant"
    weights_version: str = "none"
    weight: float = 1.0

    def score(self, stack: NormalisedStack) -> FloatArray:
        return np.where(stack.judged, np.float32(self.value), np.float32(np.nan))


@pytest.fixture(scope="module")
def dual() -> NormalisedStack:
    return normalise(*split(made_series(7, 24, 24)))


@pytest.fixture(scope="module")
def single() -> NormalisedStack:
    return normalise(*split(made_series(7, 24, 24, polarisations=("VV",))))


def test_names_are_those_a_region_lists_by_default() -> None:
    assert registry.names() == ("sar_log_ratio", "sar_disturbance")
    assert [registry.create(name).name for name in registry.names()] == list(registry.names())


def test_unknown_detector_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'sar_magic'.*sar_log_ratio, sar_disturbance"):
        registry.create("sar_magic")


def test_score_is_the_mean(dual: NormalisedStack) -> None:
    scores = registry.judge(dual, [Constant(1.0), Constant(4.0, name="other")])
    np.testing.assert_array_equal(scores.score, np.full((24, 24), 2.5, np.float32))
    assert scores.detector == "constant+other"
    assert scores.weights_version == "none+none"
    assert scores.complete


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_what_one_detector_alone_sees_counts_its_share(
    dual: NormalisedStack, weight: float
) -> None:
    alone = registry.judge(dual, [Constant(6.0, weight=weight)])
    beside = registry.judge(dual, [Constant(6.0, weight=weight), Constant(0.0)])
    np.testing.assert_allclose(alone.score, 6.0)
    np.testing.assert_allclose(beside.score, alone.score * weight / (weight + 1))


def test_mean_of_the_shipped_two_is_weighted(dual: NormalisedStack) -> None:
    detectors = [registry.create(name) for name in registry.names()]
    scores = registry.judge(dual, detectors)
    expected = 0.6 * detectors[0].score(dual) + 0.4 * detectors[1].score(dual)
    np.testing.assert_allclose(scores.score, expected, atol=1e-5)
    assert scores.score.dtype == np.float32
    assert scores.grid == dual.looks.grid
    np.testing.assert_array_equal(scores.change_db, dual.change_db)
    assert scores.detector == "sar_log_ratio+sar_disturbance"
    assert scores.weights_version == f"none+{weights_version()}"


def test_detector_that_needs_more_stands_back_and_it_is_said(single: NormalisedStack) -> None:
    detectors = [registry.create(name) for name in registry.names()]
    scores = registry.judge(single, detectors)
    assert scores.detector == "sar_log_ratio"
    assert not scores.complete
    np.testing.assert_array_equal(scores.score, SarLogRatio().score(single))


def test_detector_asked_for_alone_is_complete_on_two_polarisations_only(
    single: NormalisedStack,
) -> None:
    both = normalise(*split(made_series(8, 20, 20)))
    assert registry.judge(both, [SarLogRatio()]).complete
    assert not registry.judge(single, [SarLogRatio()]).complete


def test_nobody_left_is_a_wrong_configuration(single: NormalisedStack) -> None:
    with pytest.raises(ConfigurationError, match=r"sar_disturbance.* 1 polarisation"):
        registry.judge(single, [SarDisturbance()])


def test_wet_scene_is_passed_on() -> None:
    pre, post = split(made_series(7, 24, 24))
    assert not registry.judge(normalise(pre, post), [Constant(0.0)]).wet_scene
    assert registry.judge(normalise(pre, times_db(post, 3.0)), [Constant(0.0)]).wet_scene


def test_configuration_hash_changes_with_every_parameter(dual: NormalisedStack) -> None:
    def of(*detectors: registry.SarDetector) -> str:
        return registry.judge(dual, detectors).config_hash

    hashes = [
        of(Constant(1.0)), of(Constant(2.0)), of(Constant(1.0), Constant(2.0)),
        of(Constant(2.0), Constant(1.0)), of(SarLogRatio()), of(SarLogRatio(prior_looks=5.0)),
        of(SarLogRatio(least_sigma_db=0.2)),
    ]  # fmt: skip
    assert len(set(hashes)) == len(hashes)
    assert all(len(h) == 12 and int(h, 16) >= 0 for h in hashes)
    assert of(SarLogRatio()) == of(SarLogRatio())


@pytest.mark.parametrize(
    ("module", "constant"),
    [
        (normalising, "STRATA"), (types, "MINIMUM_LOOKS"), (normalising, "MAXIMUM_LOOKS"),
        (normalising, "NOISE_LEVEL_DB"), (normalising, "TAIL_LIMIT"),
        (radiometry, "TV_REGULARISATION"), (radiometry, "POWER_FLOOR"),
        (radiometry, "POWER_CEILING"),
    ],
)  # fmt: skip
def test_preparation_is_part_of_the_hash(module: object, constant: str) -> None:
    # Same detector, other preparation: other scores, so other detections.
    assert getattr(module, constant) == registry.PREPARATION[constant.lower()]


def test_hash_takes_plain_values_and_records() -> None:
    assert registry.configuration_hash(1, "a") != registry.configuration_hash("a", 1)
    assert registry.configuration_hash({"b": 1, "a": 2}) == registry.configuration_hash(
        {"a": 2, "b": 1}
    )


def test_weights_are_the_ones_every_figure_was_measured_with() -> None:
    assert weights_version() == EXPECTED_WEIGHTS
    assert weights_version().endswith("/0705e75189ef")


def test_model_is_loaded_once_and_only_judges() -> None:
    model = load_model()
    assert load_model() is model
    assert not model.training


def test_model_is_loaded_without_what_its_package_brings_along() -> None:
    program = """
import sys
from detectors.sar_disturbance import load_model
load_model()
assert not {"astropy", "geopandas", "distmetrics"} & set(sys.modules)
import distmetrics
part = sys.modules["distmetrics.model_load"]
assert distmetrics.load_transformer_model is part.load_transformer_model
assert distmetrics.estimate_normal_params
"""
    subprocess.run([sys.executable, "-c", program], check=True)
