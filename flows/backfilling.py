"""The past of a region, judged as what comes in is judged, and told to nobody.

All state is in PostGIS: looks from before ``watch_from`` are baseline until they are claimed, one
by one, oldest first. Killed at any moment and begun again, a backfill goes on where it was, and two
of them share the work. Between two of its looks whoever watches the region takes what is new.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from db import backfills, queries, store
from db.engine import transaction
from detectors.errors import CatalogueUnavailable, ConfigurationError
from detectors.types import WatchedRegion, require_utc
from flows import confirming, steps
from flows.catalogs.base import Refused
from flows.catalogs.registry import split_source
from flows.catalogs.searching import windows
from flows.costs import charging, refusal
from flows.leases import bury_the_dead
from flows.ledger import keep_ledger
from flows.measuring import measure_new
from flows.services import Services

log = structlog.get_logger()

#: Catalogues are read so much at a time, so that memory does not grow with the years.
READ_AT_ONCE = timedelta(days=180)
#: After so many looks in a row that have to wait, the others are not tried: nothing answers.
GIVE_UP_AFTER = 3
#: How long to wait, in seconds, while another worker judges a look of the region.
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is."""

    done: int
    """Looks that were judged by this run."""
    left: int
    """Looks that are still to be judged."""
    sensed_at: datetime | None
    """When the last of them was taken, UTC; None while catalogues are read."""


@dataclass(slots=True)
class Backfilled:
    """What a backfill came to."""

    region_id: str
    """Watched region."""
    since: datetime
    """Looks sensed then or later, UTC."""
    until: datetime
    """Looks sensed before, UTC."""
    new: int = 0
    """Looks that were not known before."""
    refused: int = 0
    """Items that cannot be used, each stored with its reason."""
    errors: tuple[str, ...] = ()
    """Sources that could not be read, and why."""
    looks: Counter[str] = field(default_factory=Counter)
    """Looks that this run took up, by the state they ended in."""
    states: dict[str, int] = field(default_factory=dict)
    """All looks of the time, by their state now."""
    put_off: str | None = None
    """Why the rest has to wait, None where it need not."""

    @property
    def left(self) -> int:
        """Looks that are still to be judged."""
        return sum(self.states.get(state, 0) for state in ("baseline", "due", "processing"))

    @property
    def complete(self) -> bool:
        """Whether all there is has been judged."""
        return not (self.left or self.errors)


def backfill(
    services: Services,
    region_id: str,
    since: datetime,
    until: datetime | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Backfilled:
    """Poll and judge the looks from before a region was watched, oldest first; may run twice.

    What it finds is stored with its history. Nobody is told of it (``flows.telling``).

    Args:
        services: what the steps reach the world through.
        region_id: watched region.
        since: looks sensed then or later, UTC; earlier ones serve to compare.
        until: looks sensed before; None, or a later time, is when watching began.
        progress: called after every look.

    Raises:
        ConfigurationError: no such region, or it was watched by then.
        DatabaseUnavailable: what was stored stays; the rest is taken up by the next run.
    """
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
    since = require_utc(since, "since")
    end = min(region.watch_from, services.clock.now())
    end = end if until is None else min(end, require_utc(until, "until"))
    if since >= end:
        raise ConfigurationError(
            f"{region_id} is watched since {region.watch_from:%Y-%m-%d %H:%M} UTC: looks from then "
            "on are judged as they come; give an earlier --since"
        )
    done = Backfilled(region_id, since, end)
    progress(Progress(0, 0, None))
    done.errors = tuple(_poll(services, region, done))
    _judge(services, region, done, progress)
    with transaction(services.engine) as s:
        done.states = backfills.past_states(s, region_id, since, end)
    keep_ledger(services, [region_id])
    measure_new(services, region_id)
    return done


def _poll(services: Services, region: WatchedRegion, done: Backfilled) -> list[str]:
    """Read every source from before ``since`` on; return what could not be read."""
    errors = []
    for source in region.sources:
        name, collection = split_source(source)
        try:
            for first, last in windows(
                done.since - services.settings.history, done.until, READ_AT_ONCE
            ):
                usable, refused = [], []
                with charging(services, region.id, source, "poll"):
                    for item in services.catalogue(name).search(
                        collection, region.geometry, sensed_after=first, until=last
                    ):
                        if isinstance(item, Refused):
                            refused.append((item.item_id, item.reason))
                        else:
                            usable.append(item)
                with transaction(services.engine) as s:
                    done.new += len(store.record_acquisitions(s, region, usable))
                    store.record_refusals(s, region.id, source, refused)
                done.refused += len(refused)
        except (CatalogueUnavailable, ConfigurationError) as error:
            errors.append(f"{source}: {error}")
            log.warning("poll failed", region=region.id, source=source, reason=str(error))
    return errors


def _judge(
    services: Services,
    region: WatchedRegion,
    done: Backfilled,
    progress: Callable[[Progress], None],
) -> None:
    """Judge what is left, each look by itself, and what optical looks say of what was found."""
    waiting = 0
    while waiting < GIVE_UP_AFTER:
        spent = refusal(services, region)
        if spent is not None:
            done.put_off = str(spent)
            break
        bury_the_dead(services)
        now = datetime.now(UTC)
        with transaction(services.engine) as s:
            claimed = backfills.claim_past(
                s, region.id, done.since, done.until, now, services.owner, services.settings.lease
            )
            left = backfills.past_left(s, region.id, done.since, done.until, now)
        if claimed is None:
            if not left:
                break
            time.sleep(PAUSE_S)  # another worker has a look of this region
            continue
        outcome = steps.judge_claimed(services, region, claimed)
        done.looks[outcome.state] += 1
        waiting = waiting + 1 if outcome.state == "due" else 0
        if outcome.detections:
            confirming.confirm_due(services, region.id)
        log.info("past look", region=region.id, item=outcome.item_id, state=outcome.state)
        progress(Progress(sum(done.looks.values()), left, claimed.acquisition.sensed_at))
    else:
        done.put_off = f"{GIVE_UP_AFTER} looks in a row have to be tried again: {outcome.reason}"
    confirming.confirm_due(services, region.id)
