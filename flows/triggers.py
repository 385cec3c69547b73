"""Reading the feeds of triggers: what raises the polls of the regions it reaches, for a while.

A feed that is down or broken is named and tried again; what is known stays, and polls go on.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from db import triggers
from db.engine import transaction
from detectors.errors import CatalogueUnavailable
from flows.services import Services
from flows.settings import TriggerSettings
from flows.trigger_feeds import Feed, Fetcher, earthquakes, warnings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReadOutcome:
    """What reading one feed brought."""

    trigger: str
    """Name in the settings."""
    new: int
    """Versions of events that are new."""
    left_out: tuple[str, ...]
    """Entries that could not be read, and why."""
    error: str | None
    """Why the feed could not be read."""


def read_triggers(services: Services) -> list[ReadOutcome]:
    """Read every feed of the settings and store what is new; may run twice.

    Raises:
        DatabaseUnavailable: nothing could be stored; reading again loses nothing.
    """
    return [_read(services, name, own) for name, own in services.settings.triggers.items()]


def _read(services: Services, name: str, own: TriggerSettings) -> ReadOutcome:
    now = services.clock.now()
    try:
        with Fetcher(own.url.get_secret_value()) as fetcher:
            feed = _feed(fetcher, own)
    except CatalogueUnavailable as error:
        with transaction(services.engine) as s:
            triggers.finish_read(s, name, now, str(error))
        log.warning("trigger feed failed", trigger=name, reason=str(error))
        return ReadOutcome(name, 0, (), str(error))
    with transaction(services.engine) as s:
        new = triggers.store_events(s, name, feed.events, own.poll_every, own.lasting)
        triggers.finish_read(s, name, now, None, feed.left_out)
    log.info("trigger feed", trigger=name, new=new, left_out=len(feed.left_out))
    return ReadOutcome(name, new, feed.left_out, None)


def _feed(fetcher: Fetcher, own: TriggerSettings) -> Feed:
    if own.kind == "earthquakes":
        return earthquakes(fetcher, own.min_magnitude, own.reach_factor)
    return warnings(fetcher, own.min_severity)
