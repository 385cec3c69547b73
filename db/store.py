"""Writes: regions, polls, acquisitions, detections, landslides. Twice is once, for each of them.

The caller owns the transaction. A worker stores what it found and finishes its look in one
transaction; if the lease was lost in the meantime, finishing raises and nothing is stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    Uuid,
    and_,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import convert, optical, queries, radar, tables
from db.copying import copy_new
from db.looks import (
    any_look_due,
    claim_look,
    explain_looks,
    extend_look,
    finish_look,
    look_owners,
    release_looks,
    reopen_look,
    retry_look,
)
from db.regions import lock_region, polling, remove_region, save_region, set_paused, watches
from db.selecting import among
from detectors.errors import PermanentError
from detectors.types import (
    Acquisition,
    Detection,
    Landslide,
    Review,
    WatchedRegion,
    derive_id,
)

#: Fewer than this many detections are stored sooner by INSERT (bench/database.md).
MANY = 1_000

__all__ = [
    "any_look_due",
    "claim_look",
    "explain_looks",
    "extend_look",
    "finish_look",
    "finish_polls",
    "forget_watermarks",
    "know_acquisitions",
    "lock_region",
    "look_owners",
    "polling",
    "queue_looks",
    "record_acquisitions",
    "record_refusals",
    "record_review",
    "release_looks",
    "remove_region",
    "reopen_look",
    "retry_look",
    "save_region",
    "set_paused",
    "store_detections",
    "store_landslide",
    "unqueued",
]


def finish_polls(
    s: Session,
    region_ids: Collection[str],
    source: str,
    watermark: datetime | None,
    polled_at: datetime,
    error: str | None = None,
) -> None:
    """Note that a source was read for some regions up to ``watermark``.

    Watermarks never move back; with ``error`` they stay where they were.
    """
    if not region_ids:
        return
    row = tables.PollState
    reached = None if error else watermark
    statement = insert(row)
    new = statement.excluded
    s.execute(
        statement.on_conflict_do_update(
            index_elements=["region_id", "source"],
            set_={
                # greatest() leaves nulls out.
                "watermark": func.greatest(row.watermark, new.watermark),
                "polled_at": new.polled_at,
                "succeeded_at": func.coalesce(new.succeeded_at, row.succeeded_at),
                "failures": row.failures + 1 if error else 0,
                "error": new.error,
            },
        ),
        # Everybody in the same order, so that two batches cannot block each other for good.
        [
            {
                "region_id": region_id, "source": source, "watermark": reached,
                "polled_at": polled_at, "succeeded_at": None if error else polled_at,
                "failures": 1 if error else 0, "error": error,
            }
            for region_id in sorted(region_ids)
        ],
    )  # fmt: skip


def forget_watermarks(s: Session, region_id: str, source: str | None = None) -> None:
    """Let the next poll read everything again, of one source or of all.

    The region grew, begins earlier than it did, or was read by a clock that was ahead.
    """
    row = tables.PollState
    statement = update(row).where(row.region_id == region_id)
    if source is not None:
        statement = statement.where(row.source == source)
    s.execute(statement.values(watermark=None))


def record_acquisitions(
    s: Session, region: WatchedRegion, acquisitions: Iterable[Acquisition]
) -> list[uuid.UUID]:
    """Store what a poll found and queue one look for each item new to this region.

    Returns:
        Ids of the acquisitions new to this region, oldest first.
    """
    found = list(acquisitions)
    know_acquisitions(s, found)
    return queue_looks(s, region, found)


def know_acquisitions(s: Session, acquisitions: Iterable[Acquisition]) -> None:
    """Store what catalogues list, whoever it is for.

    A known item keeps what was first told of it, but hrefs, checksums, scale, offset and processing
    version follow the catalogue; once simulated, it stays simulated.
    """
    found = _in_order(acquisitions)
    if not found:
        return
    row = tables.Acquisition
    statement = insert(row)
    new = statement.excluded
    followed = {
        "assets": new.assets,
        "checksums": new.checksums,
        "scale": new.scale,
        "offset": new.offset,
        "processing_version": new.processing_version,
    }
    s.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={**followed, "simulated": or_(row.simulated, new.simulated)},
            where=or_(
                *(getattr(row, name).is_distinct_from(value) for name, value in followed.items()),
                and_(new.simulated, ~row.simulated),
            ),
        ),
        [convert.acquisition_values(acquisition) for acquisition in found],
    )


def queue_looks(
    s: Session, region: WatchedRegion, acquisitions: Iterable[Acquisition]
) -> list[uuid.UUID]:
    """Queue one look for each item that is new to a region; the items are stored already.

    An item that was refused before is no longer. What waited for older looks of its track is due
    again when they come.

    Returns:
        Ids of the acquisitions new to this region, oldest first.
    """
    found = _in_order(acquisitions)
    if not found:
        return []
    looks = [
        {
            "id": derive_id("look", region.id, acquisition.id),
            "region_id": region.id,
            "acquisition_id": acquisition.id,
            "state": "due" if watches(region, acquisition) else "baseline",
        }
        for acquisition in found
    ]
    fresh = set(
        s.scalars(
            insert(tables.Look).on_conflict_do_nothing().returning(tables.Look.acquisition_id),
            looks,
        )
    )
    refused = tables.RefusedItem
    radar.reopen_short_looks(s, region.id, fresh)
    optical.unpark(s, region.id, fresh)
    usable = [(a.source, a.item_id) for a in found if a.id in fresh]
    s.execute(
        delete(refused).where(
            refused.region_id == region.id, tuple_(refused.source, refused.item_id).in_(usable)
        )
    )
    return [acquisition.id for acquisition in found if acquisition.id in fresh]


def unqueued(
    s: Session, wanted: Mapping[str, Collection[uuid.UUID]]
) -> dict[str, set[uuid.UUID]]:  # fmt: skip
    """Return which of some acquisitions have no look yet, by region."""
    left = {region_id: set(ids) for region_id, ids in wanted.items()}
    asked = [region_id for region_id, ids in left.items() if ids]
    look, items = tables.Look, set().union(*left.values())
    known = select(look.region_id, look.acquisition_id).where(
        among(look.region_id, asked), among(look.acquisition_id, items)
    )
    if asked:
        for region_id, acquisition_id in s.execute(known):
            left[region_id].discard(acquisition_id)
    return left


def _in_order(acquisitions: Iterable[Acquisition]) -> list[Acquisition]:
    """Return each once, oldest first: everybody inserts in the same order, and none blocks."""
    return sorted({a.id: a for a in acquisitions}.values(), key=lambda a: (a.sensed_at, a.id))


def record_refusals(
    s: Session, region_id: str, source: str, refusals: Iterable[tuple[str, str]]
) -> None:
    """Store the items of a poll that cannot be used, as (item id, reason)."""
    rows = [
        {"region_id": region_id, "source": source, "item_id": item_id, "reason": reason}
        for item_id, reason in sorted(dict(refusals).items())
    ]
    if rows:
        statement = insert(tables.RefusedItem)
        s.execute(
            statement.on_conflict_do_update(
                index_elements=["region_id", "source", "item_id"],
                set_={"reason": statement.excluded.reason},
            ),
            rows,
        )


def store_detections(s: Session, detections: Sequence[Detection]) -> None:
    """Store detections; known ones are left as they are."""
    rows = [convert.detection_values(detection) for detection in detections]
    if len(rows) >= MANY:
        copy_new(s, tables.Detection, rows)
    elif rows:
        s.execute(insert(tables.Detection).on_conflict_do_nothing(), rows)


def store_landslide(s: Session, landslide: Landslide) -> None:
    """Append a version of a landslide whose detections are stored.

    Raises:
        PermanentError: this revision exists with other content, leaves a gap, or changes region.
    """
    # One query, so that the answers belong together while others append.
    history = queries.landslide_history(s, landslide.id)
    if landslide.revision in {version.revision for version in history}:
        _must_be_among(history, landslide)
        return
    if history and history[0].region_id != landslide.region_id:
        raise PermanentError(
            f"landslide {landslide.id} is in {history[0].region_id}, not {landslide.region_id}"
        )
    if landslide.revision != len(history) + 1:
        raise PermanentError(
            f"landslide {landslide.id}: revision {landslide.revision} came after {len(history)}"
        )
    s.execute(
        insert(tables.Landslide)
        .values(id=landslide.id, region_id=landslide.region_id)
        .on_conflict_do_nothing(index_elements=["id"])
    )
    written = s.scalar(
        insert(tables.LandslideVersion)
        .values(convert.version_values(landslide))
        .on_conflict_do_nothing(index_elements=["landslide_id", "revision"])
        .returning(literal(1))
    )
    if written is None:  # somebody else was a moment faster
        _must_be_among(queries.landslide_history(s, landslide.id), landslide)
        return
    _link(s, landslide)


def _link(s: Session, landslide: Landslide) -> None:
    """Store which detections a landslide is made of; one that is not stored is refused."""
    link, found = tables.LandslideDetection, tables.Detection
    ids = literal(list(landslide.detections), ARRAY(Uuid))
    said = func.unnest(ids).table_valued(column("id", Uuid)).render_derived(name="said")
    known = exists().where(link.landslide_id == landslide.id, link.detection_id == said.c.id)
    # Without a time where no such detection is stored, which the table refuses.
    new = (
        select(literal(landslide.id), said.c.id, found.not_after)
        .select_from(said)
        .outerjoin(found, found.id == said.c.id)
        .where(~known)
    )
    columns = ("landslide_id", "detection_id", "not_after")
    s.execute(insert(link).from_select(columns, new).on_conflict_do_nothing())


def record_review(s: Session, review: Review) -> None:
    """Store what a person decided, once and for all."""
    values = convert.review_values(review)
    s.execute(insert(tables.Review).values(values).on_conflict_do_nothing(index_elements=["id"]))


def _must_be_among(history: list[Landslide], landslide: Landslide) -> None:
    if landslide not in history:
        raise PermanentError(
            f"landslide {landslide.id} revision {landslide.revision} is stored with other content"
        )
