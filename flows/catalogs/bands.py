"""Which asset of an optical item holds which band, and how its numbers become reflectance; pure.

Catalogues name the same raster ``red``, ``B04`` or ``B04_10m``, keep it in one to three
resolutions, and say of its scale nothing, ``raster:bands``, or ``raster:scale``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from detectors.errors import UnusableItem
from flows.catalogs.properties import absolute, href_path, is_web

#: What a look needs, by STAC common name; the mask says what of it can be judged.
BANDS = ("blue", "green", "red", "nir")
SCL, CLOUD = "scl", "cloud"

_DESIGNATIONS = {"b02": "blue", "b03": "green", "b04": "red", "b08": "nir"}
#: Keys of the masks, resolution taken off.
_MASKS = {"scl": SCL, "cloud": CLOUD, "cld": CLOUD, "msk_cldprb": CLOUD}
_RESOLUTION = re.compile(r"_(\d+)m(?=$|\.)")
_RASTER_TYPES = ("image/tiff", "image/jp2", "image/vnd.stac.geotiff")
_RASTER_ENDS = (".tif", ".tiff", ".jp2")
_NOT_DATA = {"metadata", "thumbnail", "overview", "visual"}


@dataclass(frozen=True, slots=True)
class BandAsset:
    """One raster of an optical item."""

    href: str
    """Absolute, unsigned."""
    scale: float | None
    """Stated by the asset itself, None where it is silent."""
    offset: float | None
    """Stated by the asset itself, in reflectance, None where it is silent."""
    checksum: str | None
    """Multihash, where the catalogue tells."""
    stated: Mapping[str, Any]
    """The asset as it came."""
    resolution: float
    """Pixel size, m; infinite where nothing tells."""


def find_bands(
    item: Mapping[str, Any], *, base: str | None = None, from_storage: bool = False
) -> dict[str, BandAsset]:
    """Return the finest raster of each band and mask, by STAC common name, ``scl`` and ``cloud``.

    Args:
        item: STAC item.
        base: where a recorded item without self link was read from.
        from_storage: the catalogue reads object storage (``s3:``); otherwise a web address among
            an asset's alternates is taken, and one that has none is left out.

    Raises:
        UnusableItem: no assets at all, or an href that cannot be resolved.
    """
    listed = item.get("assets")
    if not isinstance(listed, Mapping) or not listed:
        raise UnusableItem("no assets")
    found: dict[str, BandAsset] = {}
    for name, asset in _rasters(listed):
        href = _reachable(asset, item, base, from_storage=from_storage)
        if href is None:
            continue
        scale, offset = _stated_scaling(asset)
        checksum = asset.get("file:checksum")
        band = BandAsset(
            href=href,
            scale=scale,
            offset=offset,
            checksum=checksum if isinstance(checksum, str) else None,
            stated=asset,
            resolution=_resolution(asset),
        )
        if name not in found or band.resolution < found[name].resolution:
            found[name] = band
    return found


def names_in(item: Mapping[str, Any]) -> set[str]:
    """Return the bands and masks an item lists, whether or not they can be reached."""
    listed = item.get("assets")
    return {name for name, _ in _rasters(listed)} if isinstance(listed, Mapping) else set()


def _rasters(listed: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, asset in listed.items():
        if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
            continue
        roles = asset.get("roles")
        if isinstance(roles, list) and _NOT_DATA & set(map(str, roles)):
            continue
        kind = str(asset.get("type") or "").lower()
        if not kind.startswith(_RASTER_TYPES) and (
            kind or not href_path(asset["href"]).endswith(_RASTER_ENDS)
        ):
            continue
        name = _name(str(key).lower(), asset)
        if name is not None:
            yield name, asset


def _name(key: str, asset: Mapping[str, Any]) -> str | None:
    """Name a raster by its key, then by its only band; B8A calls itself nir in places."""
    plain = _RESOLUTION.sub("", key)
    if plain in _MASKS:
        return _MASKS[plain]
    if plain in BANDS or plain in _DESIGNATIONS:
        return _DESIGNATIONS.get(plain, plain)
    bands = asset.get("eo:bands", asset.get("bands"))
    if not isinstance(bands, list) or len(bands) != 1 or not isinstance(bands[0], Mapping):
        return None
    designation = str(bands[0].get("name")).lower()
    if designation in _DESIGNATIONS:
        return _DESIGNATIONS[designation]
    if re.fullmatch(r"b\d\d?a?", designation):
        return None
    common = str(bands[0].get("eo:common_name", bands[0].get("common_name"))).lower()
    return common if common in BANDS else None


def _reachable(
    asset: Mapping[str, Any], item: Mapping[str, Any], base: str | None, *, from_storage: bool
) -> str | None:
    """Return the href that will be read, None where none of them can be."""
    hrefs = [str(asset["href"])]
    alternates = asset.get("alternate")
    if isinstance(alternates, Mapping):
        hrefs += [
            alternate["href"]
            for alternate in alternates.values()
            if isinstance(alternate, Mapping) and isinstance(alternate.get("href"), str)
        ]
    resolved = [absolute(href, item, base) for href in hrefs]
    if from_storage:
        stored = [href for href in resolved if href.startswith("s3://")]
        return next(iter(stored), resolved[0])
    web = [href for href in resolved if is_web(href)]
    near = [href for href in resolved if href.startswith(("/", "file:")) or "://" not in href]
    return next(iter(web + near), None)


def _stated_scaling(asset: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return scale and offset as STAC 1.0 (``raster:bands``) or 1.1 (``raster:scale``) has them."""
    places: list[tuple[Any, str]] = [(asset, "raster:")]
    for name, prefix in (("raster:bands", ""), ("bands", "raster:")):
        bands = asset.get(name)
        if isinstance(bands, list) and len(bands) == 1:
            places.append((bands[0], prefix))
    scale = offset = None
    for place, prefix in places:
        if isinstance(place, Mapping):
            scale = _number(place.get(f"{prefix}scale")) if scale is None else scale
            offset = _number(place.get(f"{prefix}offset")) if offset is None else offset
    return scale, offset


def _resolution(asset: Mapping[str, Any]) -> float:
    transform = asset.get("proj:transform")
    told = transform[0] if isinstance(transform, list) and transform else asset.get("gsd")
    size = _number(told)
    if size is not None and size > 0:
        return size
    match = _RESOLUTION.search(href_path(str(asset["href"])))
    return float(match[1]) if match else math.inf


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
