"""From patches to figures: the level for a false rate, detection, overlap, false objects.

A level is found on one half of the events and what it finds is counted on the other, which nothing
was ever set on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, chi2

from bench.sar.judging import HIT_IOU, LEVELS

Record = dict[str, Any]
#: The rate at which all are compared: one false object per so many km2 and look.
RATE_KM2 = 1000.0
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the exact binomial interval (Clopper & Pearson 1934), 95 %."""

    hits: int
    trials: int

    @property
    def value(self) -> float:
        """The share, NaN of nothing."""
        return self.hits / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end."""
        if not self.trials:
            return 0.0, 1.0
        ends = binomtest(self.hits, self.trials).proportion_ci(CONFIDENCE, method="exact")
        return float(ends.low), float(ends.high)

    def __str__(self) -> str:
        if not self.trials:
            return "-"
        low, high = self.interval
        return f"{self.value:.2f} ({low:.2f}-{high:.2f}; {self.trials})"

    def plain(self) -> dict[str, float | int | None]:
        """Return it for JSON."""
        low, high = self.interval
        value = None if math.isnan(self.value) else round(self.value, 4)
        return {
            "hits": self.hits, "trials": self.trials, "value": value,
            "low": round(low, 4), "high": round(high, 4),
        }  # fmt: skip


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the exact 95 % interval of an expected count (Garwood 1936), two-sided."""
    tail = (1 - CONFIDENCE) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2


def poisson_upper(count: int) -> float:
    """Return the exact one-sided 95 % upper limit of an expected count."""
    return float(chi2.ppf(CONFIDENCE, 2 * count + 2)) / 2


@dataclass(frozen=True, slots=True)
class Level:
    """The evidence at which a detector raises one false object per 1000 km2 and look."""

    name: str
    evidence: float
    """Objects over this are raised."""
    km2: float
    """Quiet ground it was found on; each look of a place counts."""
    allowed: int
    """Objects that may be over it."""
    least: float
    """The same level, were the expected count the upper end of the interval of ``allowed``."""
    most: float
    """And the lower end: so far the level itself is uncertain."""


def quiet_evidence(records: Iterable[Record], name: str) -> tuple[np.ndarray, float]:
    """Return the evidence of every patch on quiet looks that a detector judged, and the km2.

    Patches on what the simulator's look-alikes changed are left out: nothing is quiet there.
    """
    evidence: list[float] = []
    km2 = 0.0
    for record in records:
        if record["kind"] == "quiet" and name in record["patches"]:
            km2 += record["km2"]
            evidence += [p["evidence"] for p in record["patches"][name] if p["alike"] < 0]
    return np.sort(np.array(evidence))[::-1], km2


def level_at_rate(records: Sequence[Record], name: str, rate_km2: float = RATE_KM2) -> Level:
    """Find the lowest evidence over which a detector raises no more than the rate allows.

    It is the evidence of the first object that is one too many: what exceeds it is within the rate.
    """
    evidence, km2 = quiet_evidence(records, name)
    allowed = int(km2 / rate_km2)

    def after(count: float) -> float:
        return float(evidence[int(count)]) if int(count) < len(evidence) else 0.0

    low, high = poisson_interval(allowed)
    return Level(name, after(allowed), km2, allowed, after(high), after(low))


def false_rate(records: Sequence[Record], name: str, level: float) -> tuple[int, float]:
    """Return the number of objects over a level on quiet looks, and the km2."""
    evidence, km2 = quiet_evidence(records, name)
    return int((evidence > level).sum()), km2


def steady(records: Iterable[Record]) -> list[Record]:
    """Return the looks that the product calls neither wet nor snowy, and that lie under no snow.

    The product knows the former when it judges. Snow is left out for the peer's sake, which knows
    no elevation: of simulated looks the simulator knows it, real ones had none.
    """
    return [
        record
        for record in records
        if not record["wet"] and not record["snow"] and record.get("weather") != "snow"
    ]


Raised = Callable[[Record], bool]


def over(level: float) -> Raised:
    """Raise what exceeds an evidence."""
    return lambda patch: patch["evidence"] > level


def watch(patch: Record) -> bool:
    """Raise what is stored as *watch* or more."""
    return bool(patch["evidence"] >= LEVELS.watch)


def likely(patch: Record) -> bool:
    """Raise what is alerted."""
    large = patch["pixels"] * 900.0 >= LEVELS.likely_area_m2
    return bool(patch["evidence"] >= LEVELS.likely and large)


def detected(
    records: Iterable[Record], name: str, raised: Raised, want: Callable[[Record, Record], bool]
) -> Share:
    """Count the visible landslides that a detector finds.

    Args:
        records: looks with landslides.
        name: of the detector.
        raised: which of its patches count.
        want: which landslides count, of look and landslide.
    """
    hits = trials = 0
    for record in records:
        if name not in record["patches"]:
            continue
        found = {
            patch["slide"]
            for patch in record["patches"][name]
            if patch["slide"] >= 0 and patch["iou"] >= HIT_IOU and raised(patch)
        }
        for index, slide in enumerate(record["slides"]):
            if slide["visible"] and want(record, slide):
                trials += 1
                hits += index in found
    return Share(hits, trials)


def by_pixel(records: Iterable[Record], name: str, raised: Raised) -> tuple[float, float]:
    """Return F1 and IoU of all pixels raised against all pixels of landslides, visible or not."""
    true = false = missed = 0
    for record in records:
        if name not in record["patches"]:
            continue
        right = sum(p["true_pixels"] for p in record["patches"][name] if raised(p))
        all_of_it = sum(p["pixels"] for p in record["patches"][name] if raised(p))
        true, false = true + right, false + all_of_it - right
        missed += record["truth_pixels"] - right
    union = true + false + missed
    return (2 * true / (union + true), true / union) if union else (math.nan, math.nan)
