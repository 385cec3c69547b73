"""What may set off landslides, as agencies publish it: earthquakes and rain warnings. Pure."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import datetime

from shapely.geometry.base import BaseGeometry


class Severity(enum.StrEnum):
    """How bad a warning is, in the words of CAP 1.2, mild to bad."""

    MINOR = "Minor"
    MODERATE = "Moderate"
    SEVERE = "Severe"
    EXTREME = "Extreme"


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """One version of one event of a feed."""

    event_id: str
    """What the feed calls it."""
    version: datetime
    """When the feed wrote this version, UTC; a later one replaces it."""
    title: str
    """In the feed's words."""
    begins_at: datetime
    """When the earth shook, or from when on it rains, UTC."""
    ends_at: datetime
    """Until when; of an earthquake the same moment."""
    place: BaseGeometry
    """Epicentre, or the warned areas, EPSG:4326, lon/lat."""
    reach_km: float = 0.0
    """How far around ``place`` landslides are to be expected."""
    magnitude: float | None = None
    """Of an earthquake."""
    severity: str | None = None
    """Of a warning, in the words of CAP."""
    cancelled: bool = False
    """It was deleted, cancelled, or is weaker by now than what was asked for."""


def reach_km(magnitude: float, factor: float) -> float:
    """Return how far from the epicentre landslides are to be expected, km.

    The area in which earthquakes set off landslides grows from about nothing at magnitude 4 to
    500,000 km2 at 9.2 (Keefer 1984); in between, log10 of the area in km2 is the magnitude less
    3.46 (Keefer and Wilson 1989). What is returned is the radius of a circle of that area, times
    ``factor``: landslides lie along the rupture, so that some are farther from the epicentre.
    """
    return factor * math.sqrt(10 ** (magnitude - 3.46) / math.pi)
