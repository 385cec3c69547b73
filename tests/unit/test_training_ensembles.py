"""Ensembles of the K best: ranking, what averaging gives, who hit and who missed; the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detectors.training import ensembles
from tests.learning import inventory, typed


def noisy(truth: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Scores that rise with the truth under noise of their own."""
    random = np.random.default_rng(seed)
    return np.clip(0.3 + 0.4 * truth + random.normal(0, noise, truth.shape), 0.01, 0.99).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def ranking() -> ensembles.Ranking:
    random = np.random.default_rng(0)
    validation, test = (random.random((12, 32, 32)) < 0.1 for _ in range(2))
    noises = (0.3, 0.2, 0.25, 3.0)
    said = [
        ensembles.probabilities(noisy(validation, n, 2 * k), validation, noisy(test, n, 2 * k + 1))
        for k, n in enumerate(noises)
    ]
    return ensembles.rank([v for v, _ in said], validation, [t for _, t in said], test)


def test_members_are_ranked_by_validation(ranking: ensembles.Ranking) -> None:
    assert ranking.order == (1, 2, 0, 3)
    f1 = [member.validation_f1 for member in ranking.members]
    assert f1 == sorted(f1, reverse=True)
    assert ranking.by_size[0].test == ranking.members[0].test
    assert len(ranking.by_size) == 4


def test_averaging_independent_members_pays_and_a_bad_one_does_not(
    ranking: ensembles.Ranking,
) -> None:
    f1 = [judged.test.f1 for judged in ranking.by_size]
    assert f1[0] + 0.05 < f1[1] < f1[2]
    assert ranking.best_size == 3
    assert f1[3] < f1[2]


def test_probabilities_are_calibrated_and_keep_their_order() -> None:
    truth = np.random.default_rng(1).random((20, 32, 32)) < 0.1
    scores = noisy(truth, 0.2, 2)
    first, second = ensembles.probabilities(scores, truth, scores)
    np.testing.assert_array_equal(first, second)
    assert first.mean() == pytest.approx(truth.mean(), abs=0.01)
    order = np.argsort(scores, axis=None)
    assert (np.diff(first.ravel()[order].astype(float)) >= 0).all()


def test_agreement_has_seven_words_and_a_ground() -> None:
    cases = np.array([[t, s, e] for t in (0, 1) for s in (0, 1) for e in (0, 1)], dtype=bool)
    codes = ensembles.agreement(*cases.T)
    words = ["", *ensembles.AGREEMENT]
    assert [words[code] for code in codes] == [
        "", "only the ensemble is false", "only the single model is false", "both false",
        "both miss", "only the ensemble hits", "only the single model hits", "both hit",
    ]  # fmt: skip


def test_examples_are_rich_in_landslides() -> None:
    truth = np.arange(10)[:, None, None] > np.arange(100).reshape(1, 10, 10) / 10
    chosen = ensembles.examples(truth, 3)
    assert chosen == [5, 7, 9]


@pytest.mark.long
def test_the_report_of_a_training_folder(tmp_path: Path) -> None:
    images, masks = inventory(tmp_path, list(range(1, 22)))
    out, data = tmp_path / "m", ("--images", images, "--masks", masks)
    groups = tmp_path / "groups.csv"
    rows = [f"p_{number}.png,event-{number % 5}" for number in range(1, 22)]
    groups.write_text("\n".join(["image,group", *rows]) + "\n")
    trained = typed(
        "train", "--recipe", "landslide-rgb", "--grid", "--member", "PSPNet-bce-*", *data,
        "--out", out, "--epochs", 6, "--steps", 6, "--crop", 32, "--groups", groups,
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    result = typed("models", "report", out, *data, "--groups", groups, "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert json.loads((out / "report" / "report.json").read_text()) == figures
    assert {row["member"] for row in figures["members"]} == {"PSPNet-bce-0.01", "PSPNet-bce-0.001"}
    assert len(figures["by_size"]) == 2
    assert figures["groups"] == 1
    for name in ("results", "performance", "sizes", "agreement", "reliability"):
        with Image.open(out / "report" / f"{name}.png") as picture:
            assert np.asarray(picture).std() > 5
    people = typed("models", "report", out, *data, "--out", tmp_path / "elsewhere")
    assert "Gain of the mean over the single best" in people.stdout
    nothing = typed("models", "report", tmp_path / "empty", *data)
    assert nothing.exit_code == 2
    assert "holds no weights" in nothing.stderr
