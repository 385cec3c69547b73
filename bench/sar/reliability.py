"""From evidence to a score, on simulated events, and how far it keeps its word on others."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.sar.figures import Record, Share, likely, watch
from bench.sar.judging import SHIPPED
from detectors.probability import Calibration, score_of
from detectors.training.calibration import logistic

#: Bins of the score in the diagram.
BINS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


def observed(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray, list[Record]]:
    """Return evidence and truth of every patch of the looks after what the simulator let happen.

    A patch that shares a pixel with any landslide, visible or not, is a landslide's; look-alikes
    and clutter are not. Planted looks are left out: their mixture is ours, not the simulator's.
    """
    patches = [
        patch
        for record in records
        if record["kind"] in ("happened", "quiet")
        for patch in record["patches"][SHIPPED]
    ]
    evidence = np.array([p["evidence"] for p in patches])
    truth = np.array([p["slide"] >= 0 for p in patches])
    return evidence, truth, patches


def brier_skill(said: np.ndarray, truth: np.ndarray, base: float) -> float:
    """Return 1 - Brier score over that of always saying the base rate (of the calibration)."""
    if not len(truth):
        return float("nan")
    reference = float(np.mean((base - truth) ** 2))
    return 1 - float(np.mean((said - truth) ** 2)) / reference if reference else float("nan")


def figures(calibration: Sequence[Record], held_back: Sequence[Record]) -> dict[str, Any] | None:
    """Fit on the one, count on the other; None without landslides or without anything else."""
    evidence, truth, _ = observed(calibration)
    if truth.sum() < 3 or (~truth).sum() < 3:
        return None
    slope, offset = logistic(evidence, truth)
    fitted = Calibration(slope, offset, float(truth.sum() / (~truth).sum()), "calibration events")
    base = float(truth.mean())
    evidence, truth, patches = observed(held_back)
    said = np.array([score_of(float(e), fitted) for e in evidence])
    lines = []
    for low, high in itertools.pairwise(BINS):
        here = (said >= low) & ((said < high) | (high == 1.0))
        lines.append({
            "score": f"{low:g}-{high:g}", "patches": int(here.sum()),
            "said": round(float(said[here].mean()), 3) if here.any() else None,
            "landslides": Share(int(truth[here].sum()), int(here.sum())).plain(),
        })  # fmt: skip
    tiers = {
        "all patches": np.ones(len(patches), dtype=bool),
        "under watch": np.array([not watch(p) for p in patches], dtype=bool),
        "watch": np.array([watch(p) and not likely(p) for p in patches], dtype=bool),
        "likely": np.array([likely(p) for p in patches], dtype=bool),
    }
    return {
        "slope": round(slope, 4), "offset": round(offset, 4),
        "prior_odds": round(fitted.prior_odds, 4), "base": round(base, 4),
        "fitted_on": len(observed(calibration)[0]), "lines": lines,
        "tiers": {
            name: {
                "patches": int(which.sum()),
                "said": round(float(said[which].mean()), 3) if which.any() else None,
                "landslides": Share(int(truth[which].sum()), int(which.sum())).plain(),
                "brier": round(float(np.mean((said - truth)[which] ** 2)), 4)
                if which.any()
                else None,
                "brier_skill": round(brier_skill(said[which], truth[which], base), 3)
                if which.any()
                else None,
            }
            for name, which in tiers.items()
        },
    }  # fmt: skip


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw the reliability diagram."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="keeps its word")
    lines = [line for line in found["lines"] if line["patches"]]
    said = np.array([line["said"] for line in lines])
    seen = np.array([line["landslides"]["value"] for line in lines])
    ends = np.array([[line["landslides"][end] for end in ("low", "high")] for line in lines]).T
    axes.errorbar(
        said, seen, yerr=np.abs(ends - seen), fmt="o", color="#b03a2e", capsize=3,
        label="SIMULATED, held back",
    )  # fmt: skip
    for x, y, line in zip(said, seen, lines, strict=True):
        axes.annotate(
            str(line["patches"]), (x, y), xytext=(6, -10), textcoords="offset points", fontsize=8
        )
    axes.set(
        xlabel="score", ylabel="share that were landslides", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03),
        title="Score of a patch, SIMULATED events",
    )  # fmt: skip
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})
