"""From a look in the catalogue to the alert at its receiver, by stage, beside the bare work.

    python -m bench.publishing [--km2 100 1000 10000] [--rounds 3]

SIMULATED: a region with a year of radar looks every 12 days (30 m, VV, VH and the flags of layover
and shadow), and a new look with five landslides in it. Real: a STAC server (pgstac), the files sent
by ranges over HTTP, PostGIS, a web hook that receives, all on loopback and in processes of their
own. Ours is one process that polls, judges with the shipped detectors, keeps composites, has a
picture drawn for each alert and delivers, without Prefect; who draws was forked from it before, as
it is from a run of ``serve``. Elevation is off, as it is unless set. The look before the new one
was judged by then, so that its history is despeckled already. The next block is read while one is
judged: reading is told as far as it was waited for, and what it computes counts where it fell.

The bare work, a process too, in turns with ours: the same files read tile by tile, eight at once;
what the detectors compute on these arrays, tile by tile (the network's forward pass told apart);
the same polygons written by one COPY. Loading libraries and networks is told apart for both.
Prints, and writes ``bench/results/publishing.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psycopg
import rasterio
from affine import Affine
from pydantic import SecretStr
from rich.console import Console

from alerts.records import Channel
from bench.polling import empty_archive, publish
from bench.publishing_archive import FILES, LATE, NEW, RADAR, Ground, radar_items, write_radar
from bench.serving import serving, throwaway_postgis
from bench.sharing import serving as serving_files
from bench.stages import Stages, beside, headed, middle, peak_mib, spent, stage_table
from db import schema, store
from db.cluster import Cluster
from db.engine import make_engine, transaction
from detectors.types import Grid, LookStack, Unseen, WatchedRegion
from flows import alert_pictures, drawing
from flows.archive.server import ArchiveServer
from flows.clock import FileClock
from flows.kept_open import one_ahead
from flows.replay import CATALOGUE, local_catalogue
from flows.services import Services
from flows.settings import Settings

RESULT = Path(__file__).parent / "results" / "publishing.json"
START = """
import flows.monitor, flows.judging, flows.keeping
from flows.alert_pictures import load
load()
from detectors.sar_disturbance import load_model
load_model()
"""
TILE, AT_ONCE = 512, 8
SHIPPED = ("sar_log_ratio", "sar_disturbance")
POLYGONS = "SELECT ST_AsHEXEWKB(polygon) FROM scarpwatch.detections ORDER BY id"


def services_of(order: dict[str, Any]) -> Services:
    """Wire what a run of a region has."""
    home = Path(order["home"])
    clock = FileClock(home / "clock")
    clock.set(datetime.fromisoformat(order["now"]))
    settings = Settings(
        home=home,
        catalogues={CATALOGUE: local_catalogue(order["stac"])},
        exercise=True,
        picture_timeout_s=60.0 if order.get("pictures", True) else 0.0,
    )
    hook = Channel("hook", SecretStr(f"{order['receiver']}/alerts"), exercise=True)
    return Services(settings, make_engine(order["database"]), clock, (hook,))


def ready_to_draw() -> drawing._Child:
    """Fork the process that draws, as a run of ``serve`` has one; its end counts with it."""
    alert_pictures.load()
    drawing.keep_ready()
    assert drawing._ready is not None
    return drawing._ready[1]


def ours(order: dict[str, Any]) -> dict[str, Any]:
    """Poll, judge and deliver; what each stage took."""
    from detectors import sar_disturbance
    from flows import (
        delivering,
        judging,
        keeping,
        polling,
        shared_scores,
        shown_blocks,
        steps,
    )

    draws = ready_to_draw()
    sar_disturbance.load_model()
    services, stages = services_of(order), Stages()
    for place, function, name in (
        (shared_scores, "normalise", "make looks comparable"),
        (judging.registry, "judge", "detectors"),
        (sar_disturbance, "predict", "network"),
        (judging, "_detections", "outlines"),
        (judging, "_compare", "hold against known platforms"),
        (keeping.RadarKeeper, "scored", "composites"),
        (keeping.RadarKeeper, "finish", "composites"),
        (steps, "store_judgement", "store"),
        (delivering, "picture_for", "picture"), (drawing._Child, "end", "picture"),
        (delivering, "deliver", "send"),
    ):  # fmt: skip
        stages.watch(place, function, name)

    @contextmanager
    def waited_for(items: Iterator[Any], **how: Any) -> Iterator[Iterator[Any]]:
        with one_ahead(items, **how) as made:
            yield stages.each(made, "wait for what is read")

    shown_blocks.one_ahead = waited_for
    before = asked_of(services)
    begun = spent()
    with stages.stage("poll"):
        polled = polling.poll_region(services, "region")
    with stages.stage("claims, leases, costs"):
        looks = steps.detect_due(services, "region")
    with stages.stage("claims and receipts of messages"):
        sent = delivering.deliver_due(services)
    draws.end()
    whole = [now - then for now, then in zip(spent(), begun, strict=True)]
    if polled.errors or [one.state for one in looks] != ["processed"]:
        raise SystemExit(f"{polled} {looks}")
    return {
        "s": whole[0], "processor_s": whole[1], "stages": stages.told(),
        "asked": asked_of(services, before),
        "detections": looks[0].detections, "alerts": looks[0].alerts,
        "delivered": sum(one.delivered for one in sent),
        "pictures": sum(one.delivered and one.picture is None for one in sent),
        "peak_mib": peak_mib(),
    }  # fmt: skip


def asked_of(
    services: Services, before: dict[str, dict[str, float]] | None = None
) -> dict[str, dict[str, float]]:
    """Return what the region was charged, by kind of work, without what it was charged before."""
    paid = before or {}
    with transaction(services.engine) as s:
        costs = s.connection().exec_driver_sql(
            "SELECT work, sum(requests), sum(bytes) FROM scarpwatch.costs GROUP BY 1"
        )
        return {
            work: {
                "requests": int(n) - paid.get(work, {}).get("requests", 0),
                "mb": round(int(size) / 1e6 - paid.get(work, {}).get("mb", 0), 2),
            }
            for work, n, size in costs
        }


def bare(order: dict[str, Any]) -> dict[str, Any]:
    """Read, compute and write without anything around it."""
    from detectors import registry, sar_disturbance
    from flows.meter import metering
    from flows.rasters import HTTP_OPTIONS

    sar_disturbance.load_model()
    stages = Stages()
    stages.watch(sar_disturbance, "predict", "network")
    polygons = order["polygons"]
    begun = spent()
    with metering() as meter, stages.stage("read"):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            layers = list(pool.map(lambda href: _whole(href, HTTP_OPTIONS), order["files"]))
        asked = meter.take()
    *bands, flags = layers
    gamma0 = [np.stack(bands[k : k + 2]) for k in range(0, len(bands), 2)]
    with stages.stage("detectors"):
        detectors = [registry.create(name) for name in SHIPPED]
        height, width = flags.shape
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                cut = (..., slice(y, y + TILE), slice(x, x + TILE))
                _score([one[cut] for one in gamma0], flags[cut], detectors)
    with stages.stage("write"), psycopg.connect(order["database"]) as connection:
        connection.execute("CREATE TEMP TABLE found (id int, geometry geometry(Polygon, 4326))")
        with connection.cursor().copy("COPY found FROM STDIN") as copy:
            for number, polygon in enumerate(polygons):
                copy.write_row((number, polygon))
    whole = [now - then for now, then in zip(spent(), begun, strict=True)]
    return {
        "s": whole[0], "processor_s": whole[1], "stages": stages.told(),
        "asked": {"requests": asked.requests, "mb": round(asked.bytes / 1e6, 1)},
        "peak_mib": peak_mib(),
    }  # fmt: skip


def _whole(href: str, options: dict[str, Any]) -> np.ndarray:
    """Read a file tile by tile."""
    with rasterio.Env(**options), rasterio.open(href) as file:
        values = np.empty(file.shape, file.dtypes[0])
        for _, window in file.block_windows(1):
            rows, columns = window.toslices()
            values[rows, columns] = file.read(1, window=window)
    return values


def _score(looks: list[np.ndarray], flags: np.ndarray, detectors: list[Any]) -> None:
    """Do what the detectors do with one tile."""
    from detectors import registry
    from detectors.normalise import normalise

    height, width = flags.shape
    grid = Grid(32624, Affine(30, 0, 0, 0, -30, 0), height, width)
    stacks = [
        LookStack(
            grid, "bench", ("VV", "VH"), np.stack(looks[some]),
            tuple(NEW + number * timedelta(days=12) for number in range(FILES))[some],
            tuple((f"SIMULATED-{number}",) for number in range(FILES))[some],
        )
        for some in (slice(0, FILES - 1), slice(FILES - 1, FILES))
    ]  # fmt: skip
    unseen = np.where(flags == 0, Unseen.SEEN, Unseen.LAYOVER).astype(np.uint8)
    registry.judge(normalise(*stacks, unseen), detectors)


def child(module: str, kind: str, order: dict[str, Any]) -> dict[str, Any]:
    """Run one side in a process of its own."""
    words = [sys.executable, "-m", module, "--child", kind]
    done = subprocess.run(
        words, input=json.dumps(order), stdout=subprocess.PIPE, check=True, text=True
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({kind: told}), flush=True)
    return told


def started() -> dict[str, float]:
    """Return what a process takes before it can do anything: libraries and networks."""
    begun = spent()
    subprocess.run([sys.executable, "-c", START], check=True)
    wall, busy = (now - then for now, then in zip(spent(), begun, strict=True))
    return {"s": round(wall, 2), "processor_s": round(busy, 2)}


def measure(km2: float, rounds: int, folder: Path, cluster: Cluster) -> dict[str, Any]:
    """Measure one size, ours and the bare work in turns."""
    ground, name = Ground(km2), f"{km2:g}".replace(".", "_")
    files, template = folder / f"files{name}", f"template{name}"
    files.mkdir()
    write_radar(files, ground)
    stored = sum(path.stat().st_size for path in files.iterdir())
    for database in (f"catalogue{name}", template):
        cluster.create_database(database)
    stac = cluster.url(f"catalogue{name}")
    archive = empty_archive(folder / f"archive{name}", RADAR)
    region = WatchedRegion(
        "region", "SIMULATED", ground.region, (f"{CATALOGUE}/{RADAR}",), simulated=True,
        watch_from=NEW - timedelta(days=13),
    )  # fmt: skip
    took: dict[str, list[dict[str, Any]]] = {"ours": [], "bare": [], "start": []}
    inbox = folder / f"received{name}.jsonl"
    receiver = ("-m", "alerts.receiver", "--port", "0", "--out", str(inbox))
    with (
        ArchiveServer(stac, [archive]) as server, serving_files(files) as url,
        serving(*receiver) as hook,
    ):  # fmt: skip
        *history, new = radar_items(url, ground)
        publish(stac, history)
        order: dict[str, Any] = {"stac": server.url, "receiver": hook}
        _watched(order, folder / f"home{name}", cluster.url(template), region)
        publish(stac, [new])
        order["now"] = (NEW + LATE + timedelta(minutes=10)).isoformat()
        order["files"] = [
            f"{url}/radar{n:02d}_{band}.tif" for n in range(FILES) for band in ("VV", "VH")
        ] + [new["assets"]["mask"]["href"]]
        polygons: list[str] = []
        for number in range(rounds):
            own = f"round{name}_{number}"
            cluster.create_database(own, template)
            mine = {"database": cluster.url(own), "home": str(folder / f"home{name}_{number}")}
            shutil.copytree(folder / f"home{name}" / "despeckled", f"{mine['home']}/despeckled")
            for kind in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
                took[kind].append(
                    child("bench.publishing", kind, {**order, **mine, "polygons": polygons})
                )
                if kind == "ours" and not polygons:
                    with psycopg.connect(mine["database"]) as connection:
                        polygons = [row[0] for row in connection.execute(POLYGONS)]
            took["start"].append(started())
            shutil.rmtree(mine["home"])
    shutil.rmtree(files)
    row = {"km2": km2, "side": ground.grid(RADAR).width, "files_mb": round(stored / 1e6)}
    return {**row, **summed(took), "rounds": took}


def _watched(order: dict[str, Any], home: Path, url: str, region: WatchedRegion) -> None:
    """Make a database that watches the region and knows its history, the last of it judged."""
    from flows.polling import poll_region
    from flows.steps import detect_due

    home.mkdir()
    order |= {"home": str(home), "database": url, "now": (NEW - timedelta(hours=1)).isoformat()}
    services = services_of(order)
    schema.upgrade(services.engine)
    with transaction(services.engine) as s:
        store.save_region(s, region)
    if errors := poll_region(services, "region").errors:
        raise SystemExit(errors[0])
    if [look.state for look in detect_due(services, "region")] != ["processed"]:
        raise SystemExit("the look before was not judged")
    services.engine.dispose()


def summed(took: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return medians, and what ours takes beside the bare work."""
    mine, theirs = took["ours"], took["bare"]
    told: dict[str, Any] = {**beside(mine, theirs), "start": {}}
    for what in ("s", "processor_s"):
        rest = told[what]["bare"] - told["bare"]["detectors"][what]
        told[what]["overhead_over_forward_pass_alone"] = round(told[what]["ours"] / rest, 2)
        told["start"][what] = middle(took["start"], what)
    told["peak_mib"] = max(run["peak_mib"] for run in mine)
    told |= {name: mine[-1][name] for name in ("asked", "detections", "alerts", "delivered",
                                               "pictures")}  # fmt: skip
    return told


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.publishing")
    parser.add_argument("--km2", type=float, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--child", choices=("ours", "bare"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        order = json.load(sys.stdin)
        print(json.dumps({"ours": ours, "bare": bare}[given.child](order)))
        return
    with throwaway_postgis() as (folder, cluster):
        rows = [measure(km2, given.rounds, folder, cluster) for km2 in given.km2]
    result = {**headed("bench.publishing", given.rounds), "rows": rows}
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(rows)


def show(rows: list[dict[str, Any]]) -> None:
    """Print stages by size, seconds of the clock and of the processor."""
    table = stage_table(rows, "overhead_over_forward_pass_alone")
    table.add_row("peak MiB", *(str(row["peak_mib"]) for row in rows))
    Console().print(table)


if __name__ == "__main__":
    main()
