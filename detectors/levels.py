"""What a patch's scores are worth: evidence, and the thresholds from there to tiers. Pure.

The evidence of a patch is the mean of its scores times the root of its size in 30 m pixels: for
independent pixels that would be the significance of their sum (Stouffer), and on real quiet series
it separates planted landslides from clutter far better than the highest score does (bench/data.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detectors.types import FloatArray

#: Pixel area at which evidence was calibrated (OPERA RTC-S1).
REFERENCE_PIXEL_M2 = 900.0


@dataclass(frozen=True, slots=True)
class Levels:
    """Thresholds from scores to tiers; every change is a change of who is alerted."""

    grow: float = 2.25
    """A patch is made of pixels whose absolute score exceeds this, sigma."""
    seed: float = 3.25
    """A patch needs at least one pixel over this, sigma."""
    ceiling: float = 4.0
    """What one pixel can contribute to evidence, sigma: a corner reflector is no landslide."""
    least_mean: float = 3.0
    """Least mean of a patch, each pixel cut at the ceiling, sigma: half-dried ground makes patches
    that are large and weak."""
    watch: float = 12.8
    """Evidence from which a patch is stored."""
    watch_incomplete: float = 20.0
    """The same for looks of one polarisation: on the quiet series one such patch reaches it."""
    likely: float = 13.3
    """Evidence from which a patch is alerted."""
    likely_area_m2: float = 10_000.0
    """Smallest patch that is alerted, m2."""
    minimum_pixels: int = 6
    """No sensor resolves less, whatever the region asks for."""


def evidence_of(strength: FloatArray, area_m2: float, ceiling: float) -> float:
    """Return the evidence of a patch: its mean score, each cut, times the root of its size.

    Args:
        strength: absolute scores of its pixels, sigma.
        area_m2: its area, m2.
        ceiling: what one pixel can contribute, sigma.
    """
    mean = float(np.minimum(strength, ceiling).mean())
    return mean * math.sqrt(area_m2 / REFERENCE_PIXEL_M2)
