"""The ledger as it is kept for analysts; what it says is worked out in ``detectors.ledger``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, or_, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db.tables import ExpectedLook
from detectors.ledger import ExpectedPass

_TOLD = ("outcome", "reason", "sensed_at", "published_at", "finished_at")


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
