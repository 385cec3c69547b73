"""The ledger as it is kept for analysts; what it says is worked out in ``detectors.ledger``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.tables import ExpectedLook
from detectors.ledger import ExpectedPass, Outcome

_TOLD = ("outcome", "reason", "sensed_at", "published_at", "finished_at")


def kept_ledgers(
    s: Session, region_ids: Collection[str], since: datetime
) -> dict[str, set[ExpectedPass]]:
    """Return what is kept of some regions, of passes taken or expected at ``since`` or later."""
    row = ExpectedLook
    query = select(
        row.region_id, row.track, row.expected_at, *(getattr(row, name) for name in _TOLD)
    ).where(row.region_id.in_(region_ids), row.expected_at >= since)
    found: dict[str, set[ExpectedPass]] = {region_id: set() for region_id in region_ids}
    for region_id, track, expected, outcome, *rest in s.execute(query):
        found[region_id].add(ExpectedPass(track, expected, Outcome(outcome), *rest))
    return found


def replace_ledger(
    s: Session, region_id: str, since: datetime, lines: Collection[ExpectedPass]
) -> None:
    """Keep the ledger of a region from one time on; what is older stays as it was.

    Rows that say the same as before are left alone, ``recorded_at`` included.
    """
    row = ExpectedLook
    gone = delete(row).where(row.region_id == region_id, row.expected_at >= since)
    if lines:
        keys = [(line.track, line.expected_at) for line in lines]
        gone = gone.where(tuple_(row.track, row.expected_at).not_in(keys))
    s.execute(gone)
    if not lines:
        return
    statement = insert(row)
    told = {name: getattr(statement.excluded, name) for name in _TOLD}
    s.execute(
        statement.on_conflict_do_update(
            index_elements=["region_id", "track", "expected_at"],
            set_={**told, "recorded_at": func.clock_timestamp()},
            where=or_(*(getattr(row, name).is_distinct_from(new) for name, new in told.items())),
        ),
        [
            {"region_id": region_id, "track": line.track, "expected_at": line.expected_at}
            | {name: getattr(line, name) for name in _TOLD}
            for line in lines
        ],
    )
