"""Segmentation networks by declaration: what a member of an ensemble looks like inside.

A network is an ``segmentation_models_pytorch`` architecture on a small encoder. It is always built
without pretrained weights: those would be fetched over the network at start, and their licence
would become ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

#: From windows (n, band, y, x) to logits (n, outputs, y, x): a network in evaluation mode, or what
#: ``detectors.backends`` makes of it.
Run = Callable[["Tensor"], "Tensor"]

#: No member may have more parameters: an ensemble has to run on two processor cores.
MAXIMUM_PARAMETERS = 3_000_000
#: Sides of what a network sees must be multiples of this, pixels: encoders halve up to four times.
SIDE_MULTIPLE = 16


@dataclass(frozen=True, slots=True)
class Network:
    """One architecture with its encoder."""

    architecture: str
    """Class of ``segmentation_models_pytorch``, such as ``Unet``."""
    encoder: str
    """Encoder, as that library names it; ``tu-`` ones come from timm."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else its constructor takes: depth, decoder channels."""

    def build(self, bands: int, classes: int = 1) -> nn.Module:
        """Return it with random weights: (n, bands, y, x) to logits (n, classes, y, x)."""
        import segmentation_models_pytorch as smp

        options = {k: tuple(v) if isinstance(v, list) else v for k, v in self.options.items()}
        network: nn.Module = getattr(smp, self.architecture)(
            encoder_name=self.encoder,
            encoder_weights=None,
            in_channels=bands,
            classes=classes,
            **options,
        )
        return network


def parameters(network: nn.Module) -> int:
    """Return how many trained numbers a network has."""
    return sum(p.numel() for p in network.parameters())


def training_device() -> str:
    """Return where networks are trained: on a GPU where there is one, else on all cores."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def half_precision(device: str = "cpu") -> AbstractContextManager[object]:
    """Return a context in which processors that are built for it multiply in bfloat16.

    It is twice as fast there; a mean over members and orientations moves by less than 0.01. Its
    exponent is that of single precision, so that a training needs no scaling of gradients. A
    processor that merely knows it (AVX-512 BF16, no tiles) is slower with it (bench/models.md).
    """
    import torch

    built_for_it = device == "cuda" or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device, torch.bfloat16, enabled=built_for_it)


def scores_of(logits: Tensor) -> Tensor:
    """Return scores 0..1 of logits (n, outputs, y, x): one class against the rest, or all."""
    return logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(dim=1)
