"""A platform that is a decibel off is caught on stable ground; real looks pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
import rasterio

from detectors.bias import (
    FEWEST_PASSES,
    RADAR,
    Bias,
    Comparison,
    MeasuredPass,
    Verdict,
    compare,
)
from detectors.radar_bias import BiasTally
from flows.archive.manifest import open_archive
from tests.series import SHIPPED

START = datetime(2026, 1, 1, tzinfo=UTC)
BURSTS = ("T137-292319-IW2", "T137-292320-IW2", "T137-292321-IW2", "T137-292322-IW2")
POLARISATIONS = ("VV", "VH")
DECIBEL = 10**0.1


@cache
def series(burst: str) -> tuple[list[datetime], list[str], np.ndarray]:
    """Times, platforms and looks (look, polarisation, y, x) of a shipped burst."""
    archive = open_archive(SHIPPED)
    items = sorted(
        (one for one in archive.items() if one["properties"]["opera:burst_id"] == burst),
        key=lambda one: one["properties"]["datetime"],
    )
    looks = []
    for item in items:
        bands = []
        for name in POLARISATIONS:
            with rasterio.open(archive.cog(item, name)) as dataset:
                bands.append(dataset.read(1))
        looks.append(bands)
    times = [datetime.fromisoformat(item["properties"]["datetime"]) for item in items]
    return times, [item["properties"]["platform"] for item in items], np.array(looks)


def measured(pre: np.ndarray, post: np.ndarray, at: datetime) -> MeasuredPass:
    tally = BiasTally()
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = 10 * np.log10(np.nanmedian(pre[:, 1], axis=0)) <= -24
    tally.add(pre, post, POLARISATIONS, np.isfinite(post).all(axis=0) & ~noise)
    return MeasuredPass(at, tally.biases())


@cache
def passes(burst: str, gain: float = 1.0) -> list[MeasuredPass]:
    """Every look from the seventh on, against the ten before it."""
    times, _, looks = series(burst)
    return [
        measured(looks[max(0, k - 10) : k], looks[k] * np.float32(gain), times[k])
        for k in range(6, len(times))
    ]


@pytest.mark.parametrize("burst", BURSTS)
def test_real_looks_pass_and_a_planted_decibel_does_not(burst: str) -> None:
    quiet, loud = passes(burst), passes(burst, DECIBEL)
    # Every run of looks taken for a newcomer's, after at least three of the known platform.
    for begin in range(3, len(quiet) - FEWEST_PASSES + 1):
        known = quiet[:begin]
        assert compare(quiet[begin:], known).verdict is Verdict.PASSED, begin
        told = compare(loud[begin:], known)
        assert told.verdict is Verdict.FAILED, (begin, told)
        assert told.offset == pytest.approx(1, abs=0.5)


def test_a_second_real_satellite_passes() -> None:
    # Three looks of Sentinel-1B lie between those of 1A: the one real change of platform at hand.
    for burst in BURSTS:
        _times, platforms, looks = series(burst)
        other = [k for k, name in enumerate(platforms) if name == "sentinel-1b"]
        assert len(other) == 3
        mine = [k for k, name in enumerate(platforms) if name == "sentinel-1a"][:8]
        stack = looks[mine]
        found = [
            measured(stack, looks[k], START + n * timedelta(days=1)) for n, k in enumerate(other)
        ]
        assert compare(found, []).verdict is Verdict.PASSED, (burst, compare(found, []))
        loud = [
            measured(stack, looks[k] * np.float32(DECIBEL), START + n * timedelta(days=1))
            for n, k in enumerate(other)
        ]
        assert compare(loud, []).verdict is Verdict.FAILED, (burst, compare(loud, []))


def at(day: int, median: float, spread: float = 0.6, **others: float) -> MeasuredPass:
    both = {"VV": median, **others}
    biases = {name: Bias(value, spread, 400) for name, value in both.items()}
    return MeasuredPass(START + timedelta(days=day), biases)


def test_three_passes_are_needed() -> None:
    assert compare([], []) == Comparison(Verdict.CHECKING, 0, None, None)
    told = compare([at(0, 0.1), at(12, 0.2)], [])
    assert (told.verdict, told.passes) == (Verdict.CHECKING, 2)
    assert told.words == "+0.15 dB on stable ground over 2 of 3 passes"
    assert compare([at(0, 0.1), at(12, 0.2), at(24, 0.2)], []).verdict is Verdict.PASSED


def test_the_worst_polarisation_and_the_spread_count() -> None:
    known = [at(day, 0.0) for day in range(4)]
    newcomer = [at(day, 0.0, VH=0.7) for day in (12, 24, 36)]
    assert compare(newcomer, known).verdict is Verdict.FAILED
    noisy = [at(day, 0.0, spread=0.9) for day in (12, 24, 36)]
    assert compare(noisy, known).verdict is Verdict.FAILED
    assert compare(noisy, known).spread == pytest.approx(1.5)
    # What the known platforms do themselves is no fault of the newcomer's.
    dry = [at(day, -0.8) for day in range(4)]
    assert compare([at(day, -0.9) for day in (12, 24, 36)], dry).verdict is Verdict.PASSED


def test_one_wet_day_is_forgiven_and_what_passed_stays_so() -> None:
    wet_first = [at(0, 2.0), at(12, 0.1), at(24, 0.2)]
    assert compare(wet_first, []).verdict is Verdict.PASSED
    later = [*wet_first, *(at(day, 2.0) for day in (36, 48, 60, 72))]
    assert compare(later[::-1], []).verdict is Verdict.PASSED
    failed = [at(day, RADAR.offset + 0.1) for day in (0, 12, 24)]
    assert compare(failed, []).verdict is Verdict.FAILED
    assert compare([*failed, at(36, 0), at(48, 0), at(60, 0)], []).verdict is Verdict.PASSED


def test_too_little_ground_says_nothing() -> None:
    tally = BiasTally()
    looks = np.full((4, 1, 20, 20), 0.1, dtype=np.float32)
    tally.add(looks[:2], looks[0], ["VV"], np.ones((20, 20), dtype=bool))
    tally.add(looks, looks[0], ["VV"], np.zeros((20, 20), dtype=bool))
    assert tally.biases() == {}
    tally.add(looks, looks[0] * 2, ["VV"], np.ones((20, 20), dtype=bool))
    assert tally.biases()["VV"].median == pytest.approx(10 * np.log10(2), abs=1e-3)
