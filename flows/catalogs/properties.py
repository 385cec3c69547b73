"""What items of every mission tell in the same way: times, coordinate system, where files lie."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from pyproj import CRS
from pyproj.exceptions import CRSError

from detectors.errors import UnusableItem

#: Properties that tell when an item became available, best first.
_PUBLISHED = ("published", "created", "processing:datetime", "updated")


def read_time(properties: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time in UTC, None where there is none.

    Raises:
        UnusableItem: it cannot be read or has no zone; guessing one is how hours get lost.
    """
    value = properties.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise UnusableItem(f"{name} has no time zone: {value}")
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnusableItem(f"{name} is no time: {str(value)[:40]!r}") from error


def cloud_cover(properties: Mapping[str, Any]) -> float | None:
    """Return per cent of the tile; -1 and the like are nobody's measurement."""
    told = properties.get("eo:cloud_cover")
    if properties.get("sentinel:valid_cloud_cover") is False or isinstance(told, bool):
        return None
    return float(told) if isinstance(told, int | float) and 0 <= told <= 100 else None


def sensing_time(properties: Mapping[str, Any]) -> datetime:
    """Return when sensing began.

    Raises:
        UnusableItem: the item does not tell, or not with a zone.
    """
    moment = read_time(properties, "start_datetime") or read_time(properties, "datetime")
    if moment is None:
        raise UnusableItem("no sensing time")
    return moment


def publication_time(properties: Mapping[str, Any], otherwise: datetime) -> datetime:
    """Return when an item became available, or what is taken instead where it does not tell."""
    told = (read_time(properties, name) for name in _PUBLISHED)
    return next((moment for moment in told if moment), otherwise)


def refuse_wrong_crs(told: Mapping[str, Any]) -> None:
    """Refuse a stated CRS that is not projected in metres; silence is no error.

    Args:
        told: properties of an item, or an asset. The raster itself tells when it is opened.

    Raises:
        UnusableItem: with the CRS.
    """
    code = told.get("proj:code")
    if code is None and told.get("proj:epsg") is not None:
        code = f"EPSG:{told['proj:epsg']}"
    if code is not None and not _is_metric(str(code)):
        raise UnusableItem(f"lies in {code}, not in a projected system in metres")


@lru_cache(maxsize=256)
def _is_metric(code: str) -> bool:
    try:
        crs = CRS.from_user_input(code)
    except (CRSError, UnicodeError):
        return False
    return crs.is_projected and crs.axis_info[0].unit_conversion_factor == 1.0


def is_text(value: str) -> bool:
    """Tell whether a string can be stored and printed: JSON can spell characters that are none."""
    try:
        return "\0" not in value and value.encode() is not None
    except UnicodeError:
        return False


def printable(text: str) -> str:
    """Return foreign words without what cannot be stored or printed."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


def is_web(href: str) -> bool:
    """Tell whether anybody can ask for an href: not object storage, not a local file."""
    return href.startswith(("https://", "http://"))


def absolute(href: str, item: Mapping[str, Any], base: str | None = None) -> str:
    """Resolve a relative href against the item's self link, or against where the item was read.

    Args:
        href: as the asset has it.
        item: the item.
        base: place of a recorded item that has no self link (path or address); None in searches.

    Raises:
        UnusableItem: relative, and nothing to start from.
    """
    try:
        if urlsplit(href).scheme or href.startswith("/vsi"):
            return href
        links = item.get("links")
        for link in links if isinstance(links, list) else []:
            if isinstance(link, Mapping) and link.get("rel") == "self":
                found = str(link.get("href", ""))
                if urlsplit(found).scheme:
                    return urljoin(found, href)
        if base is not None:
            return urljoin(base, href)
    except ValueError as error:
        raise UnusableItem(f"href cannot be read: {href[:80]}") from error
    raise UnusableItem(f"relative href without a self link to start from: {href[:80]}")


def href_path(href: str) -> str:
    """Return the path of an href in lower case, without query; all of one that is malformed."""
    try:
        return urlsplit(href).path.lower()
    except ValueError:
        return href.lower()
