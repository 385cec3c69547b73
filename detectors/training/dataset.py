"""Labelled patches, and which of them may be learnt from.

Patches with neighbouring numbers were cut side by side from one scene: a random split would show
networks the other half of the landslides that they are then examined on. Numbers are therefore
cut into blocks, and a block is used for one purpose only. At the edges of blocks neighbours can
still fall on two sides, one pair in fifty.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.types import BoolArray

#: Consecutive patch numbers in a block.
BLOCK = 50
#: Blocks in one turn of the split: one for validation, one for the test, the others for training.
TURN = 7
_VALIDATION, _TEST = 3, 6


class Split(enum.StrEnum):
    """What a patch is used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Patches:
    """Pictures of one size with their masks."""

    images: NDArray[np.uint8]
    """(n, band, y, x), 0..255."""
    masks: BoolArray
    """(n, y, x), true = landslide."""
    numbers: NDArray[np.int64]
    """(n,), number of each patch in its source, from 1."""

    def only(self, split: Split) -> Patches:
        """Return the patches of one side of the split."""
        chosen = split_of(self.numbers) == split
        return Patches(self.images[chosen], self.masks[chosen], self.numbers[chosen])

    def every(self, step: int) -> Patches:
        """Return every so many of them, from the first."""
        return Patches(self.images[::step], self.masks[::step], self.numbers[::step])

    def and_those_of(self, others: Patches) -> Patches:
        """Return these and others of the same size."""
        return Patches(
            np.concatenate([self.images, others.images]),
            np.concatenate([self.masks, others.masks]),
            np.concatenate([self.numbers, others.numbers]),
        )

    def __len__(self) -> int:
        return len(self.numbers)


def block_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the block of each patch number (from 1): neighbours share one."""
    return (numbers - 1) // BLOCK


def split_of(numbers: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return what each patch number is used for; the same on every machine, for ever."""
    turn = block_of(numbers) % TURN
    sides = [turn == _VALIDATION, turn == _TEST]
    return np.select(sides, [Split.VALIDATION.value, Split.TEST.value], Split.TRAIN.value)
