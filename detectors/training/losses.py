"""Losses by name; members of one ensemble differ in theirs, so that their mistakes differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from segmentation_models_pytorch import losses as smp
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def _sum(*parts: Loss) -> Loss:
    return lambda logits, truth: torch.stack([part(logits, truth) for part in parts]).sum()


def _bce(smoothing: float = 0.0) -> Loss:
    loss: Loss = smp.SoftBCEWithLogitsLoss(smooth_factor=smoothing or None)
    return loss


_LOSSES: Mapping[str, Callable[[], Loss]] = {
    "bce": _bce,
    "dice": lambda: smp.DiceLoss("binary"),
    "focal": lambda: smp.FocalLoss("binary"),
    "jaccard": lambda: smp.JaccardLoss("binary"),
    "lovasz": lambda: smp.LovaszLoss("binary"),
    "bce+dice": lambda: _sum(_bce(), smp.DiceLoss("binary")),
    "bce+jaccard": lambda: _sum(_bce(0.02), smp.JaccardLoss("binary")),
    "bce+lovasz": lambda: _sum(_bce(), smp.LovaszLoss("binary")),
    "focal+tversky": lambda: _sum(
        smp.FocalLoss("binary", gamma=1.5), smp.TverskyLoss("binary", alpha=0.4, beta=0.6)
    ),
}


def names() -> tuple[str, ...]:
    """Return the names a member may ask for."""
    return tuple(_LOSSES)


def create(name: str) -> Loss:
    """Return the loss of that name: of logits and truth, both (n, 1, y, x), to one number.

    Raises:
        KeyError: there is no such loss.
    """
    return _LOSSES[name]()
