"""Random changes of a training batch that leave it a plausible batch of landslides.

Everything works on whole batches, one random draw per patch. Gain and offset are left alone:
``detectors.stretch`` takes them out of what a network sees, after all of this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


def crop(x: Tensor, y: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Cut a square out of each patch of a batch, with a landslide pixel in it where there is one.

    Args:
        x: float (n, band, y, x).
        y: float (n, 1, y, x), 0 or 1.
        side: of the squares, pixels, at most that of the patches.

    Returns:
        (n, band, side, side) and (n, 1, side, side).
    """
    height, width = y.shape[2:]
    # Of equally likely pixels among those that are wanted, one: all of them where none is.
    wanted = y.flatten(1) + (y.flatten(1).sum(dim=1, keepdim=True) == 0)
    pixel = torch.multinomial(wanted, 1)[:, 0]
    within = torch.randint(side, (2, len(y)))
    tops = (pixel // width - within[0]).clamp(0, height - side).tolist()
    lefts = (pixel % width - within[1]).clamp(0, width - side).tolist()
    cuts = [
        (slice(t, t + side), slice(left, left + side)) for t, left in zip(tops, lefts, strict=True)
    ]
    return (
        torch.stack([patch[:, *cut] for patch, cut in zip(x, cuts, strict=True)]),
        torch.stack([patch[:, *cut] for patch, cut in zip(y, cuts, strict=True)]),
    )


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a training patch may be changed."""

    tilted: float = 0.0
    """Share of patches turned by any angle, not only by quarters."""
    zoom: float = 0.2
    """Largest change of scale, as natural logarithm."""
    shift: float = 0.15
    """Largest move, as a share of the side; beyond the edge the patch is mirrored."""
    gamma: float = 0.15
    """Spread of the logarithm of the exponent that is common to all bands."""
    band_gamma: float = 0.08
    """Spread of the logarithm of the exponent of each band."""
    noise: float = 0.015
    """Largest spread of pixel noise."""
    crosstalk: float = 0.03
    """Spread of what each band takes from each other one."""
    mixed: float = 0.0
    """Share of patches into which a rectangle of another one is pasted."""

    @classmethod
    def quarters(cls) -> Augmentation:
        """Return one that turns patches by quarters and mirrors them, and nothing else."""
        return cls(zoom=0.0, shift=0.0, gamma=0.0, band_gamma=0.0, noise=0.0, crosstalk=0.0)

    def __call__(self, x: Tensor, y: Tensor, side: int | None = None) -> tuple[Tensor, Tensor]:
        """Change a batch.

        Args:
            x: float (n, band, y, x), 0..1.
            y: float (n, 1, y, x), 0 or 1.
            side: of the result, which shows the same ground in fewer pixels; None leaves it.

        Returns:
            The same shapes, or ``side`` pixels high and wide; ``x`` about 0..1.
        """
        x, y = self._move(x, y, side)
        x = self._recolour(x)
        return self._mix(x, y)

    def _move(self, x: Tensor, y: Tensor, side: int | None) -> tuple[Tensor, Tensor]:
        """Turn, mirror, zoom and shift."""
        n = len(x)
        angle = torch.randint(4, (n,)) * (math.pi / 2)
        angle = angle + (torch.rand(n) < self.tilted) * torch.rand(n) * (math.pi / 2)
        scale = torch.exp((torch.rand(n) * 2 - 1) * self.zoom) * (torch.rand(n) < 0.6)
        scale = torch.where(scale == 0, torch.ones(n), scale)
        mirror = torch.randint(2, (n,)) * 2.0 - 1.0
        shift = (torch.rand(n, 2) * 2 - 1) * 2 * self.shift * (torch.rand(n, 1) < 0.6)
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        rows = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], dim=1)
        together = torch.cat([x, y], dim=1)
        size = [*together.shape[:2], *([side, side] if side else x.shape[2:])]
        grid = functional.affine_grid(rows.view(n, 2, 3), size, align_corners=False)
        moved = functional.grid_sample(
            together, grid, padding_mode="reflection", align_corners=False
        )
        return moved[:, :-1], (moved[:, -1:] > 0.5).float()

    def _recolour(self, x: Tensor) -> Tensor:
        """Bend each band, mix the bands a little, add noise."""
        n, bands = x.shape[:2]
        bend = torch.randn(n, 1, 1, 1) * self.gamma + torch.randn(n, bands, 1, 1) * self.band_gamma
        x = x.clamp(1e-4, 1.0) ** torch.exp(bend)
        mixing = torch.eye(bands) + torch.randn(n, bands, bands) * self.crosstalk
        x = torch.einsum("nij,njyx->niyx", mixing, x)
        return x + torch.randn_like(x) * torch.rand(n, 1, 1, 1) * self.noise

    def _mix(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Paste a rectangle of each patch's neighbour in the batch, at the same place."""
        n, _, height, width = x.shape
        side = torch.sqrt(torch.rand(n, 1) * 0.5)  # up to half of the area
        side = side * (torch.rand(n, 1) < self.mixed)
        top, left = torch.rand(n, 1) * (1 - side), torch.rand(n, 1) * (1 - side)
        rows, columns = torch.arange(height) / height, torch.arange(width) / width
        inside_rows = (rows >= top) & (rows < top + side)
        inside_columns = (columns >= left) & (columns < left + side)
        pasted = (inside_rows[:, :, None] & inside_columns[:, None, :])[:, None]
        return torch.where(pasted, x.roll(1, 0), x), torch.where(pasted, y.roll(1, 0), y)
