"""Labelled patches, and which of them may be learnt from.

Patches with neighbouring numbers were cut side by side from one scene: a random split would show
networks the other half of the landslides that they are then examined on. Numbers are therefore
cut into blocks, and a block is used for one purpose only. At the edges of blocks neighbours can
still fall on two sides, one pair in fifty. Where it is known which event or picture a patch comes
from, whole ones go to a side instead (``split_of_groups``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from detectors.errors import InvalidPatches
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
    groups: NDArray[np.int64]
    """(n,), patches of one group (neighbours, an event, a picture) are on one side together."""
    sides: NDArray[np.str_]
    """(n,), values of ``Split``."""

    def only(self, split: Split) -> Patches:
        """Return the patches of one side of the split."""
        return self._take(self.sides == split)

    def every(self, step: int) -> Patches:
        """Return every so many of them, from the first."""
        return self._take(slice(None, None, step))

    def _take(self, chosen: BoolArray | slice) -> Patches:
        return Patches(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def and_those_of(self, others: Patches) -> Patches:
        """Return these and others of the same size."""
        both = ((getattr(self, f.name), getattr(others, f.name)) for f in fields(self))
        return Patches(*(np.concatenate(pair) for pair in both))

    def __len__(self) -> int:
        return len(self.groups)


def block_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the block of each patch number (from 1): neighbours share one."""
    return (numbers - 1) // BLOCK


def split_of(numbers: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return what each patch number is used for; the same on every machine, for ever."""
    turn = block_of(numbers) % TURN
    sides = [turn == _VALIDATION, turn == _TEST]
    return np.select(sides, [Split.VALIDATION.value, Split.TEST.value], Split.TRAIN.value)


def split_of_groups(groups: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return what each patch is used for, whole groups together.

    The smallest groups validate until a seventh of the patches does, the next ones are the test,
    and the largest are learnt from; of equal ones the lowest numbers come first.

    Args:
        groups: (n,), of each patch; three different ones at least.

    Raises:
        InvalidPatches: there are fewer.
    """
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < len(Split):
        raise InvalidPatches(f"{len(names)} group(s) of patches; a split takes three at least")
    sides = np.full(len(names), Split.TRAIN.value, dtype=object)
    waiting = list(np.argsort(sizes, kind="stable"))
    for side in (Split.VALIDATION, Split.TEST):
        held = 0
        # One group is left for each side that is still to come.
        spare = 2 if side is Split.VALIDATION else 1
        while held * TURN < len(groups) and len(waiting) > spare:
            group = waiting.pop(0)
            sides[group], held = side.value, held + int(sizes[group])
    return sides[index].astype(np.str_)
