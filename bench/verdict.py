"""From a clear optical look in the catalogue to the verdict on one landslide at its receiver.

    python -m bench.verdict [--km2 100 1000 10000] [--rounds 3]

SIMULATED: a region that is one Sentinel-2 tile (10 m; blue, green, red, near infrared and the scene
classification), twelve clear looks before a landslide that radar suspects in its middle, and a
clear one after. Ground is textured within 5 km of it and plain beyond, so that files stay small;
every tile of every file exists. Servers, database and receiver are those of ``bench.publishing``.
Ours polls, examines the landslide, keeps what it was examined by, draws the picture and delivers;
the search of the whole look for what nobody suspected comes after that and is left out. The bare
work reads the same windows of the same files, eight at once, has the ensemble judge as many
pixels, and writes one polygon. Prints, and writes ``bench/results/verdict.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psycopg
import rasterio
from rasterio.windows import from_bounds
from rich.console import Console

from bench.polling import empty_archive, publish
from bench.publishing import asked_of, child, ready_to_draw, services_of
from bench.publishing_archive import (
    BANDS,
    FAILED,
    LATE,
    NEW,
    OPTICAL,
    RADAR,
    SEEN,
    Ground,
    optical_items,
    write_optical,
)
from bench.serving import serving, throwaway_postgis
from bench.sharing import serving as serving_files
from bench.stages import Stages, beside, headed, middle, peak_mib, spent, stage_table
from db import queries, schema, store
from db.cluster import Cluster
from db.engine import transaction
from detectors.observability import Coverage
from detectors.projections import to_lonlat
from detectors.types import Acquisition, Detection, OrbitState, Sensor, Tier, WatchedRegion
from flows.archive.server import ArchiveServer
from flows.judging import Judgement
from flows.replay import CATALOGUE
from flows.services import Services

RESULT = Path(__file__).parent / "results" / "verdict.json"
AT_ONCE = 8


def ours(order: dict[str, Any]) -> dict[str, Any]:
    """Poll, examine and deliver; what each stage took."""
    from flows import confirming, delivering, drawing, examining, inferring, keeping, polling

    draws = ready_to_draw()
    services, stages = services_of(order), Stages()
    services.asked(examining.ENSEMBLE).load()
    shown: list[tuple[int, ...]] = []
    files: dict[str, tuple[float, ...]] = {}
    predict, read = inferring.Asked.predict, examining.read

    def read_too(items: Any, grid: Any, *given: Any) -> Any:
        named = [item.assets[band] for item in items for band in (*BANDS, "scl")]
        files.update(dict.fromkeys(named, grid.bounds))
        return read(items, grid, *given)

    def noted(asked: Any, picture: Any, *given: Any) -> Any:
        shown.append(picture.shape)
        with stages.stage("ensemble"):
            return predict(asked, picture, *given)

    inferring.Asked.predict = noted  # type: ignore[method-assign, assignment]
    examining.read = read_too
    confirming.detect_due = lambda *_, **__: []  # type: ignore[assignment]
    for place, function, name in (
        (examining, "window_grid", "read"), (examining, "read", "read"),
        (confirming, "examine_pair", "compare"), (keeping, "keep_examination", "composites"),
        (confirming, "_store", "store"),
        (delivering, "picture_for", "picture"), (drawing._Child, "end", "picture"),
        (delivering, "deliver", "send"),
    ):  # fmt: skip
        stages.watch(place, function, name)
    begun = spent()
    with stages.stage("poll"):
        polled = polling.poll_region(services, "region")
    with stages.stage("claims, leases, costs"):
        found = confirming.confirm_due(services, "region")
    verdict_s = spent()[0] - begun[0]
    with stages.stage("claims and receipts of messages"):
        sent = delivering.deliver_due(services)
    draws.end()
    whole = [now - then for now, then in zip(spent(), begun, strict=True)]
    if polled.errors or [one.finding for one in found.checks] != ["agrees"]:
        raise SystemExit(f"{polled} {found}")
    return {
        "s": whole[0], "processor_s": whole[1], "verdict_stored_s": verdict_s,
        "stages": stages.told(), "asked": asked_of(services), "shown": shown[0],
        "files": list(files), "bounds": next(iter(files.values())),
        "alerts": found.alerts, "delivered": sum(one.delivered for one in sent),
        "peak_mib": peak_mib(),
    }  # fmt: skip


def bare(order: dict[str, Any]) -> dict[str, Any]:
    """Read, judge and write without anything around it."""
    from flows.examining import ENSEMBLE
    from flows.meter import metering
    from flows.rasters import HTTP_OPTIONS

    asked, stages = services_of(order).asked(ENSEMBLE), Stages()
    asked.load()

    def window(href: str) -> np.ndarray:
        with rasterio.Env(**HTTP_OPTIONS), rasterio.open(href) as file:
            wanted = from_bounds(*order["bounds"], transform=file.transform)
            return np.asarray(file.read(1, window=wanted.round_offsets().round_lengths()))

    picture = np.random.default_rng(1).random(order["shown"], np.float32)
    begun = spent()
    with metering() as meter, stages.stage("read"):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(window, order["files"]))
        fetched = meter.take()
    with stages.stage("ensemble"):
        asked.predict(picture)
    with stages.stage("write"), psycopg.connect(order["database"]) as connection:
        connection.execute("CREATE TEMP TABLE found (geometry geometry(Polygon, 4326))")
        with connection.cursor().copy("COPY found FROM STDIN") as copy:
            copy.write_row((order["polygon"],))
    whole = [now - then for now, then in zip(spent(), begun, strict=True)]
    return {
        "s": whole[0], "processor_s": whole[1], "stages": stages.told(),
        "asked": {"requests": fetched.requests, "mb": round(fetched.bytes / 1e6, 2)},
        "peak_mib": peak_mib(),
    }  # fmt: skip


def suspect(services: Services, ground: Ground) -> None:
    """Let a radar look suspect the landslide; its own looks have no files."""
    from flows.steps import store_judgement

    look = Acquisition(
        source=f"{CATALOGUE}/{RADAR}", item_id="S1-SIMULATED", platform="sentinel-1a",
        sensor=Sensor.SAR, sensed_at=NEW, published_at=NEW + LATE,
        footprint=ground.footprint(OPTICAL), orbit_state=OrbitState.ASCENDING,
        relative_orbit=117, polarisations=("VV", "VH"), assets={}, simulated=True,
    )  # fmt: skip
    slide = ground.slides[0]
    detection = Detection(
        region_id="region", acquisition_id=look.id, polygon=to_lonlat(slide, 32624),
        area_m2=slide.area, score_max=6.0, score_mean=4.0, evidence=20.0, change_db=4.2,
        tier=Tier.LIKELY, not_before=FAILED - timedelta(days=12), not_after=NEW,
        item_ids=(look.item_id,), detector="sar", weights_version="none", config_hash="bench",
        simulated=True,
    )  # fmt: skip
    with transaction(services.engine) as s:
        region = queries.get_region(s, "region")
        store.record_acquisitions(s, region, [look])
        (known,) = queries.list_looks(s, region_id="region", item_id=look.item_id)
        claimed = store.claim_look(
            s, "region", datetime.now(UTC), services.owner, services.settings.lease,
            look_id=known.id,
        )  # fmt: skip
    assert claimed is not None
    store_judgement(
        services, region, claimed, Judgement((detection,), Coverage(1.0, 1.0), None, ())
    )


def measure(km2: float, rounds: int, folder: Path, cluster: Cluster) -> dict[str, Any]:
    """Measure one size, ours and the bare work in turns."""
    from flows.delivering import deliver_due
    from flows.polling import poll_region

    ground, name = Ground(km2), f"{km2:g}".replace(".", "_")
    files = folder / f"files{name}"
    files.mkdir()
    write_optical(files, ground)
    stored = sum(path.stat().st_size for path in files.iterdir())
    for database in (f"catalogue{name}", f"template{name}"):
        cluster.create_database(database)
    stac = cluster.url(f"catalogue{name}")
    region = WatchedRegion(
        "region", "SIMULATED", ground.region, (f"{CATALOGUE}/{OPTICAL}",), simulated=True,
        watch_from=NEW - timedelta(days=1),
    )  # fmt: skip
    inbox = folder / f"received{name}.jsonl"
    receiver = ("-m", "alerts.receiver", "--port", "0", "--out", str(inbox))
    took: dict[str, list[dict[str, Any]]] = {"ours": [], "bare": []}
    archive = empty_archive(folder / f"archive{name}", OPTICAL)
    with (
        ArchiveServer(stac, [archive]) as server, serving_files(files) as url,
        serving(*receiver) as hook,
    ):  # fmt: skip
        *before, clear = optical_items(url, ground)
        publish(stac, before)
        home = folder / f"home{name}"
        home.mkdir()
        order: dict[str, Any] = {
            "stac": server.url, "receiver": hook, "home": str(home),
            "database": cluster.url(f"template{name}"), "pictures": False,
            "now": (NEW + LATE).isoformat(),
        }  # fmt: skip
        services = services_of(order)
        schema.upgrade(services.engine)
        with transaction(services.engine) as s:
            store.save_region(s, region)
        if errors := poll_region(services, "region").errors:
            raise SystemExit(errors[0])
        suspect(services, ground)
        deliver_due(services)
        services.engine.dispose()
        publish(stac, [clear])
        order["now"] = (SEEN + LATE + timedelta(minutes=10)).isoformat()
        order |= {"pictures": True, "polygon": to_lonlat(ground.slides[0], 32624).wkt}
        for number in range(rounds):
            own = f"round{name}_{number}"
            cluster.create_database(own, f"template{name}")
            mine = {"database": cluster.url(own), "home": str(folder / own)}
            (folder / own).mkdir()
            for kind in ("ours", "bare"):
                told = child("bench.verdict", kind, {**order, **mine})
                took[kind].append(told)
                order |= {key: told[key] for key in ("shown", "files", "bounds") if key in told}
                told.pop("files", None)
    shutil.rmtree(files)
    row = {"km2": km2, "files_mb": round(stored / 1e6), **beside(took["ours"], took["bare"])}
    row["verdict_stored_s"] = middle(took["ours"], "verdict_stored_s")
    row["asked"], row["bare_asked"] = took["ours"][-1]["asked"], took["bare"][-1]["asked"]
    return {**row, "peak_mib": took["ours"][-1]["peak_mib"], "rounds": took}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.verdict")
    parser.add_argument("--km2", type=float, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--child", choices=("ours", "bare"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps({"ours": ours, "bare": bare}[given.child](json.load(sys.stdin))))
        return
    with throwaway_postgis() as (folder, cluster):
        rows = [measure(km2, given.rounds, folder, cluster) for km2 in given.km2]
    result = {**headed("bench.verdict", given.rounds), "rows": rows}
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table = stage_table(rows)
    table.add_row("asked", *(json.dumps(row["asked"]) for row in rows))
    Console().print(table)


if __name__ == "__main__":
    main()
