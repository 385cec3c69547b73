"""STAC items into acquisitions; pure. Everything a catalogue may get wrong is named.

Here: which mission an item is of, and terrain-corrected Sentinel-1. Sentinel-2: ``sentinel2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry

from detectors.errors import UnusableItem
from detectors.types import Acquisition, OrbitState, Sensor
from flows.catalogs.assets import find_assets, find_mask
from flows.catalogs.footprints import read_footprint
from flows.catalogs.missions import mission_of, platform_name
from flows.catalogs.opera import ProductName, orbit_state, parse_product
from flows.catalogs.properties import (
    is_text,
    publication_time,
    read_time,
    refuse_wrong_crs,
    sensing_time,
)
from flows.catalogs.sentinel2 import optical_acquisition
from flows.catalogs.sentinel2 import scene_name as optical_scene_name

_POLARISATIONS = ("VV", "HH", "VH", "HV")
_UNCORRECTED = {
    "GRD": "not terrain-corrected: GRD lies on ground range without geotransform",
    "SLC": "not terrain-corrected: SLC is single-look complex in radar geometry",
    "RAW": "not terrain-corrected: RAW is not an image",
    "OCN": "an ocean product, no backscatter image",
}


def to_acquisition(
    item: Mapping[str, Any],
    source: str,
    seen_at: datetime,
    *,
    base: str | None = None,
    from_storage: bool = False,
) -> Acquisition:
    """Make an acquisition of one STAC item.

    Args:
        item: STAC item as the catalogue sent it; anything at all.
        source: ``catalogue/collection``.
        seen_at: clock of the poll, UTC; stands in where the catalogue tells no publication time.
        base: where a recorded item without self link was read from; None in searches.
        from_storage: the catalogue reads object storage (``s3:``) where an item offers it.

    Raises:
        UnusableItem: with the reason, in words.
    """
    item_id = item.get("id")
    if not isinstance(item_id, str) or not item_id or not is_text(item_id):
        raise UnusableItem("no id")
    properties = item.get("properties")
    if not isinstance(properties, Mapping):
        raise UnusableItem("no properties")
    product = _opera_product(item_id)
    mission = mission_of(item, properties)
    if product is None and mission is not None and mission.sensor is Sensor.OPTICAL:
        found = optical_acquisition(
            item, item_id, properties, source, seen_at, base=base, from_storage=from_storage
        )
    else:
        if product is None:
            _refuse_uncorrected(item, item_id, properties)
        found = _sar_acquisition(item, item_id, properties, product, source, seen_at, base)
    told = (found.platform, *found.assets.values(), *found.checksums.values())
    if not all(map(is_text, told)):
        raise UnusableItem("holds characters that are none")
    return found


def scene_name(item: object, acquisition: Acquisition) -> str:
    """Name what was seen in the same way whichever catalogue lists it.

    SAR products keep their producer's id, which the mirrors of a product share.
    """
    if acquisition.sensor is Sensor.OPTICAL and isinstance(item, Mapping):
        return optical_scene_name(item, acquisition)
    return acquisition.item_id


def _sar_acquisition(
    item: Mapping[str, Any],
    item_id: str,
    properties: Mapping[str, Any],
    product: ProductName | None,
    source: str,
    seen_at: datetime,
    base: str | None,
) -> Acquisition:
    refuse_wrong_crs(properties)
    assets, checksums = find_assets(item, base)
    polarisations = _polarisations(properties, assets, product)
    # Only OPERA's flags are known to mean what we take them for.
    mask, mask_checksum = find_mask(item, base) if product else ({}, {})
    footprint = read_footprint(item.get("geometry"))
    # Only OPERA names say when the product was made; elsewhere we know no better than today.
    made_at = product.processed_at if product else seen_at
    told = properties.get("platform") or (product.platform if product else None)
    return Acquisition(
        source=source,
        item_id=item_id,
        platform=platform_name(told, item_id),
        sensor=Sensor.SAR,
        sensed_at=sensing_time(properties),
        published_at=publication_time(properties, made_at),
        footprint=footprint,
        orbit_state=_orbit_state(properties, product, footprint),
        relative_orbit=_relative_orbit(properties, product),
        polarisations=polarisations,
        assets={name: assets[name] for name in polarisations} | mask,
        burst_id=product.burst_id if product else None,
        processing_version=_version(properties, product),
        checksums={name: checksums[name] for name in polarisations if name in checksums}
        | mask_checksum,
        created_at=read_time(properties, "created"),
        simulated=properties.get("scarpwatch:simulated") is True,
    )


def _opera_product(item_id: str) -> ProductName | None:
    if item_id.startswith("OPERA_L2_RTC-S1-STATIC_"):
        raise UnusableItem("a static layer: it belongs to a burst, not to a look")
    try:
        return parse_product(item_id)
    except ValueError:
        return None


def _refuse_uncorrected(
    item: Mapping[str, Any], item_id: str, properties: Mapping[str, Any]
) -> None:
    # Planetary Computer's RTC items keep the product type GRD of what they were made from.
    corrected = item.get("collection") == "sentinel-1-rtc" or item_id.lower().endswith("_rtc")
    kind = str(properties.get("sar:product_type", properties.get("product:type", ""))).upper()
    if not corrected and kind != "RTC":
        for name, reason in _UNCORRECTED.items():
            if kind.startswith(name) or f"_{name}" in item_id.upper():
                raise UnusableItem(reason)
    if "sar:polarizations" not in properties and "sar:instrument_mode" not in properties:
        told = str(properties.get("platform") or item.get("collection") or "platform missing")
        raise UnusableItem(
            f"neither a Sentinel-1 nor a Sentinel-2 look, not a radar image ({told[:60]})"
        )
    if not corrected and kind != "RTC":
        raise UnusableItem(f"not known to be terrain-corrected (product type {kind or 'missing'})")


def _polarisations(
    properties: Mapping[str, Any], assets: Mapping[str, str], product: ProductName | None
) -> tuple[str, ...]:
    told = properties.get("sar:polarizations")
    if told is None and product is not None:
        told = list(assets)
        if not told:
            raise UnusableItem("no asset with a polarisation")
    if not isinstance(told, list) or not told:
        raise UnusableItem("no polarisation")
    names = {str(name).upper() for name in told}
    known = tuple(name for name in _POLARISATIONS if name in names)
    if not known:
        raise UnusableItem(f"unknown polarisation {', '.join(sorted(names))}")
    if not {"VV", "HH"} & set(known):
        raise UnusableItem(f"no co-polarised band, only {', '.join(known)}")
    missing = [name for name in known if name not in assets]
    if missing:
        raise UnusableItem(f"no asset for {', '.join(missing)}")
    return known


def _orbit_state(
    properties: Mapping[str, Any], product: ProductName | None, footprint: BaseGeometry
) -> OrbitState:
    told = str(properties.get("sat:orbit_state") or "").lower()
    try:
        return OrbitState(told)
    except ValueError:
        if product is None:
            raise UnusableItem(f"no flight direction ({told or 'missing'})") from None
    return orbit_state(product, footprint.representative_point().x)[0]


def _relative_orbit(properties: Mapping[str, Any], product: ProductName | None) -> int:
    told = properties.get("sat:relative_orbit", product.relative_orbit if product else None)
    if isinstance(told, bool) or not isinstance(told, int) or not 1 <= told <= 175:
        raise UnusableItem(f"no relative orbit ({'missing' if told is None else told})")
    return told


def _version(properties: Mapping[str, Any], product: ProductName | None) -> str | None:
    told = properties.get("processing:version")
    if told is not None:
        return str(told)
    return product.version if product else None
