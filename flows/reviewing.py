"""A person's verdict on a landslide: it outranks every look, and it is kept.

Version, alert and review are stored in one transaction. Confirming alerts like any confirmation and
refuting withdraws like any refutation: through the same outbox, to the same channels.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db import queries, store
from db.engine import transaction
from detectors.errors import ConfigurationError
from detectors.types import Landslide, Review, State, Verdict
from flows.believing import Books, last_look
from flows.services import Services

#: Where a verdict leads.
_LEADS_TO = {
    Verdict.CONFIRM: State.CONFIRMED,
    Verdict.REFUTE: State.REFUTED,
    Verdict.CLOSE: State.CLOSED,
    Verdict.REOPEN: State.SUSPECTED,
}


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """What a verdict brought."""

    review: Review
    """As it was stored."""
    landslide: Landslide
    """What is believed now."""
    alerts: int
    """Alerts written to the outbox."""


def review_landslide(
    services: Services, landslide_id: uuid.UUID, verdict: Verdict, reason: str, reviewer: str
) -> ReviewOutcome:
    """Store a verdict, the version it makes, and the alert it deserves.

    Raises:
        ConfigurationError: nobody or nothing is named, there is no such landslide, it became part
            of another, or the verdict stands already.
    """
    reason, reviewer = reason.strip(), reviewer.strip()
    if not reason or not reviewer:
        raise ConfigurationError("a verdict needs a reason and a name: --reason TEXT --by NAME")
    with transaction(services.engine) as s:
        latest = _known(s, landslide_id)
        store.lock_region(s, latest.region_id)
        latest = _known(s, landslide_id)
        _refuse(latest, verdict)
        region = queries.get_region(s, latest.region_id, include_removed=True)
        review = Review(latest.id, verdict, reason, reviewer, services.clock.now())
        books = Books(services, s, region, last_look(s, latest))
        now = books.reviewed(review, latest)
    return ReviewOutcome(review, now, books.alerts)


def _known(s: Session, landslide_id: uuid.UUID) -> Landslide:
    found = queries.get_landslide(s, landslide_id)
    if found is None:
        raise ConfigurationError(f"no landslide {landslide_id}; see: scarpwatch landslides list")
    return found


def _refuse(latest: Landslide, verdict: Verdict) -> None:
    """Refuse a verdict that would say nothing new, or of nothing.

    Raises:
        ConfigurationError: what to do instead.
    """
    if latest.merged_into is not None:
        raise ConfigurationError(
            f"landslide {str(latest.id)[:8]} is part of {latest.merged_into}; review that one"
        )
    # What a look decided, a person may still decide likewise: from then on it stands.
    stands = latest.reviewed_by is not None or verdict in (Verdict.REOPEN, Verdict.CLOSE)
    if latest.state is _LEADS_TO[verdict] and stands:
        by = f" by {latest.reviewed_by}" if latest.reviewed_by else ""
        raise ConfigurationError(f"landslide {str(latest.id)[:8]} is {latest.state}{by} already")
