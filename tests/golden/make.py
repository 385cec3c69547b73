"""Writes the golden score maps anew: ``.venv/bin/python -m tests.golden.make``.

Run it only when scores are meant to change; what changes is who is alerted, so the figures in
bench/data.md have to be measured again and the change belongs into CHANGELOG.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detectors import registry
from detectors.normalise import normalise
from tests.scenes import SHIPPED, STEEP, read_series, split

GOLDEN = Path(__file__).with_name("scores.npz")
#: Sixteen looks come before; ten of them count.
SENSED = "2023-11-21"
#: Stored in thousandths of a sigma, far below the tolerance.
SCALE = 1000.0


def score_maps() -> dict[str, np.ndarray]:
    """Score the look of the shipped archive by every detector, float32 (100, 100)."""
    series = read_series(SHIPPED, STEEP)
    number = [f"{moment:%Y-%m-%d}" for moment in series.sensed_at].index(SENSED)
    stack = normalise(*split(series, number))
    return {name: registry.create(name).score(stack) for name in registry.names()}


def golden_maps() -> dict[str, np.ndarray]:
    """Read what was stored, float32 (100, 100)."""
    with np.load(GOLDEN) as stored:
        return {name: stored[name].astype(np.float32) / SCALE for name in stored.files}


if __name__ == "__main__":
    maps = score_maps()
    assert all(np.isfinite(score).all() for score in maps.values())
    np.savez_compressed(
        GOLDEN, **{name: np.round(score * SCALE).astype(np.int16) for name, score in maps.items()}
    )
