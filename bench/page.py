"""How fast the page is with many landslides: ``python -m bench.page [--landslides 100000]``.

A throwaway PostGIS is filled with landslides drawn at random over a thousand kilometres, three
versions each, and asked over HTTP as a browser asks. The figures are medians of some requests.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx
import psycopg
import uvicorn

from db import schema
from db.cluster import Cluster
from db.engine import make_engine
from flows.archive.server import listen
from flows.clock import SystemClock
from flows.services import Services
from flows.settings import Settings
from flows.web.app import make_app

#: Versions of each landslide.
VERSIONS = 3
_FILL = """
SET LOCAL search_path TO scarpwatch, public;
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
"""


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landslides", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=7)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scarpwatch-page-"))
    folder.chmod(0o755)
    cluster = Cluster(folder / "state", throwaway=True)
    try:
        cluster.ensure()
        cluster.create_database("page")
        url = cluster.url("page")
        engine = make_engine(url)
        schema.upgrade(engine)
        began = time.monotonic()
        with psycopg.connect(url) as connection, psycopg.ClientCursor(connection) as cursor:
            cursor.execute(_FILL, {"many": asked.landslides, "versions": VERSIONS})
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")
        print(f"filled with {asked.landslides} landslides in {time.monotonic() - began:.0f} s")
        services = Services(Settings(home=folder / "home"), engine, SystemClock(), ())
        _ask(services, asked.repeat)
        engine.dispose()
    finally:
        cluster.destroy()
        shutil.rmtree(folder)


def _ask(services: Services, repeat: int) -> None:
    with listen(0) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(services), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=base, timeout=120) as client:
            for name, path in {
                "first page": "/",
                "page 1000": "/?page=1000",
                "filtered first page": "/?region=r3&state=confirmed&tier=likely&least=10",
                "map, world": "/map.json?bbox=-180,-80,180,80&zoom=2",
                "map, all of it": "/map.json?bbox=-1,39,11,51&zoom=7",
                "map, one region": "/map.json?bbox=3,44,4,46&zoom=9",
                "map, valley with outlines": "/map.json?bbox=3.4,45.0,3.6,45.1&zoom=13",
                "map, filtered": "/map.json?bbox=-1,39,11,51&zoom=7&state=confirmed",
            }.items():
                times, size = [], 0
                for _ in range(repeat):
                    began = time.monotonic()
                    answer = client.get(path)
                    times.append(time.monotonic() - began)
                    answer.raise_for_status()
                    size = len(answer.content)
                shown = ""
                if path.startswith("/map"):
                    found = json.loads(answer.content)
                    shown = f"; {len(found['heaps'])} heaps, {len(found['spots'])} spots"
                print(
                    f"{name}: median {statistics.median(times):.3f} s, first {times[0]:.3f} s, "
                    f"{size / 1000:.0f} kB{shown}"
                )
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main()
