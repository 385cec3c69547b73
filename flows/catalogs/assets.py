"""Which asset of an item holds which polarisation; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from detectors.errors import UnusableItem

#: ``VV``, ``vv``, ``0_VV``, ``gamma0_vv``, ``..._VV`` as asset key or as stem of a file name.
_POLARISED = re.compile(r"(?:^|[^A-Z0-9])(VV|VH|HH|HV)$", re.IGNORECASE)
_RASTER = (".tif", ".tiff")
_NOT_DATA = {"metadata", "thumbnail", "overview", "data-mask"}


def find_assets(item: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return unsigned href and checksum by polarisation.

    Catalogues name assets differently, so the key, the asset's own ``sar:polarizations`` and the
    file name are looked at. Of several places a web address is preferred to object storage.

    Raises:
        UnusableItem: no assets at all, or an href that cannot be resolved.
    """
    listed = item.get("assets")
    if not isinstance(listed, Mapping) or not listed:
        raise UnusableItem("no assets")
    hrefs: dict[str, str] = {}
    checksums: dict[str, str] = {}
    for polarisation, asset in _rasters(listed):
        href = _absolute(str(asset["href"]), item)
        if polarisation in hrefs and not (_is_web(href) and not _is_web(hrefs[polarisation])):
            continue
        hrefs[polarisation] = href
        checksums.pop(polarisation, None)
        if isinstance(asset.get("file:checksum"), str):
            checksums[polarisation] = asset["file:checksum"]
    return hrefs, checksums


def _rasters(listed: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, asset in listed.items():
        if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
            continue
        roles = asset.get("roles")
        if isinstance(roles, list) and _NOT_DATA & set(map(str, roles)):
            continue
        path = urlsplit(asset["href"]).path.lower()
        if "tiff" not in str(asset.get("type", "")).lower() and not path.endswith(_RASTER):
            continue
        polarisation = _polarisation(str(key), asset, path)
        if polarisation is not None:
            yield polarisation, asset


def _polarisation(key: str, asset: Mapping[str, Any], path: str) -> str | None:
    told = asset.get("sar:polarizations")
    if isinstance(told, list) and len(told) == 1:
        return str(told[0]).upper()
    for text in (key, path.rpartition("/")[2].rpartition(".")[0]):
        match = _POLARISED.search(text)
        if match is not None:
            return match[1].upper()
    return None


def _is_web(href: str) -> bool:
    return href.startswith(("https://", "http://"))


def _absolute(href: str, item: Mapping[str, Any]) -> str:
    if urlsplit(href).scheme or href.startswith("/vsi"):
        return href
    links = item.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, Mapping) and link.get("rel") == "self":
            base = str(link.get("href", ""))
            if urlsplit(base).scheme:
                return urljoin(base, href)
    raise UnusableItem(f"relative href without a self link to start from: {href[:80]}")
