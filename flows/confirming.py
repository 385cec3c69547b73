"""Optical verdicts: every open landslide by every look after it, as soon as its pixels are clear.

Which pairs are open is a question to PostGIS (no check stored yet), so nothing is lost with a
worker. A worker takes a landslide under a lease while it asks a look about it, so that two at once
do not fetch the same; should they, one check is stored. Everything may run twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session

from alerts.cap import Context
from db import check_leases, optical, queries, store
from db.engine import transaction
from db.records import CompositeRecord
from detectors.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    InvalidWeights,
    NotEnoughLooks,
    NothingObserved,
    PermanentError,
    QuotaSpent,
    TransientError,
)
from detectors.types import (
    SAME_PASS,
    Acquisition,
    Landslide,
    OpticalCheck,
    Sensor,
    State,
    WatchedRegion,
)
from detectors.verdicts import OPEN
from flows import platforms
from flows.believing import Books, last_look, waits_of
from flows.costs import charging
from flows.kept import stac_id, store_in
from flows.leases import backoff, bury_the_dead
from flows.quota import put_off
from flows.services import Services
from flows.steps import REACH_BACK, STRICT_ATTEMPTS, LookOutcome, detect_due, looks_due

if TYPE_CHECKING:
    from flows.examining import Examination

log = structlog.get_logger()

#: Tells why a look does not count yet, None where it does: ``platforms.held``.
type Held = Callable[[Acquisition], str | None]

#: Open pairs that are asked for at once: with thousands of landslides the question takes a second.
PAIRS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one optical look made of one landslide."""

    landslide_id: str
    """Landslide."""
    item_id: str
    """Optical look; empty where the time ran out."""
    finding: str
    """What the look says, or ``deferred``, ``held``, ``given up``, ``expired``, ``closed``."""
    state: str
    """State of the landslide now."""
    reason: str
    """Why."""
    alerts: int
    """Alerts written to the outbox."""


@dataclass(frozen=True, slots=True)
class ConfirmOutcome:
    """What one run of optical verdicts brought."""

    checks: tuple[CheckOutcome, ...]
    """Landslides that were looked at, in order."""
    looks: tuple[LookOutcome, ...]
    """Looks that were searched for landslides nobody suspected."""

    @property
    def alerts(self) -> int:
        """Alerts that were written to the outbox."""
        return sum(one.alerts for one in self.checks) + sum(one.alerts for one in self.looks)


def confirmations_due(services: Services, region_id: str) -> bool:
    """Tell whether there is anything to confirm, so that an idle poll need not load a model."""
    if looks_due(services, region_id, Sensor.OPTICAL):
        return True
    window, after = services.settings.optical_window, services.settings.close_after
    with transaction(services.engine) as s:
        now = services.clock.now()
        region = queries.get_region(s, region_id)
        waiting = Sensor.OPTICAL in region.sensors and _counting(services, s, region, window)
        return bool(waiting or queries.overdue_landslides(s, region_id, now, window, after))


def _counting(services: Services, s: Session, region: WatchedRegion, window: timedelta) -> bool:
    """Tell whether a pair waits whose look counts."""
    held, now = platforms.held(services, s, region), services.clock.now()
    limit: int | None = PAIRS_AT_ONCE
    while True:
        pending = optical.optical_pending(
            s, region.id, now, datetime.now(UTC), window, limit=limit
        )  # fmt: skip
        if any(held(look) is None for _, look in pending):
            return True
        if limit is None or len(pending) < limit:
            return False
        limit = None


def confirm_due(
    services: Services, region_id: str, survey_for: timedelta | None = None
) -> ConfirmOutcome:
    """Judge what can be judged: known landslides first, then ground nobody suspects.

    Args:
        services: what the step reaches the world through.
        region_id: watched region.
        survey_for: begin no search of another look after so long; None works all of them off.

    Raises:
        DatabaseUnavailable: what was stored stays; the rest is taken up again later.
        ConfigurationError: no such region.
    """
    checks = _check_all(services, region_id)
    looks: list[LookOutcome] = []
    begun = time.monotonic()
    held = _held_names(services, region_id)
    while found := detect_due(services, region_id, limit=1, sensor=Sensor.OPTICAL):
        looks += found
        if found[0].detections:
            checks += _check_all(services, region_id)
        if survey_for and time.monotonic() - begun >= survey_for.total_seconds():
            break
    if held != _held_names(services, region_id):
        checks += _check_all(services, region_id)  # a platform has passed: its looks count now
    checks += _expire_all(services, region_id)
    return ConfirmOutcome(tuple(checks), tuple(looks))


def _held_names(services: Services, region_id: str) -> set[tuple[str, str]]:
    """Return the platforms of a region that do not count, by track and name."""
    with transaction(services.engine) as s:
        found = platforms.states(services, s, queries.get_region(s, region_id))
    return {(one.track, one.name) for one in found if not one.may_alert}


def _check_all(services: Services, region_id: str) -> list[CheckOutcome]:
    """Judge every open pair of landslide and look, oldest look first."""
    outcomes: list[CheckOutcome] = []
    if put_off(services, region_id, Sensor.OPTICAL) is not None:
        return outcomes
    bury_the_dead(services)
    waiting: set[tuple[uuid.UUID, uuid.UUID]] = set()
    while True:
        with transaction(services.engine) as s:
            region = queries.get_region(s, region_id)
            if Sensor.OPTICAL not in region.sensors:
                return outcomes
            pending = optical.optical_pending(
                s, region_id, services.clock.now(), datetime.now(UTC),
                services.settings.optical_window, limit=len(waiting) + PAIRS_AT_ONCE,
            )  # fmt: skip
            held = platforms.held(services, s, region)
        fresh = [pair for pair in pending if (pair[0].id, pair[1].id) not in waiting]
        if not fresh:
            return outcomes
        decided: set[uuid.UUID] = set()
        for landslide, look in fresh:
            # A verdict closes the landslide's other pairs.
            if landslide.id in decided:
                continue
            reason = held(look)
            if reason is not None:
                state = landslide.state.value
                outcome = CheckOutcome(str(landslide.id), look.item_id, "held", state, reason, 0)
            elif _claim(services, landslide, look):
                outcome = _attempt(services, region, landslide, look, held)
            else:
                continue  # another worker's, or answered meanwhile: asked for again above
            if outcome.finding in ("deferred", "held"):
                waiting.add((landslide.id, look.id))
            elif outcome.state not in OPEN:
                decided.add(landslide.id)
            outcomes.append(outcome)
            log.info("optical check", region=region_id, **asdict(outcome))


def _claim(services: Services, landslide: Landslide, look: Acquisition) -> bool:
    """Take a landslide to ask a look about it; False where there is nothing to do just now."""
    with transaction(services.engine) as s:
        return check_leases.claim_check(
            s, landslide, look, datetime.now(UTC), services.owner, services.settings.lease
        )


def _attempt(
    services: Services,
    region: WatchedRegion,
    landslide: Landslide,
    look: Acquisition,
    held: Held | None = None,
) -> CheckOutcome:
    """Judge one pair that this worker has; whatever goes wrong is named and stored with it."""
    try:
        with charging(services, region.id, look.source, "confirm", look.item_id):
            seen = examine_pair(services, landslide, look, held)
    except (NothingObserved, NotEnoughLooks) as error:
        return _defer(services, landslide, look, str(error), again=False)
    except DatabaseUnavailable:
        raise
    except QuotaSpent as error:
        # Not the look's fault: the pair stays pending, uncounted; asking again costs nothing.
        with transaction(services.engine) as s:
            check_leases.release_check(s, landslide.id, services.owner)
        state = landslide.state.value
        return CheckOutcome(str(landslide.id), look.item_id, "deferred", state, str(error), 0)
    except (TransientError, ConfigurationError, InvalidWeights) as error:
        return _defer(services, landslide, look, str(error), again=True)
    except PermanentError as error:
        return _defer(services, landslide, look, str(error), again=False)
    kept = _keep(services, region, landslide, look, seen)
    return _store(services, region, look, seen.check, kept)


def _keep(
    services: Services,
    region: WatchedRegion,
    landslide: Landslide,
    look: Acquisition,
    seen: Examination,
) -> tuple[CompositeRecord, ...]:
    """Write what the look was examined by, unless settings forbid it."""
    from flows.keeping import keep_examination  # numerical libraries, as below

    return keep_examination(services.settings, region, landslide, look, seen)


def examine_pair(
    services: Services, landslide: Landslide, look: Acquisition, held: Held | None = None
) -> Examination:
    """Judge one landslide by one look and those around it; nothing is stored.

    After some tries it does without the other looks that cannot be fetched.

    Args:
        services: what the step reaches the world through.
        landslide: what is looked at.
        look: the look.
        held: as for ``around``.

    Raises:
        ScarpwatchError: as ``flows.examining.examine``.
    """
    # Loads the numerical libraries, which an idle poll can do without.
    from flows.examining import ENSEMBLE, examine

    with transaction(services.engine) as s:
        region = queries.get_region(s, landslide.region_id, include_removed=True)
        forgiving = optical.attempts(s, landslide.id, look.id) >= STRICT_ATTEMPTS
    before, after = around(services, region, landslide, look, held)
    return examine(
        landslide, look, before, after, services.catalogue_of,
        forgiving=forgiving, asked=services.asked(ENSEMBLE),
    )  # fmt: skip


def around(
    services: Services,
    region: WatchedRegion,
    landslide: Landslide,
    look: Acquisition,
    held: Held | None = None,
) -> tuple[list[Acquisition], list[Acquisition]]:
    """Return the optical looks before a landslide, and those after it up to one look.

    What found a landslide is no second witness: after an optical find come later passes alone.

    Args:
        services: what the step reaches the world through.
        region: watched region.
        landslide: what is looked at.
        look: the look.
        held: tells why looks do not count, where the caller knows (``platforms.held``).
    """
    found_by = SAME_PASS if landslide.source is Sensor.OPTICAL else timedelta(0)
    spans = (
        (landslide.not_before - REACH_BACK, landslide.not_before),
        (landslide.not_after + found_by, look.sensed_at),
    )
    # The region may have changed its sources since the look came.
    sources = {*region.sources, look.source}
    with transaction(services.engine) as s:
        before, after = (
            queries.looks_over(
                s, landslide.geometry, Sensor.OPTICAL, since=since, until=until,
                published_until=services.clock.now(), sources=sources,
            )
            for since, until in spans
        )  # fmt: skip
        if held is None:
            held = platforms.held(services, s, region)
    real = not landslide.simulated

    def counts(one: Acquisition) -> bool:
        """Tell whether a look may stand beside the one that is judged."""
        return not (real and one.simulated) and (held(one) is None or one.id == look.id)

    return list(filter(counts, before)), list(filter(counts, after))


def _store(
    services: Services,
    region: WatchedRegion,
    look: Acquisition,
    check: OpticalCheck,
    kept: Sequence[CompositeRecord],
) -> CheckOutcome:
    """Store a check, what it was made by, its version and its alert in ONE transaction."""
    alerts = 0
    with transaction(services.engine) as s:
        store.lock_region(s, region.id)
        check_leases.release_check(s, check.landslide_id, services.owner)
        latest = queries.get_landslide(s, check.landslide_id)
        if latest is None or latest.revision != check.revision:
            # Another outline than was judged: the pair stays open and is judged again.
            reason = "the landslide changed meanwhile"
            return CheckOutcome(str(check.landslide_id), look.item_id, "deferred", "", reason, 0)
        if optical.record_optical_check(s, check):
            store_in(services, s, stac_id(region.id, look, check.landslide_id), kept)
            books = Books(services, s, region, look, Context(share_clear=check.share_clear))
            latest = books.seen(check, latest)
            alerts = books.alerts
    return CheckOutcome(
        str(check.landslide_id), look.item_id, check.finding.value, latest.state.value,
        check.reason, alerts,
    )  # fmt: skip


def _defer(
    services: Services, landslide: Landslide, look: Acquisition, reason: str, *, again: bool
) -> CheckOutcome:
    """Store that a look could not be read: to be tried again with growing waits, or never."""
    with transaction(services.engine) as s:
        tries = optical.attempts(s, landslide.id, look.id) + 1
        again = again and tries < services.settings.look_attempts
        retry_at = datetime.now(UTC) + backoff(tries) if again else None
        optical.defer_optical_check(s, landslide.id, look.id, reason, retry_at)
        check_leases.release_check(s, landslide.id, services.owner)
    finding = "deferred" if again else "given up"
    return CheckOutcome(str(landslide.id), look.item_id, finding, landslide.state.value, reason, 0)


def _expire_all(services: Services, region_id: str) -> list[CheckOutcome]:
    """End the waiting of landslides nobody could decide in time, and close the settled ones."""
    with transaction(services.engine) as s:
        store.lock_region(s, region_id)
        return expire_in(services, s, region_id)


def expire_in(services: Services, s: Session, region_id: str) -> list[CheckOutcome]:
    """Store what time alone decides, in the caller's transaction."""
    waits, now = waits_of(services), services.clock.now()
    region = queries.get_region(s, region_id, include_removed=True)
    outcomes = []
    overdue = queries.overdue_landslides(s, region_id, now, waits.window, waits.close_after)
    for landslide in overdue:
        books = Books(services, s, region, last_look(s, landslide))
        version = books.waited(landslide, now)
        if version is not landslide:
            word = "closed" if version.state is State.CLOSED else "expired"
            outcomes.append(
                CheckOutcome(
                    str(version.id), "", word, version.state.value, version.cause, books.alerts
                )
            )
    return outcomes
