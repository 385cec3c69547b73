"""OPERA RTC-S1 products: names as NASA writes them, and what can be concluded from a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from detectors.types import OrbitState

#: Layer of a product that is no polarisation: layover, shadow and no-data flags.
MASK = "mask"

#: OPERA publishes new looks within a day or two; anything later is a reprocessing of an old look.
FRESH = timedelta(days=3)
#: When a reprocessed look is taken to have come out: sensing plus the usual half day.
ASSUMED_LATENCY = timedelta(hours=12)

_PRODUCT = re.compile(
    r"(?P<product>OPERA_L2_RTC-S1"
    r"_(?P<burst>T(?P<track>\d{3})-\d{6}-[A-Z]{2}\d)"
    r"_(?P<sensed>\d{8}T\d{6})Z_(?P<processed>\d{8}T\d{6})Z"
    r"_(?P<platform>S1[A-Z])_(?P<spacing>\d+)_v(?P<version>\d+(?:\.\d+)*))"
)
_FILE = re.compile(_PRODUCT.pattern + r"_(?P<layer>VV|VH|HH|HV|mask)\.tiff?")


@dataclass(frozen=True, slots=True)
class ProductName:
    """What the name of one product tells."""

    product: str
    """The name without layer and extension: the STAC item id."""
    burst_id: str
    """For instance ``T137-292321-IW2``."""
    relative_orbit: int
    """Track number, 1 to 175."""
    sensed_at: datetime
    """Start of sensing, UTC."""
    processed_at: datetime
    """When the product was made, UTC."""
    platform: str
    """STAC name, ``sentinel-1a`` and so on; new satellites are kept."""
    spacing_m: int
    """Pixel spacing, metres."""
    version: str
    """Product version, without the leading v."""


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def _from_match(match: re.Match[str]) -> ProductName:
    return ProductName(
        product=match["product"],
        burst_id=match["burst"],
        relative_orbit=int(match["track"]),
        sensed_at=_moment(match["sensed"]),
        processed_at=_moment(match["processed"]),
        platform=f"sentinel-1{match['platform'][-1].lower()}",
        spacing_m=int(match["spacing"]),
        version=match["version"],
    )


def parse_product(name: str) -> ProductName:
    """Read a product name (no layer, no extension), or an item id that starts with one.

    Raises:
        ValueError: it is not an OPERA RTC-S1 product name.
    """
    match = _PRODUCT.match(name)
    if match is None:
        raise ValueError(f"{name} is not the name of an OPERA RTC-S1 product")
    return _from_match(match)


def parse_file(name: str) -> tuple[ProductName, str]:
    """Read a file name; return the product and its layer: a polarisation or ``mask``.

    Raises:
        ValueError: it is not the name of an OPERA RTC-S1 GeoTIFF, with what it is instead.
    """
    if name.startswith("OPERA_L2_RTC-S1-STATIC_"):
        raise ValueError("a static layer: it belongs to a burst, not to a look")
    match = _FILE.fullmatch(name)
    if match is None:
        raise ValueError("not named like an OPERA RTC-S1 GeoTIFF")
    return _from_match(match), match["layer"]


def replay_publication(product: ProductName) -> tuple[datetime, bool]:
    """Return when a look came out and whether that is an assumption.

    NASA reprocessed years of old looks in 2024 and 2025. A replay that took those dates at their
    word would show a look of 2021 four years late and out of order.
    """
    delay = product.processed_at - product.sensed_at
    if timedelta(0) <= delay <= FRESH:
        return product.processed_at, False
    return product.sensed_at + ASSUMED_LATENCY, True


def orbit_state(product: ProductName, longitude: float, told: str = "") -> tuple[OrbitState, bool]:
    """Return the flight direction and whether it had to be derived.

    The product's own tag is used where it survived. Cropped files lose it; then the local solar
    time tells: Sentinel-1 flies a dawn-dusk orbit and crosses the equator northwards at 18 h, so
    an evening look is ascending and a morning look descending. Good below 75 degrees latitude.
    """
    told = told.strip().lower()
    for state in OrbitState:
        if told and state.value.startswith(told):
            return state, False
    utc_hour = product.sensed_at.hour + product.sensed_at.minute / 60
    solar_hour = (utc_hour + longitude / 15) % 24
    return (OrbitState.ASCENDING if solar_hour >= 12 else OrbitState.DESCENDING), True
