"""Breaks in SIMULATED histories of NDVI and VV, against a drop between two looks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from detectors.errors import InvalidSeries, NotEnoughLooks
from detectors.learning.harmonic import HarmonicBreak
from flows.cli import app

START = datetime(2019, 1, 3, tzinfo=UTC)


def site(seed: int, *, breaks: bool) -> tuple[list[datetime], np.ndarray, int]:
    """Four years of NDVI every ten days with gaps, clouds and wandering; the look of the break."""
    draw = np.random.default_rng([seed, breaks])
    moments = [START + timedelta(days=10 * n) for n in range(146)]
    phase = np.arange(146) * 10 / 365.2422 * 2 * np.pi
    values = draw.uniform(0.5, 0.7) + draw.uniform(0.08, 0.25) * np.cos(
        phase - draw.uniform(2.5, 3.5)
    )
    wander = np.zeros(146)
    for look in range(1, 146):
        wander[look] = 0.7 * wander[look - 1] + draw.normal(0, 0.012)
    values += wander + draw.normal(0, 0.02, 146)
    values[draw.random(146) < 0.08] -= draw.uniform(0.2, 0.5)  # clouds that no mask caught
    at = int(draw.integers(60, 130))
    if breaks:
        values[at:] -= draw.uniform(0.2, 0.4)
    values[draw.random(146) < 0.3] = np.nan
    return moments, values, at


def found(seed: int, *, breaks: bool) -> bool:
    """Whether a break is called: within 60 days where there is one, at all where there is none."""
    moments, values, at = site(seed, breaks=breaks)
    called = HarmonicBreak().find(moments, values)
    if not breaks:
        return bool(called)
    return any(abs((one.first_after - moments[at]).days) <= 60 and one.step < 0 for one in called)


def largest_drop(seed: int, *, breaks: bool) -> float:
    """One feature: the largest drop from a look to the next one that was seen."""
    values = site(seed, breaks=breaks)[1]
    return float(-np.diff(values[np.isfinite(values)]).min())


@pytest.mark.parametrize("seed", range(3))
def test_beats_the_majority_and_one_threshold_on_sites_held_out(seed: int) -> None:
    train, test = range(100 * seed, 100 * seed + 30), range(100 * seed + 50, 100 * seed + 80)
    truth = np.repeat([True, False], 30)

    def every(feature, sites) -> np.ndarray:
        return np.array([feature(one, breaks=kind) for kind in (True, False) for one in sites])

    drops = every(largest_drop, train)
    level = max(drops, key=lambda cut: ((drops >= cut) == truth).mean())
    threshold = ((every(largest_drop, test) >= level) == truth).mean()
    ours = (every(found, test) == truth).mean()
    assert ours >= 0.8  # the majority has 0.5
    assert ours > threshold + 0.1


def test_a_break_is_dated_and_measured() -> None:
    moments = [START + timedelta(days=12 * n) for n in range(120)]
    season = 2 * np.cos(np.arange(120) * 12 / 365.2422 * 2 * np.pi)
    values = -10 + season + np.random.default_rng(0).normal(0, 0.5, 120)
    values[70:] += 5
    (one,) = HarmonicBreak(floor=0.7).find(moments, values)
    assert (one.last_before, one.first_after) == (moments[69], moments[70])
    assert one.step == pytest.approx(5, abs=1)
    assert one.score >= 3
    # Only what proves it is used: later looks change nothing.
    assert HarmonicBreak(floor=0.7).find(moments[:75], values[:75]) == (one,)
    values[100:] -= 5
    assert len(HarmonicBreak(floor=0.7, minimum_days=300).find(moments, values)) == 2


def test_what_cannot_be_tested_is_named() -> None:
    moments = [START + timedelta(days=12 * n) for n in range(20)]
    with pytest.raises(NotEnoughLooks, match="20 looks"):
        HarmonicBreak().find(moments, np.zeros(20))
    with pytest.raises(NotEnoughLooks, match="0 looks"):
        HarmonicBreak().find(moments, np.full(20, np.nan))
    with pytest.raises(InvalidSeries, match="3 values"):
        HarmonicBreak().find(moments, np.zeros(3))
    with pytest.raises(InvalidSeries, match="order"):
        HarmonicBreak().find(moments[::-1], np.zeros(20))


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, ["recipes", "breaks", *(str(word) for word in words)])


def test_as_it_is_typed(tmp_path: Path) -> None:
    moments, values, at = site(1, breaks=True)
    path = tmp_path / "site.csv"
    rows = [
        f"{m:%Y-%m-%d},{'' if np.isnan(v) else v}" for m, v in zip(moments, values, strict=True)
    ]
    path.write_text("\n".join(["time,ndvi", *reversed(rows)]) + "\n")
    result = typed(path, "--json")
    assert result.exit_code == 0, result.output
    breaks = json.loads(result.stdout)["breaks"]
    first = datetime.fromisoformat(breaks[0]["first_after"])
    assert abs((first - moments[at]).days) <= 60
    assert f"{first:%Y-%m-%d}" in typed(path).stdout
    for content, said in (
        ("time,vv\n2020-01-01,1\n", "no column 'ndvi'"),
        ("time,ndvi\nyesterday,1\n", "site.csv:2"),
        ("time,ndvi\n2020-01-01T10:00:00,1\n", "no time zone"),
        ("time,ndvi\n2020-01-01,high\n", "site.csv:2"),
        ("", "cannot be read"),
    ):
        path.write_text(content)
        refused = typed(path)
        assert refused.exit_code == 1
        assert said in refused.stderr
