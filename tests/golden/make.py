"""Writes golden score maps and picture anew: ``.venv/bin/python -m tests.golden.make``.

Run it only when they are meant to change (``-m tests.golden.make picture`` for the picture alone).
What changes scores changes who is alerted, so the figures in bench/data.md have to be measured
again and the change belongs into CHANGELOG.md.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from alerts.alert_picture import draw
from detectors import registry
from detectors.normalise import normalise
from tests.alert_pictures import suspected
from tests.scenes import SHIPPED, STEEP, read_series, split

GOLDEN = Path(__file__).with_name("scores.npz")
GOLDEN_PICTURE = Path(__file__).with_name("alert-picture.png")
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


def thumbnail(png: bytes) -> Image.Image:
    """Return a picture at a sixth of its size."""
    with Image.open(io.BytesIO(png)) as image:
        return image.convert("RGB").reduce(6)


if __name__ == "__main__":
    thumbnail(draw(suspected())).save(GOLDEN_PICTURE)
    if sys.argv[1:] == ["picture"]:
        sys.exit()
    maps = score_maps()
    assert all(np.isfinite(score).all() for score in maps.values())
    np.savez_compressed(
        GOLDEN, **{name: np.round(score * SCALE).astype(np.int16) for name, score in maps.items()}
    )
