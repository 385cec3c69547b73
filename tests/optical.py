"""Optical looks made for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from affine import Affine

from detectors.types import Grid, OpticalLook, Unseen

BANDS = ("blue", "green", "red", "nir")
EPSG, WEST, NORTH, STEP = 32654, 580_000.0, 4_740_000.0, 10.0
TRANSFORM = Affine(STEP, 0, WEST, 0, -STEP, NORTH)
DAY = datetime(2024, 6, 1, 1, 20, tzinfo=UTC)


def optical_grid(height: int, width: int, row: int = 0, column: int = 0) -> Grid:
    return Grid(EPSG, TRANSFORM @ Affine.translation(column, row), height, width)


def ground(index: np.ndarray, brightness: np.ndarray | float = 0.2) -> np.ndarray:
    """Return blue, green, red and near infrared of ground with a given NDVI."""
    red, nir = brightness * (1 - index), brightness * (1 + index)
    return np.stack([0.6 * red, 0.9 * red, red, nir]).astype(np.float32)


def optical_look(
    index: np.ndarray,
    unseen: np.ndarray | None = None,
    *,
    day: float = 0.0,
    name: str | None = None,
    brightness: np.ndarray | float = 0.2,
) -> OpticalLook:
    """Make a look of given NDVI (y, x); ``unseen`` holds codes."""
    codes = np.zeros(index.shape, np.uint8) if unseen is None else unseen.astype(np.uint8)
    reflectance = ground(index, brightness)
    reflectance[:, codes != Unseen.SEEN] = np.nan
    return OpticalLook(
        grid=optical_grid(*index.shape),
        bands=BANDS,
        reflectance=reflectance,
        unseen=codes,
        sensed_at=DAY + timedelta(days=day),
        item_ids=(name or f"item-{day:g}",),
    )


def noise_looks(
    number: int, rng: np.random.Generator, first_day: float, shape: Sequence[int] = (80, 80)
) -> list[OpticalLook]:
    """Make looks of unchanged ground, NDVI 0.6, scatter 0.05."""
    return [
        optical_look(rng.normal(0.6, 0.05, shape), day=first_day + 5 * k) for k in range(number)
    ]
