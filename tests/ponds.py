"""SIMULATED ponds in real looks: ground that drowned, with the speckle of water.

Water replaces what was there, so that power is not multiplied, as it is for landslides. Edge
pixels hold as much of it as lies inside the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from affine import Affine
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from detectors.types import Grid, LookStack
from tests.judged import mask_of

#: VV and VH level of calm water, of water under a breeze and under wind, dB: quartiles of the
#: medians of 22 looks of open sea (T137-292318-IW1); VH hardly moves.
CALM, BREEZE, WIND = (-19.0, -28.5), (-16.7, -28.3), (-14.9, -27.7)
#: Speckle of the same sea: looks (mean squared over variance) in VV and in VH, next to the noise.
SPECKLE_LOOKS = (5.0, 2.7)
#: How finely edge pixels are cut.
FINE = 5


def cover(outline: BaseGeometry, grid: Grid) -> np.ndarray:
    """Share of each pixel that lies inside, (y, x)."""
    fine = Grid(
        grid.epsg, grid.transform @ Affine.scale(1 / FINE), FINE * grid.height, FINE * grid.width
    )
    inside = mask_of(outline, fine)
    share: np.ndarray = inside.reshape(grid.height, FINE, grid.width, FINE).mean(axis=(1, 3))
    return share


def drown(
    post: LookStack, outlines: Sequence[BaseGeometry], level_db: Sequence[float], seed: int
) -> LookStack:
    """Looks with ponds in them: water of one level (VV, VH) with its speckle."""
    rng = np.random.default_rng(seed)
    gamma0 = post.gamma0.copy()
    share = np.max([cover(one, post.grid) for one in outlines], axis=0)
    for band, (level, looks) in enumerate(zip(level_db, SPECKLE_LOOKS, strict=True)):
        speckle = rng.gamma(looks, 1.0 / looks, (len(post), *post.grid.shape))
        water = 10.0 ** (level / 10.0) * speckle
        gamma0[:, band] = (1.0 - share) * gamma0[:, band] + share * water
    return replace(post, gamma0=gamma0.astype(np.float32))


def transplant(post: LookStack, outlines: Sequence[BaseGeometry], water: LookStack) -> LookStack:
    """The look with ponds of real water: the pixels of another series of the same size."""
    share = np.max([cover(one, post.grid) for one in outlines], axis=0)
    # Which of its looks, the date of this one says: the same every time.
    number = int(post.sensed_at[0].timestamp()) // 86_400 % len(water)
    gamma0 = (1.0 - share) * post.gamma0 + share * water.gamma0[number]
    return replace(post, gamma0=gamma0.astype(np.float32))


def valley(grid: Grid, outlines: Sequence[BaseGeometry], rise_m: float = 8.0) -> np.ndarray:
    """A SIMULATED terrain whose hollows are the outlines: so many metres up per pixel from them."""
    share = np.max([cover(one, grid) for one in outlines], axis=0)
    height: np.ndarray = rise_m * ndimage.distance_transform_edt(share < 0.5)
    return height.astype(np.float32)
