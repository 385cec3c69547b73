"""Stable ground over years of real looks: how far scores and reflectance wander by themselves."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from detectors.bias import BiasTally
from detectors.drift import REFERENCE, SMALLEST, SPREADS, ScoreSummary, ScoreTally, Trend, drift
from detectors.errors import NothingObserved
from detectors.normalise import MINIMUM_LOOKS, normalise
from detectors.registry import judge
from tests.data.conftest import Record
from tests.judged import DETECTORS
from tests.scenes import read_series, split

pytestmark = [pytest.mark.data, pytest.mark.slow]

LAND = ("T137-292319-IW2", "T137-292320-IW2", "T137-292321-IW2", "T137-292322-IW2")


def summaries(folder: Path, burst: str) -> list[tuple[str, ScoreSummary]]:
    """What the shipped detectors say of stable ground, by month."""
    series = read_series(folder, burst)
    found = []
    for number in range(MINIMUM_LOOKS, len(series)):
        pre, post = split(series, number)
        try:
            stack = normalise(pre, post)
        except NothingObserved:
            continue
        stable = BiasTally().add(pre.gamma0, post.gamma0[0], post.polarisations, stack.judged)
        tally = ScoreTally()
        tally.add(judge(stack, DETECTORS).score, stable)
        summary = tally.summary()
        if summary is not None:
            found.append((f"{post.sensed_at[0]:%Y-%m}", summary))
    return found


def test_scores_of_quiet_ground_do_not_drift(data_folder: Path, record: Record) -> None:
    rows, wrong, months = [], [], 0
    for burst in LAND:
        series = summaries(data_folder / "s1-rtc-opera-t137-california", burst)
        values = np.array([one.p90 for _, one in series])
        by_month: defaultdict[str, list[ScoreSummary]] = defaultdict(list)
        before: list[ScoreSummary] = []
        worst = 0.0
        for month, one in series:
            by_month[month].append(one)
        for month in sorted(by_month):
            told = drift(by_month[month], before)
            # Told of months with a past; a planted third more is seen in each of them.
            if told.trend is not Trend.TOO_FEW:
                months += 1
                wrong += [(burst, month, told)] if told.trend is Trend.DRIFTS else []
                worst = max(worst, abs(told.p90 - told.usual))
            before += by_month[month]
        spread = 1.4826 * float(np.median(np.abs(values - np.median(values))))
        rows.append([
            burst, len(series), f"{np.median(values):.2f}", f"{spread:.2f}",
            f"{values.min():.2f} to {values.max():.2f}", f"{worst:.2f}",
        ])  # fmt: skip
    record(
        "Scores of stable ground, California",
        f"""90 % quantile of the absolute score over the steadiest tenth of the judged pixels, look
by look (`s1-rtc-opera-t137-california`, shipped detectors, wet looks included). A month drifts
where its median lies more than {SMALLEST:g} sigma and {SPREADS:g} spreads of single looks from
those before.""",
        ["burst", "looks", "median", "spread", "range", "farthest month"],
        rows,
        f"{months} months had two looks and {REFERENCE} before them; {len(wrong)} of them drift.",
    )
    assert wrong == []
