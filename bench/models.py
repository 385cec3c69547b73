"""Measure the loops around the networks against the bare networks: ``make bench-models``.

A loop is worth its share: the time that the same networks take on the same tiles with nothing
around them, over the time of the loop. Times are processor seconds of one thread, the best of
several turns taken by turns, so that what else the machine does counts little.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench import backends
from detectors import ensemble, inference
from detectors.inference import ORIENTATIONS, Windows
from detectors.networks import half_precision
from detectors.training import losses, recipes
from detectors.training.dataset import Patches, Split
from detectors.training.grid import grid_of
from detectors.training.lessons import PictureLessons
from detectors.training.recipes import MemberSpec
from detectors.training.train import WEIGHT_DECAY, Training

RESULTS = Path(__file__).with_name("results") / "models.json"
TURNS = 5
NAME = "landslide-rgb"


def best_of(*runs: Callable[[], object], turns: int = TURNS) -> list[float]:
    """Return the least processor seconds of each, taken by turns after one turn that counts not."""
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(turns + 1):
        for run, taken in zip(runs, seconds, strict=True):
            start = time.process_time()
            run()
            if turn:
                taken.append(time.process_time() - start)
    return [min(taken) for taken in seconds]


def batches(windows: Windows, pixels: int) -> Iterator[Tensor]:
    """Yield tensors of the shapes that ``inference.predict`` shows a network, one picture's."""
    number = len(windows.origins(pixels)) ** 2
    at_once = max(windows.batch // windows.orientations, 1)
    for group in itertools.batched(range(number), at_once):
        for side in windows.sides or (windows.size,):
            shape = len(group) * windows.orientations, 3, side, side
            yield torch.randn(shape).contiguous(memory_format=torch.channels_last)


def bare(network: nn.Module, tiles: list[Tensor]) -> None:
    """Ask a network about tiles, and nothing else."""
    with torch.inference_mode(), half_precision():
        for tile in tiles:
            network(tile)


def measure_inference(pixels: int) -> dict[str, Any]:
    """Measure the loop as verdicts run it, and as searches do."""
    asked = ensemble.load(NAME)
    network = asked.networks[0]
    picture = np.random.default_rng(0).random((3, pixels, pixels), dtype=np.float32)
    found = {}
    for what, orientations in (("verdict", ORIENTATIONS), ("search", 1)):
        size = asked.model.window
        windows = Windows(size, size // 2, orientations, asked.model.sides)
        tiles = list(batches(windows, pixels))
        whole, only = best_of(
            lambda windows=windows: inference.predict(network, picture, windows),
            lambda tiles=tiles: bare(network, tiles),
        )
        found[what] = {
            "orientations": orientations,
            "megapixels_per_s": pixels**2 / whole / 1e6,
            "share_of_bare": only / whole,
        }
    return found


def measure_training(steps: int) -> dict[str, Any]:
    """Measure an epoch of the grid's first configuration against its bare steps."""
    grid = grid_of(recipes.get(NAME))
    spec = grid.members[0]
    cycle = replace(spec.cycles[0], epochs=TURNS + 2, steps=steps)
    spec = replace(spec, cycles=(cycle,))
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (64, 3, grid.window, grid.window), dtype=np.uint8)
    masks = random.random((64, grid.window, grid.window)) < 0.05
    numbers = np.arange(64)
    train = Patches(images, masks, numbers, np.full(64, Split.TRAIN.value))
    epochs = iter(Training(spec, PictureLessons(train, train.every(64), spec.loss)))
    step = bare_step(spec, cycle.batch, grid.window)
    whole, only = best_of(lambda: next(epochs), lambda: [step() for _ in range(steps)])
    samples = steps * cycle.batch
    return {
        "configuration": spec.name,
        "samples_per_s": samples / whole,
        "share_of_bare_step": only / whole,
    }


def bare_step(spec: MemberSpec, batch: int, side: int) -> Callable[[], None]:
    """Return one step of optimisation on a batch that lies ready."""
    network = spec.network.build(3).to(memory_format=torch.channels_last).train()
    loss = losses.create(spec.loss)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=WEIGHT_DECAY, fused=True)
    x = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    y = (torch.rand(batch, 1, side, side) < 0.05).float()

    def step() -> None:
        with half_precision():
            logits = network(x)
        optimiser.zero_grad()
        loss(logits.float(), y).backward()
        optimiser.step()

    return step


def main() -> None:
    """Measure, write the figures, print them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pixels", type=int, default=384, help="side of the picture")
    options.add_argument("--steps", type=int, default=10, help="batches in an epoch")
    options.add_argument(
        "--only", choices=("inference", "training", "backends", "compile"), help="one part"
    )
    chosen = options.parse_args()
    torch.set_num_threads(1)
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "inference": lambda: {"pixels": chosen.pixels, **measure_inference(chosen.pixels)},
        "training": lambda: measure_training(chosen.steps),
        "backends": backends.measure,
        "compile": backends.measure_compile,
    }
    figures = json.loads(RESULTS.read_text(encoding="utf-8")) if chosen.only else {}
    for part, measure in parts.items():
        if chosen.only in (None, part):
            figures[part] = {
                "measured": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": platform.processor() or platform.machine(),
                "torch": torch.__version__,
                **measure(),
                "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
    text = json.dumps(figures, indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
