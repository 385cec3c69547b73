"""Real looks in which nothing failed: what is raised there is a false alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.errors import NothingObserved
from detectors.types import MINIMUM_LOOKS, Tier
from flows.judging import LEVELS
from tests.data.conftest import Record
from tests.judged import (
    ANY_EVIDENCE,
    PEER_LEVELS,
    found,
    peer_distance,
    peer_looks,
    peer_objects,
    score,
)
from tests.scenes import read_series, split

WET_DATES = ("2023-01-01", "2023-12-27")
pytestmark = [pytest.mark.data, pytest.mark.slow]

BURSTS = {
    "T137-292318-IW1": "open sea",
    "T137-292319-IW2": "coast, urban",
    "T137-292320-IW2": "steep",
    "T137-292321-IW2": "steep",
    "T137-292322-IW2": "hills, valley",
}
HEAD = [
    "burst", "ground", "looks", "wet", "watch", "likely", "highest evidence", "spread",
    "km2 judged", *(f"peer > {level}{dates}" for level in PEER_LEVELS for dates in ("", ", wet")),
]  # fmt: skip


def robust_sigma(score: np.ndarray) -> float:
    seen = score[np.isfinite(score)]
    return float(1.4826 * np.median(np.abs(seen - np.median(seen))))


def row(folder: Path, burst: str, ground: str, *, ending: str = "") -> dict[str, float | str]:
    """Judge every look of a burst that has enough before it."""
    series = read_series(folder, burst, ending=ending)
    counts: dict[str, float | str] = dict.fromkeys(HEAD, 0)
    counts |= {"burst": burst, "ground": ground}
    spreads = []
    for number in range(MINIMUM_LOOKS, len(series)):
        pre, post = split(series, number)
        try:
            scores = score(pre, post)
        except NothingObserved:
            continue
        evidence = [o.evidence for o in found(scores, ANY_EVIDENCE)]
        tiers = [o.tier for o in found(scores)]
        area = np.isfinite(scores.score).sum() * scores.grid.pixel_area_m2 / 1e6
        spreads.append(robust_sigma(scores.score))
        before, (now,) = (peer_looks(stack, despeckled=bool(ending)) for stack in (pre, post))
        distance = peer_distance(before, now)
        dates = ", wet" if f"{post.sensed_at[0]:%Y-%m-%d}" in WET_DATES else ""
        for name, more in {
            "looks": 1, "wet": scores.wet_scene, "watch": tiers.count(Tier.WATCH),
            "likely": tiers.count(Tier.LIKELY), "km2 judged": area,
            **{f"peer > {lv}{dates}": len(peer_objects(distance, lv)) for lv in PEER_LEVELS},
        }.items():  # fmt: skip
            counts[name] += more  # type: ignore[operator]
        counts["highest evidence"] = max([float(counts["highest evidence"]), *evidence])
    counts["spread"] = float(np.median(spreads)) if spreads else 0.0
    return counts


def cells(counts: dict[str, float | str]) -> list[str]:
    shown = []
    for name in HEAD:
        value = counts[name]
        digits = {"highest evidence": 1, "spread": 2, "km2 judged": 0}.get(name)
        shown.append(f"{value:.{digits}f}" if digits is not None else str(value))
    return shown


def not_excluded(area_km2: float) -> str:
    """Say what nought in so many square kilometres leaves open (rule of three)."""
    rate = 100.0 * 3.0 / area_km2
    return f"""Nought in {area_km2:.0f} km2 (each counts once per look) leaves open, at 95 %, up to
{rate:.1f} false alarms per 100 km2 and look."""


def test_quiet_california(data_folder: Path, record: Record) -> None:
    folder = data_folder / "s1-rtc-opera-t137-california"
    rows = [row(folder, burst, ground) for burst, ground in BURSTS.items()]
    total = {name: sum(r[name] for r in rows[1:]) for name in ("looks", "watch", "likely")}
    highest = max(float(r["highest evidence"]) for r in rows)
    record(
        "Quiet ground, California (in-sample)",
        f"""Data set `s1-rtc-opera-t137-california`: five bursts of 9 km2, every look from 2022-11
on, the storm of 2023-01-01 included. No landslide is mapped inside, so everything raised counts as
a false alarm. **The levels were set on this very series: that nothing is raised is in-sample.** The
watch level is {LEVELS.watch:g}; the highest patch below it shows how near it lies.""",
        HEAD,
        [cells(r) for r in rows],
        f"""{not_excluded(sum(float(r["km2 judged"]) for r in rows))}

The sea is not judged: it lies below the noise. *wet* counts looks that were flagged as
moved as a whole; *spread* is the robust standard deviation of the joint score, median over the
looks. *peer* counts objects of six and more pixels in the metric of `distmetrics` as it comes (no
wide shift removed) over the low and high confidence of dist-s1, on the same looks; *wet* are those
of the two wet dates {" and ".join(WET_DATES)}. dist-s1 confirms a change by later looks, which is
not part of this count.""",
    )
    assert total["looks"] == 64
    assert rows[0]["looks"] == 0
    assert total["likely"] == 0
    assert total["watch"] <= 2
    assert highest < LEVELS.likely


@pytest.mark.parametrize("polarisation", ["VV", "VH"])
def test_quiet_california_in_one_polarisation(
    data_folder: Path, record: Record, polarisation: str
) -> None:
    folder = data_folder / "s1-rtc-opera-t137-california"
    rows = []
    watch = 0
    for burst, ground in BURSTS.items():
        series = read_series(folder, burst, polarisations=(polarisation,))
        tiers, evidence = [], [0.0]
        for number in range(MINIMUM_LOOKS, len(series)):
            scores = score(*split(series, number))
            assert not scores.complete
            tiers += [o.tier for o in found(scores)]
            evidence += [o.evidence for o in found(scores, ANY_EVIDENCE)]
        watch += len(tiers)
        looks = len(series) - MINIMUM_LOOKS
        rows.append([burst, ground, looks, len(tiers), tiers.count(Tier.LIKELY), max(evidence)])
    record(
        f"Quiet ground, {polarisation} alone (in-sample)",
        f"""The California looks above without their other polarisation, judged by `sar_log_ratio`
alone. Such looks are stored from evidence {LEVELS.watch_incomplete:g} and never alert.""",
        ["burst", "ground", "looks", "watch", "likely", "highest evidence"],
        [[*r[:-1], f"{r[-1]:.1f}"] for r in rows],
        "There is no test for water in one polarisation: wind on the sea passes for a change.",
    )
    assert all(r[4] == 0 for r in rows)
    assert watch <= 5


def test_quiet_yambali(data_folder: Path, record: Record) -> None:
    # These crops come despeckled by total variation (the set holds no raw VV). We despeckle again,
    # which makes the scene smoother than a product is.
    found_here = row(
        data_folder / "s1-rtc-opera-t009-yambali-png-2024", "T009-019294-IW2",
        "steep, forest", ending="_tv_cropped",
    )  # fmt: skip
    record(
        "Quiet ground, Yambali (held out)",
        """Data set `s1-rtc-opera-t009-yambali-png-2024`: steep rainforest in Papua New Guinea, the
four looks that have six before them, the last one 1.5 days before the landslide of 24 May 2024.
**Never used to set anything.** The crops come despeckled (the set holds no raw VV) and are
despeckled once more by us; expect raw products to be less smooth.""",
        HEAD,
        [cells(found_here)],
        not_excluded(float(found_here["km2 judged"])),
    )
    assert found_here["looks"] == 4
    assert found_here["likely"] == 0
    assert float(found_here["watch"]) <= 2
