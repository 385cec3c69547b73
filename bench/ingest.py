"""How fast detections of a look are stored: by the program, and by COPY alone."""

from __future__ import annotations

import os
import time
from typing import Any, LiteralString, cast

import psycopg
from shapely.geometry import Point
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db import store, tables
from db.engine import make_engine
from detectors.types import Detection, Tier

#: Rows of COPY alone, and of the program, which derives an id from each outline first.
COPIED, MANY = 100_000, 20_000
FEW = (1, 10, 100, 1_000)
_ROWS = """
SELECT gen_random_uuid() AS id, 'r3' AS region_id, look.id AS acquisition_id, polygon, area_m2,
    score_max, score_mean, evidence, change_db, tier, look.sensed_at - interval '6 d' AS not_before,
    look.sensed_at AS not_after, item_ids, detector, weights_version, config_hash, d.simulated,
    d.source, kind
FROM plain.detections d, scarpwatch.acquisitions look
WHERE look.item_id = 'r3-700' LIMIT {}"""
_COLUMNS = (
    "id, region_id, acquisition_id, polygon, area_m2, score_max, score_mean, evidence, change_db,"
    " tier, not_before, not_after, item_ids, detector, weights_version, config_hash, simulated,"
    " source, kind"
)


def ingest(url: str, *, insert_too: bool) -> dict[str, Any]:
    """Return rows a second; nothing of it stays.

    Args:
        url: A filled database.
        insert_too: Store by INSERT for comparison, too, many and few.
    """
    told: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "program_rows": MANY}
    told |= _copied(url)
    engine = make_engine(url)
    rate = {name: _stored(engine, MANY, least) for name, least in _ways(insert_too).items()}
    told |= {f"program_by_{name}_rows_a_s": round(MANY / s) for name, s in rate.items()}
    if insert_too:
        told["few_insert_over_copy"] = {}
        for few in FEW:
            turns = [_stored(engine, few, MANY + 1) / _stored(engine, few, 0) for _ in range(5)]
            told["few_insert_over_copy"][few] = round(sorted(turns)[2], 2)
    engine.dispose()
    return told


def _ways(insert_too: bool) -> dict[str, int]:
    return {"copy": 0, "insert": MANY + 1} if insert_too else {"copy": 0}


def _copied(url: str) -> dict[str, int]:
    """COPY the same rows into the table in parts and into the one without, by turns."""
    took: dict[str, list[float]] = {"scarpwatch": [], "plain": []}
    with psycopg.connect(url) as connection:
        with connection.cursor().copy(f"COPY ({_ROWS.format(COPIED)}) TO STDOUT") as copy:
            rows = b"".join(bytes(one) for one in copy)
        for schema in ("scarpwatch", "plain", "plain", "scarpwatch"):
            into = cast("LiteralString", f"COPY {schema}.detections ({_COLUMNS}) FROM STDIN")
            began = time.perf_counter()
            with connection.transaction(force_rollback=True), connection.cursor() as cursor:
                with cursor.copy(into) as copy:
                    copy.write(rows)
                took[schema].append(time.perf_counter() - began)
    return {
        "copy_into_parts_rows_a_s": round(2 * COPIED / sum(took["scarpwatch"])),
        "copy_into_one_table_rows_a_s": round(2 * COPIED / sum(took["plain"])),
    }


def _stored(engine: Engine, many: int, least: int) -> float:
    """Return how long the program takes to store detections of one look, seconds."""
    with Session(engine) as s:
        row = tables.Acquisition
        found = s.scalars(select(row).where(row.item_id == "r3-700")).one()
        rows = _detections(found, many)
        usual, store.MANY = store.MANY, least
        began = time.perf_counter()
        store.store_detections(s, rows)
        took = time.perf_counter() - began
        store.MANY = usual
        s.rollback()
    return took


def _detections(look: tables.Acquisition, many: int) -> list[Detection]:
    return [
        Detection(
            "r3", look.id, Point(3 + n % 1000 / 1000, 40 + n / 10_000).buffer(0.001, quad_segs=2),
            3e4, 6.5, 4.2, 12.0, 4.0, Tier.LIKELY, look.sensed_at - (look.published_at
            - look.sensed_at), look.sensed_at, (look.item_id,), "sar_log_ratio", "none", "bench",
            simulated=True,
        )
        for n in range(many)
    ]  # fmt: skip
