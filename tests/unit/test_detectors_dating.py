"""Between which looks, and when most likely: brackets and posteriors with a known answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import numpy as np
import pytest

from detectors.dating import Observation, bracket
from detectors.errors import NotEnoughLooks
from detectors.step_dates import LEAST_EVIDENCE, date_step
from detectors.types import Sensor
from tests.histories import START, level

FIRST = datetime(2024, 5, 1, 6, 0, tzinfo=UTC)


def saw(
    day: float, said: bool | None, track: str = "asc", sensor: Sensor = Sensor.SAR
) -> Observation:
    return Observation(FIRST + timedelta(days=day), sensor, track, said)


def days(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - FIRST) / timedelta(days=1)


def test_last_clean_and_first_changed_look() -> None:
    found = bracket([saw(0, False), saw(12, False), saw(24, True), saw(36, True)])
    assert found is not None
    assert (days(found.not_before), days(found.not_after)) == (12, 24)
    assert found.conflicts == found.blind == ()


def test_nobody_saw_it() -> None:
    assert bracket([]) is None
    assert bracket([saw(0, False), saw(12, None)]) is None


def test_tracks_and_sensors_narrow_each_other() -> None:
    found = bracket([
        saw(0, False), saw(12, True),
        saw(5, False, "desc"), saw(17, True, "desc"),
        saw(8, False, "T32", Sensor.OPTICAL), saw(10, True, "T32", Sensor.OPTICAL),
    ])  # fmt: skip
    assert found is not None
    assert (days(found.not_before), days(found.not_after)) == (8, 10)


def test_looks_that_say_nothing_close_nothing() -> None:
    found = bracket([saw(0, False), saw(12, None), saw(24, True)])
    assert found is not None
    assert days(found.not_before) == 0


def test_track_that_never_sees_it_closes_nothing() -> None:
    blind = [saw(day, False, "desc") for day in (5, 17, 29)]
    found = bracket([saw(0, False), saw(12, True), saw(24, True), *blind])
    assert found is not None
    assert (days(found.not_before), days(found.not_after)) == (0, 12)
    assert found.blind == ("desc",)
    assert found.conflicts == ()


def test_track_that_has_not_looked_since_closes_nothing_and_is_not_blind() -> None:
    found = bracket([saw(0, False), saw(5, False, "desc"), saw(12, True)])
    assert found is not None
    assert days(found.not_before) == 0
    assert found.blind == ()


def test_missed_look_between_sightings_is_a_conflict() -> None:
    found = bracket([saw(0, False), saw(12, True), saw(24, False), saw(36, True)])
    assert found is not None
    assert (days(found.not_before), days(found.not_after)) == (0, 12)
    assert [days(one.at) for one in found.conflicts] == [24]


def test_one_early_sighting_against_many_clean_looks_was_none() -> None:
    clean = [saw(day, False) for day in (12, 24, 36, 48)]
    found = bracket([saw(-12, False), saw(0, True), *clean, saw(60, True), saw(72, True)])
    assert found is not None
    assert (days(found.not_before), days(found.not_after)) == (48, 60)
    assert [days(one.at) for one in found.conflicts] == [0]


def test_clean_looks_after_the_last_sighting_contradict_nothing() -> None:
    late = [saw(day, False) for day in (84, 96, 108, 120, 132)]
    found = bracket([saw(0, False), saw(12, True), *late])
    assert found is not None
    assert (days(found.not_after), found.conflicts) == (12, ())


def test_neighbouring_burst_of_the_same_pass_did_not_look_before() -> None:
    found = bracket([saw(0, False), saw(11.999, False), saw(12, True), saw(0, False, "asc2")])
    assert found is not None
    assert days(found.not_before) == 0


def test_order_of_observations_does_not_matter() -> None:
    said = [
        saw(0, False),
        saw(12, True),
        saw(24, False),
        saw(5, False, "desc"),
        saw(17, True, "desc"),
    ]
    assert len({bracket(order) for order in permutations(said)}) == 1


def test_times_need_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Observation(datetime(2024, 5, 1), Sensor.SAR, "asc", True)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("step_db", "speckle", "lasts", "least_answered"),
    [(3.0, 0.6, 20.0, 0.8), (5.0, 1.0, 1.0, 0.95), (3.0, 0.2, 40.0, 0.7)],
)
def test_credible_interval_covers_as_often_as_it_says(
    step_db: float, speckle: float, lasts: float, least_answered: float
) -> None:
    runs = 100
    covered, answered, errors = 0, 0, []
    for seed in range(runs):
        moments, db, when = level(seed, step_db=step_db, speckle=speckle, lasts=lasts)
        dated = date_step(moments, db)
        covered += dated.not_before <= when <= dated.not_after
        answered += dated.unknown is None
        if dated.unknown is None:
            errors.append(abs(dated.best - when) / timedelta(days=1))
    # 0.9 and three standard errors of 100 draws.
    assert 0.81 <= covered / runs <= 0.99
    assert answered / runs >= least_answered
    # Looks come every 12 days: half a gap is the best there is in the mean.
    assert np.median(errors) < 6.0


@pytest.mark.parametrize(("speckle", "lasts"), [(1.0, 1.0), (0.6, 20.0), (0.2, 40.0)])
def test_no_step_is_no_date(speckle: float, lasts: float) -> None:
    answered = sum(
        date_step(*level(seed, speckle=speckle, lasts=lasts)[:2]).unknown is None
        for seed in range(40)
    )
    assert answered <= 1


def test_size_of_the_step_and_the_fit() -> None:
    moments, db, _ = level(3, looks=90, every=6.0, step_db=5.0)
    dated = date_step(moments, db)
    after = np.array([moment >= dated.best for moment in dated.looks])
    for band, size in enumerate(dated.step_db):
        assert abs(size - (db[after, band].mean() - db[~after, band].mean())) < 1.5
        assert abs(dated.fitted_db[:, band] - db[:, band]).mean() < 1.2
    assert dated.probability.sum() == pytest.approx(1.0)
    assert dated.evidence > LEAST_EVIDENCE


def test_asked_for_a_time_it_dates_the_change_of_that_time() -> None:
    moments, db, when = level(1, looks=90, step_db=4.0, at=700.0)
    harvest = np.array([(moment - START).days >= 300 for moment in moments])
    db[harvest] -= 6.0
    anywhere = date_step(moments, db)
    assert abs(anywhere.best - (START + timedelta(days=300))) < timedelta(days=12)
    dated = date_step(moments, db, (when - timedelta(days=60), when + timedelta(days=60)))
    assert dated.not_before <= when <= dated.not_after
    assert abs(dated.best - when) < timedelta(days=12)


def test_one_wet_look_is_no_step() -> None:
    for seed in range(10):
        moments, db, _ = level(seed)
        db[30] += 8.0
        assert date_step(moments, db).unknown is not None


def test_too_few_looks_are_named() -> None:
    moments, db, _ = level(0)
    with pytest.raises(NotEnoughLooks, match="5 looks"):
        date_step(moments[:5], db[:5])
    gone = np.where(np.arange(60)[:, None] < 52, np.nan, db)
    with pytest.raises(NotEnoughLooks, match="8 looks"):
        date_step(moments, gone)
    with pytest.raises(NotEnoughLooks, match="no gap"):
        date_step(moments, db, (START - timedelta(days=90), START - timedelta(days=60)))
