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

    log10 of the area in km2 that landslides fill on average is the magnitude less 3.46, from 5.5 to
    9.2 (Keefer and Wilson 1989, in Sadler and Morton, Landslides in a Semi-Arid Environment,
    118-149; again in Keefer 2002, Surveys in Geophysics 23, 473-510): 219 km2 at 5.8, as Jibson and
    Harp (2012, BSSA 102(6)) give it beside a largest area of 1,500 km2 known until then. The
    largest area grows from about nothing at magnitude 4.0 to 500,000 km2 at 9.2 (Keefer 1984, GSA
    Bulletin 95, 406-421). We had captions and abstracts of these before us, not their tables.

    What is returned is the radius of a circle of the mean area, times ``factor``: landslides lie
    along the rupture, so that some are farther from the epicentre. A few rocks fall much farther
    still: at magnitude 5.8 up to 60 km, and 245 km in old, rigid crust (Jibson and Harp 2012),
    where a factor of 3 reaches 25 km and one of 7.2 the 60. Radar sees none of these.

    Args:
        magnitude: of the earthquake, any scale.
        factor: times the radius of that circle.
    """
    return factor * math.sqrt(10 ** (magnitude - 3.46) / math.pi)
