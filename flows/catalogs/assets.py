"""Which asset of an item holds which polarisation, and which the flags beside them; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from detectors.errors import UnusableItem
from flows.catalogs.opera import MASK
from flows.catalogs.properties import absolute, href_path, is_web

#: ``VV``, ``vv``, ``0_VV``, ``gamma0_vv``, ``..._VV`` as asset key or as stem of a file name.
_POLARISED = re.compile(r"(?:^|[^A-Z0-9])(VV|VH|HH|HV)$", re.IGNORECASE)
_RASTER = (".tif", ".tiff")
_NOT_DATA = {"metadata", "thumbnail", "overview", "data-mask"}


def find_assets(
    item: Mapping[str, Any], base: str | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return unsigned href and checksum by polarisation.

    Catalogues name assets differently, so the key, the asset's own ``sar:polarizations`` and the
    file name are looked at. Of several places a web address is preferred to object storage.
    ``base`` is where a recorded item without self link was read from.

    Raises:
        UnusableItem: no assets at all, or an href that cannot be resolved.
    """
    listed = item.get("assets")
    if not isinstance(listed, Mapping) or not listed:
        raise UnusableItem("no assets")
    return _places(_polarised(listed), item, base)


def find_mask(
    item: Mapping[str, Any], base: str | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return unsigned href and checksum of OPERA's layover and shadow flags, under ``mask``.

    Both are empty where an item brings none: the flags came with a look or they did not.

    Raises:
        UnusableItem: an href that cannot be resolved.
    """
    listed = item.get("assets")
    if not isinstance(listed, Mapping):
        return {}, {}
    flags = (
        (MASK, asset)
        for _, asset, path in _rasters(listed)
        if path.rpartition("/")[2].rpartition(".")[0].endswith(f"_{MASK}")
    )
    return _places(flags, item, base)


def _places(
    assets: Iterable[tuple[str, Mapping[str, Any]]], item: Mapping[str, Any], base: str | None
) -> tuple[dict[str, str], dict[str, str]]:
    hrefs: dict[str, str] = {}
    checksums: dict[str, str] = {}
    for name, asset in assets:
        href = absolute(str(asset["href"]), item, base)
        if name in hrefs and not (is_web(href) and not is_web(hrefs[name])):
            continue
        hrefs[name] = href
        checksums.pop(name, None)
        if isinstance(asset.get("file:checksum"), str):
            checksums[name] = asset["file:checksum"]
    return hrefs, checksums


def _polarised(listed: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, asset, path in _rasters(listed):
        roles = asset.get("roles")
        if isinstance(roles, list) and _NOT_DATA & set(map(str, roles)):
            continue
        polarisation = _polarisation(key, asset, path)
        if polarisation is not None:
            yield polarisation, asset


def _rasters(listed: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield key, asset and lower-case path of everything that can be a GeoTIFF."""
    for key, asset in listed.items():
        if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
            continue
        path = href_path(asset["href"])
        if "tiff" in str(asset.get("type", "")).lower() or path.endswith(_RASTER):
            yield str(key), asset, path


def _polarisation(key: str, asset: Mapping[str, Any], path: str) -> str | None:
    told = asset.get("sar:polarizations")
    if isinstance(told, list) and len(told) == 1:
        return str(told[0]).upper()
    for text in (key, path.rpartition("/")[2].rpartition(".")[0]):
        match = _POLARISED.search(text)
        if match is not None:
            return match[1].upper()
    return None
