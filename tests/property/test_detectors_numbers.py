"""Conversions that undo each other, shifts that change nothing, ids that stay."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.normalise import STRATA, normalise, standardise
from detectors.radiometry import db_to_logit, to_db, to_power
from detectors.types import derive_id
from tests.scenes import made_series, split, times_db

decibels = arrays(np.float32, (4, 5), elements=st.floats(-49.0, 20.0, width=32, allow_nan=False))
SCORES = np.random.default_rng(11).normal(0.0, 1.6, (40, 40)).astype(np.float32)
WHERE = (np.arange(SCORES.size).reshape(SCORES.shape) % STRATA).astype(np.int8)
per_stratum = arrays(np.float32, STRATA, elements=st.floats(-8.0, 8.0, width=32))


@given(decibels)
def test_decibel_to_power_and_back(decibel: np.ndarray) -> None:
    np.testing.assert_allclose(to_db(to_power(decibel)), decibel, atol=1e-4)


@given(decibels)
def test_logit_rises_with_decibel(decibel: np.ndarray) -> None:
    order = np.argsort(decibel, axis=None)
    assert (np.diff(db_to_logit(decibel).ravel()[order]) >= -1e-5).all()


@given(decibels, st.floats(0.01, 100.0))
def test_gain_in_power_is_a_sum_in_decibel(decibel: np.ndarray, gain: float) -> None:
    expected = np.maximum(decibel + 10 * np.log10(gain), -50.0)
    shifted = to_db((to_power(decibel) * np.float32(gain)).astype(np.float32))
    np.testing.assert_allclose(shifted, expected, atol=1e-3)


@given(per_stratum)
def test_shift_of_a_stratum_changes_no_score(shift: np.ndarray) -> None:
    np.testing.assert_allclose(
        standardise(SCORES + shift[WHERE], WHERE), standardise(SCORES, WHERE), atol=1e-4
    )


@given(st.floats(1.0, 20.0))
def test_scale_of_a_wide_scene_changes_no_score(factor: float) -> None:
    # The scene is wider than one sigma already, so that it is always damped to the same spread.
    np.testing.assert_allclose(
        standardise(np.float32(factor) * SCORES, WHERE), standardise(SCORES, WHERE), atol=1e-4
    )


@given(st.floats(0.0, 20.0))
def test_standardising_never_enlarges_a_deviation(factor: float) -> None:
    score = np.float32(factor) * SCORES
    centred = score - np.array([np.median(score[k == WHERE]) for k in range(STRATA)])[WHERE]
    assert (np.abs(standardise(score, WHERE)) <= np.abs(centred) + 1e-5).all()


def test_standardising_is_odd() -> None:
    np.testing.assert_array_equal(standardise(-SCORES, WHERE), -standardise(SCORES, WHERE))


@settings(deadline=None, max_examples=10)
@given(st.floats(-6.0, 6.0), st.floats(-6.0, 6.0))
def test_shift_of_a_look_changes_nothing_of_it(vv_db: float, vh_db: float) -> None:
    pre, post = split(made_series(7, 20, 20))
    quiet = normalise(pre, post)
    moved = normalise(pre, times_db(post, np.array([vv_db, vh_db])[:, None, None]))
    np.testing.assert_allclose(moved.post_db, quiet.post_db, atol=0.05)
    np.testing.assert_array_equal(moved.judged, quiet.judged)


#: What ids are made of: any text that can be written as UTF-8, without the separator.
TEXT = st.characters(codec="utf-8", exclude_characters="\x1f")


@given(st.lists(st.text(TEXT), min_size=1, max_size=4))
def test_same_parts_same_id(parts: list[str]) -> None:
    assert derive_id(*parts) == derive_id(*parts)
    assert derive_id(*parts) != derive_id(*parts, "")
    assert derive_id(*parts).version == 5


@given(st.text(TEXT, min_size=1), st.integers(0, 5))
def test_parts_are_kept_apart(text: str, cut: int) -> None:
    assert derive_id(text[:cut], text[cut:]) != derive_id(text)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("acquisition", "asf/opera-rtc-s1", "one"), "14f60c51-dbdf-5170-9c78-13c3e29b7c92"),
        (("landslide", uuid.UUID(int=1)), "59963edc-76ab-59da-a8d1-325b281449c2"),
    ],
)
def test_ids_that_are_stored_stay_what_they_are(parts: tuple[object, ...], expected: str) -> None:
    assert str(derive_id(*parts)) == expected
