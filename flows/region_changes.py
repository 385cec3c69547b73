"""Watching a region, and changing what is watched: the same for the command line and the page."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from sqlalchemy.orm import Session

from db import queries, store
from db.engine import transaction
from detectors.errors import InvalidRegion
from detectors.types import WatchedRegion
from flows.catalogs.registry import split_source
from flows.services import Services


@dataclass(frozen=True, slots=True)
class Change:
    """What came of it."""

    region: WatchedRegion
    """As it is watched now."""
    before: WatchedRegion | None
    """As it was watched before; None: it was not."""

    @property
    def fields(self) -> list[str]:
        """Names of what is another now."""
        if self.before is None:
            return []
        return differing(self.before, self.region)


def differing(one: WatchedRegion, other: WatchedRegion) -> list[str]:
    """Return the names of the fields in which two regions differ."""
    return [f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)]


def watch(
    services: Services,
    region: WatchedRegion,
    *,
    since_unsaid: bool,
    by: str | None = None,
    revision: int | None = None,
) -> Change:
    """Watch a region from now on, or change one that is watched.

    A change keeps the region's history and whether it is paused. Where looks are wanted that were
    published before the last poll, its sources are read anew.

    Args:
        services: database and catalogues.
        region: as it is to be.
        since_unsaid: nobody chose its ``watch_from``; that of the watched region stays.
        by: login of whoever changes it on the page.
        revision: version that was changed, 0 for a region that must not be there; None: whatever
            is there.

    Raises:
        InvalidRegion: by ``revision``, somebody else was faster.
        ConfigurationError: a catalogue nobody knows; a drill that was to become a real region.
    """
    for source in region.sources:
        services.catalogue(split_source(source)[0])  # now, rather than at every poll
    with transaction(services.engine) as s:
        store.lock_region(s, region.id)
        if revision is not None:
            _still(s, region.id, revision)
        known = {one.id: one for one in queries.list_regions(s)}.get(region.id)
        if known is not None:
            since = known.watch_from if since_unsaid else region.watch_from
            region = replace(region, paused=known.paused, watch_from=since)
        store.save_region(s, region, by)
        if known is not None and _wants_older_looks(known, region):
            store.forget_watermarks(s, region.id)
    return Change(region, known)


def _still(s: Session, region_id: str, revision: int) -> None:
    """Refuse to write over what somebody else changed."""
    versions = queries.region_history(s, region_id)
    latest = versions[-1] if versions else None
    if latest is None or latest.revision == revision:
        return
    if revision == 0:
        raise InvalidRegion(
            f"there is a region {region_id}", {"id": "there is a region of this id; take another"}
        )
    who = latest.changed_by or "a command"
    why = (
        f"{who} changed it at {latest.recorded_at:%H:%M} UTC, while you did; nothing of yours is "
        "stored yet. Saving again writes over that."
    )
    raise InvalidRegion(why, {"revision": why})


def _wants_older_looks(known: WatchedRegion, region: WatchedRegion) -> bool:
    """Tell whether looks that were published before the last poll are wanted, too."""
    return not known.geometry.covers(region.geometry) or region.watch_from < known.watch_from
