"""What there is to subscribe to: catalogues by name, their collections, what reading needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flows.catalogs.base import CatalogueSettings
from flows.catalogs.registry import READY_MADE, known_catalogues

_EARTHDATA = "an Earthdata token (urs.earthdata.nasa.gov)"
#: Collections of the ready-made catalogues that can be monitored, and what reading them needs.
_READY_MADE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "opera-asf": (("OPERA_L2_RTC-S1_V1",), _EARTHDATA),
    "opera-cmr-stac": (("OPERA_L2_RTC-S1_V1_1",), _EARTHDATA),
    "planetary-computer": (
        ("sentinel-1-rtc", "sentinel-2-l2a"),
        "a subscription key for sentinel-1-rtc, nothing for sentinel-2-l2a",
    ),
    "earth-search": (("sentinel-2-c1-l2a", "sentinel-2-l2a"), "nothing"),
    "cdse": (("sentinel-2-l2a",), "S3 keys (eodata-s3keysmanager.dataspace.copernicus.eu)"),
    "cdse-hub": (
        ("sentinel-1-grd", "sentinel-2-l2a"),
        "client_id and client_secret of an OAuth client (Sentinel Hub dashboard of CDSE)",
    ),
    "sentinel-2": (("sentinel-2-l2a",), "nothing; S3 keys of cdse for its cross-check"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One catalogue as a region may name it."""

    name: str
    """First half of a source."""
    kind: str
    """Which module reads it."""
    collections: tuple[str, ...]
    """Second halves that can be monitored; empty where only the catalogue itself knows."""
    needs: str | None
    """What reading pixels needs, None where only the operator knows."""
    members: tuple[str, ...]
    """Sources behind a mirror."""
    token_set: bool
    """The settings hold a token, or a client's secret."""
    ready_made: bool
    """Known without settings."""


def offers(configured: Mapping[str, CatalogueSettings]) -> list[Offer]:
    """Return every catalogue by name, ready-made ones and those of the settings."""
    found = []
    for name, settings in sorted(known_catalogues(configured).items()):
        same = name in READY_MADE and settings.kind == READY_MADE[name].kind
        collections, needs = _READY_MADE.get(name, ((), None)) if same else ((), None)
        found.append(
            Offer(
                name, settings.kind, collections, needs, settings.members,
                (settings.token or settings.client_secret) is not None, name in READY_MADE,
            )
        )  # fmt: skip
    return found
