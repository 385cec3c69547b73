"""SIMULATED places, one kind for every recipe of rasters, with labels. Nothing here exists.

Each kind holds what its recipe is about and something that looks like it in any single band: rock
that is steep beside sediment that is steep, harvest that loses as much vegetation as a landslide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from scipy import ndimage

from detectors import terrain
from detectors.simulate_ground import fractal
from flows.places import Source
from flows.raster_training import Example

EPSG = 32624
SIZE = 96
UNKNOWN = 255
Bands = dict[str, np.ndarray]


@dataclass(frozen=True)
class Place:
    """One place that does not exist."""

    looks: list[Bands]
    """Bands of each raster."""
    codes: np.ndarray
    """uint8 (y, x), class codes as the recipe counts them."""
    pixel_m: float
    lines: list[np.ndarray] = field(default_factory=list)
    """Of ravines: columns by row, pixels."""

    def write(self, folder: Path) -> Example:
        """Write rasters and labels."""
        folder.mkdir(parents=True, exist_ok=True)
        sources = []
        for number, bands in enumerate(self.looks):
            path = folder / f"SIMULATED_{number}.tif"
            write(path, np.stack(list(bands.values())).astype(np.float32), self.pixel_m, bands)
            sources.append(Source(path))
        labels = folder / "labels.tif"
        write(labels, self.codes[None].astype(np.uint8), self.pixel_m, ["class"], UNKNOWN)
        return Example(tuple(sources), labels)


def write(path: Path, values: np.ndarray, pixel_m: float, names, nodata=None) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1],
        width=values.shape[2], dtype=values.dtype.name, crs=f"EPSG:{EPSG}", nodata=nodata,
        transform=from_origin(500_000, 4_900_000, pixel_m, pixel_m),
    ) as raster:  # fmt: skip
        raster.write(values)
        raster.update_tags(SIMULATED="yes")
        for index, name in enumerate(names, start=1):
            raster.set_band_description(index, name)


def noise(draw: np.random.Generator, size: int, spread: float) -> np.ndarray:
    return draw.normal(0, spread, (size, size))


def spots(draw: np.random.Generator, size: int, longest: float, share: float) -> np.ndarray:
    """Round patches that cover a share of the ground."""
    ground = ndimage.gaussian_filter(draw.normal(size=(size, size)), longest / 5, mode="wrap")
    return ground > np.quantile(ground, 1 - share)


def outcrop(seed: int, size: int = SIZE) -> Place:
    """Rock: knobs of a few metres; sediment as steep, but smooth."""
    draw = np.random.default_rng(seed)
    rock = spots(draw, size, 30, 0.35)
    knobs = 5 * fractal((size, size), draw, 1.4, 12)
    smooth = 60 * fractal((size, size), draw, 2.8, 60) + noise(draw, size, 0.4)
    elevation = smooth + ndimage.gaussian_filter(rock.astype(float), 1) * knobs
    return Place([{"elevation": elevation}], rock, 10.0)


def outcrop_landsat(seed: int, size: int = SIZE) -> Place:
    draw = np.random.default_rng(seed)
    rock, shade = spots(draw, size, 30, 0.4), fractal((size, size), draw, 2.0, 40)
    names = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B10", "B11")
    tone = np.random.default_rng(0).normal(0, 0.02, len(names))
    bands = {
        name: 0.2 + 0.05 * shade + rock * tone[n] + noise(draw, size, 0.03)
        for n, name in enumerate(names)
    }
    return Place([bands], rock, 30.0)


def wetland(seed: int, size: int = SIZE) -> Place:
    """Open wetland; wet forest has its colours, and grass its height."""
    draw = np.random.default_rng(seed)
    wet, forest = spots(draw, size, 30, 0.45), spots(draw, size, 25, 0.45)
    names = ("B02", "B03", "B04", "B05", "B06", "B08", "B12")
    dry_tone = np.array([0.03, 0.06, 0.05, 0.1, 0.2, 0.3, 0.12])
    wet_tone = np.array([0.028, 0.055, 0.055, 0.09, 0.18, 0.26, 0.09])
    looks = []
    for _ in range(3):
        tones = np.where(wet[..., None], wet_tone, dry_tone)
        look = {
            name: np.clip(tones[..., n] * (1 + noise(draw, size, 0.12)), 0.005, 1)
            for n, name in enumerate(names)
        }
        looks.append(look)
    elevation = 20 * fractal((size, size), draw, 2.6, 60)
    height = np.where(forest, 12, 0.5) + noise(draw, size, 1.5)
    ground = {"elevation": elevation, "surface": elevation + height}
    return Place([*looks, ground], wet & ~forest, 10.0)


def gully(seed: int, size: int = SIZE) -> Place:
    """Ravines in a plain of clay, one sharp, one smooth, and a river bank that is neither."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size].astype(float)
    elevation = 6 * fractal((size, size), draw, 3.0, 3 * size) + noise(draw, size, 0.03)
    codes, lines = np.zeros((size, size), np.uint8), []
    kinds = [1, 2, 1, 2][: max(2, size // 48)]
    for number, kind in enumerate(kinds):
        middle = (number + 0.5 + draw.uniform(-0.15, 0.15)) * size / len(kinds)
        path = middle + 5 * np.sin(rows[:, 0] / draw.uniform(9, 16) + draw.uniform(0, 6))
        away = abs(columns - path[:, None])
        depth, half = draw.uniform(3, 5), draw.uniform(6, 8)
        cut = depth * np.clip(1 - away / half, 0, 1)
        if kind == 2:
            cut = ndimage.gaussian_filter(cut, 3)
        elevation = elevation - cut
        codes[away < half] = kind
        lines.append(path)
    bank = draw.uniform(0.2, 0.8) * size
    elevation = elevation - 5 / (1 + np.exp(-(rows - bank) / 2))
    return Place([{"elevation": elevation}], codes, 1.0, lines)


def erosion(seed: int, size: int = SIZE) -> Place:
    """Four severities of a smooth field; every pixel's NDVI scatters over its neighbours'."""
    draw = np.random.default_rng(seed)
    field_ = ndimage.gaussian_filter(draw.normal(size=(size, size)), 7, mode="wrap")
    severity = np.digitize(field_, np.quantile(field_, [0.4, 0.65, 0.85]))
    ndvi = np.array([0.6, 0.45, 0.3, 0.15])[severity] + noise(draw, size, 0.12)
    return Place([{"ndvi": ndvi}], severity + 1, 10.0)


def land_cover(seed: int, size: int = SIZE) -> Place:
    """Fields of ten classes; strips between some of them nobody has labelled."""
    draw = np.random.default_rng(seed)
    names = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
    tones = np.random.default_rng(1).uniform(0.03, 0.4, (10, len(names)))
    points, kinds = draw.uniform(0, size, (50, 2)), np.arange(50) % 10
    rows, columns = np.mgrid[:size, :size]
    distance = np.hypot(rows[..., None] - points[:, 0], columns[..., None] - points[:, 1])
    near = np.sort(distance, axis=-1)
    codes = kinds[distance.argmin(axis=-1)] + 1
    bands = {
        name: np.clip(tones[codes - 1, n] + noise(draw, size, 0.06), 0, 1)
        for n, name in enumerate(names)
    }
    return Place([bands], np.where(near[..., 1] - near[..., 0] < 1.5, 0, codes), 10.0)


def landslides(seed: int, size: int = SIZE) -> Place:
    """A mountain side with landslides, harvested fields and speckle, in all bands there are."""
    draw = np.random.default_rng(seed)
    pixel = 30.0
    elevation = 500 + 150 * fractal((size, size), draw, 2.6, 50)
    slope = terrain.slope(elevation.astype(np.float32), pixel)
    forest = spots(draw, size, 40, 0.6)
    steep = slope > np.median(slope)
    slides, fields = np.zeros((size, size), bool), np.zeros((size, size), bool)
    rows, columns = np.mgrid[:size, :size]
    for _ in range(40 * (size // 32) ** 2 // 9):
        y, x = draw.integers(0, size, 2)
        long, wide, turn = draw.uniform(4, 8), draw.uniform(2, 3), draw.uniform(0, np.pi)
        dy, dx = rows - y, columns - x
        along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        shape = (along / long) ** 2 + (across / wide) ** 2 < 1
        if steep[y, x]:
            slides |= shape
        else:
            fields |= shape
    fields &= ~slides
    # In forest the ground darkens, elsewhere it brightens (SCIENCE, section 3).
    sign = np.where(forest, -1.0, 1.0)
    bands: Bands = {}
    for name, level in (("vv", -9.9), ("vh", -17.6)):
        base = level + forest * 1.5 + 0.5 * fractal((size, size), draw, 1.5, 20)
        bands[f"pre_{name}"] = base + noise(draw, size, 0.7)
        bands[f"post_{name}"] = base + slides * sign * 3.0 + noise(draw, size, 1.2)
    lost = slides * 0.8 + fields * 0.8
    green = np.where(forest, 0.8, 0.6)
    cover = np.clip(green * (1 - lost) + noise(draw, size, 0.05), 0.02, 0.95)
    for when, share in (
        ("pre", np.clip(green + noise(draw, size, 0.05), 0, 0.95)),
        ("post", cover),
    ):
        # Debris is grey, stubble is yellow.
        plants, debris, straw = (
            (0.03, 0.06, 0.04, 0.32),
            (0.1, 0.12, 0.14, 0.19),
            (0.06, 0.12, 0.17, 0.25),
        )
        names, light = (
            ("blue", "green", "red", "nir"),
            np.exp(0.3 * fractal((size, size), draw, 2, 30)),
        )
        for band, one, grey, yellow in zip(names, plants, debris, straw, strict=True):
            tone = one * share + np.where(fields, yellow, grey) * (1 - share)
            bands[f"{when}_{band}"] = np.clip(tone * light + noise(draw, size, 0.01), 0.005, 1)
    ground: Bands = {
        "elevation": elevation,
        "layover": (slope > 40).astype(float), "shadow": np.zeros((size, size)),
        "local_incidence": 38 - slope * 0.3,
        "climate": np.where(elevation > 550, 2.0, 1.0),
        "tree_height": forest * 15 + abs(noise(draw, size, 2)),
        "land_cover": np.where(~steep, 3.0, np.where(forest, 1.0, 2.0)),
    }  # fmt: skip
    return Place([bands, ground], slides, pixel)


def prakash(seed: int, size: int = SIZE) -> Place:
    made = landslides(seed, size)
    return Place(made.looks, made.codes, 10.0)


#: The kind of place for each recipe; a recipe that is not here fails the contract test.
KINDS: Mapping[str, Callable[..., Place]] = {
    "outcrop": outcrop,
    "outcrop-landsat": outcrop_landsat,
    "wetland": wetland,
    "gully": gully,
    "erosion": erosion,
    "land-cover": land_cover,
    "prakash": prakash,
    "bring-your-own": outcrop_landsat,
    "landslide-s1": landslides,
    "landslide-s2": landslides,
    "landslide-s1s2": landslides,
    "landslide-all": landslides,
    "landslide-local": landslides,
    "landslide-local-13": landslides,
    "landslide-local-5": landslides,
    "landslide-local-2": landslides,
}


def make(recipe: str, folder: Path, seed: int, number: int = 5, size: int = SIZE) -> list[Example]:
    """Write places for a recipe: one validates, one is the test, the others are learnt from."""
    return [KINDS[recipe](1000 * seed + n, size).write(folder / f"place{n}") for n in range(number)]
