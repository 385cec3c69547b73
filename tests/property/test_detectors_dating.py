"""What dates do not depend on: the order of the looks, and the calibration of the product."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.dating import Observation, bracket
from detectors.step_dates import Dated, date_step
from detectors.types import Sensor
from tests.histories import level

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
observations = st.lists(
    st.builds(
        Observation,
        st.integers(0, 40).map(lambda day: FIRST + timedelta(days=day)),
        st.sampled_from(Sensor),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([True, False, None]),
    ),
    max_size=14,
)
seeds = st.integers(0, 10_000)


@given(observations, seeds)
def test_bracket_is_one_whatever_the_order(said: list[Observation], seed: int) -> None:
    shuffled = random.Random(seed).sample(said, len(said))
    assert bracket(shuffled) == bracket(said)


@given(observations)
def test_bracket_stands_on_what_was_said(said: list[Observation]) -> None:
    found = bracket(said)
    assert (found is None) == (not any(one.saw_it for one in said))
    if found is None:
        return
    assert any(one.saw_it and one.at == found.not_after for one in said)
    if found.not_before is not None:
        assert found.not_before < found.not_after
        assert any(one.saw_it is False and one.at == found.not_before for one in said)
        # No witness that looked clean in between has been passed over.
        witnesses = {one.witness for one in said if one.saw_it}
        between = [
            one for one in said
            if one.saw_it is False and one.witness in witnesses
            and found.not_before < one.at < found.not_after - timedelta(hours=6)
        ]  # fmt: skip
        assert between == []


@given(observations)
def test_looks_that_say_nothing_change_nothing(said: list[Observation]) -> None:
    assert bracket(said) == bracket([one for one in said if one.saw_it is not None])


def alike(one: Dated, other: Dated) -> None:
    assert one.looks == other.looks
    np.testing.assert_allclose(one.probability, other.probability, atol=1e-6)
    assert abs(one.evidence - other.evidence) < 1e-6
    for name in ("not_before", "best", "not_after"):
        assert abs(getattr(one, name) - getattr(other, name)) < timedelta(minutes=5)


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0.0, 5.0))
def test_order_of_looks_does_not_matter(seed: int, step_db: float) -> None:
    moments, db, _ = level(seed, looks=40, step_db=step_db)
    order = np.random.default_rng(seed).permutation(len(moments))
    alike(date_step([moments[i] for i in order], db[order]), date_step(moments, db))


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(-20.0, 20.0), st.floats(-20.0, 20.0))
def test_offset_in_db_does_not_matter(seed: int, vv: float, vh: float) -> None:
    moments, db, _ = level(seed, looks=40, step_db=3.0)
    one, other = date_step(moments, db), date_step(moments, db + np.array([vv, vh]))
    alike(one, other)
    np.testing.assert_allclose(one.step_db, other.step_db, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_looks_without_data_do_not_matter(seed: int) -> None:
    moments, db, _ = level(seed, looks=40, step_db=3.0)
    more = [*moments, *(moment + timedelta(days=6) for moment in moments)]
    unseen = np.column_stack([db[:, 0], np.full(len(db), np.nan)])
    alike(date_step(more, np.concatenate([db, unseen])), date_step(moments, db))


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_probability_is_one_and_lies_in_the_interval(seed: int) -> None:
    dated = date_step(*level(seed, looks=40, step_db=2.0)[:2])
    assert abs(dated.probability.sum() - 1.0) < 1e-9
    assert dated.looks[0] <= dated.not_before <= dated.best <= dated.not_after <= dated.looks[-1]
