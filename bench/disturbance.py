"""Time our loop over the transformer against ``distmetrics``' own, side by side.

    python -m bench.disturbance [--pixels 256] [--repeats 7] [--compiled]

Same weights, windows, stride, threads (one) and precision (single); the shipped series of a steep
burst, despeckled, mirrored to the wanted size. Every setting that ``distmetrics`` documents is
tried: both memory strategies, batches of 16 to 256, and with ``--compiled`` its compiled model
(``model_compilation=True``; the minute of compiling is not counted). Runs take turns, so that a
busy machine slows all alike; processor time and wall time are both kept, least and median. Writes
``bench/results/disturbance.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from distmetrics import estimate_normal_params, load_transformer_model

from detectors.normalise import MAXIMUM_LOOKS
from detectors.prediction import predict
from detectors.sar_disturbance import MODEL, SarDisturbance
from tests.judged import peer_looks
from tests.scenes import SHIPPED, STEEP, read_series

RESULT = Path(__file__).parent / "results" / "disturbance.json"
BATCHES = (16, 32, 64, 128, 256)
Run = Callable[[], tuple[np.ndarray, np.ndarray]]


def looks(pixels: int) -> np.ndarray:
    """Return (look, polarisation, y, x) logits of real ground, mirrored to a square."""
    ready = peer_looks(read_series(SHIPPED, STEEP), despeckled=False)
    assert len(ready) == MAXIMUM_LOOKS
    beyond = [(0, max(0, pixels - size)) for size in ready.shape[-2:]]
    return np.pad(ready, [(0, 0), (0, 0), *beyond], mode="symmetric")[..., :pixels, :pixels]


def settings(pre: np.ndarray, stride: int, *, compiled: bool) -> dict[str, Run]:
    """Return every way to get the same numbers, ours first."""
    model = load_transformer_model(MODEL, device="cpu")
    bands = list(pre[:, 0]), list(pre[:, 1])
    ways: dict[str, Run] = {
        "scarpwatch": lambda: predict(model, pre, stride, batch=SarDisturbance().batch)
    }

    def theirs(model: torch.nn.Module, strategy: str, batch: int) -> Run:
        return lambda: estimate_normal_params(
            model, *bands, stride=stride, batch_size=batch, memory_strategy=strategy,
            tqdm_enabled=False, device="cpu", dtype="float32",
        )  # fmt: skip

    for strategy in ("high", "low"):
        for batch in BATCHES:
            ways[f"distmetrics, {strategy} memory, batch {batch}"] = theirs(model, strategy, batch)
    if compiled:
        for batch in (32, 64):
            quick = load_transformer_model(
                MODEL, device="cpu", model_compilation=True, batch_size=batch
            )
            ways[f"distmetrics, compiled, high memory, batch {batch}"] = theirs(
                quick, "high", batch
            )
    return ways


def main() -> None:
    """Measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--compiled", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    stride = SarDisturbance().stride
    pre = looks(given.pixels)
    ways = settings(pre, stride, compiled=given.compiled)
    answers = {name: way() for name, way in ways.items()}
    ours = answers["scarpwatch"]
    post = pre[0]
    metric = {n: np.abs(post - mean) / sigma for n, (mean, sigma) in answers.items()}
    apart = max(float(np.nanmax(np.abs(m - metric["scarpwatch"]))) for m in metric.values())
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, way in ways.items():
            processor, wall = time.process_time(), time.perf_counter()
            way()
            spent[name].append((time.process_time() - processor, time.perf_counter() - wall))
    rows = {}
    for name, times in spent.items():
        processor, wall = np.array(times).T
        rows[name] = {
            "processor_s_least": round(float(processor.min()), 4),
            "processor_s_median": round(float(np.median(processor)), 4),
            "wall_s_least": round(float(wall.min()), 4),
            "wall_s_median": round(float(np.median(wall)), 4),
        }
    own = rows.pop("scarpwatch")
    ratios = {key: round(min(row[key] for row in rows.values()) / own[key], 2) for key in own}
    result = {
        "pixels": given.pixels, "stride": stride, "threads": 1, "precision": "float32",
        "looks": len(pre), "repeats": given.repeats, "torch": torch.__version__,
        "machine": platform.machine(), "largest_difference_of_the_metric": apart,
        "predicted": bool(np.isfinite(ours[0]).all()), "scarpwatch": own, "distmetrics": rows,
        "times_faster_than_its_fastest": ratios,
    }  # fmt: skip
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
