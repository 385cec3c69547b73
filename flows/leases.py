"""How long to wait before another try, and whose work may be taken over at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from db import check_leases, outbox, store
from db.engine import transaction
from flows.services import Services
from flows.workers import is_dead

#: First wait before another try, doubled each time up to the longest.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)


def backoff(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts."""
    return min(FIRST_WAIT * (1 << min(attempts - 1, 16)), LONGEST_WAIT)


def bury_the_dead(services: Services) -> None:
    """End the leases of this machine's dead workers, instead of waiting until they run out."""
    now = datetime.now(UTC)
    with transaction(services.engine) as s:
        store.release_looks(s, [o for o in store.look_owners(s) if is_dead(o)], now)
        check_leases.release_checks(s, [o for o in check_leases.check_owners(s) if is_dead(o)])
        dead = [o for o in outbox.delivery_owners(s) if is_dead(o)]
        outbox.release_deliveries(s, dead, now)
