"""Features of Sentinel Hub's catalogue into acquisitions; pure.

They list no rasters to read: the service renders. So the hrefs say what to render, in a scheme of
our own without address or secret, ``sentinelhub://sentinel-1-grd/ITEM#VV``. Sentinel-1 is GRD here,
and is taken all the same: it is rendered terrain-corrected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from detectors.errors import UnusableItem
from detectors.types import Acquisition, OrbitState, Sensor
from flows.catalogs.footprints import read_footprint
from flows.catalogs.missions import platform_name
from flows.catalogs.properties import cloud_cover, publication_time, read_time, sensing_time
from flows.catalogs.sentinel_hub.recipes import OFFSET, S1, S2, SCALE

SCHEME = "sentinelhub"
_BANDS = ("blue", "green", "red", "nir")
_MASKS = ("scl", "cloud")
#: Codes of polarisation, in the property and in the product name (``1SDV``).
_POLARISATIONS = {
    "DV": ("VV", "VH"), "SV": ("VV",), "VV": ("VV",), "DH": ("HH", "HV"), "SH": ("HH",),
    "HH": ("HH",),
}  # fmt: skip
#: ``S1A_IW_GRDH_1SDV_20230101T015907_20230101T015932_046583_05951B_7E5E``, suffixes may follow.
_S1_NAME = re.compile(
    r"S1([A-Z])_[A-Z0-9]{2}_GRD[A-Z]_1S([SD][VH])_\d{8}T\d{6}_\d{8}T\d{6}_(\d{6})_"
)
#: ``S2B_MSIL2A_20230101T150719_N0509_R082_T20EPT_20230101T181234``.
_S2_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_S2_ORBIT = re.compile(r"_R(\d{3})_")
_S2_TILE = re.compile(r"_T?(\d{2}[C-HJ-NP-X][A-HJ-NP-Z]{2})(?=[_.]|$)")
#: Absolute orbit to relative: what is taken off, and from when on. S1C was moved in June 2026.
_MOVED = datetime(2026, 6, 9, tzinfo=UTC)
_BACK = datetime(2026, 6, 24, tzinfo=UTC)
_ORBIT_SHIFTS = {"A": 73, "B": 27, "D": 42}
_S1C_BEFORE, _S1C_SINCE = 172, 99


def to_acquisition(feature: Mapping[str, Any], source: str, seen_at: datetime) -> Acquisition:
    """Make an acquisition of one feature.

    Args:
        feature: as the catalogue sent it; anything at all.
        source: ``catalogue/collection``.
        seen_at: clock of the poll, UTC; stands in where no publication time is told.

    Raises:
        UnusableItem: with the reason, in words.
    """
    item_id, properties = feature.get("id"), feature.get("properties")
    if not isinstance(item_id, str) or not item_id:
        raise UnusableItem("no id")
    if not isinstance(properties, Mapping):
        raise UnusableItem("no properties")
    made = _radar if source.rpartition("/")[2] == S1 else _optical
    return made(feature, item_id, properties, source, seen_at)


def _radar(
    feature: Mapping[str, Any],
    item_id: str,
    properties: Mapping[str, Any],
    source: str,
    seen_at: datetime,
) -> Acquisition:
    mode = str(properties.get("sar:instrument_mode") or item_id[4:6])
    if mode != "IW":
        raise UnusableItem(f"mode {mode}: only IW lies on land at full resolution")
    name = _S1_NAME.match(item_id)
    code = str(properties.get("s1:polarization") or (name[2] if name else ""))
    if code not in _POLARISATIONS:
        raise UnusableItem(f"no co-polarised band (polarisation {code or 'missing'})")
    polarisations = _POLARISATIONS[code]
    try:
        orbit_state = OrbitState(str(properties.get("sat:orbit_state")).lower())
    except ValueError:
        raise UnusableItem("no flight direction") from None
    sensed_at = sensing_time(properties)
    return Acquisition(
        source=source,
        item_id=item_id,
        # Where the property names the mission alone, the product name has the satellite.
        platform=platform_name(f"S1{name[1]}" if name else properties.get("platform"), item_id),
        sensor=Sensor.SAR,
        sensed_at=sensed_at,
        published_at=publication_time(properties, seen_at),
        footprint=read_footprint(feature.get("geometry")),
        orbit_state=orbit_state,
        relative_orbit=_relative_orbit(properties, name, sensed_at),
        polarisations=polarisations,
        assets={band: _href(S1, item_id, band) for band in polarisations},
        created_at=read_time(properties, "created"),
    )


def _relative_orbit(
    properties: Mapping[str, Any], name: re.Match[str] | None, sensed_at: datetime
) -> int:
    """Return the track; the catalogue tells none, but the product name has the absolute orbit."""
    told = properties.get("sat:relative_orbit")
    if isinstance(told, int) and not isinstance(told, bool) and 1 <= told <= 175:
        return told
    if name is None:
        raise UnusableItem("no relative orbit")
    shift = _ORBIT_SHIFTS.get(name[1])
    if name[1] == "C":
        if _MOVED <= sensed_at < _BACK:
            raise UnusableItem("no relative orbit: Sentinel-1C was being moved")
        shift = _S1C_BEFORE if sensed_at < _MOVED else _S1C_SINCE
    if shift is None:
        raise UnusableItem(f"no relative orbit: that of Sentinel-1{name[1]} cannot be derived yet")
    return (int(name[3]) - shift) % 175 + 1


def _optical(
    feature: Mapping[str, Any],
    item_id: str,
    properties: Mapping[str, Any],
    source: str,
    seen_at: datetime,
) -> Acquisition:
    tile, baseline, orbit = (p.search(item_id) for p in (_S2_TILE, _S2_BASELINE, _S2_ORBIT))
    if tile is None:
        raise UnusableItem("no MGRS tile in the name: its grid cannot be known")
    return Acquisition(
        source=source,
        item_id=item_id,
        platform=platform_name(properties.get("platform"), item_id),
        sensor=Sensor.OPTICAL,
        sensed_at=sensing_time(properties),
        published_at=publication_time(properties, seen_at),
        footprint=read_footprint(feature.get("geometry")),
        orbit_state=None,
        relative_orbit=int(orbit[1]) if orbit else None,
        polarisations=(),
        assets={band: _href(S2, item_id, band) for band in (*_BANDS, *_MASKS)},
        processing_version=f"{baseline[1]}.{baseline[2]}" if baseline else None,
        created_at=read_time(properties, "created"),
        tile=f"T{tile[1]}",
        cloud_cover=cloud_cover(properties),
        # What the recipe encodes, whatever the baseline.
        scale=dict.fromkeys(_BANDS, SCALE),
        offset=dict.fromkeys(_BANDS, OFFSET),
    )


def _href(collection: str, item_id: str, band: str) -> str:
    return f"{SCHEME}://{collection}/{quote(item_id, safe='')}#{band}"
