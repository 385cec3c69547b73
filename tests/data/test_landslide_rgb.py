"""The shipped optical ensemble: on its own test split, and on ground without landslides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import ensemble
from detectors.ensemble import EnsembleMap
from detectors.training import metrics
from detectors.training.dataset import Split
from flows.evaluating import Evaluation, evaluate
from flows.patches import Pair, find
from tests.data.conftest import Record
from tests.gfmap import looks

pytestmark = [pytest.mark.data, pytest.mark.slow]

HEAD = ["", "F1", "precision", "recall", "IoU", "MCC", "bias", "Brier skill", "ECE"]


@pytest.fixture(scope="module")
def pairs(data_folder: Path) -> list[Pair]:
    folder = data_folder / "l4s-rgb-png"
    return find(folder / "images", folder / "masks", Split.TEST)


@pytest.fixture(scope="module")
def evaluation(pairs: list[Pair]) -> Evaluation:
    return evaluate(ensemble.load("landslide-rgb"), pairs)


@pytest.mark.timeout(1800)
def test_ensemble_on_its_test_split(
    evaluation: Evaluation, pairs: list[Pair], record: Record
) -> None:
    best = evaluation.ensemble.best_member
    model = evaluation.ensemble.model
    together, alone = evaluation.of_ensemble, evaluation.of_best_member
    numbers = np.array([pair.number for pair in pairs])
    low, high = metrics.bootstrap_difference(
        metrics.f1_by_patch(evaluation.tallies[:, 0], model.threshold),
        metrics.f1_by_patch(evaluation.tallies[:, 1 + best], model.members[best].threshold),
        (numbers - 1) // 5,
    )
    rows = [
        [name, *(f"{v:.3f}" for v in (m.f1, m.precision, m.recall, m.iou, m.mcc, m.frequency_bias,
                                      m.brier_skill, m.ece))]
        for name, m in (("ensemble", together), ("best member", alone))
    ]  # fmt: skip
    record(
        "landslide-rgb, test split",
        f"Data set `l4s-rgb-png`: {len(pairs)} patches of 128 x 128 pixels whose blocks of 50\n"
        f"neighbouring numbers were not used before. Weights `{model.version}`.",
        HEAD,
        rows,
        f"The gain in F1 is {together.f1 - alone.f1:.3f}, 95 % interval {low:.3f} to {high:.3f}\n"
        "(bootstrap over groups of five neighbouring numbers).",
    )
    # What was reached; the aims of 0.67, and of more than the best member, were not
    # (bench/landslide-rgb.md).
    assert together.f1 >= 0.65
    assert high > 0
    assert together.brier_skill >= 0.4


@pytest.mark.timeout(1800)
def test_ground_without_landslides(data_folder: Path, record: Record) -> None:
    asked = ensemble.load("landslide-rgb")
    rows = []
    for look in looks(data_folder / "s1s2-timeseries-gfmap-belgium" / "bap_quintad_cdse.nc", 20.0):
        picture = look.reflectance[[look.bands.index(b) for b in ("red", "green", "blue")]]
        if np.isfinite(picture).mean() > 0.9:
            found = asked.predict(picture)
            rows.append(["fields, Belgium", f"{look.sensed_at:%Y-%m-%d}", 1, *called(found)])
    before = sorted((data_folder / "s1s2-prepost-ombria-flood" / "S2" / "BEFORE").glob("*.png"))
    every = [asked.predict(Pair(path, path).read_image()) for path in before]
    shares = np.array([[float(v) for v in called(found)] for found in every]).mean(axis=0)
    rows.append(
        ["before floods, false colour", "", len(before), *(f"{share:.2f}" for share in shares)]
    )
    record(
        "landslide-rgb, ground without landslides",
        f"Weights `{asked.model.version}`, threshold {asked.model.threshold:.3f}. Every pixel\n"
        "that is called a landslide is a false alarm.",
        ["ground", "date", "pictures", "% called", "% over 0.8"],
        rows,
        "Belgium: clear dates of `s1s2-timeseries-gfmap-belgium`, winter fields, 2022-12-16\n"
        "fog or frost that the classification calls clear. The flood pictures are false colour,\n"
        "which the networks never saw.",
    )
    assert rows


def called(found: EnsembleMap) -> tuple[str, str]:
    """Share of the judged pixels over the threshold, and over 0.8, %."""
    seen = found.mean[np.isfinite(found.mean)]
    return f"{(seen >= found.threshold).mean():.2%}"[:-1], f"{(seen >= 0.8).mean():.2%}"[:-1]
