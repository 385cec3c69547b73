"""Looks without speckle, kept from look to look: each counts in the history of ten later ones.

The key is made of the very pixels, so that what is taken from the shelf is bit for bit what would
have been worked out; a history that leaves out what has changed meanwhile is another one.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

import numpy as np

from detectors import registry
from detectors.normalise import Despeckle
from detectors.radiometry import Decibel, despeckle_db
from flows.composites import software
from flows.settings import Settings
from flows.shelf import Shelf, digest

#: Of ``despeckle_db``; whoever changes what it makes of the same pixels counts on.
REVISION = 1


def despeckling(settings: Settings) -> Despeckle:
    """Return how looks are despeckled: those on the shelf are taken from there."""
    if not settings.despeckled_mb:
        return despeckle_db
    shelf = Shelf(settings.despeckled, settings.despeckled_mb * 1_000_000, settings.despeckled_for)

    def despeckle(decibel: Decibel) -> Decibel:
        pixels = np.ascontiguousarray(decibel)
        key = digest(*_filter(), pixels.dtype.str, pixels.shape, pixels.data)
        kept = shelf.get(key)
        if kept is not None:
            return Decibel(np.frombuffer(kept, np.float32).reshape(decibel.shape))
        made = despeckle_db(decibel)
        shelf.put(key, made.tobytes())
        return made

    return despeckle


@cache
def _filter() -> tuple[object, ...]:
    """Return what decides what comes out of the same pixels."""
    libraries = [version(name) for name in ("scikit-image", "scipy", "numpy")]
    made_by = registry.configuration_hash(registry.PREPARATION)
    return "despeckled", REVISION, software(), *libraries, made_by
