"""Learned SAR and combined models on the simulator, beside ``sar_log_ratio`` on the same looks.

Everything is SIMULATED: ground, landslides, looks. Writes ``results/recipes-simulated.json``.
``python -m bench.recipes.learned``
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from bench.recipes.judging import TINY
from bench.recipes.places import UNKNOWN
from detectors.medians import median_of_looks
from detectors.normalise import normalise
from detectors.radiometry import to_db
from detectors.sar_log_ratio import SarLogRatio
from detectors.simulation.land import LandCover
from detectors.simulation.optics import optical_passes
from detectors.simulation.parameters import load_parameters
from detectors.simulation.scene import Scene, simulate
from detectors.simulation.slides import covered
from detectors.training import raster_recipes
from detectors.types import Unseen
from flows import raster_training
from flows.places import Source, open_place
from flows.raster_training import Example, Reading

RECIPES = ("landslide-s1", "landslide-s2", "landslide-s1s2", "landslide-all")
#: The simulator's rule: seeds under 1000 to learn from, 2000 and more to report on.
LEARN, REPORT = tuple(range(600, 610)), tuple(range(2600, 2606))
SIZE = 110
RESULTS = Path(__file__).parents[1] / "results" / "recipes-simulated.json"


def write(path, values, names, grid, nodata=None) -> None:
    import rasterio

    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=grid.height, width=grid.width,
        dtype=values.dtype.name, crs=f"EPSG:{grid.epsg}", transform=grid.transform, nodata=nodata,
    ) as raster:  # fmt: skip
        raster.write(values)
        raster.update_tags(SIMULATED="yes")
        for index, name in enumerate(names, start=1):
            raster.set_band_description(index, name)


def event(seed: int, folder: Path) -> tuple[Example, np.ndarray, np.ndarray] | None:
    """Write an event as a place; return it, its truth, and what the log ratio says of its look.

    None where no picture was taken on one of both sides.
    """
    folder.mkdir(parents=True)
    figures = load_parameters()
    scene = simulate(seed, size=SIZE, looks_before=10, looks_after=1)
    track = scene.tracks[0]
    grid, stack = track.stack.grid, track.stack
    before = np.array([moment < scene.happened_at for moment in stack.sensed_at])
    truth = np.zeros(grid.shape, np.float32)
    for one in scene.slides:
        truth = np.maximum(truth, covered(one.outline, grid))
    codes = np.where(truth >= 0.5, 1, np.where(truth == 0, 0, UNKNOWN)).astype(np.uint8)
    decibel = to_db(stack.gamma0)
    pre, post = median_of_looks(decibel[before]), decibel[~before][0]
    radar = np.stack([pre[0], post[0], pre[1], post[1]]).astype(np.float32)
    write(folder / "radar.tif", radar, ("pre_vv", "post_vv", "pre_vh", "post_vh"), grid)
    ground = np.stack(
        [
            track.unseen == Unseen.LAYOVER, track.unseen == Unseen.RADAR_SHADOW,
            track.local_incidence, scene.land.elevation, scene.land.cover, *operators(scene, seed),
        ]
    ).astype(np.float32)  # fmt: skip
    names = (
        "layover", "shadow", "local_incidence", "elevation", "land_cover", "climate", "tree_height",
    )  # fmt: skip
    write(folder / "ground.tif", ground, names, grid)
    rules = replace(figures.optical, before=1, after=3, cloud_shape=(0.1, 40.0))
    passes = list(optical_passes(scene, replace(figures, optical=rules)))
    clear = [one for one in passes if one.sensed_at < scene.happened_at]
    if not clear or passes[-1] is clear[-1]:
        return None
    pair = clear[-1], passes[-1]
    for when, one in zip(("pre", "post"), pair, strict=True):
        values = one.reflectance[2:4].astype(np.float32)
        write(folder / f"{when}.tif", values, (f"{when}_red", f"{when}_nir"), one.grid)
    write(folder / "labels.tif", codes[None], ("class",), grid, UNKNOWN)
    sources = tuple(Source(folder / f"{name}.tif") for name in ("radar", "ground", "pre", "post"))
    looks = [
        replace(
            stack, gamma0=stack.gamma0[part],
            sensed_at=tuple(np.array(stack.sensed_at)[part]),
            item_ids=tuple(i for i, p in zip(stack.item_ids, part, strict=True) if p),
        )
        for part in (before, ~before)
    ]  # fmt: skip
    normal = normalise(looks[0], looks[1], track.unseen, scene.land.elevation)
    return Example(sources, folder / "labels.tif"), codes, abs(SarLogRatio().score(normal))


def operators(scene: Scene, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Made-up rasters in place of an operator's: two climates by height, trees where forest is."""
    elevation = scene.land.elevation
    climate = np.where(elevation > np.median(elevation), 2.0, 1.0)
    scatter = np.random.default_rng(seed).normal(0, 2, elevation.shape)
    return climate, np.where(scene.cover == LandCover.FOREST, 15.0, 0.0) + abs(scatter)


def best_f1(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    levels = np.quantile(scores, np.linspace(0.5, 0.9995, 400))
    found = [(_f1(scores >= level, truth), float(level)) for level in levels]
    return max(found)


def _f1(called: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (called & truth).sum() / max(called.sum() + truth.sum(), 1))


def main() -> None:
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        learn, report = (
            [one for seed in seeds if (one := event(seed, folder / str(seed)))]
            for seeds in (LEARN, REPORT)
        )
        print(len(learn), len(report), "events", flush=True)
        said: dict[str, list[np.ndarray]] = {"sar_log_ratio": [score for *_, score in report]}
        levels = {
            "sar_log_ratio": best_f1(*_known([s for *_, s in learn], [c for _, c, _ in learn]))[1]
        }
        for name in RECIPES:
            recipe = raster_recipes.shortened(raster_recipes.get(name), 32, 24, 20, TINY)
            gathered = raster_training.gather(recipe, [one for one, *_ in learn], Reading())
            asked, _ = raster_training.train(recipe, gathered, folder / name)
            maps = []
            for one, codes, _ in report:
                with open_place("event", one.sources) as place:
                    whole = (slice(0, codes.shape[0]), slice(0, codes.shape[1]))
                    maps.append(asked.judge(place.read(asked.bands, *whole))[0])
            said[name], levels[name] = maps, asked.model.threshold
            print(name, "trained", flush=True)
        # All are counted on the pixels that each of them judged.
        codes = [
            np.where(np.isfinite([maps[n] for maps in said.values()]).all(axis=0), truth, UNKNOWN)
            for n, (_, truth, _) in enumerate(report)
        ]
        for name, maps in said.items():
            scores, truth = _known(maps, codes)
            found[name] = {
                "average_precision": float(average_precision_score(truth, scores)),
                "f1": _f1(scores >= levels[name], truth),
                "share": float(truth.mean()),
                "pixels": len(truth),
            }
            print(name, found[name], flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def _known(scores: list[np.ndarray], codes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    every, truth = (
        np.concatenate([s.ravel() for s in scores]),
        np.concatenate([c.ravel() for c in codes]),
    )
    known = (truth != UNKNOWN) & np.isfinite(every)
    return every[known], truth[known] == 1


if __name__ == "__main__":
    main()
