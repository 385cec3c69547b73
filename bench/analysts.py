"""How long analysts wait with many landslides: ``python -m bench.analysts [--landslides 100000]``.

The landslides of ``bench.many``, and as many mapped ones: every second outline again, a little
aside and with its bracket, and the rest where nothing was found. Each step runs in a process of its
own, so that its peak of memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from bench.many import many
from flows.export_files import FORMATS

_MAP = """
SET search_path TO scarpwatch, public;
INSERT INTO inventories (id, file, sha256, source, licence, author, simulated)
VALUES ('many', 'many', '', '', 'none stated', 'bench', true);
INSERT INTO inventory_landslides (id, inventory_id, file_row, geometry, area_m2, not_before,
    not_after, key, name, category, trigger, mapped_by, attributes)
SELECT md5('m' || n)::uuid, 'many', n, moved.shape, ST_Area(moved.shape::geography), not_before,
    not_after, n::text, '', '', '', '', '{}'
FROM (SELECT row_number() OVER () AS n, v.* FROM landslide_versions v WHERE revision = 1) v,
    LATERAL (SELECT ST_Translate(geometry, CASE WHEN n % 2 = 0 THEN 1e-4 ELSE 0.013 END, 0)
        AS shape) AS moved;
INSERT INTO acquisitions (id, source, item_id, platform, sensor, sensed_at, published_at, footprint,
    orbit_state, relative_orbit, track, polarisations, assets, checksums, simulated)
SELECT md5(r.id || k)::uuid, 'a/b', r.id || '-' || k, 'sentinel-1a', 'sar',
    timestamptz '2020-01-01Z' + k * interval '12 d',
    timestamptz '2020-01-02Z' + k * interval '12 d', (ST_Dump(r.geometry)).geom,
    'ascending', 1, r.id, '{VV}', '{"VV": "x"}', '{}', true
FROM regions r, generate_series(0, 170) k;
INSERT INTO looks (id, region_id, acquisition_id, state, finished_at)
SELECT md5('look' || id)::uuid, track, id, 'processed', published_at FROM acquisitions;
INSERT INTO observability (region_id, acquisition_id, km2, share_seen, unseen, simulated)
SELECT track, id, 1e4, 0.7, '{"layover": 0.2, "radar_shadow": 0.1}', true FROM acquisitions;
"""


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--landslides", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked = parser.parse_args()
    figures = {}
    with many(asked.landslides) as (_, url), tempfile.TemporaryDirectory() as folder:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in _MAP.split(";")[:-1]:
                connection.execute(statement)
            connection.execute("ANALYZE")
        where = {
            **os.environ, "SCARPWATCH_DATABASE_URL": url, "SCARPWATCH_HOME": folder,
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        steps = {
            "inventories score": ("inventories", "score", "many"),
            "statistics": ("statistics", "--simulated"),
            "statistics of the inventory": ("statistics", "--inventory", "many", "--simulated"),
        }
        for form, ending in FORMATS.items():
            out = str(Path(folder) / f"out{ending}")
            state = ("--state", "suspected") if form == "coolr-csv" else ()
            steps[f"export {form}"] = (
                "export", out, "--format", form, "--simulated", "yes", *state
            )  # fmt: skip
        for name, words in steps.items():
            began = time.monotonic()
            run = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *words, "--json"], env=where,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            said = run.stdout.read() if run.stdout else b""
            _, status, used = os.wait4(run.pid, 0)
            took = time.monotonic() - began
            told = json.loads(said) if said else {}
            size = sum(Path(one).stat().st_size for one in told.get("files", ()))
            figures[name] = {
                "wall_s": round(took, 1), "computing_s": round(used.ru_utime, 1),
                "peak_mib": used.ru_maxrss // 1024, "bytes": size,
                "load": round(os.getloadavg()[0], 1),
            }  # fmt: skip
            print(
                f"{name}: {took:.1f} s, of them {used.ru_utime:.1f} s computing, "
                f"{used.ru_maxrss / 1024:.0f} MiB, {told.get('landslides', '-')} landslides, "
                f"{size / 1e6:.0f} MB, status {os.waitstatus_to_exitcode(status)}, "
                f"load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
    if asked.json:
        held = {"landslides": asked.landslides, "commands": figures}
        asked.json.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
