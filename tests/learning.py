"""Labelled pictures for tests of training: bright streaks on dark ground."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from typer.testing import CliRunner, Result

from flows.cli import app


def write(path: Path, bands: np.ndarray) -> None:
    """Write (band, y, x) as PNG or GeoTIFF, by the name of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    driver = "PNG" if path.suffix == ".png" else "GTiff"
    count, height, width = bands.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, count=count, height=height, width=width, dtype=bands.dtype
        ) as raster:
            raster.write(bands)


def scar(number: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Return a bright brown streak in dark green, and its mask."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[:size, :size]
    middle = random.integers(size // 4, 3 * size // 4, 2)
    mask = (abs(columns - middle[1] + (rows - middle[0]) * 0.3) < 5) & (
        abs(rows - middle[0]) < size // 5
    )
    ground = random.normal([[[40]], [[60]], [[35]]], 6, (3, size, size))
    bare = random.normal([[[190]], [[160]], [[130]]], 10, (3, size, size))
    picture = np.clip(np.where(mask, bare, ground), 0, 255).astype(np.uint8)
    return picture, mask.astype(np.uint8)[None] * 255


def inventory(folder: Path, numbers: list[int], size: int = 64) -> tuple[Path, Path]:
    """Write pictures and masks of these numbers; return both folders."""
    images, masks = folder / "images", folder / "masks"
    for number in numbers:
        picture, mask = scar(number, size)
        write(images / f"p_{number}.png", picture)
        write(masks / f"p_{number}.png", mask)
    return images, masks


def typed(*words: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])
