"""Landslides by the hundred thousand, drawn at random, in a throwaway PostGIS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.serving import throwaway_postgis
from db import schema
from db.engine import make_engine
from flows.clock import SystemClock
from flows.services import Services
from flows.settings import Settings

#: Versions of each landslide.
VERSIONS = 3
FILL = """
SET LOCAL search_path TO scarpwatch, public;
-- Row by row the triggers take a minute for 5,000: what they keep is written below at once.
SET LOCAL session_replication_role = replica;
INSERT INTO regions (id, name, geometry, sources, detectors, watch_from, min_area_m2, poll_every,
    priority, paused, simulated, tags)
SELECT 'r' || k, 'Region ' || k, ST_Multi(ST_MakeEnvelope(k, 40, k + 1, 50, 4326)), '{a/b}',
    '{sar}', '2020-01-01Z', 5000, '1 h', 1, false, true, '{}' FROM generate_series(0, 9) k;
INSERT INTO landslides (id, region_id)
SELECT md5('l' || n)::uuid, 'r' || (n %% 10) FROM generate_series(1, %(many)s) n;
INSERT INTO landslide_versions (landslide_id, revision, state, tier, geometry, area_m2, not_before,
    not_after, detections, looks, score_max, evidence, source, change_db, cause, simulated, kind,
    valid_from, cause_kind, merged_from, split_into)
SELECT md5('l' || n)::uuid, v,
    CASE WHEN v < 3 THEN 'suspected'
         ELSE (ARRAY['suspected', 'confirmed', 'refuted', 'unresolved', 'closed'])[n %% 5 + 1] END,
    (ARRAY['watch', 'likely'])[n %% 2 + 1],
    ST_Multi(ST_Buffer(ST_Point(n %% 10 + x, 40 + 10 * y, 4326), 0.0005 + 0.002 * random())),
    5000 + 1e6 * random() ^ 4, t, t + interval '12 d', ARRAY[md5('d' || n)::uuid], 1, 6, 12, 'sar',
    4, 'drawn at random', true, 'landslide', t + v * interval '12 d', 'radar look', '{}', '{}'
FROM (SELECT n, random() x, random() y, timestamptz '2020-01-01Z' + random() * interval '2000 d' t
      FROM generate_series(1, %(many)s) n) drawn, generate_series(1, %(versions)s) v
ORDER BY v, n;
INSERT INTO landslide_periods
SELECT landslide_id, revision, tstzrange(valid_from, lead(valid_from) OVER version),
    tstzrange(recorded_at + least(revision, %(versions)s - 1) * interval '1 us', NULL)
FROM landslide_versions WINDOW version AS (PARTITION BY landslide_id ORDER BY revision);
INSERT INTO landslide_periods
SELECT landslide_id, revision, tstzrange(valid_from, NULL),
    tstzrange(recorded_at + (revision - 1) * interval '1 us',
              recorded_at + revision * interval '1 us')
FROM landslide_versions WHERE revision < %(versions)s;
INSERT INTO landslide_marks (landslide_id, revision, region_id, state, tier, kind, area_m2,
    not_after, simulated, lon, lat, place)
SELECT l.id, v.revision, l.region_id, v.state, v.tier, v.kind, v.area_m2, v.not_after,
    v.simulated, (ST_XMin(v.geometry) + ST_XMax(v.geometry)) / 2,
    (ST_YMin(v.geometry) + ST_YMax(v.geometry)) / 2, ST_Envelope(v.geometry)
FROM landslides l JOIN landslide_versions v ON v.landslide_id = l.id AND v.revision = %(versions)s;
"""


@contextmanager
def many(landslides: int) -> Iterator[tuple[Services, str]]:
    """Give services over such a database, and its URL; all of it goes at the end."""
    with throwaway() as (folder, url):
        began = time.monotonic()
        with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
            cursor.execute(FILL, {"many": landslides, "versions": VERSIONS})
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
        print(
            f"filled with {landslides} landslides in {time.monotonic() - began:.0f} s", flush=True
        )
        engine = make_engine(url)
        yield Services(Settings(home=folder / "home"), engine, SystemClock(), ()), url
        engine.dispose()


@contextmanager
def throwaway() -> Iterator[tuple[Path, str]]:
    """Give a folder and the URL of a database with our schema; both are gone at the end."""
    with throwaway_postgis() as (folder, cluster):
        cluster.create_database("bench")
        url = cluster.url("bench")
        engine = make_engine(url)
        schema.upgrade(engine)
        engine.dispose()
        yield folder, url
