"""The commonest class of an outline's own pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.land_cover import commonest
from detectors.types import LandCover

NAMES = {1: "forest", 2: "meadow", 3: "rock"}
INSIDE = np.ones((2, 5), bool)
KNOWN = np.ones((2, 5), bool)


def codes(*values: int) -> np.ndarray:
    return np.array(values, np.uint8).reshape(2, 5)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((1, 1, 1, 1, 1, 1, 2, 2, 3, 3), LandCover("forest", 0.6)),
        ((2, 2, 2, 2, 2, 1, 1, 1, 1, 1), LandCover("forest", 0.5)),  # the lower code of two
        ((3, 3, 3, 9, 9, 9, 9, 9, 2, 2), LandCover("rock", 0.3)),  # five of ten have a name
        ((3, 3, 3, 9, 9, 9, 9, 9, 9, 2), None),  # four have
        ((9,) * 10, None),
    ],
)
def test_majority_and_share(values: tuple[int, ...], told: LandCover | None) -> None:
    assert commonest(codes(*values), KNOWN, INSIDE, NAMES) == told


def test_only_own_pixels_with_data_count() -> None:
    inside, known = INSIDE.copy(), KNOWN.copy()
    inside[1] = False
    known[0, :2] = False
    found = commonest(codes(1, 1, 2, 2, 3, 1, 1, 1, 1, 1), known, inside, NAMES)
    assert found == LandCover("meadow", 0.4)
    assert commonest(codes(*(1,) * 10), KNOWN, ~INSIDE, NAMES) is None


@given(arrays(np.uint8, (4, 6), elements=st.integers(0, 5)), arrays(bool, (4, 6)))
def test_the_share_is_of_the_whole_outline(values: np.ndarray, inside: np.ndarray) -> None:
    told = commonest(values, np.ones((4, 6), bool), inside, NAMES)
    counts = {name: int((values[inside] == code).sum()) for code, name in NAMES.items()}
    if told is None:
        assert sum(counts.values()) < max(0.5 * inside.sum(), 1)
    else:
        assert counts[told.name] == max(counts.values())
        assert told.share == pytest.approx(counts[told.name] / inside.sum())
