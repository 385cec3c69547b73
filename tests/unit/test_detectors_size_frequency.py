"""Tails of sizes: what is known of them comes out again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from detectors import size_frequency
from detectors.errors import InvalidSamples
from detectors.size_frequency import fit


def tail(count, alpha, x_min, seed=1):
    random = np.random.default_rng(seed)
    return x_min * (1 - random.random(count)) ** (-1 / (alpha - 1))


@given(st.floats(1.8, 3.2), st.floats(10, 1e4), st.integers(0, 2**32 - 1))
@hypothesis_settings(max_examples=15)
def test_exponents_come_out_within_their_error(alpha, x_min, seed) -> None:
    # Four standard errors of the exponent itself: (alpha - 1) / sqrt(n), tails of 20 and more.
    made = fit(tail(1_500, alpha, x_min, seed), bootstraps=2)
    assert abs(made.alpha - alpha) < 4.5 * (alpha - 1) / np.sqrt(made.tail)


def test_the_beginning_of_the_tail_is_found() -> None:
    random = np.random.default_rng(3)
    body = random.uniform(100, 1_000, 2_000)  # far from any power law
    made = fit(np.concatenate([body, tail(1_500, 2.4, 1_000.0)]), bootstraps=20)
    assert made.x_min == pytest.approx(1_000, rel=0.15)
    assert made.alpha == pytest.approx(2.4, abs=0.12)
    assert (made.sizes, made.tail) == (3_500, pytest.approx(1_500, rel=0.2))
    assert made.p > 0.1
    assert made.above(np.array([made.x_min]))[0] == made.tail
    assert made.above(np.array([10 * made.x_min]))[0] == pytest.approx(
        made.tail * 10 ** (1 - made.alpha)
    )


def test_what_is_no_power_law_is_ruled_out() -> None:
    random = np.random.default_rng(4)
    assert fit(random.uniform(1, 2, 3_000), bootstraps=20).p < 0.1
    assert fit(tail(2_000, 2.5, 50.0), bootstraps=20).p > 0.1


def test_errors_shrink_with_the_number_and_repeat() -> None:
    few, many = (fit(tail(n, 2.4, 100.0), bootstraps=20) for n in (300, 3_000))
    assert many.alpha_error < few.alpha_error
    assert fit(tail(300, 2.4, 100.0), bootstraps=20) == few


@pytest.mark.parametrize("sizes", [[], [5.0] * 40, [1.0] * 19, [np.nan, -1.0, 0.0] * 20])
def test_too_few_or_all_alike(sizes) -> None:
    with pytest.raises(InvalidSamples, match="power law takes 20"):
        fit(np.array(sizes, dtype=float))


def test_long_tails_are_compared_at_some_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = 900.0 * (1 - np.random.default_rng(3).random(3_000)) ** (-1 / 1.4)
    monkeypatch.setattr(size_frequency, "MOST_CANDIDATES", 200)
    whole = size_frequency.fit(sizes, bootstraps=20)
    monkeypatch.setattr(size_frequency, "MOST_COMPARED", 500)
    some = size_frequency.fit(sizes, bootstraps=20)
    assert some.ks == pytest.approx(whole.ks, abs=1 / 500)
    assert some.alpha == pytest.approx(whole.alpha, abs=2 * whole.alpha_error)
