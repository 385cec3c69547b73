"""The part of bench/sar.md on the learned model, from ``results/sar-learned.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.sar.figures import RATE_KM2
from bench.sar.judging import PEERS, SHIPPED
from bench.sar.page import share, table, word

LEARNED = "landslide-s1"
_COLUMNS = (LEARNED, "sar_log_ratio", "sar_disturbance", SHIPPED, *PEERS)


def part(found: Mapping[str, Any]) -> str:
    """Return it as Markdown."""
    stated, lessons = found["stated"], found["stated"]["lessons"]
    seeds = lessons["seeds"]
    levels = {n: found["levels"][n] for n in (LEARNED, SHIPPED)}
    rows = [
        [line, *(share(cells[c]) for c in _COLUMNS)]
        for lines in (found["detection"], found["real_planted"])
        for line, cells in lines.items()
    ]
    quiet = "; ".join(
        f"{word}: {cells[LEARNED]['false']} of `{LEARNED}`, {cells[SHIPPED]['false']} as shipped, "
        f"in {cells[SHIPPED]['km2']:.0f} km2"
        for word, cells in found["real_quiet"].items()
    )
    false = ", ".join(
        f"{word(n)} {one['held_back_false']} in {one['held_back_km2']} km2"
        for n, one in levels.items()
    )
    everywhere = {n: found["all_looks"][n] for n in (LEARNED, SHIPPED)}
    whole = "; ".join(
        f"{word(n)} {share(one['found'])}, {one['held_back_false']} false objects in "
        f"{one['km2']} km2"
        for n, one in everywhere.items()
    )
    pixels = ", ".join(f"{word(n)} {one['f1']:.2f}" for n, one in found["pixels"].items())
    paired = found["paired"]
    alone = "; ".join(_alone(name, one) for name, one in found["simulated_level"].items())
    return f"""## The learned radar model `{LEARNED}`

Written by `python -m bench.sar.learned --data ../shared/data` on {stated["date"]}
([results/sar-learned.json](results/sar-learned.json)). **Learnt from SIMULATED events alone**
(seeds {seeds[0]} to {seeds[-1]}, {lessons["size"]} pixels a side, both tracks): two looks of each
track with landslides planted as here, one quiet, one with the simulator's own;
{lessons["epochs"]} epochs of {lessons["steps"]} batches of 8 tiles of {lessons["window"]} pixels,
the U-Net of `{lessons["network"]}` ({stated["parameters"]:,} parameters) in place of Unet++, one
seed. F1 on validation {stated["validation_f1"]:.2f}. It learnt from the very kind of landslide it
is asked for, which none of the others did. It sees the median of up to ten looks before, the look,
and the geometry: the simulator's, and on real looks flat ground at 39 degrees. Its objects are what
exceeds its own threshold, ranked by mean margin in log-odds times root of size. Looks, landslides
and rate are those of the tables above: one object per {RATE_KM2:.0f} km2 and steady look.

{table(["landslides", *map(word, _COLUMNS)], rows)}

- At its level on steady held-back looks, false: {false}.
- Of the landslides of the aim, {paired["only_learned"]} are found by `{LEARNED}` only and
  {paired["only_other"]} by the shipped pair only (McNemar, exact: p = {paired["p"]}).
- **At the level of simulated quiet ground alone** (one object per {RATE_KM2:.0f} km2 there):
  {alone}.
- Wet looks and snow included, each at its level there: {whole}.
- F1 of all pixels in patches, as above: {pixels}.
- Quiet real looks, wet ones too, over the levels for steady looks: {quiet}."""


def _alone(name: str, one: Mapping[str, Any]) -> str:
    """Say what a level of simulated ground finds, and what it raises on ground of both kinds."""
    pod = ", ".join(f"{share(cells)} at {line}" for line, cells in one["found"].items())
    raised = " and ".join(
        f"{cells['false'] / cells['km2'] * RATE_KM2:.1f} false objects per {RATE_KM2:.0f} km2 "
        + ("on held-back looks" if word_ == "held back" else f"on real looks of {word_}")
        for word_, cells in one["false"].items()
    )
    return f"{word(name)} finds {pod}, with {raised}"
