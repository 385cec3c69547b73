"""The part of bench/sar.md on the learned model, from ``results/sar-learned*.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.sar.figures import RATE_KM2
from bench.sar.judging import PEERS, SHIPPED
from bench.sar.page import share, table, word

LEARNED = "landslide-s1"
#: Results, by whether real quiet looks were learnt from, too.
FILES = {False: "sar-learned.json", True: "sar-learned-real.json"}
_COLUMNS = (LEARNED, "sar_log_ratio", "sar_disturbance", SHIPPED, *PEERS)
_HEAD = f"""## The learned radar model `{LEARNED}`

The recipe of that name, asked for the same looks, landslides and rate as the tables above: one
object per {RATE_KM2:.0f} km2 and steady look. It sees the median of up to ten looks before, the
look, and the geometry: the simulator's, and on real looks flat ground at 39 degrees. Its objects
are what exceeds its own threshold, ranked by mean margin in log-odds times root of size. It learnt
from landslides planted as here, the very kind it is asked for, which none of the others did. It is
neither shipped nor asked in production."""


def parts(results: Path) -> str:
    """Return all of it as Markdown; empty where the model was never judged."""
    known = [results / name for name in FILES.values() if (results / name).is_file()]
    if not known:
        return ""
    return "\n\n".join([_HEAD, *(_part(json.loads(path.read_bytes()), path) for path in known)])


def _part(found: Mapping[str, Any], path: Path) -> str:
    stated, lessons = found["stated"], found["stated"]["lessons"]
    seeds, bursts = lessons["seeds"], lessons["bursts"]
    columns = [n for n in _COLUMNS if n in found["levels"]]
    rows = [
        [line, *(share(cells[c]) for c in columns)]
        for lines in (found["detection"], found["real_planted"])
        for line, cells in lines.items()
    ]
    learnt = (
        f"and the real quiet looks of {', '.join(bursts)}, as they are and with landslides "
        "planted; those two series count for nothing else, so that the levels are others than above"
        if bursts
        else "and from nothing else"
    )
    paired = found["paired"]
    pairs = (
        f"Of the landslides of the aim, {paired['only_learned']} are found by `{LEARNED}` only, "
        f"{paired['only_other']} as shipped only (McNemar, exact: p = {paired['p']:.2g})."
    )
    lines = [
        pairs,
        *(_alone(name, one) for name, one in found["simulated_level"].items()),
        "Wet looks and snow included, each at its level there: "
        + "; ".join(
            f"{word(n)} {share(one['found'])}, {one['held_back_false']} false in {one['km2']} km2"
            for n, one in found["all_looks"].items()
        )
        + ".",
        "F1 of all pixels in patches: "
        + ", ".join(f"{word(n)} {one['f1']:.2f}" for n, one in found["pixels"].items())
        + ".",
    ]
    written = f"`python -m bench.sar.learned --data ../shared/data{' --real' * bool(bursts)}`"
    heading = "Learnt from simulated and real looks" if bursts else "Learnt from simulated looks"
    return f"""### {heading}

Written by {written} on {stated["date"]}
([results/{path.name}](results/{path.name})). Learnt from SIMULATED events (seeds {seeds[0]} to
{seeds[-1]}, {lessons["size"]} pixels a side, both tracks: two looks with landslides, one quiet, one
with the simulator's own) {learnt}. {lessons["epochs"]} epochs of {lessons["steps"]} batches of 8
tiles of {lessons["window"]} pixels, the U-Net of `{lessons["network"]}` ({stated["parameters"]:,}
parameters) in place of Unet++, one seed; F1 on validation {stated["validation_f1"]:.2f}.

{table(["landslides", *map(word, columns)], rows)}

{chr(10).join(f"- {line}" for line in lines)}"""


def _alone(name: str, one: Mapping[str, Any]) -> str:
    """Say what a level of simulated ground finds, and what it raises on ground of both kinds."""
    pod = ", ".join(f"{share(cells)} at {line}" for line, cells in one["found"].items())
    raised = " and ".join(
        f"{cells['false'] / cells['km2'] * RATE_KM2:.1f} false per {RATE_KM2:.0f} km2 "
        + ("on held-back simulated looks" if place == "held back" else f"on real ones of {place}")
        for place, cells in one["false"].items()
    )
    return f"At the level of simulated quiet ground alone, {word(name)} finds {pod}: {raised}."
