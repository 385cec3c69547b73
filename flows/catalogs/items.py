"""STAC items into acquisitions; pure. Everything a catalogue may get wrong is named here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from detectors.errors import UnusableItem
from detectors.types import Acquisition, OrbitState
from flows.catalogs.assets import find_assets
from flows.catalogs.footprints import read_footprint
from flows.catalogs.opera import ProductName, orbit_state, parse_product

#: Properties that tell when an item became available, best first.
_PUBLISHED = ("published", "created", "processing:datetime", "updated")
_POLARISATIONS = ("VV", "HH", "VH", "HV")
_UNCORRECTED = {
    "GRD": "not terrain-corrected: GRD lies on ground range without geotransform",
    "SLC": "not terrain-corrected: SLC is single-look complex in radar geometry",
    "RAW": "not terrain-corrected: RAW is not an image",
    "OCN": "an ocean product, no backscatter image",
}


def to_acquisition(item: Mapping[str, Any], source: str, seen_at: datetime) -> Acquisition:
    """Make an acquisition of one STAC item.

    Args:
        item: STAC item as the catalogue sent it; anything at all.
        source: ``catalogue/collection``.
        seen_at: clock of the poll, UTC; stands in where the catalogue tells no publication time.

    Raises:
        UnusableItem: with the reason, in words.
    """
    item_id = item.get("id")
    if not isinstance(item_id, str) or not item_id:
        raise UnusableItem("no id")
    properties = item.get("properties")
    if not isinstance(properties, Mapping):
        raise UnusableItem("no properties")
    product = _opera_product(item_id)
    if product is None:
        _refuse_uncorrected(item, item_id, properties)
    _refuse_wrong_crs(properties)
    assets, checksums = find_assets(item)
    polarisations = _polarisations(properties, assets, product)
    footprint = read_footprint(item.get("geometry"))
    sensed_at = _time(properties, "start_datetime") or _time(properties, "datetime")
    if sensed_at is None:
        raise UnusableItem("no sensing time")
    # Only OPERA names say when the product was made; elsewhere we know no better than today.
    made_at = product.processed_at if product else seen_at
    published_at = next((t for t in (_time(properties, k) for k in _PUBLISHED) if t), made_at)
    return Acquisition(
        source=source,
        item_id=item_id,
        platform=_platform(properties, item_id, product),
        sensed_at=sensed_at,
        published_at=published_at,
        footprint=footprint,
        orbit_state=_orbit_state(properties, product, footprint),
        relative_orbit=_relative_orbit(properties, product),
        polarisations=polarisations,
        assets={name: assets[name] for name in polarisations},
        burst_id=product.burst_id if product else None,
        processing_version=_version(properties, product),
        checksums={name: checksums[name] for name in polarisations if name in checksums},
        created_at=_time(properties, "created"),
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
        raise UnusableItem("no SAR polarisation: not a radar image")
    if not corrected and kind != "RTC":
        raise UnusableItem(f"not known to be terrain-corrected (product type {kind or 'missing'})")


@lru_cache(maxsize=256)
def _is_metric(code: str) -> bool:
    try:
        crs = CRS.from_user_input(code)
    except CRSError:
        return False
    return crs.is_projected and crs.axis_info[0].unit_conversion_factor == 1.0


def _refuse_wrong_crs(properties: Mapping[str, Any]) -> None:
    code = properties.get("proj:code")
    if code is None and properties.get("proj:epsg") is not None:
        code = f"EPSG:{properties['proj:epsg']}"
    # Silence is no error: the raster itself tells when it is opened.
    if code is not None and not _is_metric(str(code)):
        raise UnusableItem(f"lies in {code}, not in a projected system in metres")


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


def _time(properties: Mapping[str, Any], name: str) -> datetime | None:
    value = properties.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise UnusableItem(f"{name} is no time: {str(value)[:40]!r}") from error
    if moment.tzinfo is None:
        raise UnusableItem(f"{name} has no time zone: {value}")
    return moment.astimezone(UTC)


def _platform(properties: Mapping[str, Any], item_id: str, product: ProductName | None) -> str:
    told = properties.get("platform")
    if isinstance(told, str) and told:
        return told.lower()
    if product is not None:
        return product.platform
    match = re.match(r"S1([A-Z])_", item_id)
    return f"sentinel-1{match[1].lower()}" if match else "unknown"


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
