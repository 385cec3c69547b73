"""The median over looks: numpy's, on any number of looks, any gaps, any shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.medians import median_of_looks


@given(
    st.integers(1, 33),
    st.sampled_from([(1,), (7,), (3, 5), (2, 3, 4), (0,)]),
    st.floats(0.0, 1.0),
    st.integers(0, 2**32 - 1),
)
def test_it_is_numpys(count: int, shape: tuple[int, ...], gaps: float, seed: int) -> None:
    """Bit for bit, ties and signs included."""
    rng = np.random.default_rng(seed)
    looks = rng.integers(-4, 5, (count, *shape)).astype(np.float32) / np.float32(3)
    looks[rng.random(looks.shape) < gaps] = np.nan
    given_looks = looks.copy()

    made = median_of_looks(looks)

    seen = np.isfinite(looks).any(axis=0)
    wanted = np.full(shape, np.nan, np.float32)
    if seen.any():
        wanted[seen] = np.nanmedian(looks[:, seen], axis=0)
    np.testing.assert_array_equal(made, wanted)
    np.testing.assert_array_equal(looks, given_looks)  # the caller's own stays
    assert made.dtype == np.float32


def test_pieces_meet() -> None:
    """More pixels than are taken at a time, not a whole number of pieces."""
    rng = np.random.default_rng(5)
    looks = rng.normal(size=(9, 131, 197)).astype(np.float32)
    looks[rng.random(looks.shape) < 0.2] = np.nan

    np.testing.assert_array_equal(median_of_looks(looks), np.nanmedian(looks, axis=0))


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_a_window_of_a_larger_array(count: int) -> None:
    """Rows that do not follow one another in memory, as blocks and their cores are."""
    rng = np.random.default_rng(count)
    whole = rng.normal(size=(count, 2, 40, 40)).astype(np.float32)
    window = whole[:, 1, 5:30, 3:17]

    np.testing.assert_array_equal(median_of_looks(window), np.median(window, axis=0))
