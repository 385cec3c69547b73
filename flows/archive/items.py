"""STAC items and collections for OPERA RTC-S1 looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from flows.archive.cogs import Raster, multihash
from flows.archive.manifest import iso
from flows.catalogs.footprints import raster_footprint
from flows.catalogs.opera import MASK, ProductName, orbit_state, replay_publication

EXTENSIONS = [
    "https://stac-extensions.github.io/sar/v1.0.0/schema.json",
    "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/timestamps/v1.1.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
KEYWORDS = ("Sentinel-1", "OPERA", "RTC", "gamma0")
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

_CO_POLARISED = ("VV", "HH")


def polarisation_order(names: Mapping[str, object]) -> list[str]:
    """Return the polarisations among the names, co-polarised first, as records want them."""
    known = [name for name in names if name != MASK]
    return sorted(known, key=lambda name: (name not in _CO_POLARISED, name))


def make_item(
    product: ProductName,
    rasters: Mapping[str, Raster],
    files: Mapping[str, Path],
    *,
    collection: str,
    simulated: bool,
) -> dict[str, Any]:
    """Describe one look whose COGs are already written.

    Args:
        product: what the name tells.
        rasters: one raster by layer, all on one grid; the values are not looked at.
        files: the written COG of each layer, inside ``cogs/`` beside ``items/``.
        collection: collection id.
        simulated: the pixels hold something that never happened.
    """
    first = next(iter(rasters.values()))
    footprint = raster_footprint(first.epsg, first.transform, first.values.shape)
    longitude = footprint.representative_point().x
    state, derived = orbit_state(
        product, longitude, told=first.tags.get("ORBIT_PASS_DIRECTION", "")
    )
    published, assumed = replay_publication(product)
    properties: dict[str, Any] = {
        "platform": product.platform,
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "gsd": product.spacing_m,
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:product_type": "RTC",
        "sar:polarizations": polarisation_order(rasters),
        "sat:orbit_state": state.value,
        "sat:relative_orbit": product.relative_orbit,
        "proj:code": f"EPSG:{first.epsg}",
        "proj:shape": list(first.values.shape),
        "proj:transform": list(first.transform)[:6],
        "processing:level": "L2",
        "processing:version": product.version,
        "processing:datetime": iso(product.processed_at),
        "published": iso(published),
        "opera:burst_id": product.burst_id,
        "scarpwatch:simulated": simulated,
        "scarpwatch:published_assumed": assumed,
        "scarpwatch:orbit_state_derived": derived,
    }
    item = pystac.Item(
        id=product.product,
        geometry=mapping(footprint),
        bbox=list(bbox(footprint)),
        datetime=product.sensed_at,
        properties=properties,
        stac_extensions=list(EXTENSIONS),
        collection=collection,
    )
    for layer in [*polarisation_order(rasters), *(name for name in rasters if name == MASK)]:
        item.add_asset(layer, _asset(layer, files[layer]))
    item.add_link(pystac.Link("collection", "../collection.json", pystac.MediaType.JSON))
    item.add_link(pystac.Link("parent", "../collection.json", pystac.MediaType.JSON))
    return item.to_dict(include_self_link=False, transform_hrefs=False)


def _asset(layer: str, path: Path) -> pystac.Asset:
    mask = layer == MASK
    return pystac.Asset(
        href=f"../cogs/{path.name}",
        title="layover, shadow and no-data flags" if mask else f"{layer} gamma0, linear power",
        media_type=COG_TYPE,
        roles=["data-mask"] if mask else ["data", "gamma0"],
        extra_fields={
            "data_type": "uint8" if mask else "float32",
            "nodata": 255 if mask else "nan",
            **({} if mask else {"sar:polarizations": [layer]}),
            **file_fields(path),
        },
    )


def file_fields(path: Path) -> dict[str, Any]:
    """Size and checksum of a file, as the STAC ``file`` extension names them."""
    return {"file:size": path.stat().st_size, "file:checksum": multihash(path)}


def bbox(footprint: BaseGeometry) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees; west is larger than east across the antimeridian."""
    west, south, east, north = footprint.bounds
    if footprint.geom_type == "MultiPolygon" and east - west > 180:
        parts = footprint.geoms
        west = min(part.bounds[0] for part in parts if part.bounds[0] > 0)
        east = max(part.bounds[2] for part in parts if part.bounds[2] < 0)
    return west, south, east, north


def make_collection(
    items: list[dict[str, Any]], *, collection: str, title: str, description: str, licence: str,
    simulated: bool, keywords: Sequence[str] = KEYWORDS,
) -> dict[str, Any]:  # fmt: skip
    """Describe the items together; their extents are taken from them."""
    moments = [datetime.fromisoformat(item["properties"]["datetime"]) for item in items]
    boxes = [shape(item["geometry"]).bounds for item in items]
    west, south = min(b[0] for b in boxes), min(b[1] for b in boxes)
    east, north = max(b[2] for b in boxes), max(b[3] for b in boxes)
    described = pystac.Collection(
        id=collection,
        title=title,
        description=description,
        license=licence,
        keywords=[*keywords, *(["SIMULATED"] if simulated else [])],
        extent=pystac.Extent(
            pystac.SpatialExtent([[west, south, east, north]]),
            pystac.TemporalExtent([[min(moments), max(moments)]]),
        ),
        extra_fields={"scarpwatch:simulated": simulated},
    )
    described.add_link(pystac.Link("about", "PROVENANCE.md", "text/markdown"))
    for item in items:
        described.add_link(pystac.Link("item", f"items/{item['id']}.json", "application/geo+json"))
    return described.to_dict(include_self_link=False, transform_hrefs=False)
