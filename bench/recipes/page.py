"""The page of the recipes bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = """# Recipes of rasters, on SIMULATED places

Written by `python -m bench.recipes` (figures: [results/recipes.json](results/recipes.json)). **Every place
is simulated** (`bench/recipes/places.py`), made so that no single band tells alone: the table says that
the engine learns what a recipe's bands hold together, not what a recipe is worth outside. The network
is a tiny one (42,000 parameters, tiles of 32 pixels, 90 batches of 8) in place of the recipe's own.

Five places of 96 x 96 pixels a seed: three to learn from, one to stop and choose by, one examined.
F1 of the one class, or the mean over the classes where there are several. *One band*: the threshold
(as many ranges as there are classes) that is best on the training tiles, of whichever band is best
there. The class that is most frequent has F1 0 where there is one class beside the background.

| recipe | F1, three seeds | one band | band | most frequent class | least gain |
| --- | --- | --- | --- | --- | --- |
"""
_TAIL = """
Not shown: any recipe on real ground (the project has no labels for them), the networks and tiles that
the recipes declare, and accuracy weighted by area. Next to try: `landslide-local` on an event with
Sentinel-1 and Sentinel-2 from both sides.
"""


_LEARNED = """
## Learned radar and combined models on the simulator

Written by `python -m bench.recipes.learned`; ground, landslides, looks and pictures are SIMULATED
(`detectors.simulation`). Of ten events (seeds 600 to 609) the networks learn from six and stop and
choose by two; two are unused. Reported on those of seeds 2600 to 2605 that have a picture from both
sides: {pixels:,} pixels of 30 m that all judged, {share:.1%} of them in a planted landslide. One
track, ten looks before, one after; land cover is the simulator's own; few clouds were drawn, and they
are not masked. The network is the tiny one, 480 batches, one seed. `sar_log_ratio` is the size of its
score, pixel by pixel, at the level with the best F1 on all ten events.

| | average precision | F1 |
| --- | --- | --- |
{rows}

By radar a network that sees shapes beats a score by pixel; by optical change little is left to do in
this simulator, and radar adds nothing to it, which the article's real events contradict (0.52 and 0.64
for single models). **None of these models is shipped or asked in production.** Production judges patches,
not pixels, and [sar.md](sar.md) is its table: at one false object per 1000 km2 and look `landslide-s1`
finds none of 101 visible landslides of 3 dB where the shipped pair finds 0.86, because it raises 599
objects per 1000 km2 on real quiet looks; at the level of simulated ground alone it finds 0.98 where the
pair finds 0.96. `landslide-s2`, `-s1s2` and `-all` wait for an optical picture and are no rivals in that
table; optical verdicts are the ensemble's, and nobody has measured these three against it.

A second `landslide-s1` also learnt from two of the five real quiet series of California, as they are and
with landslides planted (`python -m bench.sar.learned --data ../shared/data --real`, 14 epochs; the run was
stopped after the real series, so that no simulated event was judged and it has no line in that table). On
two series that it never saw (64 looks of both kinds, 288 km2 quiet) it raises 11 objects where the first
one raises 128 and the shipped pair 8. At the level over which none of these is raised it finds 0.22, 0.53
and 0.97 of the 32 planted landslides of 1.5, 3 and 5 dB, the pair 0.31, 0.81 and 0.94, the first one 0.00,
0.00 and 0.03. So real quiet ground among the lessons is what it lacks. Next to try: the whole of that run,
more places and seasons, their elevation, and the longer training of the first.
"""


_NOT_RUN = """
`landslide-all` joined the command (climate and tree height made up from elevation and cover) after this
table was written; its line is still to be run.
"""


def learned(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the part on models learnt on the simulator."""
    first = next(iter(found.values()))
    rows = "\n".join(
        f"| `{name}` | {one['average_precision']:.2f} | {one['f1']:.2f} |"
        for name, one in found.items()
    )
    more = "" if "landslide-all" in found else _NOT_RUN
    return _LEARNED.format(pixels=first["pixels"], share=first["share"], rows=rows) + more


def page(rows: Mapping[str, Sequence[Mapping[str, Any]]], simulated: str = "") -> str:
    """Return it as Markdown."""
    lines = []
    for name, found in rows.items():
        ours, band, common = (
            ", ".join(f"{one[key]:.2f}" for one in found)
            for key in ("recipe", "one_band", "majority")
        )
        gain = min(one["recipe"] - max(one["one_band"], one["majority"]) for one in found)
        bands = ", ".join(dict.fromkeys(f"`{one['band']}`" for one in found))
        lines.append(f"| `{name}` | {ours} | {band} | {bands} | {common} | {gain:+.2f} |")
    return _HEAD + "\n".join(lines) + "\n" + simulated + _TAIL
