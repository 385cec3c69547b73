"""Pictures of an operator's own inventory, as they come, made into patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.errors import InvalidPatches
from detectors.training.dataset import Patches, Split
from flows.patches import find, read_groups, stack
from tests.learning import inventory, scar, write


def read(folder: Path, side: int = 64, groups: dict[str, str] | None = None) -> Patches:
    return stack(find(folder / "images", folder / "masks"), side, groups)


def test_large_pictures_are_cut_into_squares_of_one_group(tmp_path: Path) -> None:
    inventory(tmp_path, list(range(1, 8)), size=64)
    picture, mask = scar(8, 150)
    write(tmp_path / "images" / "p_8.png", picture)
    write(tmp_path / "masks" / "p_8.png", mask)
    patches = read(tmp_path)
    assert patches.images.shape == (7 + 9, 3, 64, 64)
    assert len(set(patches.groups[-9:])) == len(set(patches.sides[-9:])) == 1
    np.testing.assert_array_equal(patches.images[-1], picture[:, -64:, -64:])
    np.testing.assert_array_equal(patches.masks[-9], mask[0, :64, :64] > 0)


def test_reflectance_is_stretched_and_gaps_are_left_out(tmp_path: Path) -> None:
    inventory(tmp_path, list(range(1, 8)), size=64)
    for number, gap in ((8, False), (9, True)):
        picture, mask = scar(number, 64)
        reflectance = picture.astype(np.float32) / 2000
        reflectance[:, 0, 0] = np.nan if gap else reflectance[:, 0, 0]
        write(tmp_path / "images" / f"p_{number}.tif", reflectance)
        write(tmp_path / "masks" / f"p_{number}.tif", mask)
    patches = read(tmp_path)
    assert len(patches) == 8
    stretched = patches.images[-1]
    assert stretched.min(axis=(1, 2)).tolist() == [0, 0, 0]
    assert stretched.max(axis=(1, 2)).tolist() == [255, 255, 255]


def test_pictures_smaller_than_a_patch_make_smaller_patches(tmp_path: Path) -> None:
    inventory(tmp_path, list(range(1, 8)), size=50)
    assert read(tmp_path, 128).images.shape[2:] == (48, 48)


def test_neighbours_stay_together_where_numbers_allow(tmp_path: Path) -> None:
    inventory(tmp_path, [1, 2, 151, 152, 301], size=32)
    patches = read(tmp_path, 32)
    # In order of their names: 1, 151, 152, 2, 301.
    assert patches.sides.tolist() == ["train", "validation", "validation", "train", "test"]


def test_few_neighbours_stay_together_too(tmp_path: Path) -> None:
    inventory(tmp_path, list(range(1, 15)), size=32)
    patches = read(tmp_path, 32)
    # By name 1, 10, 11 ... 2, 3; in pairs by number.
    assert [patches.groups.tolist()[k] for k in (0, 6, 7)] == [0, 0, 1]
    assert sorted(patches.groups.tolist()) == [k // 2 for k in range(14)]


def test_events_decide_where_they_are_named(tmp_path: Path) -> None:
    inventory(tmp_path, list(range(1, 10)), size=32)
    table = tmp_path / "groups.csv"
    rows = [f"p_{number}.png,{'abc'[min(number // 3, 2)]}" for number in range(1, 10)]
    table.write_text("\n".join(["image,group", *rows]) + "\n")
    patches = read(tmp_path, 32, read_groups(table))
    for group in np.unique(patches.groups):
        assert len(set(patches.sides[patches.groups == group])) == 1
    assert set(patches.sides) == set(Split)
    with pytest.raises(InvalidPatches, match="has no group"):
        read(tmp_path, 32, {f"p_{number}.png": "a" for number in range(1, 9)})


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("file,event\na,b\n", "no column 'image'")]
)
def test_a_table_that_is_none_is_named(tmp_path: Path, content: str | None, words: str) -> None:
    table = tmp_path / "groups.csv"
    if content is not None:
        table.write_text(content)
    with pytest.raises(InvalidPatches, match=words):
        read_groups(table)


def test_two_pictures_are_too_few(tmp_path: Path) -> None:
    inventory(tmp_path, [1, 2], size=32)
    with pytest.raises(InvalidPatches, match="three at least"):
        read(tmp_path, 32)
