"""CMR granules (UMM-G records) written as STAC items; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def granule_item(granule: object) -> object:
    """Write a CMR granule as a STAC item, so that one parser judges the items of all catalogues.

    What cannot be read is left out; the parser names it as missing.
    """
    umm = granule.get("umm") if isinstance(granule, Mapping) else None
    if not isinstance(umm, Mapping):
        return granule
    attributes = _attributes(umm)
    orbit = attributes.get("PATH_NUMBER", [""])[0]
    arrived = _dig(umm, "ProviderDates", ("Type", "Insert"), "Date")
    properties = {
        "datetime": _dig(umm, "TemporalExtent", "RangeDateTime", "BeginningDateTime"),
        "published": arrived or _dig(umm, "DataGranule", "ProductionDateTime"),
        "created": arrived,
        "sat:orbit_state": attributes.get("ASCENDING_DESCENDING", [""])[0].lower(),
        "sat:relative_orbit": int(orbit) if orbit.isdigit() else None,
        "sar:polarizations": attributes.get("POLARIZATION"),
        "processing:version": attributes.get("PRODUCT_VERSION", [None])[0],
    }
    return {
        "type": "Feature",
        "id": umm.get("GranuleUR"),
        "geometry": _geometry(umm),
        "properties": {key: value for key, value in properties.items() if value},
        "assets": _assets(umm),
    }


def _dig(found: Any, *steps: Any) -> Any:
    """Follow keys, indices and ``(key, value)`` matches in lists; None where the way ends."""
    for step in steps:
        if isinstance(step, tuple) and isinstance(found, list):
            key, value = step
            found = next((e for e in found if isinstance(e, Mapping) and e.get(key) == value), None)
        elif isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and len(found) > step:
            found = found[step]
        else:
            return None
    return found


def _attributes(umm: Mapping[str, Any]) -> dict[str, list[str]]:
    listed = umm.get("AdditionalAttributes")
    return {
        str(entry["Name"]): [str(value) for value in entry["Values"]]
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, Mapping) and "Name" in entry and entry.get("Values")
    }


def _geometry(umm: Mapping[str, Any]) -> dict[str, Any] | None:
    domain = _dig(umm, "SpatialExtent", "HorizontalSpatialDomain", "Geometry", "GPolygons")
    rings = []
    for polygon in domain if isinstance(domain, list) else []:
        points = _dig(polygon, "Boundary", "Points")
        if isinstance(points, list):
            rings.append([[[_dig(p, "Longitude"), _dig(p, "Latitude")] for p in points]])
    return {"type": "MultiPolygon", "coordinates": rings} if rings else None


def _assets(umm: Mapping[str, Any]) -> dict[str, Any]:
    listed = umm.get("RelatedUrls")
    urls = [
        str(entry.get("URL"))
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, Mapping) and entry.get("Type") == "GET DATA"
    ]
    return {
        url.rpartition("/")[2].rpartition(".")[0]: {"href": url}
        for url in urls
        if url.endswith(".tif")
    }
