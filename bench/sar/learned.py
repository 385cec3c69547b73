"""The recipe ``landslide-s1``, learnt on the simulator, in the table of the radar detectors.

    python -m bench.sar.learned [--data FOLDER] [--real] [--quick] [--again]

The same looks, planted landslides and rate of false objects as ``bench.sar``, whose looks are taken
as they are kept (and judged where they are not). Writes ``results/sar-learned.json``, which the
page of ``bench.sar`` takes up, and writes that page again. What is learnt from is SIMULATED; with
``--real`` two real quiet series are learnt from, too, and landslides planted into them
(``results/sar-learned-real.json``). Those series then count for nothing else.
"""

from __future__ import annotations

import argparse
import functools
import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import rasterio
from scipy.stats import binomtest

from bench.sar import learned_page, running, series
from bench.sar.figures import (
    Level,
    Record,
    by_pixel,
    detected,
    false_rate,
    level_at_rate,
    over,
    steady,
)
from bench.sar.judging import OWN, PEERS, SHIPPED, found
from bench.sar.learned_page import LEARNED
from bench.sar.page import page
from bench.sar.planting import CONTRASTS_DB, SIZES, planted_look
from bench.sar.report import TARGET_DB, TARGET_PIXELS, size_name, strata
from detectors.look_geometry import viewing
from detectors.normalise import MAXIMUM_LOOKS
from detectors.radiometry import to_db
from detectors.simulation.land import LandCover
from detectors.simulation.parameters import Parameters, load_parameters
from detectors.simulation.scene import simulate
from detectors.training import raster_recipes
from detectors.types import MINIMUM_LOOKS, Grid, LookStack, OrbitState, Unseen
from flows import raster_maps, raster_training
from flows.places import Source
from flows.raster_maps import RasterModel
from flows.raster_training import Example, Reading
from tests.scenes import read_series, take

ROOT = running.ROOT
KEPT = ROOT / ".scarpwatch" / "bench-sar-learned"
RESULTS = ROOT / "bench" / "results"
#: Of the five series of California, those that ``--real`` learns from.
BURSTS = ("T137-292319-IW2", "T137-292321-IW2")
#: Angle at which real looks are taken to see flat ground: no elevation of their places is at hand.
NOMINAL_INCIDENCE = 39.0
#: Log-odds beyond which one pixel counts no more.
CEILING = 6.0


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the network learns from, and how long."""

    seeds: tuple[int, ...] = tuple(range(700, 724))
    """Of events, under 1000: the simulator's rule for whatever is tuned."""
    size: int = 200
    window: int = 64
    epochs: int = 24
    steps: int = 80
    network: str = "landslide-local"
    """Recipe whose network is taken: half of what Unet++ costs on a processor."""
    bursts: tuple[str, ...] = ()
    """Real series that are learnt from, too, each look as it is and with landslides planted."""

    @classmethod
    def quick(cls) -> Lessons:
        """Return lessons that show nothing but that they run."""
        return cls(seeds=(700, 701, 702), size=110, epochs=1, steps=2)


def bands(
    pre: LookStack, post: LookStack, unseen: np.ndarray, incidence: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what the recipe looks at, (y, x) each, dB, 0 or 1, and degrees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # radar shadow is NaN in all looks
        before = np.nanmedian(to_db(pre.gamma0[-MAXIMUM_LOOKS:]), axis=0)
    after = to_db(post.gamma0[0])
    return {
        "pre_vv": before[0], "post_vv": after[0], "pre_vh": before[1], "post_vh": after[1],
        "layover": unseen == Unseen.LAYOVER, "shadow": unseen == Unseen.RADAR_SHADOW,
        "lia": incidence,
    }  # fmt: skip


def lesson(seed: int, lessons: Lessons, parameters: Parameters, folder: Path) -> Example:
    """Write one simulated event as one place: its looks one under the other, gaps between them.

    Of each track two looks with planted landslides, one quiet one, and the one after what the
    simulator let happen. Places that were written before are taken as they are.
    """
    if (folder / str(seed) / "labels.tif").is_file():
        return _example(folder / str(seed))
    before = MAXIMUM_LOOKS + 3
    scene = simulate(seed, parameters, size=lessons.size, looks_before=before, looks_after=1)
    parts: list[tuple[dict[str, np.ndarray], np.ndarray]] = []
    for track in scene.tracks:
        see = functools.partial(bands, unseen=track.unseen, incidence=track.local_incidence)
        ground = (track.unseen == Unseen.SEEN) & ~np.isin(
            scene.cover, (LandCover.WATER, LandCover.URBAN)
        )
        for number in range(MAXIMUM_LOOKS, before + 1):
            pre = take(track.stack, slice(number - MAXIMUM_LOOKS, number))
            post = take(track.stack, slice(number, number + 1))
            truth = np.zeros(post.grid.shape, dtype=np.int32)
            if number < before - 1:
                draw = np.random.default_rng([seed, track.relative_orbit, number])
                post, _, truth = planted_look(
                    pre, post, ground, scene.cover, track.viewing, parameters, draw, (4, 4, 2, 1)
                )
            elif number == before:
                for one in scene.slides:
                    truth[one.slide.body] = 1
            codes = np.where(track.unseen == Unseen.SEEN, truth > 0, 255).astype(np.uint8)
            parts.append((see(pre, post), codes))
    return _place(parts, scene.tracks[0].stack.grid, folder / str(seed))


def real_lesson(row: tuple[Any, ...], parameters: Parameters, data: Path, folder: Path) -> Example:
    """Write a real series as one place: each look as it is, and with landslides planted."""
    name, burst, ending, latitude, _ = row
    if (folder / burst / "labels.tif").is_file():
        return _example(folder / burst)
    looks = read_series(data / name, burst, ending=ending)
    flat = np.full(looks.grid.shape, NOMINAL_INCIDENCE, dtype=np.float32)
    none = np.zeros(looks.grid.shape, dtype=np.uint8)
    seen_from = viewing(OrbitState.ASCENDING, latitude, NOMINAL_INCIDENCE)
    parts = []
    for number in range(MINIMUM_LOOKS, len(looks)):
        pre = take(looks, slice(max(0, number - MAXIMUM_LOOKS), number))
        post = take(looks, slice(number, number + 1))
        ground = np.isfinite(post.gamma0).all(axis=(0, 1))
        parts.append((bands(pre, post, none, flat), none))
        # Other landslides than those that are judged.
        draw = np.random.default_rng([int(burst[5:11]), number, 1])
        changed, _, truth = planted_look(
            pre, post, ground, LandCover.SHRUB, seen_from, parameters, draw, (2, 2, 1, 0)
        )
        parts.append((bands(pre, changed, none, flat), (truth > 0).astype(np.uint8)))
    return _place(parts, looks.grid, folder / burst)


def _place(
    parts: Sequence[tuple[dict[str, np.ndarray], np.ndarray]], grid: Grid, folder: Path
) -> Example:
    folder.mkdir(parents=True, exist_ok=True)
    names = list(parts[0][0])
    gap = 16
    values = np.concatenate(
        [np.pad(np.stack([p[n] for n in names]).astype(np.float32), ((0, 0), (0, gap), (0, 0)),
                constant_values=np.nan) for p, _ in parts], axis=1,
    )  # fmt: skip
    codes = np.concatenate([np.pad(c, ((0, gap), (0, 0)), constant_values=255) for _, c in parts])
    for name, written, described in (
        ("bands", values, names), ("labels", codes[None], ["class"]),
    ):  # fmt: skip
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", count=len(written),
            height=written.shape[1], width=written.shape[2], dtype=written.dtype.name,
            crs=f"EPSG:{grid.epsg}", transform=grid.transform,
            nodata=255 if name == "labels" else None,
        ) as raster:  # fmt: skip
            raster.write(written)
            raster.update_tags(SIMULATED="yes")
            for index, word in enumerate(described, start=1):
                raster.set_band_description(index, word)
    return _example(folder)


def _example(folder: Path) -> Example:
    return Example((Source(folder / "bands.tif"),), folder / "labels.tif")


def learn(
    lessons: Lessons, parameters: Parameters, folder: Path, data: Path | None = None
) -> RasterModel:
    """Train the recipe on smaller tiles; go on where a training was broken off."""
    out = folder / ("model-real" if lessons.bursts else "model")
    if (out / "model.json").is_file():
        return raster_maps.load(out)
    examples = [lesson(seed, lessons, parameters, folder) for seed in lessons.seeds]
    examples += [
        real_lesson(row, parameters, data or Path(), folder)
        for row in series.REAL
        if row[1] in lessons.bursts
    ]
    recipe = raster_recipes.shortened(
        raster_recipes.get(LEARNED), lessons.window, lessons.epochs, lessons.steps,
        raster_recipes.get(lessons.network).members[0].network,
    )  # fmt: skip
    gathered = raster_training.gather(recipe, examples, Reading())
    print(len(gathered.tiles), "tiles,", f"{gathered.shares[1]:.2%} landslide", flush=True)
    epochs = iter(range(1, lessons.epochs + 1))
    asked, results = raster_training.train(
        recipe, gathered, out, lambda: print("epoch", next(epochs), flush=True),
        resume=True, licence="Apache-2.0",
    )  # fmt: skip
    print(results, flush=True)
    return asked


@dataclass(frozen=True, slots=True)
class Taught:
    """The learned model as one that judges looks (``series.Judging``)."""

    asked: RasterModel
    incidence: np.ndarray
    only_some: ClassVar[bool] = False

    def __call__(self, pre: LookStack, post: LookStack, truth: np.ndarray, **more: Any) -> Record:
        """Return its patches: what is over the model's own threshold, by the margin in log-odds."""
        unseen = more.get("unseen")
        unseen = np.zeros(truth.shape, dtype=np.uint8) if unseen is None else unseen
        seen = bands(pre, post, unseen, self.incidence)
        values = np.stack([
            seen[b.name] if b.name in seen else b.make([[seen[n] for n in b.needs]], 30.0)
            for b in self.asked.bands
        ]).astype(np.float32)  # fmt: skip
        odds = _log_odds(self.asked.judge(values)[0])
        margin = np.clip(odds - _log_odds(self.asked.model.threshold), 0, CEILING)
        alike = more.get("alike")
        patches = found(
            np.where(unseen > 0, np.nan, margin), post.grid.pixel_area_m2, truth,
            np.zeros_like(truth) if alike is None else alike, peer_level=0.0,
        )  # fmt: skip
        return {"patches": {LEARNED: [asdict(patch) for patch in patches]}}


def _log_odds(score: Any) -> Any:
    return np.log(np.clip(score, 1e-6, 1 - 1e-6)) - np.log1p(-np.clip(score, 1e-6, 1 - 1e-6))


def event(seed: int, size: int, parameters: Parameters, asked: RasterModel) -> Iterator[Record]:
    """Judge an event, look by look as ``series.simulated_event``; not what happened by itself."""
    scene = simulate(seed, parameters, size=size, looks_before=series.BEFORE, looks_after=1)
    for track in scene.tracks:
        judging = Taught(asked, track.local_incidence)
        origin = {"orbit": str(track.orbit_state)}
        yield from series.quiet_looks(scene, track, origin, judging)
        yield from series.planted_looks(scene, track, seed, parameters, origin, judging)


def real(
    folder: Path, burst: str, ending: str, latitude: float, parameters: Parameters,
    asked: RasterModel,
) -> Iterator[Record]:  # fmt: skip
    """Judge a real series look by look, with the landslides of ``series.real_series``."""
    looks = read_series(folder, burst, ending=ending)
    judging = Taught(asked, np.full(looks.grid.shape, NOMINAL_INCIDENCE, dtype=np.float32))
    none = np.zeros(looks.grid.shape, dtype=np.int32)
    seen_from = viewing(OrbitState.ASCENDING, latitude, NOMINAL_INCIDENCE)
    for number in range(MINIMUM_LOOKS, len(looks)):
        pre = take(looks, slice(max(0, number - series.HISTORY), number))
        post = take(looks, slice(number, number + 1))
        origin = {"orbit": "real", "look": number}
        yield {**origin, **judging(pre, post, none), "kind": "quiet"}
        draw = np.random.default_rng([int(burst[5:11]), number])
        ground = np.isfinite(post.gamma0).all(axis=(0, 1))
        changed, _, truth = planted_look(
            pre, post, ground, LandCover.SHRUB, seen_from, parameters, draw, (2, 2, 1, 0)
        )
        yield {**origin, **judging(pre, changed, truth), "kind": "planted"}


def compared(records: Iterable[Record], levels: dict[str, Level], other: str) -> dict[str, Any]:
    """Count the landslides of the aim that one of two finds and the other does not, with p.

    The exact two-sided binomial test of the unequal ones (McNemar).
    """
    only = {LEARNED: 0, other: 0}
    for record in records:
        hit = {
            name: {
                p["slide"]
                for p in record["patches"][name]
                if p["slide"] >= 0 and p["iou"] >= 0.1 and p["evidence"] > levels[name].evidence
            }
            for name in only
        }
        for index, slide in enumerate(record["slides"]):
            if slide["visible"] and _target(record, slide):
                here = {name: index in hit[name] for name in only}
                if len(set(here.values())) == 2:
                    only[max(here, key=lambda name: here[name])] += 1
    total = sum(only.values())
    p = float(binomtest(only[LEARNED], total).pvalue) if total else 1.0
    return {"only_learned": only[LEARNED], "only_other": only[other], "p": p}


def _target(_: Record, slide: Record) -> bool:
    return bool(slide["contrast"] == TARGET_DB and slide["pixels"] >= TARGET_PIXELS)


def figures(
    calibration: Sequence[Record], held_back: Sequence[Record], real_looks: Sequence[Record]
) -> dict[str, Any]:
    """Return the learned model's lines, and the others' beside them, at one rate."""
    names = (LEARNED, *OWN, *PEERS)
    california = [r for r in real_looks if r["source"] == series.CALIFORNIA]
    used = [*calibration, *california]
    levels = {name: level_at_rate(steady(used), name) for name in names}
    planted = [r for r in held_back if r["kind"] == "planted"]
    aims = strata()
    lines = {
        **aims["true contrast, 15 px and more"],
        **{f"{size_name(*z)}, 3 dB": aims["size, 3 dB"][size_name(*z)] for z in SIZES},
    }
    columns = {name: over(levels[name].evidence) for name in names}
    pixels = {n: by_pixel(steady(planted), n, columns[n]) for n in (LEARNED, SHIPPED)}
    everywhere = {n: level_at_rate(used, n) for n in (LEARNED, SHIPPED)}
    result: dict[str, Any] = {
        "levels": {},
        "detection": {},
        "real_planted": {},
        "real_quiet": {},
        "paired": compared(steady(planted), levels, SHIPPED),
        "pixels": {n: {"f1": round(a, 3), "iou": round(b, 3)} for n, (a, b) in pixels.items()},
        "all_looks": {
            n: {
                "evidence": level.evidence,
                "held_back_false": false_rate(held_back, n, level.evidence)[0],
                "km2": round(false_rate(held_back, n, level.evidence)[1]),
                "found": detected(planted, n, over(level.evidence), _target).plain(),
            }
            for n, level in everywhere.items()
        },
    }
    # Levels of simulated ground alone: what the figures would be, were all ground as simulated.
    result["simulated_level"] = {}
    for name in (LEARNED, SHIPPED):
        level = level_at_rate(steady(calibration), name)
        false = {
            word: dict(zip(("false", "km2"), false_rate(looks, name, level.evidence), strict=True))
            for word, looks in (
                ("held back", steady(held_back)),
                ("California", steady(california)),
            )
            if looks
        }
        result["simulated_level"][name] = {
            "evidence": level.evidence, "km2": round(level.km2), "allowed": level.allowed,
            "false": false,
            "found": {
                f"{db:g} dB": detected(
                    steady(planted), name, over(level.evidence),
                    aims["true contrast, 15 px and more"][f"{db:g} dB"],
                ).plain()
                for db in CONTRASTS_DB
            },
        }  # fmt: skip
    for name, level in levels.items():
        count, km2 = false_rate(steady(held_back), name, level.evidence)
        result["levels"][name] = {
            "evidence": level.evidence, "km2": round(level.km2), "allowed": level.allowed,
            "held_back_false": count, "held_back_km2": round(km2),
        }  # fmt: skip
    for line, want in lines.items():
        result["detection"][line] = {
            n: detected(steady(planted), n, columns[n], want).plain() for n in names
        }
    for folder, word in ((series.CALIFORNIA, "California"), (series.YAMBALI, "Yambali")):
        looks = [r for r in real_looks if r["source"] == folder]
        if not looks:
            continue
        for db in CONTRASTS_DB:
            result["real_planted"][f"{word}, {db:g} dB"] = {
                n: detected(
                    [r for r in looks if r["kind"] == "planted"], n, columns[n],
                    lambda _, s, db=db: s["contrast"] == db and s["pixels"] >= TARGET_PIXELS,
                ).plain()
                for n in names
            }  # fmt: skip
        result["real_quiet"][word] = {
            n: dict(zip(("false", "km2"), false_rate(looks, n, levels[n].evidence), strict=True))
            for n in names
        }
    return result


def main() -> None:
    """Learn, judge, write."""
    parser = argparse.ArgumentParser(prog="bench.sar.learned", description="See bench/sar.md.")
    parser.add_argument("--data", type=Path, help="folder with the data sets that are not shipped")
    parser.add_argument("--real", action="store_true", help="learn from real quiet looks, too")
    parser.add_argument("--quick", action="store_true", help="small: shows that it runs")
    parser.add_argument("--again", action="store_true", help="judge anew what is kept")
    given = parser.parse_args()
    parameters = load_parameters()
    plan = running.Plan.quick() if given.quick else running.Plan()
    lessons = Lessons.quick() if given.quick else Lessons()
    if given.real:
        lessons = replace(lessons, bursts=BURSTS, epochs=14)
    folder = KEPT / ("quick" if given.quick else "whole")
    asked = learn(lessons, parameters, folder, given.data)
    print(asked.model.version, asked.model.threshold, asked.model.validation_f1, flush=True)
    looks: dict[str, list[Record]] = {}
    for job in running.jobs(replace(plan, tuning=0), parameters, given.data):
        kept = running.KEPT / running.fingerprint(parameters, peer=job.peer)
        if not any(burst in job.name for burst in lessons.bursts):
            looks[job.name] = running.done(job, kept)
    looks = running.with_peer(looks)
    own = folder / asked.model.version.replace("/", "-")
    for name in list(looks):
        job = _job(name, plan, parameters, given.data, asked)
        looks[running.PEER + name] = running.done(job, own, again=given.again)
        print(name, flush=True)
    joined = running.with_peer(looks)
    seeds = plan.seeds()

    def events(use: str) -> list[Record]:
        return [
            r for seed in seeds[use] for r in joined[f"event-{plan.size}-{seed}"]
            if r["kind"] != "happened"
        ]  # fmt: skip

    result = figures(
        events("calibration"), events("held back"),
        [r for name, records in joined.items() if name.startswith("real-") for r in records],
    )  # fmt: skip
    result["stated"] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "model": asked.model.version,
        "validation_f1": round(asked.model.validation_f1, 3),
        "threshold": round(asked.model.threshold, 3),
        "parameters": sum(p.numel() for n in asked.networks for p in n.parameters()),
        "lessons": asdict(lessons), "quick": given.quick,
    }  # fmt: skip
    if given.quick:
        print(json.dumps(result["detection"]["3 dB"], indent=1))
        return
    (RESULTS / learned_page.FILES[given.real]).write_text(
        json.dumps(result, indent=1) + "\n", encoding="utf-8"
    )
    whole = json.loads((RESULTS / "sar.json").read_text(encoding="utf-8"))
    (ROOT / "bench" / "sar.md").write_text(
        page(whole, learned_page.parts(RESULTS)), encoding="utf-8"
    )


def _job(
    name: str, plan: running.Plan, parameters: Parameters, data: Path | None, asked: RasterModel
) -> running.Job:
    if name.startswith("event-"):
        seed = int(name.rsplit("-", 1)[1])
        return running.Job(name, functools.partial(event, seed, plan.size, parameters, asked))
    (row,) = (row for row in series.REAL if f"real-{row[1]}" == name)
    folder, burst, ending, latitude, _ = row
    return running.Job(
        name,
        functools.partial(
            real, (data or Path()) / folder, burst, ending, latitude, parameters, asked
        ),
    )


if __name__ == "__main__":
    main()
