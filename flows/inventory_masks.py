"""An inventory on the pixels of a raster: what training reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import features
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape
from sqlalchemy import Engine

from db import inventories
from db.engine import transaction
from db.inventories import StoredLandslide
from detectors.errors import InvalidSamples, UnreadableRaster
from flows.files import write_whole
from flows.hostile import open_raster

#: Values of a mask.
BACKGROUND, LANDSLIDE, UNKNOWN = 0, 1, 255


@dataclass(frozen=True, slots=True)
class Masked:
    """What a mask holds."""

    landslides: int
    """Outlines on it."""
    undecided: int
    """Outlines that may have come later than the raster: unknown ground."""
    share_landslide: float
    """Of the known pixels, 0 to 1."""
    share_unknown: float
    """Of all pixels, 0 to 1."""
    simulated: bool
    """Nothing of it ever happened."""
    licence: str
    """Terms of the inventory; what is trained on it stands under them, too."""


def write_mask(
    engine: Engine, name: str, raster: Path, out: Path, at: datetime | None, *, binary: bool = False
) -> Masked:
    """Write a mask on the grid of a raster: 1 landslide, 0 none, 255 unknown (no data).

    Unknown is what lies beyond the convex hull of the inventory, and with ``at`` every outline of
    which nobody knows whether it was there by then. Points are no outlines and are left out.

    Args:
        engine: PostGIS.
        name: Inventory.
        raster: Any raster with a place.
        out: GeoTIFF to write.
        at: When the raster was taken, UTC; None: every mapped landslide shows on it.
        binary: Unknown ground is 0, too: pictures with masks know no third value.

    Raises:
        InvalidSamples: no outline lies on the raster.
        UnreadableRaster: it has no place, or cannot be read.
    """
    with transaction(engine) as s:
        inventory = inventories.get_inventory(s, name).inventory
        mapped = [
            one
            for batch in inventories.read_mapped(s, name)
            for one in batch
            if one.area_m2 is not None
        ]
    try:
        with open_raster(raster, whole=True) as dataset:
            crs, transform, size = dataset.crs, dataset.transform, dataset.shape
    except RasterioError as error:
        raise UnreadableRaster(f"{raster.name} cannot be read: {error}") from None
    if crs is None:
        raise UnreadableRaster(f"{raster.name} has no coordinate system; georeference it")
    if not mapped:
        raise InvalidSamples(f"{name} holds no outline")

    def burn(found: list[StoredLandslide]) -> NDArray[np.bool_]:
        shapes = [one.mapped.geometry for one in found]
        return _burn(shapes, crs, transform, size)

    there = [one for one in mapped if at is None or _by(one, at)]
    undecided = [] if at is None else [one for one in mapped if not _by(one, at) and _may(one, at)]
    hull = shapely.union_all([one.mapped.geometry for one in mapped]).convex_hull
    inside, maybe = burn(there), burn(undecided)
    if not inside.any():
        raise InvalidSamples(
            f"{name}: no outline that is known to be there lies on {raster.name}"
            + ("" if at is None else f" by {at:%Y-%m-%d}")
        )
    known = _burn([hull], crs, transform, size) & ~maybe
    codes = np.where(known, BACKGROUND, UNKNOWN).astype(np.uint8)
    codes[inside] = LANDSLIDE
    known = codes != UNKNOWN
    if binary:
        codes[~known] = BACKGROUND
    _write(out, codes, crs, transform, inventory.licence, simulated=inventory.simulated)
    return Masked(
        landslides=len(there), undecided=len(undecided), simulated=inventory.simulated,
        share_landslide=float(inside.sum() / known.sum()), share_unknown=float((~known).mean()),
        licence=inventory.licence,
    )  # fmt: skip


def _by(one: StoredLandslide, at: datetime) -> bool:
    return one.mapped.not_after is not None and one.mapped.not_after <= at


def _may(one: StoredLandslide, at: datetime) -> bool:
    return one.mapped.not_before is None or one.mapped.not_before < at


def _burn(shapes: list[Any], crs: Any, transform: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    if not shapes:
        return np.zeros(size, dtype=bool)
    placed = transform_geom("EPSG:4326", crs, [mapping(one) for one in shapes])
    burnt = features.rasterize(
        [(shape(one), 1) for one in placed], out_shape=size, transform=transform, dtype="uint8"
    )
    inside: NDArray[np.bool_] = burnt > 0
    return inside


def _write(
    out: Path, codes: NDArray[np.uint8], crs: Any, transform: Any, licence: str, *, simulated: bool
) -> None:
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=codes.shape[0], width=codes.shape[1], count=1, dtype="uint8",
            crs=crs, transform=transform, compress="deflate",
            nodata=UNKNOWN if (codes == UNKNOWN).any() else None,
        ) as dataset:  # fmt: skip
            dataset.write(codes, 1)
            dataset.set_band_description(1, "landslide")
            dataset.update_tags(LICENCE=licence, STATUS="SIMULATED" if simulated else "actual")
        write_whole(out, bytes(memory.getbuffer()))
