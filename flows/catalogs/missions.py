"""Which mission an item is of, and what its platform is called; the patterns are data.

A platform whose name fits no pattern is kept and told in the log: it is more likely a new satellite
than a mistake.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import structlog

from detectors.types import Sensor

log = structlog.get_logger()

UNKNOWN = "unknown"
#: Separates the parts of an item id that begins with a satellite, ``S2B_T20EPT_...``.
_WORDS = re.compile(r"[_./]")


@dataclass(frozen=True, slots=True)
class Mission:
    """A family of satellites."""

    name: str
    """STAC constellation, ``sentinel-2``."""
    sensor: Sensor
    """What kind of eye it has."""
    marks: re.Pattern[str]
    """Found in constellation, platform, collection or item id."""
    platform: re.Pattern[str]
    """How its platforms are written; one group, the letter."""


@cache
def missions() -> tuple[Mission, ...]:
    """Read the table beside this module."""
    told = tomllib.loads(files("flows.catalogs").joinpath("missions.toml").read_text("utf-8"))
    return tuple(
        Mission(
            name=name,
            sensor=Sensor(entry["sensor"]),
            marks=re.compile(entry["marks"], re.IGNORECASE),
            platform=re.compile(entry["platform"], re.IGNORECASE),
        )
        for name, entry in told.items()
    )


def mission_of(item: Mapping[str, Any], properties: Mapping[str, Any]) -> Mission | None:
    """Return the mission of an item; the plainest statement decides, None where nothing tells."""
    texts = (
        properties.get("constellation"),
        properties.get("platform"),
        " ".join(_WORDS.split(str(item.get("collection") or ""))),
        " ".join(_WORDS.split(str(item.get("id") or ""))),
    )
    for text in texts:
        for mission in missions():
            if isinstance(text, str) and mission.marks.search(text):
                return mission
    return None


def platform_name(told: object, item_id: str) -> str:
    """Return the STAC name of a platform: ``sentinel-2c`` for ``Sentinel-2C``, ``S2C`` and so on.

    What fits no pattern is kept as it is, in lower case; nothing at all is looked for in the id.
    """
    if isinstance(told, str) and told.strip():
        name = _known(told.strip())
        if name is None:
            log.warning("unknown platform, kept", platform=told, item=item_id)
        return name or told.strip().lower()
    return _known(_WORDS.split(item_id)[0]) or UNKNOWN


def is_known(platform: str) -> bool:
    """Tell whether a platform's name fits a pattern."""
    return _known(platform) is not None


def _known(text: str) -> str | None:
    for mission in missions():
        match = mission.platform.fullmatch(text)
        if match is not None:
            return f"{mission.name}{match[1].lower()}"
    return None
