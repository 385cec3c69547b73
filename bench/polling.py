"""What polling costs with 100, 1,000 and 10,000 regions, each alone and all together.

    python -m bench.polling [--regions 100 1000 10000] [--first 1000] [--alone 1000]

A real STAC server (stac-fastapi on pgstac, the archive server of replays) and a real PostGIS on
loopback. SIMULATED: radar items of 1 by 0.5 degrees in two tracks of 12 days over the mountain
belts of the world, without pixels; regions lie along the belts, many around towns, where they
overlap. For each number of regions a database is polled by one search a region (a batch of one,
as ``scarpwatch poll ID`` does) and another one together: a first poll, with 12 days of history
before ``watch_from``, and polls half an hour apart. With more than ``--first`` regions the first
poll is left out and marks are set; with more than ``--alone`` only SAMPLE regions are polled alone.
Each runs in a process of its own, so that its peak of memory is its own; requests are counted by
the server. Looks are held against each other.
Prints, and writes ``bench/results/polling.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psycopg
import shapely
from psycopg.types.json import Jsonb
from rich.console import Console
from rich.table import Table
from shapely.geometry import MultiPolygon, box, mapping

from bench.serving import throwaway_postgis
from bench.stages import peak_mib
from db import queries, schema, store
from db.cluster import Cluster
from db.engine import make_engine, transaction
from detectors.types import WatchedRegion
from flows.archive.manifest import COGS, COLLECTION, ITEMS, MANIFEST, SCHEMA, iso
from flows.archive.server import ArchiveServer
from flows.clock import FileClock
from flows.ledger import keep_ledger
from flows.polling import poll_together
from flows.replay import CATALOGUE, local_catalogue
from flows.services import Services
from flows.settings import Settings
from flows.silence import watch_silence

RESULT = Path(__file__).parent / "results" / "polling.json"
COLLECTION_ID = "simulated-rtc"
#: When the first poll is; half an hour later the next.
BEGIN = datetime(2024, 6, 1, tzinfo=UTC)
EVERY = timedelta(minutes=30)
HISTORY, WATCHED, SHOWN = timedelta(days=12), timedelta(days=365), timedelta(days=24)
#: Regions that stand for all where one search each would take hours.
SAMPLE = 500
#: Along which the ground is steep and wet, roughly: lon/lat.
BELTS = (
    ((72, 36), (80, 31), (88, 28), (97, 28), (103, 30)), ((-79, 2), (-77, -10), (-66, -18)),
    ((-72, -35), (-73, -46)), ((-77, 5), (-74, 8), (-84, 10), (-92, 15), (-100, 18)),
    ((-122, 38), (-123, 48), (-132, 56)), ((130, 32), (137, 36), (141, 42)),
    ((121, 23), (121, 17), (125, 7)), ((96, 4), (102, -3), (110, -7), (120, -9)),
    ((134, -4), (144, -6), (150, -10)), ((170, -44), (177, -38)), ((178, -18), (-179, -17)),
    ((6, 45), (13, 47), (16, 43), (22, 40)), ((6, 60), (15, 68)), ((36, 8), (30, -2), (35, -10)),
    ((41, 43), (48, 41), (52, 36)), ((-9, 33), (5, 36)),
)  # fmt: skip
TOWNS = 150
LOOKS = """SELECT region_id, item_id, l.state FROM looks l JOIN acquisitions a
    ON a.id = acquisition_id ORDER BY 1, 2"""
POLLED = """INSERT INTO scarpwatch.poll_states
    (region_id, source, watermark, polled_at, succeeded_at, failures)
    SELECT id, sources[1], %(at)s, %(at)s, %(at)s, 0 FROM scarpwatch.regions"""
MARKS = "SELECT region_id, source, watermark, failures FROM poll_states ORDER BY 1, 2"


def regions_of(number: int) -> list[WatchedRegion]:
    """Return the first so many regions; fewer ones are among the more."""
    draw = np.random.default_rng(11)
    lengths = [sum(np.hypot(*np.diff(_unrolled(belt), axis=0).T)) for belt in BELTS]

    def along() -> np.ndarray:
        belt = _unrolled(BELTS[draw.choice(len(BELTS), p=np.array(lengths) / sum(lengths))])
        leg = draw.integers(len(belt) - 1)
        middle: np.ndarray = belt[leg] + draw.random() * (belt[leg + 1] - belt[leg])
        return middle + draw.normal(0, 1.0, 2)

    towns = [along() for _ in range(TOWNS)]
    made = []
    for index in range(number):
        near_town = draw.random() < 0.6
        x, y = towns[draw.integers(TOWNS)] + draw.normal(0, 0.25, 2) if near_town else along()
        side = min(float(np.exp(draw.normal(np.log(0.15), 0.6))), 2.0)  # 17 km, some 200 km
        turned = shapely.affinity.rotate(box(x, y, x + side, y + side), draw.random() * 90)
        source = f"{CATALOGUE}/{COLLECTION_ID}"
        made.append(WatchedRegion(
            f"r{index:05d}", f"SIMULATED {index}", _wrapped(turned), (source,), simulated=True,
            watch_from=BEGIN - draw.random() * WATCHED,
        ))  # fmt: skip
    return made


def _unrolled(belt: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return a belt whose longitudes do not jump at 180 degrees."""
    points = np.array(belt, dtype=float)
    points[:, 0] = np.unwrap(points[:, 0], period=360)
    return points


def _wrapped(area: shapely.Polygon) -> MultiPolygon:
    """Cut an area at 180 degrees."""
    parts = []
    for turn in (-360, 0, 360):
        moved = shapely.affinity.translate(area, turn).intersection(box(-180, -90, 180, 90))
        parts += [part for part in shapely.get_parts(moved) if part.area > 0]
    return MultiPolygon(parts)


def items_of(regions: Sequence[WatchedRegion]) -> list[dict[str, Any]]:
    """Return what the catalogue lists over some regions, oldest publication first."""
    tiles = set()
    for part in shapely.get_parts([region.geometry for region in regions]):
        west, south, east, north = part.bounds
        for x in range(int(np.floor(west)), int(np.floor(east)) + 1):
            for y in range(int(np.floor(2 * south)), int(np.floor(2 * north)) + 1):
                tiles.add((max(min(x, 179), -180), y))
    draw, items = np.random.default_rng(12), []
    for x, y in sorted(tiles):
        # A little wider than the lattice: neighbours overlap, as products do.
        place = box(max(x - 0.1, -180), y / 2 - 0.05, min(x + 1.1, 180), y / 2 + 0.55)
        for orbit, state in ((x % 87 + 1, "ascending"), (x % 87 + 88, "descending")):
            sensed = BEGIN - SHOWN + timedelta(days=float(12 * draw.random()))
            while sensed < BEGIN + timedelta(days=1):
                late = timedelta(hours=float(3 + 5 * draw.random()))
                items.append(_item(f"S1A_{x}_{y}_{orbit}_{sensed:%Y%m%dT%H%M%S}_RTC", place, {
                    "datetime": iso(sensed), "published": iso(sensed + late),
                    "platform": "sentinel-1a", "constellation": "sentinel-1",
                    "sar:instrument_mode": "IW", "sar:product_type": "RTC",
                    "sar:polarizations": ["VV", "VH"], "sat:orbit_state": state,
                    "sat:relative_orbit": orbit, "scarpwatch:simulated": True,
                }))  # fmt: skip
                sensed += timedelta(days=12)
    return sorted(items, key=lambda item: item["properties"]["published"])


def _item(name: str, place: shapely.Polygon, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": COLLECTION_ID,
        "geometry": mapping(place), "bbox": list(place.bounds), "properties": properties,
        "links": [],
        "assets": {
            band: {"href": f"http://127.0.0.1:9/{name}_{band}.tif", "roles": ["data"]}
            for band in ("VV", "VH")
        },
    }  # fmt: skip


def empty_archive(folder: Path, collection: str = COLLECTION_ID) -> Path:
    """Write an archive that announces the collection and holds nothing: items are put in here."""
    for name in (ITEMS, COGS):
        (folder / name).mkdir(parents=True)
    manifest = {"schema": SCHEMA, "collection": collection, "simulated": True}
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
    described = {
        "type": "Collection", "stac_version": "1.0.0", "id": collection, "links": [],
        "title": "SIMULATED", "description": "SIMULATED", "license": "other", "extent": extent,
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    (folder / COLLECTION).write_text(json.dumps(described), encoding="utf-8")
    return folder


def publish(url: str, items: Sequence[dict[str, Any]]) -> None:
    """Put items into the catalogue."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO pgstac, public")
        for first in range(0, len(items), 2_000):
            connection.execute("SELECT upsert_items(%s)", [Jsonb(items[first : first + 2_000])])
        connection.execute("ANALYZE")


def measured(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Poll a database, in this process; what each poll took."""
    engine, log = make_engine(order["database"]), Path(order["requests"])
    folder = Path(order["folder"])
    clock = FileClock(folder / "clock")
    settings = Settings.model_validate({
        "home": folder, "catalogues": {CATALOGUE: local_catalogue(order["url"])},
        "history": HISTORY, "operators": ["ops"],
        "channels": {"ops": {"url": (folder / "ops.jsonl").as_uri(), "exercise": True}},
    })  # fmt: skip
    services = Services(settings, engine, clock, settings.channel_records())
    for step in order["steps"]:
        clock.set(BEGIN + step * EVERY)
        asked, begun, busy = _lines(log), time.monotonic(), time.process_time()
        with transaction(engine) as s:
            regions = queries.list_regions(s)[: order["sample"]]
        if order["together"]:
            outcomes = poll_together(services, regions)
        else:
            outcomes = {}
            for region in regions:
                outcomes |= poll_together(services, [region])
        if wrong := [error for one in outcomes.values() for error in one.errors]:
            raise SystemExit(wrong[0])
        yield {
            "step": step, "requests": _lines(log) - asked,
            "s": round(time.monotonic() - begun, 2),
            "processor_s": round(time.process_time() - busy, 2),
            "new_looks": sum(one.new for one in outcomes.values()),
            "peak_mib": peak_mib(), **_upkeep(services, regions, together=order["together"]),
            "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip


def _upkeep(
    services: Services, regions: Sequence[WatchedRegion], *, together: bool
) -> dict[str, float]:
    """Return what a poll does for each region besides: silence alarms and the ledger, ms.

    Alone is a sample. The first time writes what came with the poll, the second finds nothing new.
    """
    ids = [region.id for region in regions]
    calls = [ids] if together else [[one] for one in ids[:: max(1, len(ids) // 100)]]
    took = {}
    for name in ("upkeep_ms_a_region", "upkeep_again_ms_a_region"):
        begun = time.monotonic()
        for some in calls:
            watch_silence(services, some)
            keep_ledger(services, some)
        took[name] = round(1000 * (time.monotonic() - begun) / sum(map(len, calls)), 2)
    return took


def _lines(file: Path) -> int:
    return sum(1 for _ in file.open(encoding="utf-8")) if file.exists() else 0


def child(order: dict[str, Any]) -> list[dict[str, Any]]:
    """Poll in a process of its own."""
    words = [sys.executable, "-m", "bench.polling", "--child", json.dumps(order)]
    said = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout
    return [json.loads(line) for line in said.splitlines() if line.startswith('{"step"')]


def looks_of(url: str) -> str:
    """Return a checksum of all looks and marks of a database."""
    digest = hashlib.sha256()
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path TO scarpwatch, public")
        for query in (LOOKS, MARKS):
            for row in connection.execute(query):
                digest.update(repr(row).encode())
    return digest.hexdigest()


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return k of value ~ regions ** k, fitted."""
    return round(float(np.polyfit(np.log(sizes), np.log(values), 1)[0]), 2)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regions", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--first", type=int, default=1_000, help="first polls up to so many")
    parser.add_argument("--alone", type=int, default=1_000, help="all of them alone up to so many")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        for line in measured(json.loads(given.child)):
            print(json.dumps(line), flush=True)
        return
    with throwaway_postgis() as (folder, cluster):
        result = _all(given, folder, cluster)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _print(result)


def _all(given: argparse.Namespace, folder: Path, cluster: Cluster) -> dict[str, Any]:
    for name in ("catalogue", "template"):
        cluster.create_database(name)
    engine = make_engine(cluster.url("template"))
    schema.upgrade(engine)
    engine.dispose()
    everywhere = regions_of(max(given.regions))
    items = items_of(everywhere)
    shown = [item for item in items if item["properties"]["published"] <= iso(BEGIN)]
    stac, requests = cluster.url("catalogue"), folder / "requests"
    runs: dict[tuple[int, str], dict[str, Any]] = {}
    with ArchiveServer(stac, [empty_archive(folder / "archive")], requests=requests) as server:
        # First polls read the history whole: what comes out later is put in after them.
        publish(stac, shown)
        both = [(number, how) for number in given.regions for how in ("together", "alone")]
        for number in given.regions:
            _prepared(cluster, f"together_{number}", everywhere[:number], number > given.first)
            cluster.create_database(f"alone_{number}", f"together_{number}")
            print(f"{number} regions are in PostGIS", flush=True)
        where = {"url": server.url, "requests": str(requests), "folder": str(folder)}
        for steps in ([0], [1, 2]):
            for number, how in both:
                if steps == [0] and number > given.first:
                    continue
                sample = SAMPLE if how == "alone" and number > given.alone else None
                run = runs.setdefault(
                    (number, how), {"regions": number, "asked": how, "sample": sample, "polls": []}
                )
                order = {"together": how == "together", "steps": steps, "sample": sample}
                told = child(where | order | {"database": cluster.url(f"{how}_{number}")})
                run["polls"] += told
                print(number, how, told, flush=True)
            if steps == [0]:
                publish(stac, items[len(shown) :])
    same = {
        number: len({looks_of(cluster.url(f"{how}_{number}")) for how in ("together", "alone")})
        == 1
        for number in given.regions
        if number <= given.alone
    }
    return {
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}", "cores": os.cpu_count(),
        "items": len(items), "looks_and_marks_the_same": same, "runs": list(runs.values()),
        "growth": _growth(list(runs.values())),
    }  # fmt: skip


def _prepared(cluster: Cluster, name: str, regions: Sequence[WatchedRegion], polled: bool) -> None:
    """Make a database that watches some regions, and has been polled once already or not."""
    cluster.create_database(name, "template")
    engine = make_engine(cluster.url(name))
    with transaction(engine) as s:
        for region in regions:
            store.save_region(s, region)
    engine.dispose()
    with psycopg.connect(cluster.url(name), autocommit=True) as connection:
        if polled:
            connection.execute(POLLED, {"at": BEGIN})
        connection.execute("ANALYZE")


def _first(run: dict[str, Any], what: str) -> float | None:
    return next((float(poll[what]) for poll in run["polls"] if not poll["step"]), None)


def _later(run: dict[str, Any], what: str) -> float:
    """Return the mean of the later polls; what was taken of a sample is taken times the others."""
    polls = [poll[what] for poll in run["polls"] if poll["step"]]
    times = run["regions"] / run["sample"] if run["sample"] and what != "peak_mib" else 1
    return float(times * sum(polls) / len(polls))


def _growth(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for how in ("alone", "together"):
        for when, of in (("first", _first), ("later", _later)):
            for what in ("requests", "s", "peak_mib"):
                pairs = [(r["regions"], of(r, what)) for r in runs if r["asked"] == how]
                known = [(size, value) for size, value in pairs if value is not None]
                if len(known) > 1:
                    told[f"{how}, {when}, {what}"] = exponent(*zip(*known, strict=True))
    return told


def _print(result: dict[str, Any]) -> None:
    table = Table(title="SIMULATED catalogue: one search a region, beside all together")
    for name in ("regions", "asked", "first: requests", "s", "MiB", "later: requests", "s", "MiB"):
        table.add_column(name, justify="right")
    for run in result["runs"]:
        first = [_first(run, what) for what in ("requests", "s", "peak_mib")]
        cells = ["-" if value is None else f"{value:,.0f}" for value in first]
        cells += [f"{_later(run, what):,.1f}" for what in ("requests", "s")]
        cells.append(f"{_later(run, 'peak_mib'):,.0f}")
        asked = f"{run['asked']}, from {run['sample']}" if run["sample"] else run["asked"]
        table.add_row(f"{run['regions']:,}", asked, *cells)
    console = Console()
    console.print(table)
    grows = Table(title="grows with regions to the power of")
    for name in ("", "exponent"):
        grows.add_column(name)
    for name, power in result["growth"].items():
        grows.add_row(name, str(power))
    console.print(grows)
    console.print(f"looks and marks the same: {result['looks_and_marks_the_same']}")


if __name__ == "__main__":
    main()
