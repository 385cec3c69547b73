"""Whether books, files and receivers still agree: asked after every fault that is made on purpose.

What must be true of the database alone is in ``db.invariants``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from db import composites, invariants
from db.engine import transaction
from db.invariants import Broken, Leases
from flows.delivering import longest_held
from flows.kept import prune
from flows.leases import LONGEST_WAIT
from flows.services import Services


def broken(
    services: Services,
    lines: Iterable[Mapping[str, Any]] = (),
    inboxes: Mapping[str, str] | None = None,
) -> list[Broken]:
    """Return every rule that does not hold just now, whoever is at work.

    Args:
        services: database, settings, and the folder of composites.
        lines: what a receiver took, oldest first.
        inboxes: by channel the inbox of that receiver.

    Raises:
        DatabaseUnavailable: nobody can say.
    """
    ours = services.settings
    leases = Leases(ours.lease, longest_held(ours), LONGEST_WAIT)
    # What arrived is read before the database is: what came in between was decided before.
    taken = list(lines)
    with transaction(services.engine) as s:
        found = invariants.broken(s, datetime.now(UTC), leases)
        found += invariants.messages(s, taken, inboxes or {})
        found += _rasters(s, services.settings.composites)
    return found


def _rasters(s: Session, root: Path) -> Iterator[Broken]:
    """Yield rows whose file is not what they say; nobody removes files meanwhile."""
    composites.keep_files(s)
    for row in composites.list_composites(s):
        path = root / row.path
        if not path.is_file():
            yield Broken("a row names a file that is there", row.path)
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if (path.stat().st_size, digest) != (row.bytes, row.sha256):
            yield Broken("a file is what its row says", row.path)


def swept(services: Services) -> list[Broken]:
    """Sweep, and return what is left that no row names; only while nobody is at work.

    Raises:
        DatabaseUnavailable: nobody can say.
    """
    root = services.settings.composites
    prune(services, grace=timedelta(0))
    with transaction(services.engine) as s:
        named = composites.named(s)
    left = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    strays = sorted(one for one in left - named if one != ".pruned")
    return [Broken("nothing is left that the sweep does not remove", one) for one in strays]
