"""What stands in the form of a region: made of a region, and made into one.

Both ways go by the document that a region file would hold, so that form and file say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from detectors import registry
from detectors.errors import InvalidRegion
from detectors.types import Sensor, WatchedRegion
from flows.regions import document_of, region_of, slug
from flows.web.corners import as_text, read_outline

#: One a line, or one after the other with commas.
_LINES, _LISTS = ("sources",), ("tags", "windows")
_PLAIN = (
    "id", "name", "min_area_m2", "poll_every_minutes", "poll_cron", "alert_from", "priority",
    "requests_a_month", "bytes_a_month", "units_a_month",
)  # fmt: skip
#: Texts of the form; detectors, sensors and ``simulated`` are ticks.
TEXTS = (*_PLAIN, *_LINES, *_LISTS, "geometry", "watch_from")
#: In the order of the form, for the list of what is wrong.
ORDER = (
    "revision", "geometry", "name", "id", "sources", "tags", "min_area_m2", "poll_every_minutes",
    "poll_cron", "windows", "priority", "watch_from", "alert_from", "requests_a_month",
    "bytes_a_month", "units_a_month", "sensors", "detectors",
)  # fmt: skip
_DETECTOR, _SENSOR = "detector-", "sensor-"


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it was typed, and what is wrong with it."""

    texts: Mapping[str, str]
    """By name, one of ``TEXTS``."""
    detectors: tuple[str, ...]
    """Ticked ones."""
    sensors: tuple[str, ...] = tuple(Sensor)
    """Ticked ones."""
    simulated: bool = False
    """A drill."""
    revision: int = 0
    """Version that is changed, 0 for a new region."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What is wrong, by name of the field."""


def typed_of(region: WatchedRegion, revision: int) -> Typed:
    """Return the form that a region would be typed as."""
    said = document_of(region)["properties"]
    texts = {name: _number(said.get(name, "")) for name in _PLAIN}
    texts |= {name: "\n".join(said[name]) for name in _LINES}
    texts |= {name: ", ".join(said[name]) for name in _LISTS}
    texts |= {"geometry": as_text(region.geometry), "watch_from": _since(region.watch_from)}
    return Typed(texts, region.detectors, region.sensors, region.simulated, revision)


def of_form(given: Mapping[str, str], known: WatchedRegion | None) -> Typed:
    """Return a form as it was sent; ``known`` is the region that is changed."""
    texts = {name: given.get(name, "").replace("\r\n", "\n").strip() for name in TEXTS}
    if known is not None:
        texts["id"] = known.id
    detectors = tuple(name for name in registry.names() if f"{_DETECTOR}{name}" in given)
    sensors = tuple(one for one in Sensor if f"{_SENSOR}{one}" in given)
    revision = given.get("revision", "")
    simulated = known.simulated if known is not None else "simulated" in given
    counted = int(revision) if revision.isascii() and revision.isdigit() else 0
    return Typed(texts, detectors, sensors, simulated, counted if known is not None else 0)


def read(typed: Typed, known: WatchedRegion | None, now: datetime) -> WatchedRegion:
    """Make a region of a form.

    Raises:
        InvalidRegion: what is wrong, by field.
        ConfigurationError: a source that is none.
    """
    texts, faults = typed.texts, {}
    properties: dict[str, Any] = {name: texts[name] or None for name in _PLAIN}
    properties |= {name: texts[name].split() for name in _LINES}
    for name in _LISTS:
        properties[name] = [one.strip() for one in texts[name].split(",") if one.strip()]
    properties["detectors"] = list(typed.detectors)
    properties["sensors"] = list(typed.sensors)
    properties["simulated"] = typed.simulated
    if since := texts["watch_from"]:
        stays = known is not None and since == _since(known.watch_from)
        properties["watch_from"] = known.watch_from if stays and known else f"{since}Z"
    if not texts["name"]:
        faults["name"] = "say what people call it"
    for name in ("detectors", "sensors"):
        if not properties[name]:
            faults[name] = "tick one or more"
    geometry = None
    try:
        geometry = read_outline(texts["geometry"])
    except InvalidRegion as error:
        faults |= error.faults
    try:
        region = region_of(
            {"type": "Feature", "properties": properties, "geometry": geometry},
            slug(texts["name"]), now,
        )  # fmt: skip
    except InvalidRegion as error:
        raise InvalidRegion(str(error), error.faults | faults) from None
    if faults:
        raise InvalidRegion("; ".join(faults.values()), faults)
    return region


def _number(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _since(moment: datetime) -> str:
    """Return a time as the input of a form has it, UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
