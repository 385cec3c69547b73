"""Archives of simulated Sentinel-2: STAC items in the words of Earth Search, COGs beside them.

Nothing of it was ever observed: pictures come as arrays (``detectors.simulate_optical``) and are
stored as ESA stores surface reflectance since processing baseline 04.00.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pystac
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry import mapping

from detectors.errors import InvalidArchive
from detectors.masks import Sun
from detectors.reflectance import OFFSET, SCALE
from detectors.types import FloatArray, Grid
from flows.archive.cogs import Raster, write_cog
from flows.archive.derive import SUFFIX
from flows.archive.items import COG_TYPE, bbox, file_fields, make_collection
from flows.archive.manifest import COGS, PROVENANCE, ArchiveReport, iso, staged, write_manifest
from flows.archive.provenance import write_provenance
from flows.catalogs.footprints import raster_footprint

EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
    "https://stac-extensions.github.io/mgrs/v1.0.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/timestamps/v1.1.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
KEYWORDS = ("Sentinel-2", "L2A", "surface reflectance")
#: Processing baseline the numbers are stored by: reflectance = number x scale + offset.
BASELINE = "05.10"
NO_DATA = 0
#: How long after sensing a product comes out.
LATENCY = timedelta(hours=5)
_CLOUDY = (8, 9, 10)
#: Largest stored number.
_MOST = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that nobody took."""

    sensed_at: datetime
    """When it would have been, UTC."""
    platform: str
    """``sentinel-2a`` or another."""
    tile: str
    """MGRS tile as text, ``11SKU``."""
    grid: Grid
    """10 m."""
    reflectance: FloatArray
    """float32 (band, y, x), in the order of ``bands``."""
    scl: NDArray[np.uint8]
    """Scene classification at 20 m, uint8 (y, x)."""
    sun: Sun
    """Where the sun stood."""
    edited: bool
    """Shows something that was planted."""

    @property
    def id(self) -> str:
        """Name as in Earth Search's Collection 1, with the suffix of what is simulated."""
        satellite = self.platform.replace("sentinel-", "S").upper()
        return f"{satellite}_T{self.tile}_{self.sensed_at:%Y%m%dT%H%M%S}_L2A{SUFFIX}"


def write_optical_archive(
    pictures: Iterable[Picture],
    bands: tuple[str, ...],
    out: Path,
    *,
    collection: str,
    title: str,
    changes: str,
    replace: bool = False,
) -> ArchiveReport:
    """Write pictures as an archive that says simulated everywhere; one is in memory at a time.

    Args:
        pictures: what to write.
        bands: STAC common names along the first axis of their reflectance.
        out: new folder; nothing appears there unless everything was written.
        collection: id of the STAC collection.
        title: of the collection; SIMULATED is put in front.
        changes: what was planted, in words, for PROVENANCE.md.
        replace: an archive already at ``out`` may be replaced.

    Raises:
        InvalidArchive: no picture at all, or ``out`` is taken.
    """
    with staged(out, replace=replace) as stage:
        items = [_write(picture, bands, stage, collection) for picture in pictures]
        if not items:
            raise InvalidArchive("an archive needs pictures")
        described = make_collection(
            items, collection=collection, licence="Apache-2.0", simulated=True,
            title=f"SIMULATED: {title}", keywords=KEYWORDS,
            description="SIMULATED: no satellite took these pictures. Surface reflectance in the "
            f"form of Sentinel-2 L2A. {changes}",
        )  # fmt: skip
        write_provenance(
            stage / PROVENANCE, described, items,
            source="computed (detectors.simulate_ground, detectors.simulate_optical)",
            changes=changes,
            facts={
                "Product": "none; the form is that of Sentinel-2 L2A, nothing was observed",
                "Pixels": f"uint16, reflectance = number x {SCALE:g} {OFFSET:+g}, {NO_DATA} where "
                "nothing is; scene classification uint8",
            },
        )  # fmt: skip
        return write_manifest(stage, out, described, items)


def _write(
    picture: Picture, bands: tuple[str, ...], stage: Path, collection: str
) -> dict[str, Any]:
    """Write the COGs of a picture and describe them."""
    grid = picture.grid
    coarse = grid.transform @ Affine.scale(2)
    numbers = np.clip(np.rint((picture.reflectance - OFFSET) / SCALE), NO_DATA + 1, _MOST)
    stored = np.nan_to_num(numbers, nan=NO_DATA).astype(np.uint16)
    layers = {name: (stored[k], grid.transform) for k, name in enumerate(bands)}
    layers["scl"] = (picture.scl, coarse)
    footprint = raster_footprint(grid.epsg, grid.transform, grid.shape)
    item = pystac.Item(
        id=picture.id,
        geometry=mapping(footprint),
        bbox=list(bbox(footprint)),
        datetime=picture.sensed_at,
        properties=_properties(picture),
        stac_extensions=list(EXTENSIONS),
        collection=collection,
    )
    for name, (values, transform) in layers.items():
        path = stage / COGS / f"{picture.id}_{name}.tif"
        write_cog(path, Raster(values, grid.epsg, transform, {}), nodata=NO_DATA)
        item.add_asset(name, _asset(name, path, values, transform))
    item.add_link(pystac.Link("collection", "../collection.json", pystac.MediaType.JSON))
    item.add_link(pystac.Link("parent", "../collection.json", pystac.MediaType.JSON))
    return item.to_dict(include_self_link=False, transform_hrefs=False)


def _properties(picture: Picture) -> dict[str, Any]:
    """Return the properties of an item, in the words of Earth Search."""
    cloudy = float(np.isin(picture.scl, _CLOUDY).mean()) * 100
    return {
        "platform": picture.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": 10,
        "eo:cloud_cover": round(cloudy, 2),
        "view:sun_azimuth": round(picture.sun.azimuth, 2),
        "view:sun_elevation": round(picture.sun.elevation, 2),
        "proj:code": f"EPSG:{picture.grid.epsg}",
        "mgrs:utm_zone": int(picture.tile[:2]),
        "mgrs:latitude_band": picture.tile[2],
        "mgrs:grid_square": picture.tile[3:],
        "grid:code": f"MGRS-{picture.tile}",
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": BASELINE,
        "processing:level": "L2",
        "published": iso(picture.sensed_at + LATENCY),
        "scarpwatch:simulated": True,
        "scarpwatch:edited": picture.edited,
        "scarpwatch:published_assumed": False,
    }


def _asset(name: str, path: Path, values: NDArray[Any], transform: Affine) -> pystac.Asset:
    raster: dict[str, Any] = {
        "data_type": values.dtype.name,
        "nodata": NO_DATA,
        "spatial_resolution": transform.a,
    }
    if name != "scl":
        raster |= {"unit": "1", "scale": SCALE, "offset": OFFSET}
    fields: dict[str, Any] = {
        "proj:shape": list(values.shape),
        "proj:transform": list(transform)[:6],
        "raster:bands": [raster],
        **file_fields(path),
    }
    if name != "scl":
        fields["eo:bands"] = [{"name": name, "common_name": name}]
    return pystac.Asset(
        href=f"../{COGS}/{path.name}",
        title="scene classification" if name == "scl" else f"{name}, surface reflectance",
        media_type=COG_TYPE,
        roles=["data"] if name == "scl" else ["data", "reflectance"],
        extra_fields=fields,
    )
