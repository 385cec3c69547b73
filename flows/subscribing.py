"""Subscribers as the settings describe them, with their areas read."""

from __future__ import annotations

import functools
from pathlib import Path
from zoneinfo import ZoneInfo

import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from alerts.subscribers import Escalation, QuietHours, Subscriber
from detectors.errors import ConfigurationError, InvalidMap
from flows.maps import read_areas
from flows.settings import Settings, SubscriberSettings, config_path

REGION, TAG = "region:", "tag:"


def subscriber_records(settings: Settings, only: str | None = None) -> tuple[Subscriber, ...]:
    """Return the subscribers in the vocabulary of ``alerts``, by name.

    Args:
        settings: What the operator set.
        only: Only the one of this name.

    Raises:
        ConfigurationError: an area file cannot be read; nobody must be left out in silence.
    """
    return tuple(
        _record(name, own)
        for name, own in sorted(settings.subscribers.items())
        if only in (None, name)
    )


def _record(name: str, own: SubscriberSettings) -> Subscriber:
    regions = tuple(area.removeprefix(REGION) for area in own.areas if area.startswith(REGION))
    tags = tuple(area.removeprefix(TAG) for area in own.areas if area.startswith(TAG))
    files = [area for area in own.areas if not area.startswith((REGION, TAG))]
    return Subscriber(
        name=name,
        channels=own.channels,
        regions=regions,
        tags=tags,
        area=_area(name, tuple(files)) if files else None,
        kinds=own.kinds,
        tiers=own.tiers,
        zone=ZoneInfo(own.zone),
        quiet=None
        if own.quiet is None
        else QuietHours(own.quiet.start, own.quiet.end, own.quiet.through),
        budget=own.budget,
        weekly=own.digest == "weekly",
        digest_at=own.digest_at,
        escalation=None
        if own.escalate is None
        else Escalation(own.escalate.channel, own.escalate.after),
    )


@functools.lru_cache(maxsize=256)
def _area(name: str, files: tuple[str, ...]) -> BaseGeometry:
    """Return all areas of some files as one; relative paths begin at the settings file.

    Read once in a process: a region after the other asks who is told.
    """
    parts: list[MultiPolygon] = []
    for file in files:
        path = Path(file)
        try:
            parts += read_areas(path if path.is_absolute() else config_path().parent / path)
        except InvalidMap as error:
            raise ConfigurationError(
                f"subscriber {name}, area {file!r}: {error}; areas are files, region:ID or tag:TAG"
            ) from None
    joined: BaseGeometry = shapely.union_all(parts)
    return joined
