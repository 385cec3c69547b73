"""Sentinel-2 items into acquisitions; pure.

Taken: surface reflectance (L2A) with blue, green, red, near infrared and the scene classification,
from Earth Search, Planetary Computer, the Copernicus Data Space and stactools. The offset of each
band is decided here, from processing baseline and raster metadata; see ``detectors.reflectance``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from detectors.errors import UnusableItem
from detectors.reflectance import scaling
from detectors.types import Acquisition, OrbitState, Sensor
from flows.catalogs.bands import BANDS, CLOUD, SCL, BandAsset, find_bands, names_in
from flows.catalogs.footprints import read_footprint
from flows.catalogs.missions import platform_name
from flows.catalogs.properties import (
    cloud_cover,
    publication_time,
    read_time,
    refuse_wrong_crs,
    sensing_time,
)

#: Properties that hold names ESA gave, the product's own first.
_PRODUCT_NAMES = ("s2:product_uri", "sentinel:product_id")
_OTHER_NAMES = ("s2:datastrip_id", "eopf:datastrip_id", "s2:datatake_id", "eopf:datatake_id",
                "s2:granule_id", "s2:tile_id")  # fmt: skip
#: Zone 1 to 60, latitude band, square of 100 km; I and O are never used.
_TILE = re.compile(r"T?(\d{1,2})([C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])")
_BASELINE_IN_NAME = re.compile(r"_N(\d{2})\.?(\d{2})(?=_|\.|$)")
_ORBIT_IN_NAME = re.compile(r"_R(\d{3})_")
#: Start of a data strip in its id, and in the name of a granule's folder.
_STRIP_STARTS = (
    re.compile(r"_DS_.*_S(\d{8}T\d{6})"),
    re.compile(r"L2A_T\d{2}[A-Z]{3}_A\d{6}_(\d{8}T\d{6})"),
)
_FIRST_WITH_OFFSET = "04.00"
_ORBITS = 143

#: Words of id, product type and collection that tell the level; the first that fits decides.
_LEVELS = (
    ("HLS", re.compile(r"(?<![a-z])hls")),
    ("L3", re.compile(r"msi_?l3|(?<![a-z0-9])l3(?![0-9])|mosaic")),
    ("L1C", re.compile(r"msi_?l?1c|(?<![a-z0-9])l1(?![0-9])|level-?1")),
    ("L2A", re.compile(r"msi_?l?2a|(?<![a-z0-9])l2(?![0-9])|level-?2")),
)
_NOT_SURFACE = {
    "HLS": "harmonised (HLS): its masks and pixels are other than those of Sentinel-2 L2A",
    "L3": "a mosaic of many dates (L3): a look has one",
    "L1C": "top of atmosphere (L1C) without a cloud mask: take the L2A product of the same pass",
}


def optical_acquisition(
    item: Mapping[str, Any],
    item_id: str,
    properties: Mapping[str, Any],
    source: str,
    seen_at: datetime,
    *,
    base: str | None = None,
    from_storage: bool = False,
) -> Acquisition:
    """Make an acquisition of one Sentinel-2 item; arguments as ``flows.catalogs.items``.

    Raises:
        UnusableItem: with the reason, in words.
    """
    _refuse_other_levels(item, item_id, properties)
    assets = _needed(item, find_bands(item, base=base, from_storage=from_storage))
    refuse_wrong_crs(properties)
    for asset in assets.values():
        refuse_wrong_crs(asset.stated)
    names = _names(item_id, properties)
    baseline = _baseline(properties, names)
    applied = _applied(properties)
    scales = {
        band: scaling(baseline, assets[band].scale, assets[band].offset, applied=applied)
        for band in BANDS
    }
    return Acquisition(
        source=source,
        item_id=item_id,
        platform=platform_name(properties.get("platform"), item_id),
        sensor=Sensor.OPTICAL,
        sensed_at=sensing_time(properties),
        published_at=publication_time(properties, seen_at),
        footprint=read_footprint(item.get("geometry")),
        orbit_state=_orbit_state(properties),
        relative_orbit=_relative_orbit(properties, names),
        polarisations=(),
        assets={name: asset.href for name, asset in assets.items()},
        processing_version=baseline,
        checksums={name: a.checksum for name, a in assets.items() if a.checksum is not None},
        created_at=read_time(properties, "created"),
        tile=_tile(properties, names),
        cloud_cover=cloud_cover(properties),
        scale={band: decided.scale for band, decided in scales.items()},
        offset={band: decided.offset for band, decided in scales.items()},
        simulated=properties.get("scarpwatch:simulated") is True,
    )


def scene_name(item: Mapping[str, Any], acquisition: Acquisition) -> str:
    """Name what was seen, whoever lists it: ``S2B_T20EPT_20250731T131905_L2A``.

    Satellite, tile and start of the data strip, as Earth Search's Collection 1 names its items. Two
    strips of one pass that share a tile are two scenes; two processings of one strip are one.
    Where nothing tells the strip, the item's own sensing time stands in.
    """
    names = [*_names(acquisition.item_id, item.get("properties") or {}), acquisition.assets["red"]]
    found = (pattern.search(name) for pattern in _STRIP_STARTS for name in names)
    start = next((match[1] for match in found if match), f"{acquisition.sensed_at:%Y%m%dT%H%M%S}")
    satellite = acquisition.platform.replace("sentinel-2", "S2").upper()
    return "_".join([satellite, acquisition.tile or "unknown", start, "L2A"])


def _refuse_other_levels(
    item: Mapping[str, Any], item_id: str, properties: Mapping[str, Any]
) -> None:
    told = (
        item_id,
        properties.get("product:type"),
        properties.get("s2:product_type"),
        properties.get("productType"),
        item.get("collection"),
        properties.get("processing:level"),
    )
    for text in told:
        for level, words in _LEVELS:
            if isinstance(text, str) and words.search(text.lower()):
                if level in _NOT_SURFACE:
                    raise UnusableItem(_NOT_SURFACE[level])
                return
    if item.get("assets") and SCL not in names_in(item):
        raise UnusableItem("not known to be surface reflectance (L2A)")


def _needed(item: Mapping[str, Any], found: Mapping[str, BandAsset]) -> dict[str, BandAsset]:
    """Return the assets of a look; the cloud probability is taken where there is one."""
    listed = names_in(item)
    if missing := [band for band in BANDS if band not in listed]:
        raise UnusableItem(f"no asset for {', '.join(missing)}")
    if SCL not in listed:
        raise UnusableItem("no scene classification (SCL): cloud could not be told from ground")
    if missing := [name for name in (*BANDS, SCL) if name not in found]:
        raise UnusableItem(f"only in object storage that needs an account: {', '.join(missing)}")
    return {name: found[name] for name in (*BANDS, SCL, CLOUD) if name in found}


def _names(item_id: str, properties: Mapping[str, Any]) -> list[str]:
    """Return every name ESA or the catalogue gave, the product's own first."""
    told = [properties.get(key) for key in _PRODUCT_NAMES]
    told += [item_id, *(properties.get(key) for key in _OTHER_NAMES)]
    return [name for name in told if isinstance(name, str)]


def _baseline(properties: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the processing baseline, ``05.11``.

    Raises:
        UnusableItem: property and product name disagree about whether there is an offset.
    """
    in_names = [f"{m[1]}.{m[2]}" for m in map(_BASELINE_IN_NAME.search, names) if m]
    for key in ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version"):
        told = properties.get(key)
        match = re.fullmatch(r"(\d{1,2})\.(\d{1,2})", str(told))
        if match is None:
            continue
        told = f"{int(match[1]):02d}.{match[2]:0<2}"
        if in_names and (told < _FIRST_WITH_OFFSET) != (in_names[0] < _FIRST_WITH_OFFSET):
            raise UnusableItem(f"baseline {told} contradicts the product's name ({in_names[0]})")
        return told
    return in_names[0] if in_names else None


def _applied(properties: Mapping[str, Any]) -> bool | None:
    told = [value for key, value in properties.items() if key.endswith(":boa_offset_applied")]
    return next((value for value in told if isinstance(value, bool)), None)


def _tile(properties: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the MGRS tile as text with two digits of zone, ``T01LAC``; None where none is told."""
    told = [str(properties.get("grid:code")).removeprefix("MGRS-"), properties.get("s2:mgrs_tile")]
    for prefix in ("mgrs", "sentinel"):
        parts = [properties.get(f"{prefix}:{part}") for part in
                 ("utm_zone", "latitude_band", "grid_square")]  # fmt: skip
        told.append("".join(map(str, parts)))
    told += [word for name in names for word in re.split(r"[_.]", name)]
    for text in told:
        match = _TILE.fullmatch(str(text).upper())
        if match is not None and 1 <= int(match[1]) <= 60:
            return f"T{int(match[1]):02d}{match[2]}"
    return None


def _orbit_state(properties: Mapping[str, Any]) -> OrbitState | None:
    try:
        return OrbitState(str(properties.get("sat:orbit_state")).lower())
    except ValueError:
        return None


def _relative_orbit(properties: Mapping[str, Any], names: Sequence[str]) -> int | None:
    told = properties.get("sat:relative_orbit")
    if told is None:
        told = next((int(m[1]) for m in map(_ORBIT_IN_NAME.search, names) if m), None)
    known = isinstance(told, int) and not isinstance(told, bool) and 1 <= told <= _ORBITS
    return told if known else None
