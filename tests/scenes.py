"""Looks to test detectors on: made ones, and real ones read by NASA's file names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from detectors.simulate import Roughening, roughen, slide_outline
from detectors.types import Grid, LookStack

ROOT = Path(__file__).resolve().parents[1]
#: The crop of the real series that ships with the repository.
SHIPPED = ROOT / "infra" / "demo" / "archive" / "cogs"
#: A steep burst of it.
STEEP = "T137-292320-IW2"
TRACK = "137-ascending-T137-292320-IW2"
START = datetime(2023, 1, 1, 2, 0, tzinfo=UTC)


def make_grid(
    height: int, width: int, *, pixel_m: float = 30.0, epsg: int = 32611, west: float = 240_000.0
) -> Grid:
    return Grid(epsg, Affine(pixel_m, 0.0, west, 0.0, -pixel_m, 3_850_000.0), height, width)


def stack_of(
    gamma0: np.ndarray,
    *,
    grid: Grid | None = None,
    track: str = TRACK,
    polarisations: tuple[str, ...] = ("VV", "VH"),
    start: datetime = START,
) -> LookStack:
    """A stack of (look, polarisation, y, x) linear power, twelve days apart."""
    count = len(gamma0)
    return LookStack(
        grid=grid or make_grid(*gamma0.shape[-2:]),
        track=track,
        polarisations=polarisations,
        gamma0=gamma0.astype(np.float32),
        sensed_at=tuple(start + timedelta(days=12 * k) for k in range(count)),
        item_ids=tuple((f"item-{k}",) for k in range(count)),
    )


def made_series(
    looks: int = 9,
    height: int = 48,
    width: int = 48,
    *,
    seed: int = 1,
    polarisations: tuple[str, ...] = ("VV", "VH"),
    speckle_looks: float = 10.0,
) -> LookStack:
    """Quiet ground: slopes of many levels, about -11 dB in VV and -17 dB in VH, and speckle."""
    rng = np.random.default_rng(seed)
    relief = ndimage.gaussian_filter(rng.normal(size=(height, width)), 2.0, mode="wrap")
    relief = 2.5 * relief / relief.std()
    level = np.stack([relief - 11.0, relief - 17.5])[: len(polarisations)]
    level = level + rng.normal(0.0, 0.5, level.shape)
    speckle = rng.gamma(speckle_looks, 1.0 / speckle_looks, (looks, *level.shape))
    return stack_of(10.0 ** (level / 10.0) * speckle, polarisations=polarisations)


def split(
    series: LookStack, number: int = -1, looks: int | None = None
) -> tuple[LookStack, LookStack]:
    """Look ``number`` of a series, and the (newest ``looks``) looks before it."""
    number = number % len(series)
    first = 0 if looks is None else number - looks
    return take(series, slice(first, number)), take(series, slice(number, number + 1))


def take(series: LookStack, which: slice) -> LookStack:
    return replace(
        series,
        gamma0=series.gamma0[which].copy(),
        sensed_at=series.sensed_at[which],
        item_ids=series.item_ids[which],
    )


def crop(series: LookStack, rows: slice, columns: slice) -> LookStack:
    """A window of a series, georeferenced."""
    moved = series.grid.transform @ Affine.translation(columns.start, rows.start)
    grid = Grid(series.grid.epsg, moved, rows.stop - rows.start, columns.stop - columns.start)
    return replace(series, grid=grid, gamma0=series.gamma0[:, :, rows, columns].copy())


def times_db(series: LookStack, decibel: np.ndarray | float) -> LookStack:
    """The series, brighter by so many dB; the array is broadcast over look and polarisation."""
    gain = 10.0 ** (np.asarray(decibel) / 10.0)
    return replace(series, gamma0=(series.gamma0 * gain).astype(np.float32))


def plant(post: LookStack, outlines: Sequence[BaseGeometry], how: Roughening) -> LookStack:
    """The look with simulated slides, in both polarisations alike."""
    gamma0 = post.gamma0.copy()
    for number, outline in enumerate(outlines):
        own = replace(how, seed=how.seed + number)
        for band in gamma0[0]:
            band[:] = roughen(band.copy(), post.grid, outline, own)
    return replace(post, gamma0=gamma0)


def slide_at(
    grid: Grid, row: float, column: float, pixels: float, downslope_degrees: float
) -> BaseGeometry:
    """The outline of a slide of so many pixels whose middle lies at a row and column."""
    outline = slide_outline((0.0, 0.0), downslope_degrees, pixels * grid.pixel_area_m2)
    east, north = grid.transform @ (column, row)
    middle = outline.centroid
    return slide_outline(
        (east - middle.x, north - middle.y), downslope_degrees, pixels * grid.pixel_area_m2
    )


def read_series(
    folder: Path, burst: str, *, polarisations: tuple[str, ...] = ("VV", "VH"), ending: str = ""
) -> LookStack:
    """All looks of a burst in a folder of OPERA RTC-S1 GeoTIFFs, oldest first."""
    first = sorted(folder.glob(f"OPERA_L2_RTC-S1_{burst}_*_{polarisations[0]}{ending}.tif"))
    looks, grids = [], []
    for path in first:
        bands = []
        for polarisation in polarisations:
            name = path.name.replace(f"_{polarisations[0]}{ending}.", f"_{polarisation}{ending}.")
            with rasterio.open(path.with_name(name)) as dataset:
                bands.append(dataset.read(1))
                grids.append(
                    Grid(dataset.crs.to_epsg(), dataset.transform, dataset.height, dataset.width)
                )
        looks.append(bands)
    assert looks, f"no looks of {burst} in {folder}"
    assert len(set(grids)) == 1
    sensed = [datetime.strptime(p.name.split("_")[4], "%Y%m%dT%H%M%S%z") for p in first]
    return LookStack(
        grid=grids[0],
        track=burst,
        polarisations=polarisations,
        gamma0=np.array(looks, dtype=np.float32),
        sensed_at=tuple(sensed),
        item_ids=tuple((p.name.removesuffix(f"_{polarisations[0]}{ending}.tif"),) for p in first),
    )
