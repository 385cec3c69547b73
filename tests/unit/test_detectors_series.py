"""Steps in the series of a small place: found, not invented, and judged by the past alone."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import numpy as np
import pytest

from detectors import series_detectors
from detectors.errors import ConfigurationError, InvalidSeries
from detectors.series import REARM_LOOKS, Series, SeriesStep, alarms
from tests.histories import START, level, pixels


def made(seed: int, **how: float) -> tuple[Series, datetime]:
    moments, db, when = level(seed, looks=90, every=8.0, **how)  # type: ignore[arg-type]
    return Series("made", "T001", tuple(moments), pixels(db, seed)), when


def first_alarm(series: Series) -> datetime | None:
    detector = SeriesStep()
    raised = alarms(detector.score(series), detector.level)
    return series.sensed_at[raised[0]] if raised else None


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_step_is_found_within_weeks_whatever_its_sign(sign: float) -> None:
    delays = []
    for seed in range(6):
        quiet, _ = made(seed, season_db=0.5)
        when = START + timedelta(days=480)
        after = np.array([moment >= when for moment in quiet.sensed_at])
        power = quiet.gamma0 * np.where(after, 10 ** (sign * 0.6), 1.0)[:, None, None, None]
        found = first_alarm(dataclasses.replace(quiet, gamma0=power.astype(np.float32)))
        if found is not None and found >= when:
            delays.append((found - when).days)
    assert len(delays) >= 5
    assert max(delays) <= 60


def test_quiet_series_are_left_alone() -> None:
    raised = 0
    for seed in range(12):
        series, _ = made(seed, season_db=2.0)
        raised += first_alarm(series) is not None
    # 12 series of a bit under a year: 0.2 a year allow 2.
    assert raised <= 1


def test_one_odd_look_raises_nothing() -> None:
    for seed in range(4):
        series, _ = made(seed, season_db=0.5)
        before = first_alarm(series)
        odd = series.gamma0.copy()
        odd[70] *= 10**0.6
        assert before is None
        assert first_alarm(dataclasses.replace(series, gamma0=odd)) is None


def test_each_further_look_that_agrees_raises_the_score() -> None:
    series, _ = made(2, season_db=0.0, speckle=1.0)
    power = series.gamma0.copy()
    power[70:] *= 10**-0.5
    score = SeriesStep().score(dataclasses.replace(series, gamma0=power))
    assert score[72] < score[70] < 0
    assert abs(score[72]) > SeriesStep().level > abs(score[69])


@pytest.mark.parametrize("name", series_detectors.names())
def test_score_knows_nothing_of_later_looks(name: str) -> None:
    series, _ = made(1, step_db=5.0, at=500.0)
    detector = series_detectors.create(name)
    whole = detector.score(series)
    assert np.isfinite(whole).any()
    for end in (66, 80) if name == SeriesStep.name else (30,):
        cut = Series("cut", series.track, series.sensed_at[:end], series.gamma0[:end])
        np.testing.assert_allclose(detector.score(cut), whole[:end], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", series_detectors.names())
def test_looks_that_were_not_seen_are_left_out(name: str) -> None:
    series, _ = made(4)
    power = series.gamma0.copy()
    power[60] = np.nan
    power[65, 1] = np.nan
    gaps = dataclasses.replace(series, gamma0=power)
    kept = [look for look in range(len(series)) if look not in (60, 65)]
    without = Series("", "", tuple(series.sensed_at[i] for i in kept), series.gamma0[kept])
    detector = series_detectors.create(name)
    score = detector.score(gaps)
    assert np.isnan(score[[60, 65]]).all()
    np.testing.assert_allclose(score[kept], detector.score(without), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", series_detectors.names())
def test_nothing_seen_is_nothing_judged(name: str) -> None:
    series, _ = made(0)
    blind = dataclasses.replace(series, gamma0=np.full_like(series.gamma0, np.nan))
    assert np.isnan(series_detectors.create(name).score(blind)).all()


def test_nothing_is_judged_in_the_first_year() -> None:
    series, _ = made(0)
    judged = np.isfinite(SeriesStep().score(series))
    first = series.sensed_at[int(np.argmax(judged))]
    assert timedelta(days=365) <= first - series.sensed_at[0] < timedelta(days=373)
    assert judged[int(np.argmax(judged)) :].all()


def test_level_is_the_mean_power_of_what_was_seen() -> None:
    power = np.full((2, 2, 3, 3), 0.1, np.float32)
    power[0, 0, 0, 0] = 1.0
    power[1, 1, :2] = np.nan
    series = Series("s", "t", (START, START + timedelta(days=6)), power)
    db = series.level_db()
    assert db[0] == pytest.approx([10 * np.log10(0.2), -10.0])
    # A third of VH was seen: the look does not count, in neither band.
    assert np.isnan(db[1]).all()


def test_lasting_change_is_one_alarm_until_it_has_calmed() -> None:
    over, under, between = 4.0, 1.0, 2.5
    score = np.array(
        [
            np.nan,
            over,
            -over,
            between,
            *([under] * (REARM_LOOKS - 1)),
            over,
            *([under] * REARM_LOOKS),
            np.nan,
            -over,
        ]
    )
    assert alarms(score, 3.2) == [1, len(score) - 1]
    assert alarms(np.full(5, np.nan), 3.2) == []
    assert alarms(np.array([3.2]), 3.2) == [0]


def test_names_are_checked() -> None:
    with pytest.raises(
        ConfigurationError, match="no detector of series 'nope'; known: series_step"
    ):
        series_detectors.create("nope")
    for name in series_detectors.names():
        assert series_detectors.create(name).name == name


def test_series_that_are_none_are_refused() -> None:
    power = np.ones((2, 2, 3, 3), np.float32)
    with pytest.raises(InvalidSeries, match="order of time"):
        Series("s", "t", (START, START), power)
    with pytest.raises(InvalidSeries, match="for 1 looks"):
        Series("s", "t", (START,), power)


def test_a_place_that_no_look_shows_has_no_level() -> None:
    assert Series("none", "T001", (), np.zeros((0, 2, 1, 0), np.float32)).level_db().shape == (0, 2)
