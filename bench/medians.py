"""Time our median over looks against ``numpy.nanmedian`` and others, side by side.

    python -m bench.medians [--side 1024] [--rounds 5]

One thread, processor time, in turns on the same arrays; the least of the rounds. Equal to the last
bit, or it stops. Writes ``bench/results/medians.json``; ``bench/medians.md`` says what came of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from detectors.medians import median_of_looks

RESULT = Path(__file__).parent / "results" / "medians.json"
#: Looks: of a year of one track, of a block's history, of a year of two satellites.
LOOKS = (5, 10, 20, 30)
#: Share of pixels that a look does not show: radar, and a cloudy place.
GAPS = (0.0, 0.3)


def sorted_rows(looks: np.ndarray) -> np.ndarray:
    """Return the median as one writes it without ``nanmedian``: sort, then choose by count."""
    ordered = np.sort(looks, axis=0)
    seen = np.isfinite(looks).sum(axis=0)
    below, above = (
        np.take_along_axis(ordered, np.clip(at, 0, len(looks) - 1)[None], axis=0)[0]
        for at in ((seen - 1) // 2, seen // 2)
    )
    middle: np.ndarray = (below + above) * np.float32(0.5)
    return middle


def torch_median(looks: np.ndarray) -> np.ndarray:
    """Return PyTorch's; of an even number it takes the lower one, so that it does less."""
    return torch.from_numpy(looks).nanmedian(dim=0).values.numpy()


PEERS = {
    "numpy.nanmedian": lambda looks: np.nanmedian(looks, axis=0),
    "numpy.sort and choose": sorted_rows,
    "torch.nanmedian (the lower one)": torch_median,
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1_024, help="pixels")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(20)
    rows = []
    for count in LOOKS:
        for gaps in GAPS:
            looks = rng.normal(-12.0, 2.0, (count, given.side, given.side)).astype(np.float32)
            looks[rng.random(looks.shape) < gaps] = np.nan
            looks[0][np.isnan(looks).all(axis=0)] = 0.0  # nanmedian warns of them
            spent: dict[str, list[float]] = {}
            made = {}
            for _ in range(given.rounds):
                for name, run in {"scarpwatch": median_of_looks, **PEERS}.items():
                    begun = time.process_time()
                    made[name] = run(looks)
                    spent.setdefault(name, []).append(time.process_time() - begun)
            if not np.array_equal(made["scarpwatch"], made["numpy.nanmedian"]):
                raise SystemExit(f"{count} looks, {gaps} gaps: not the same as numpy.nanmedian")
            least = {name: min(times) for name, times in spent.items()}
            rows.append({
                "looks": count, "gaps": gaps,
                "ms": {name: round(1e3 * one, 1) for name, one in least.items()},
                "ratio": {n: round(least[n] / least["scarpwatch"], 1) for n in PEERS},
            })  # fmt: skip
            print(rows[-1])
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": platform.machine(),
        "numpy": np.__version__, "torch": torch.__version__, "side": given.side,
        "rounds": given.rounds, "load": round(os.getloadavg()[0], 1), "rows": rows,
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
