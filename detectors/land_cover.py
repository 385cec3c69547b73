"""What covers the ground inside an outline, out of a map of class codes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.types import BoolArray, LandCover

#: Least share of an outline's pixels with a class that has a name; less would be a guess.
KNOWN = 0.5


def commonest(
    codes: NDArray[np.integer], known: BoolArray, inside: BoolArray, classes: Mapping[int, str]
) -> LandCover | None:
    """Return the commonest class of an outline's pixels, None where too few have one.

    Codes without a name are as unknown as pixels without data. Of equally common classes the one
    with the lowest code counts.

    Args:
        codes: (y, x), class codes.
        known: (y, x), where there are any.
        inside: (y, x), the outline's own pixels.
        classes: name by code.
    """
    own = int(inside.sum())
    held, counts = np.unique(codes[inside & known], return_counts=True)
    named = np.isin(held, list(classes))
    held, counts = held[named], counts[named]
    if not own or counts.sum() < max(KNOWN * own, 1):
        return None
    most = int(counts.argmax())
    return LandCover(classes[int(held[most])], float(counts[most]) / own)
