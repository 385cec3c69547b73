"""The scores of one real look stay what they are, for every detector."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import registry
from detectors.types import SCORE_TOLERANCE
from tests.golden.make import golden_maps, score_maps


@pytest.fixture(scope="module")
def scores() -> dict[str, np.ndarray]:
    return score_maps()


@pytest.mark.parametrize("name", registry.names())
def test_scores_are_those_of_the_golden_map(name: str, scores: dict[str, np.ndarray]) -> None:
    golden = golden_maps()[name]
    assert scores[name].shape == golden.shape == (100, 100)
    # Half a thousandth is lost in storing.
    np.testing.assert_allclose(scores[name], golden, rtol=0.0, atol=SCORE_TOLERANCE + 0.0005)


def test_golden_maps_differ_from_each_other_and_from_nothing() -> None:
    one, two = golden_maps().values()
    assert 0.5 < np.corrcoef(one.ravel(), two.ravel())[0, 1] < 0.99
    assert one.std() > 0.5
    assert two.std() > 0.5
