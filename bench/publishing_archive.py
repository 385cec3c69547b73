"""SIMULATED looks as an archive publishes them: STAC items, and the files they name.

One tile of relief is repeated over the ground, under speckle of its own in each look; landslides
that never happened are written into the newest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio import features
from scipy import ndimage
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from bench.compositing import EPSG, NORTH, WEST, write_cog
from detectors.projections import to_lonlat
from detectors.simulate import Roughening, roughen, slide_outline
from detectors.types import Grid
from flows.archive.manifest import iso

RADAR, OPTICAL = "simulated-rtc", "simulated-l2a"
PIXEL_M = {RADAR: 30.0, OPTICAL: 10.0}
#: Ground around the region that a look shows, m: the product reads it too.
AROUND_M = 3_000.0
#: Looks of a year, and those of them whose files exist: a look is held against ten.
LOOKS, FILES = 31, 11
#: When the new radar look was taken; it was published four hours later.
NEW = datetime(2024, 6, 10, 8, tzinfo=UTC)
EVERY, LATE = timedelta(days=12), timedelta(hours=4)
#: When the slope failed, and when the first clear optical look after it was taken.
FAILED, SEEN = NEW - timedelta(hours=6), NEW + timedelta(days=3)
#: Pixels whose content is made; wider looks repeat it.
MADE, SPECKLE_LOOKS = 1_024, 4.4
BANDS = ("blue", "green", "red", "nir")
FOREST, DEBRIS = (0.025, 0.045, 0.030, 0.30), (0.09, 0.125, 0.165, 0.235)
SLIDES = 5
MASK_FILE = "simulated_mask.tif"
#: Clear optical looks before the landslide.
BEFORE = 12


@dataclass(frozen=True, slots=True)
class Ground:
    """Square ground that is watched."""

    km2: float
    """Of the region, without what looks show around it."""

    @property
    def side_m(self) -> float:
        """Side of the region, m."""
        return round((self.km2 * 1e6) ** 0.5 / 30) * 30.0

    def grid(self, collection: str) -> Grid:
        """Return the grid of a look."""
        pixel = PIXEL_M[collection]
        side = round((self.side_m + 2 * AROUND_M) / pixel)
        return Grid(EPSG, Affine(pixel, 0, WEST, 0, -pixel, NORTH), side, side)

    @property
    def region(self) -> MultiPolygon:
        """The region, lon/lat."""
        west, north = WEST + AROUND_M, NORTH - AROUND_M
        inside = box(west, north - self.side_m, west + self.side_m, north)
        return MultiPolygon([to_lonlat(inside.segmentize(5_000), EPSG)])

    @property
    def slides(self) -> list[Polygon]:
        """Outlines of the landslides, metres: one in the middle, the others spread around it."""
        half = AROUND_M + self.side_m / 2
        middle = np.array([WEST + half, NORTH - half])
        places = [(0, 0), (-0.31, 0.27), (0.33, 0.22), (-0.24, -0.36), (0.21, -0.29)][:SLIDES]
        return [
            slide_outline(tuple(middle + self.side_m * np.array(at)), 40.0 + 60 * k, 60_000.0)
            for k, at in enumerate(places)
        ]

    def footprint(self, collection: str) -> Polygon:
        """Return the ground of a look, lon/lat."""
        return to_lonlat(box(*self.grid(collection).bounds).segmentize(5_000), EPSG)


def tiled(made: np.ndarray, side: int) -> np.ndarray:
    """Repeat what was made over a side, pixels."""
    repeat = -(-side // MADE)
    return np.tile(made, (repeat, repeat))[:side, :side]


def smooth(draw: np.random.Generator, pixels: float) -> np.ndarray:
    """Return noise without an edge, (MADE, MADE), of mean 0 and spread 1."""
    noise = ndimage.gaussian_filter(draw.normal(size=(MADE, MADE)), pixels, mode="wrap")
    return np.asarray(noise / noise.std(), dtype=np.float32)


def write_radar(folder: Path, ground: Ground) -> None:
    """Write the newest looks: VV, VH, and the flags of layover and shadow."""
    draw, grid = np.random.default_rng(7), ground.grid(RADAR)
    relief = 2.0 * smooth(draw, 6)
    flags = np.zeros((MADE, MADE), np.uint8)
    steep = smooth(draw, 4)
    flags[steep > 1.9], flags[steep < -1.9] = 1, 2
    write_cog(folder / MASK_FILE, tiled(flags, grid.width), 30.0, 255)
    slides = MultiPolygon(ground.slides)
    for number in range(FILES):
        for band, mean in (("VV", -10.0), ("VH", -16.5)):
            speckle = draw.gamma(SPECKLE_LOOKS, 1 / SPECKLE_LOOKS, relief.shape)
            gamma0 = tiled((10 ** ((relief + mean) / 10) * speckle).astype(np.float32), grid.width)
            if number == FILES - 1:
                gamma0 = roughen(gamma0, grid, slides, Roughening())
            write_cog(folder / f"radar{number:02d}_{band}.tif", gamma0, 30.0, np.nan)


def radar_items(url: str, ground: Ground) -> list[dict[str, Any]]:
    """Return a year of looks, oldest first; the last one is new.

    Looks too old to be read name files of younger ones.
    """
    items = []
    for number in range(LOOKS):
        sensed = NEW - (LOOKS - 1 - number) * EVERY
        stamp, made = (f"{one:%Y%m%dT%H%M%S}Z" for one in (sensed, sensed + LATE))
        product = f"OPERA_L2_RTC-S1_T117-249422-IW2_{stamp}_{made}_S1A_30_v1.0"
        file = max(0, number - (LOOKS - FILES))
        named = {band: f"{url}/radar{file:02d}_{band}.tif" for band in ("VV", "VH")}
        items.append(_item(f"{product}_SIM", RADAR, ground, sensed, {
            "platform": "sentinel-1a", "constellation": "sentinel-1",
            "sar:instrument_mode": "IW", "sar:product_type": "RTC",
            "sar:polarizations": ["VV", "VH"], "sat:orbit_state": "ascending",
            "sat:relative_orbit": 117,
        }, {**named, "mask": f"{url}/{MASK_FILE}"}))  # fmt: skip
    return items


def _item(
    name: str, collection: str, ground: Ground, sensed: datetime, told: dict[str, Any],
    files: dict[str, str],
) -> dict[str, Any]:  # fmt: skip
    place = ground.footprint(collection)
    times = {"datetime": iso(sensed), "published": iso(sensed + LATE)}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection,
        "geometry": mapping(place), "bbox": list(place.bounds), "links": [],
        "properties": {**times, **told, "scarpwatch:simulated": True},
        "assets": {key: {"href": href, "roles": ["data"]} for key, href in files.items()},
    }  # fmt: skip


def write_optical(folder: Path, ground: Ground) -> None:
    """Write clear looks at forest, the last one with the landslide."""
    draw, grid = np.random.default_rng(8), ground.grid(OPTICAL)
    bare = np.zeros(grid.shape, dtype=bool)
    middle, near = grid.width // 2, slice(grid.width // 2 - 512, grid.width // 2 + 512)
    bare[near, near] = features.geometry_mask(
        ground.slides[:1], (MADE, MADE),
        grid.transform @ Affine.translation(middle - 512, middle - 512), invert=True,
    )  # fmt: skip
    texture = 1 + 0.12 * smooth(draw, 2)
    classes = np.full((grid.height // 2, grid.width // 2), 4, np.uint8)
    for number in range(BEFORE + 1):
        for band, forest, debris in zip(BANDS, FOREST, DEBRIS, strict=True):
            picture = np.full(grid.shape, round((forest + 0.1) * 1e4), np.uint16)
            cover = np.where(bare[near, near] & (number == BEFORE), debris, forest) * texture
            cover += draw.normal(0, 0.003, cover.shape)
            picture[near, near] = np.clip(np.rint((cover + 0.1) * 1e4), 1, 60_000)
            write_cog(folder / f"optical{number:02d}_{band}.tif", picture, 10.0, 0)
        write_cog(folder / f"optical{number:02d}_scl.tif", classes, 20.0, 0)


def optical_items(url: str, ground: Ground) -> list[dict[str, Any]]:
    """Return clear looks ten days apart, oldest first; the last one shows the landslide."""
    items = []
    for number in range(BEFORE + 1):
        days = timedelta(days=10 * (BEFORE - number) + 5)
        sensed = SEEN if number == BEFORE else NEW - EVERY - days
        files = {b: f"{url}/optical{number:02d}_{b}.tif" for b in (*BANDS, "scl")}
        item = _item(f"S2A_T24TXQ_{sensed:%Y%m%dT%H%M%S}_L2A_SIM", OPTICAL, ground, sensed, {
            "platform": "sentinel-2a", "constellation": "sentinel-2", "eo:cloud_cover": 0.0,
            "grid:code": "MGRS-24TXQ", "s2:product_type": "S2MSI2A", "processing:level": "L2",
            "s2:processing_baseline": "05.10", "proj:code": f"EPSG:{EPSG}",
        }, files)  # fmt: skip
        for band, asset in item["assets"].items():
            asset["type"] = "image/tiff; application=geotiff; profile=cloud-optimized"
            told: dict[str, Any] = {"nodata": 0, "spatial_resolution": 20 if band == "scl" else 10}
            if band != "scl":
                told |= {"scale": 1e-4, "offset": -0.1}
                asset["eo:bands"] = [{"name": band, "common_name": band}]
            asset["raster:bands"] = [told]
        items.append(item)
    return items
