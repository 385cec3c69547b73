"""What a training learns from and is judged by: pictures in 8 bits, or tiles of any bands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from detectors.stretch import standardise_windows
from detectors.training import losses, metrics
from detectors.training.augment import crop
from detectors.training.dataset import Patches
from detectors.training.losses import UNKNOWN
from detectors.training.recipes import Cycle
from detectors.training.tiles import Tiles

if TYPE_CHECKING:
    from torch import Tensor

#: Patches judged at once on validation.
_AT_ONCE = 32

Judge = Callable[["Tensor"], "Tensor"]
Batch = tuple["Tensor", "Tensor"]


class Lessons(Protocol):
    """What ``train.Training`` asks."""

    bands: int
    """Of what is shown."""
    outputs: int
    """Logits of a pixel."""

    def __len__(self) -> int:
        """Return how many examples there are to learn from."""

    def batch(self, chosen: Tensor, cycle: Cycle, side: int | None, device: str) -> Batch:
        """Return examples by index, changed at random, ready to be shown, and their truth."""

    def loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        """Return how wrong float32 logits are, one number."""

    def examine(self, judge: Judge, device: str) -> float:
        """Return F1 on the validation examples; ``judge`` gives float32 logits."""


class PictureLessons:
    """Pictures of 8 bits with masks, each standardised over its own pixels."""

    outputs = 1

    def __init__(self, training: Patches, validation: Patches, loss: str) -> None:
        """Begin.

        Args:
            training: what is learnt from.
            validation: what decides which epoch is kept.
            loss: its name.
        """
        import torch

        self.bands = training.images.shape[1]
        self._images = torch.from_numpy(training.images)
        self._masks = torch.from_numpy(training.masks[:, None])
        self._validation = validation
        self.loss = losses.create(loss)

    def __len__(self) -> int:
        """Return how many pictures there are to learn from."""
        return len(self._images)

    def batch(self, chosen: Tensor, cycle: Cycle, side: int | None, device: str) -> Batch:
        """Return pictures as the cycle wants them changed, and their masks."""
        import torch

        x, y = self._images[chosen] / 255.0, self._masks[chosen].float()
        if cycle.crop:
            x, y = crop(x, y, cycle.crop)
        with torch.device(device):
            x, y = cycle.augmentation(x.to(device), y.to(device), side)
        return standardise_windows(x), y

    def examine(self, judge: Judge, device: str) -> float:
        """Return F1 at the best threshold, each picture as it is."""
        import torch

        total = np.zeros((2, metrics.STEPS), dtype=np.int64)
        for start in range(0, len(self._validation), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            x = torch.from_numpy(self._validation.images[part]).to(device) / 255.0
            score = torch.sigmoid(judge(standardise_windows(x)))[:, 0].cpu().numpy()
            total += metrics.tally(score, self._validation.masks[part])
        return metrics.best_threshold(total)[1]


class TileLessons:
    """Tiles in units of the spread of their bands; gaps are shown as the mean."""

    def __init__(self, training: Tiles, validation: Tiles, loss: str, outputs: int) -> None:
        """Begin.

        Args:
            training: what is learnt from, already scaled.
            validation: what decides which epoch is kept, likewise.
            loss: its name.
            outputs: 1 for one class against the background, else one a class.
        """
        import torch

        self.bands, self.outputs = training.values.shape[1], outputs
        self._values = torch.from_numpy(np.nan_to_num(training.values))
        self._codes = torch.from_numpy(training.codes.astype(np.int64))
        self._validation = validation
        self.loss = losses.of_known(loss, outputs)

    def __len__(self) -> int:
        """Return how many tiles there are to learn from."""
        return len(self._values)

    def batch(self, chosen: Tensor, cycle: Cycle, side: int | None, device: str) -> Batch:
        """Return tiles turned by quarters and mirrored, and their class indices."""
        import torch

        del cycle, side  # tiles are shown in their size
        turns = torch.randint(8, (len(chosen),)).tolist()
        pairs = zip(chosen.tolist(), turns, strict=True)
        turned = [(_turn(self._values[n], t), _turn(self._codes[n], t)) for n, t in pairs]
        x, y = (torch.stack(parts) for parts in zip(*turned, strict=True))
        return x.to(device), y.to(device)

    def examine(self, judge: Judge, device: str) -> float:
        """Return F1 of the one class at its best threshold, or the mean F1 of several."""
        if self.outputs == 1:
            total = np.zeros((2, metrics.STEPS), dtype=np.int64)
            for scores, codes in self._judged(judge, device):
                total += metrics.tally(np.where(codes == UNKNOWN, np.nan, scores[:, 0]), codes == 1)
            return metrics.best_threshold(total)[1]
        hits = np.zeros((self.outputs, self.outputs), dtype=np.int64)
        for scores, codes in self._judged(judge, device):
            known = codes != UNKNOWN
            said = scores.argmax(axis=1)
            np.add.at(hits, (said[known], codes[known]), 1)
        return macro_f1(hits)

    def _judged(self, judge: Judge, device: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield scores (n, outputs, y, x) and class indices of the validation tiles."""
        import torch

        for start in range(0, len(self._validation), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            x = torch.from_numpy(np.nan_to_num(self._validation.values[part])).to(device)
            yield scores_of(judge(x)).cpu().numpy(), self._validation.codes[part]


def scores_of(logits: Tensor) -> Tensor:
    """Return scores, 0 to 1, of logits (n, outputs, y, x)."""
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)


def macro_f1(table: np.ndarray) -> float:
    """Return the mean F1 of the classes that there are.

    Args:
        table: counts, (classified, truth).
    """
    called, true = table.sum(axis=1), table.sum(axis=0)
    f1 = 2 * np.diag(table) / np.maximum(called + true, 1)
    return float(f1[true > 0].mean()) if (true > 0).any() else 0.0


def _turn(tile: Tensor, orientation: int) -> Tensor:
    turned = tile.rot90(orientation % 4, (-2, -1))
    return turned.flip(-1) if orientation >= 4 else turned
