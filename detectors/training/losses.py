"""Losses by name; members of one ensemble differ in theirs, so that their mistakes differ.

The same names serve one class against the rest (sigmoid) and several classes (softmax), where
``bce`` is cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from segmentation_models_pytorch import losses as smp
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]

#: Class index of pixels about which nothing is known.
UNKNOWN = -1


def _sum(*parts: Loss) -> Loss:
    return lambda logits, truth: torch.stack([part(logits, truth) for part in parts]).sum()


def _entropy(mode: str, smoothing: float = 0.0) -> Loss:
    if mode == "binary":
        loss: Loss = smp.SoftBCEWithLogitsLoss(smooth_factor=smoothing or None)
        return loss
    return lambda logits, truth: functional.cross_entropy(logits, truth, label_smoothing=smoothing)


_LOSSES: Mapping[str, Callable[[str], Loss]] = {
    "bce": _entropy,
    "dice": lambda mode: smp.DiceLoss(mode),
    "focal": lambda mode: smp.FocalLoss(mode),
    "jaccard": lambda mode: smp.JaccardLoss(mode),
    "lovasz": lambda mode: smp.LovaszLoss(mode),
    "bce+dice": lambda mode: _sum(_entropy(mode), smp.DiceLoss(mode)),
    "bce+jaccard": lambda mode: _sum(_entropy(mode, 0.02), smp.JaccardLoss(mode)),
    "bce+lovasz": lambda mode: _sum(_entropy(mode), smp.LovaszLoss(mode)),
    "focal+tversky": lambda mode: _sum(
        smp.FocalLoss(mode, gamma=1.5), smp.TverskyLoss(mode, alpha=0.4, beta=0.6)
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
    return _LOSSES[name]("binary")


def of_known(name: str, outputs: int) -> Loss:
    """Return a loss that sees known pixels only.

    Args:
        name: of the loss.
        outputs: logits of a pixel: 1 for one class against the rest, else one a class.

    Returns:
        A function of logits (n, outputs, y, x) and class indices (n, y, x), ``UNKNOWN`` where
        nothing is known; 0 where that is so everywhere.

    Raises:
        KeyError: there is no such loss.
    """
    loss = _LOSSES[name]("binary" if outputs == 1 else "multiclass")

    def masked(logits: Tensor, codes: Tensor) -> Tensor:
        known = codes != UNKNOWN
        if not known.any():
            return logits.sum() * 0.0
        # What is known stands in one long picture: every loss looks at pixels apart.
        shown = logits.movedim(1, -1)[known].T[None, :, :, None]
        truth = codes[known][None, :, None]
        return loss(shown, truth[:, None].float() if outputs == 1 else truth)

    return masked
