"""Detections by the million, drawn at random, beside the landslides of ``bench.many``.

SIMULATED. Ten regions, a look of each every six days for twelve years; each landslide has
``OF_EACH`` detections, in looks one after the other, on its own ground: outlines of 4, 8 or 12
corners. The same detections lie once more in schema ``plain``, in one table without parts, with
the same indexes and the same view.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import LiteralString, cast

import psycopg

from bench.many import FILL, VERSIONS

#: Detections of a landslide, which has three versions: a year of looks from two tracks.
OF_EACH = 60
#: Looks of a region.
LOOKS = 730
#: Landslides of one transaction, and transactions at once.
PART, AT_ONCE = 10_000, 2
_LOOKS = """
INSERT INTO scarpwatch.acquisitions (id, source, item_id, platform, sensor, sensed_at, published_at,
    footprint, orbit_state, relative_orbit, track, polarisations, assets, checksums, simulated)
SELECT md5('a' || r || '-' || k)::uuid, 'a/b', 'r' || r || '-' || k, 'sentinel-1a', 'sar',
    timestamptz '2014-10-03Z' + k * interval '6 d' + r * interval '1 h',
    timestamptz '2014-10-04Z' + k * interval '6 d', ST_MakeEnvelope(r, 40, r + 1, 50, 4326),
    'ascending', 1, '1', '{VV}', '{"VV": "x"}', '{}', true
FROM generate_series(0, 9) r, generate_series(0, %(looks)s - 1) k;
INSERT INTO scarpwatch.looks (id, region_id, acquisition_id, state, finished_at, share_seen)
SELECT md5('look' || id)::uuid, split_part(item_id, '-', 1), id, 'processed', published_at, 0.7
FROM scarpwatch.acquisitions;
INSERT INTO scarpwatch.observability (region_id, acquisition_id, km2, share_seen, unseen, simulated)
SELECT region_id, acquisition_id, 1e4, 0.7, '{"layover": 0.3}', true FROM scarpwatch.looks;
CREATE TABLE public.drawn AS
SELECT n, n %% 10 AS r, floor(random() * (%(looks)s - %(each)s))::int AS look, m.lon, m.lat
FROM generate_series(1, %(many)s) n
JOIN scarpwatch.landslide_marks m ON m.landslide_id = md5('l' || n)::uuid;
CREATE UNIQUE INDEX ON public.drawn (n);
"""
_DETECTIONS = """
SET LOCAL session_replication_role = replica;
INSERT INTO scarpwatch.detections (id, region_id, acquisition_id, polygon, area_m2, score_max,
    score_mean, evidence, change_db, tier, not_before, not_after, item_ids, detector,
    weights_version, config_hash, simulated, source, kind)
SELECT md5('d' || n || '-' || k)::uuid, 'r' || r, md5('a' || r || '-' || look + k)::uuid,
    ST_Affine(shapes[(n + k) %% 3 + 1], size, 0, 0, size,
        lon + 0.0005 * random(), lat + 0.0005 * random()),
    5000 + 1e6 * random() ^ 4, 4 + 4 * random(), 4, 10 * random(), 4,
    (ARRAY['watch', 'likely'])[k %% 2 + 1], at - interval '12 d', at,
    ARRAY['r' || r || '-' || look + k - 2, 'r' || r || '-' || look + k], 'sar_log_ratio', 'none',
    'drawn at random', true, 'sar', 'landslide'
FROM (SELECT d.*, k, 0.5 + random() AS size,
          timestamptz '2014-10-03Z' + (look + k) * interval '6 d' + r * interval '1 h' AS at
      FROM public.drawn d, generate_series(0, %(each)s - 1) k
      WHERE n BETWEEN %(first)s AND %(last)s) made,
    (SELECT array_agg(ST_Buffer(ST_SetSRID(ST_Point(0, 0), 4326), 0.001, q)) AS shapes
     FROM generate_series(1, 3) q) drawn;
INSERT INTO scarpwatch.landslide_detections (landslide_id, detection_id, not_after)
SELECT md5('l' || n)::uuid, md5('d' || n || '-' || k)::uuid,
    timestamptz '2014-10-03Z' + (look + k) * interval '6 d' + r * interval '1 h'
FROM public.drawn, generate_series(0, %(each)s - 1) k WHERE n BETWEEN %(first)s AND %(last)s;
"""
_PLAIN = """
CREATE SCHEMA plain;
CREATE TABLE plain.detections (LIKE scarpwatch.detections INCLUDING DEFAULTS);
INSERT INTO plain.detections SELECT * FROM scarpwatch.detections;
ALTER TABLE plain.detections ADD PRIMARY KEY (id);
CREATE INDEX ON plain.detections USING gist (polygon, not_after);
CREATE INDEX ON plain.detections (region_id, acquisition_id);
CREATE INDEX ON plain.detections (not_after);
"""
#: What PostgreSQL builds sooner over all rows than row by row.
_TABLES = ("scarpwatch.detections", "scarpwatch.landslide_detections")


def fill(url: str, detections: int) -> None:
    """Fill a database that has our schema and nothing in it."""
    many = detections // OF_EACH
    with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(FILL, {"many": many, "versions": VERSIONS})
        connection.commit()
        cursor.execute(_LOOKS, {"many": many, "looks": LOOKS, "each": OF_EACH})
    with _without_indexes(url), ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda first: _part(url, first, many), range(1, many + 1, PART)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        for statement in _PLAIN.split(";")[:-1]:
            connection.execute(cast("LiteralString", statement))
        (view,) = _told(connection, "SELECT pg_get_viewdef('analysts.detections'::regclass)")
        beside = view.replace("scarpwatch.detections", "plain.detections")
        connection.execute(cast("LiteralString", f"CREATE VIEW plain.seen AS {beside}"))
        connection.execute("VACUUM ANALYZE")


def _part(url: str, first: int, many: int) -> None:
    last = min(first + PART - 1, many)
    with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_DETECTIONS, {"each": OF_EACH, "first": first, "last": last})


@contextmanager
def _without_indexes(url: str) -> Iterator[None]:
    """Drop indexes and keys of what is filled, and make them again afterwards."""
    ours = "conrelid = ANY (ARRAY[{}]::regclass[])".format(
        ", ".join(f"'{name}'" for name in _TABLES)
    )
    keys = (
        "SELECT format('ALTER TABLE %s {} CONSTRAINT %I {}', conrelid::regclass, conname{})"
        f" FROM pg_constraint WHERE {ours} AND contype IN ('p', 'f') AND conparentid = 0"
        " ORDER BY contype {}"
    )
    indexes = (
        "SELECT {} FROM pg_index WHERE NOT indisprimary AND "
        f"{ours.replace('conrelid', 'indrelid')}"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        again = [
            *_told(connection, indexes.format("pg_get_indexdef(indexrelid)")),
            # First what is referred to, then what refers.
            *_told(connection, keys.format("ADD", "%s", ", pg_get_constraintdef(oid)", "DESC")),
        ]
        for statement in (
            *_told(connection, keys.format("DROP", "", "", "ASC")),
            *_told(connection, indexes.format("format('DROP INDEX %s', indexrelid::regclass)")),
        ):
            connection.execute(cast("LiteralString", statement))
    yield
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        for statement in again:
            connection.execute(cast("LiteralString", statement))


def _told(connection: psycopg.Connection, query: str) -> list[str]:
    # The index of a table in parts is told as if it were to be of none of them.
    return [
        row[0].replace(" ON ONLY ", " ON ")
        for row in connection.execute(cast("LiteralString", query))
    ]
