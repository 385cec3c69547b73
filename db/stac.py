"""What schema ``pgstac`` shows of the kept composites; the rows of ``composites`` are the truth.

pgstac lives in the same database, so that one question finds what differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import String, bindparam, text
from sqlalchemy.orm import Session

from db.base import SCHEMA

_STALE = text(f"""
SELECT kept.stac_id FROM (
    SELECT stac_id, sensor, max(recorded_at) AS recorded_at FROM {SCHEMA}.composites
    WHERE sensor = :sensor GROUP BY stac_id, sensor) AS kept
LEFT JOIN pgstac.items AS shown ON shown.id = kept.stac_id AND shown.collection = :collection
WHERE :everything OR shown.id IS NULL
    OR (shown.content #>> '{{properties,updated}}')::timestamptz <> kept.recorded_at
ORDER BY kept.stac_id
""")  # noqa: S608 - a name of our own
_GONE = text(f"""
SELECT shown.id FROM pgstac.items AS shown
WHERE shown.collection = :collection AND NOT EXISTS (
    SELECT FROM {SCHEMA}.composites AS kept WHERE kept.stac_id = shown.id)
ORDER BY shown.id
""")  # noqa: S608
_EXTENT = text(f"""
SELECT ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box), first, last FROM (
    SELECT ST_Extent(geometry) AS box, min(begins_at) AS first, max(ends_at) AS last
    FROM {SCHEMA}.composites WHERE sensor = :sensor) AS held
""")  # noqa: S608


def _pgstac(s: Session) -> None:
    """Let pgstac's functions find their own names until this transaction ends."""
    s.execute(text("SET LOCAL search_path TO pgstac, public"))


def stale(s: Session, collection: str, sensor: str, *, everything: bool) -> list[str]:
    """Return the items that a collection lacks or shows as they were; or all of them."""
    asked = {"collection": collection, "sensor": sensor, "everything": everything}
    return list(s.scalars(_STALE, asked))


def gone(s: Session, collection: str) -> list[str]:
    """Return the items that a collection shows and that are kept no longer."""
    return list(s.scalars(_GONE, {"collection": collection}))


def extent(
    s: Session, sensor: str
) -> tuple[tuple[float, ...] | None, tuple[datetime | None, datetime | None]]:
    """Return the box (west, south, east, north, degrees) and the span of what is kept."""
    *box, first, last = s.execute(_EXTENT, {"sensor": sensor}).one()
    return (None if box[0] is None else tuple(box)), (first, last)


def shown_collection(s: Session, collection: str) -> dict[str, Any] | None:
    """Return a collection as it is shown, None where it is not."""
    found = s.scalar(
        text("SELECT content::text FROM pgstac.collections WHERE id = :id"), {"id": collection}
    )
    return None if found is None else dict(json.loads(found))


def write_collection(s: Session, collection: Mapping[str, Any]) -> None:
    """Show a collection in place of an earlier one of its id."""
    _pgstac(s)
    s.execute(text("SELECT upsert_collection(CAST(:it AS jsonb))"), {"it": json.dumps(collection)})


def write_items(s: Session, items: Sequence[Mapping[str, Any]]) -> None:
    """Show items in place of earlier ones of their ids."""
    _pgstac(s)
    s.execute(text("SELECT upsert_items(CAST(:them AS jsonb))"), {"them": json.dumps(items)})


def remove_items(s: Session, collection: str, ids: Sequence[str]) -> None:
    """Show items no longer."""
    _pgstac(s)
    statement = text("SELECT delete_item(:id, :collection)").bindparams(
        bindparam("id", type_=String())
    )
    for one in ids:
        s.execute(statement, {"id": one, "collection": collection})
