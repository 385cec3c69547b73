"""``scarpwatch evaluate`` and ``train`` as they are typed, on pictures made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from tests.learning import inventory, scar, typed, write

FIGURES = [
    "precision", "recall", "f1", "iou", "mcc", "frequency_bias", "brier_skill", "ece", "n_pixels",
]  # fmt: skip


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    images, masks = tmp_path / "images", tmp_path / "masks"
    for number, suffix in ((1, "png"), (2, "tif")):
        picture, mask = scar(number)
        write(images / f"p_{number}.{suffix}", picture)
        write(masks / f"p_{number}.{suffix}", mask)
    return images, masks


def evaluate(folders: tuple[Path, Path], *more: object) -> Result:
    images, masks = folders
    return typed(
        "evaluate", "--recipe", "landslide-rgb", "--images", images, "--masks", masks,
        "--orientations", 1, *more,
    )  # fmt: skip


def test_evaluate_prints_one_document(folders: tuple[Path, Path]) -> None:
    result = evaluate(folders, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert list(document) == ["ensemble", "best_member"]
    for figures in document.values():
        assert list(figures) == FIGURES
        assert figures["n_pixels"] == 2 * 96 * 96
    assert document["ensemble"]["recall"] > 0.5


def test_evaluate_prints_a_table_for_people(folders: tuple[Path, Path]) -> None:
    result = evaluate(folders)
    assert result.exit_code == 0, result.output
    assert "landslide-rgb/" in result.stdout
    assert "brier skill" in result.stdout


def test_alpha_is_not_looked_at(folders: tuple[Path, Path]) -> None:
    images, _ = folders
    plain = json.loads(evaluate(folders, "--json").stdout)
    picture, _ = scar(1)
    write(images / "p_1.png", np.concatenate([picture, np.full_like(picture[:1], 128)]))
    assert json.loads(evaluate(folders, "--json").stdout) == plain


def test_one_side_of_the_split_can_be_asked_for(folders: tuple[Path, Path]) -> None:
    whole = json.loads(evaluate(folders, "--json").stdout)
    assert json.loads(evaluate(folders, "--json", "--split", "train").stdout) == whole
    nothing = evaluate(folders, "--split", "test")
    assert nothing.exit_code == 1
    assert "no patch of the test split" in nothing.stderr
    assert evaluate(folders, "--split", "best").exit_code == 2


def lacks_a_mask(images: Path, masks: Path) -> None:
    (masks / "p_2.tif").unlink()


def other_size(images: Path, masks: Path) -> None:
    write(masks / "p_2.tif", np.zeros((1, 96, 95), np.uint8))


def truncated(images: Path, masks: Path) -> None:
    (images / "p_1.png").write_bytes((images / "p_1.png").read_bytes()[:200])


def grey(images: Path, masks: Path) -> None:
    write(images / "p_1.png", scar(1)[0][:1])


def empty(images: Path, masks: Path) -> None:
    for path in images.iterdir():
        path.unlink()


def not_there(images: Path, masks: Path) -> None:
    empty(images, masks)
    images.rmdir()


def coloured_mask(images: Path, masks: Path) -> None:
    write(masks / "p_1.png", scar(1)[0])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lacks_a_mask, "no mask for 1 of 2 pictures"),
        (other_size, "95 x 96 pixels, its picture has 96 x 96"),
        (truncated, "cannot be read"),
        (grey, "1 band(s); wanted are red, green and blue"),
        (empty, "holds no PNG or GeoTIFF file"),
        (not_there, "is no folder"),
        (coloured_mask, "bands that differ"),
    ],
)
def test_bad_input_is_named(folders: tuple[Path, Path], spoil: object, words: str) -> None:
    spoil(*folders)  # type: ignore[operator]
    result = evaluate(folders, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_unknown_recipe_is_a_wrong_setting(folders: tuple[Path, Path]) -> None:
    images, masks = folders
    result = typed("evaluate", "--recipe", "moon", "--images", images, "--masks", masks)
    assert result.exit_code == 2
    assert "landslide-rgb" in result.stderr


@pytest.mark.long
def test_train_writes_an_ensemble_that_loads(tmp_path: Path) -> None:
    from detectors import weights
    from detectors.training import recipes

    out = tmp_path / "landslide-rgb"
    images, masks = inventory(tmp_path, [*range(1, 21), *range(151, 155)])
    names = [m.name for m in recipes.get("landslide-rgb").members[:2]]
    command = ["train", "--recipe", "landslide-rgb", "--images", images, "--masks", masks]
    command += ["--out", out, "--epochs", 1, "--member", names[0], "--member", names[1]]
    result = typed(*command)
    assert result.exit_code == 0, result.output
    model = weights.describe("landslide-rgb", tmp_path)
    assert {m.name for m in model.members} <= set(names)
    for member in model.members:
        member.load(3)
    assert (out / "results.csv").read_text().count("\n") == 3
    unknown = typed(*command, "--member", "nobody")
    assert unknown.exit_code == 2
