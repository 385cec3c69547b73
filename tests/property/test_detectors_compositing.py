"""What holds of every greenest-pixel composite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.compositing import clear_counts, d_ndvi, greenest, ndvi, pair
from detectors.types import Composite, OpticalLook, Unseen
from tests.optical import noise_looks, optical_look

SHAPE = (6, 7)


@st.composite
def stacks(draw: st.DrawFn, first_day: int = 0) -> list[OpticalLook]:
    """Looks of any clarity; NDVI in tenths, so that ties happen."""
    number = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clear = draw(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
    return [
        optical_look(
            rng.integers(-9, 10, SHAPE) / 10,
            np.where(rng.random(SHAPE) < clear, 0, rng.integers(1, 7, SHAPE)),
            day=first_day + k,
            brightness=rng.uniform(0.05, 0.4, SHAPE),
        )
        for k in range(number)
    ]


def admitted(looks: Sequence[OpticalLook], limit: int) -> np.ndarray:
    """Return (look, y, x), which looks a pixel takes."""
    clear = np.stack([look.unseen == Unseen.SEEN for look in looks])
    return clear & (np.cumsum(clear, axis=0) <= limit)


def assert_same(one: Composite, other: Composite) -> None:
    np.testing.assert_array_equal(one.reflectance, other.reflectance)
    np.testing.assert_array_equal(one.looks, other.looks)
    np.testing.assert_array_equal(one.date, other.date)
    assert (one.sensed_at, one.item_ids) == (other.sensed_at, other.item_ids)


@given(stacks(), st.randoms(use_true_random=False))
def test_looks_of_equal_preference_in_any_order(looks, random) -> None:
    shuffled = list(looks)
    random.shuffle(shuffled)
    assert_same(greenest(looks), greenest(shuffled))


@given(stacks(), st.integers(0, 4))
def test_all_bands_of_a_pixel_are_those_of_its_date(looks, limit) -> None:
    made = greenest(looks, limit)
    by_time = {look.sensed_at: look for look in looks}
    for index, moment in enumerate(made.sensed_at):
        here = made.date == index
        source = by_time[moment]
        np.testing.assert_array_equal(made.reflectance[:, here], source.reflectance[:, here])
        assert (source.unseen[here] == Unseen.SEEN).all()
    assert list(made.sensed_at) == sorted(made.sensed_at)


@given(stacks(), st.integers(0, 4))
def test_counts_are_of_clear_looks_up_to_the_limit(looks, limit) -> None:
    made = greenest(looks, limit)
    np.testing.assert_array_equal(made.looks, admitted(looks, limit).sum(axis=0))
    counts = clear_counts(look.unseen for look in looks)
    np.testing.assert_array_equal(made.looks, np.minimum(counts, limit))


@given(stacks(), st.integers(0, 4))
def test_a_pixel_is_missing_only_where_no_look_was_taken(looks, limit) -> None:
    made = greenest(looks, limit)
    np.testing.assert_array_equal(np.isnan(made.reflectance).any(axis=0), made.looks == 0)
    np.testing.assert_array_equal(np.isnan(made.reflectance).all(axis=0), made.looks == 0)
    np.testing.assert_array_equal(made.date == -1, made.looks == 0)


@given(stacks(), st.integers(0, 4))
def test_no_admitted_look_is_greener(looks, limit) -> None:
    made = ndvi(greenest(looks, limit).reflectance, looks[0].bands)
    for look, taken in zip(looks, admitted(looks, limit), strict=True):
        other = ndvi(look.reflectance, look.bands)
        assert (made[taken] >= other[taken]).all()


@given(stacks(), stacks(first_day=30))
def test_a_pair_counts_alike_on_either_side(before, after) -> None:
    pre, post = pair(before, after)
    np.testing.assert_array_equal(pre.looks, post.looks)
    fewest = np.minimum(*(clear_counts(k.unseen for k in looks) for looks in (before, after)))
    np.testing.assert_array_equal(pre.looks, fewest)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(8, 2), (2, 8)]))
def test_unequal_looks_are_a_bias_that_matching_removes(seed, numbers) -> None:
    """On ground where nothing happened, 6400 pixels."""
    rng = np.random.default_rng(seed)
    before, after = noise_looks(numbers[0], rng, 0), noise_looks(numbers[1], rng, 60)
    biased = float(np.mean(d_ndvi(greenest(before), greenest(after))))
    assert biased == pytest.approx(-0.043 if numbers[0] > numbers[1] else 0.043, abs=0.006)
    matched = d_ndvi(*pair(before, after))
    assert np.isfinite(matched).all()
    # The standard error is 0.0007.
    assert abs(float(np.mean(matched))) < 0.004
