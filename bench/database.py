"""How the database grows: ``python -m bench.database [--rows 100000 1000000 10000000]``.

SIMULATED detections and landslides of ``bench.detections`` in a throwaway PostGIS of the program's
own settings. Statements are those that the program, tipg and QGIS write; each is asked of the
detections in parts and of the same detections in one table, by turns over one connection. Cold:
the server has just been started (the kernel's cache is as it was); warm: the best of later turns.
Processor: what the server process computed meanwhile, likewise the best, which other work on the
machine hardly touches; ratios and growth are of that. All are medians of several places.
Prints, and writes ``bench/results/database.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString, cast

import numpy as np
import psycopg

from bench.asking import explained, in_one_table
from bench.detections import OF_EACH, fill
from bench.ingest import ingest
from bench.many import VERSIONS, throwaway
from bench.questions import EXTENTS, questions
from db.cluster import Cluster
from db.engine import make_engine

RESULT = Path(__file__).parent / "results" / "database.json"
#: A statement that takes longer is ended, and said so.
PATIENCE_S = 180
#: Later turns, fewer where one takes long.
TURNS, LONG_S = 6, 2


def main() -> None:
    """Fill, ask, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    asked = parser.parse_args()
    held: dict[str, Any] = {
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}", "cores": os.cpu_count(),
        "detections_of_a_landslide": OF_EACH, "versions_of_a_landslide": VERSIONS, "sizes": [],
    }  # fmt: skip
    for rows in asked.rows:
        held["sizes"].append(_size(rows, first=rows == min(asked.rows)))
        held["growth"] = _growth(held["sizes"])
        RESULT.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(held["growth"], indent=1))


def _size(rows: int, *, first: bool) -> dict[str, Any]:
    with throwaway() as (folder, url):
        began = time.monotonic()
        fill(url, rows)
        told: dict[str, Any] = {"detections": rows, "fill_s": round(time.monotonic() - began)}
        print(told, flush=True)
        told["bytes"] = _bytes(url)
        engine = make_engine(url)
        asked = questions(url, engine)
        engine.dispose()
        cluster = Cluster(folder / "state", throwaway=True)
        cluster.stop()
        cluster.start()
        told["questions"] = {}
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SET statement_timeout = '{PATIENCE_S}s'")
            for name, places in asked.items():
                told["questions"][name] = _measured(connection, places)
                print(rows, name, told["questions"][name], flush=True)
        for name, extents in EXTENTS.items():
            began = time.monotonic()
            extents(url)
            told[name] = round(time.monotonic() - began, 2)
            print(rows, name, told[name], flush=True)
        told["ingest"] = ingest(url, insert_too=first)
        print(rows, told["ingest"], flush=True)
        return told


def _measured(connection: psycopg.Connection, places: list[list[str]]) -> dict[str, Any]:
    """Ask one question at several places, of both tables by turns."""
    tables: dict[str, Callable[[str], str]] = {"parts": str}
    if any(in_one_table(one) != one for one in places[0]):
        tables["one_table"] = in_one_table
    took: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in tables}
    for turn in range(1 + TURNS):
        for name, said in tables.items() if turn % 2 else reversed(tables.items()):
            took[name].append([_ms(connection, map(said, place)) for place in places])
        if turn and sum(ms for ms, _ in took["parts"][-1]) > 1000 * LONG_S:
            break
    told: dict[str, Any] = {"load": round(os.getloadavg()[0], 1)}
    for name, turns in took.items():
        cold, *warm = turns
        best = [np.min(place, axis=0) for place in zip(*warm, strict=True)]
        told[name] = {
            "cold_ms": _short(statistics.median(ms for ms, _ in cold)),
            "warm_ms": _short(statistics.median(ms for ms, _ in best)),
            "processor_ms": _short(statistics.median(ms for _, ms in best)),
        }
        last = tables[name](places[0][-1])
        if math.isfinite(told[name]["warm_ms"]):
            by, parts, pages = explained(connection, last)
            told[name] |= {"by": by, "parts_read": parts, "pages": pages}
    if "one_table" in told:
        ours, theirs = (told[name]["processor_ms"] for name in tables)
        told["ratio"] = round(ours / theirs, 2)
    return told


def _ms(connection: psycopg.Connection, statements: Iterable[str]) -> tuple[float, float]:
    """Return how long some statements take, and how long the server computed for them, ms."""
    spent = Path(f"/proc/{connection.info.backend_pid}/schedstat")
    began, computed = time.perf_counter(), int(spent.read_text().split()[0])
    try:
        with connection.transaction(force_rollback=True):
            for one in statements:
                cursor = connection.execute(cast("LiteralString", one))
                if cursor.description:
                    cursor.fetchall()
    except psycopg.errors.QueryCanceled:
        return math.inf, math.inf
    wall = 1000 * (time.perf_counter() - began)
    return wall, (int(spent.read_text().split()[0]) - computed) / 1e6


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _bytes(url: str) -> dict[str, int]:
    """Return the size of each large table with its indexes, bytes."""
    query = """
        SELECT coalesce(parent.relname, c.relnamespace::regnamespace || '.' || c.relname) AS name,
            sum(pg_total_relation_size(c.oid))::bigint AS size
        FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
        LEFT JOIN pg_class parent ON parent.oid = i.inhparent
        WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('scarpwatch', 'plain')
        GROUP BY 1 ORDER BY 2 DESC LIMIT 6"""
    with psycopg.connect(url) as connection:
        return dict(connection.execute(query).fetchall())


def _growth(sizes: list[dict[str, Any]]) -> dict[str, float]:
    """Return the exponent of the computing against the number of detections, by question."""
    if len(sizes) < 2:
        return {}
    rows = np.log([one["detections"] for one in sizes])
    found = {}
    for name in set.intersection(*(set(one["questions"]) for one in sizes)):
        times = [one["questions"][name]["parts"]["processor_ms"] for one in sizes]
        if all(map(math.isfinite, times)):
            found[name] = round(float(np.polyfit(rows, np.log(times), 1)[0]), 2)
    return found


if __name__ == "__main__":
    main()
