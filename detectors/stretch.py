"""What networks see of a window: each band about its mean, in units of its own spread.

The training patches are 8-bit pictures, each stretched band by band between its darkest and its
brightest pixel, so that neither gain nor offset of a band means anything. Taking mean and spread of
the window itself makes both vanish: a training patch, the same patch under any other linear
stretch, and the reflectance it was made from look alike. One bright roof or cloud moves a stretch
between extremes much further than it moves mean and spread (bench/landslide-rgb.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: Least spread that is divided by, as a share of the span between darkest and brightest pixel.
_LEAST = 1e-3


def standardise_windows(windows: Tensor) -> Tensor:
    """Bring each band of each window to mean 0 and standard deviation 1.

    Args:
        windows: float (n, band, y, x) in any unit, finite.

    Returns:
        float (n, band, y, x); 0 where a band is the same everywhere.
    """
    centred = windows - windows.mean(dim=(2, 3), keepdim=True)
    spread = centred.std(dim=(2, 3), keepdim=True)
    span = centred.amax(dim=(2, 3), keepdim=True) - centred.amin(dim=(2, 3), keepdim=True)
    return centred / spread.clamp_min(1e-12).maximum(_LEAST * span)
