"""bench/sar.md from the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.sar.figures import RATE_KM2, Share, poisson_upper
from bench.sar.judging import HIT_IOU, LEVELS, OWN, PEERS, SHIPPED

_WORDS = {SHIPPED: "both, as shipped"}


def page(found: Mapping[str, Any], learned: str = "") -> str:
    """Return the page, with the part on the learned model where it was judged."""
    stated = found["stated"]
    quick = ", a QUICK run: it shows that it runs and nothing else" if stated["quick"] else ""
    parts = [
        "# The radar detectors: what they find, at what rate of false objects",
        f"Written by `make bench-sar` on {stated['date']} at commit {stated['commit']}{quick}.",
        """**Everything found here is SIMULATED.** Recall on real landslides is unproven: the
project's data hold no Sentinel-1 image from both sides of a labelled landslide. What is real says
so: the quiet series of California and Yambali, and the ground that slides were planted into.""",
        _how(found),
        "## Against the aims",
        _aims(found),
        "## Levels",
        _levels(found),
    ]
    for heading, lines in found["detection"].items():
        if heading != "all":
            parts += [f"## SIMULATED, held back: probability of detection by {heading}",
                      _detection(lines)]  # fmt: skip
    parts += [
        "## SIMULATED, held back: landslides of the simulator's own drawing",
        """The first look after what the simulator let happen, look-alikes beside it: strength by
land cover, one storm look in three is wet. Counted per track that could see it.""",
        _detection(found["own_landslides"]),
        "## Ahead of the peer at its own rate",
        _equal(found["peer_at_its_own_rate"]),
        "## Pixels",
        "F1 and IoU over all pixels of the planted looks, of landslides visible or not.",
        table(
            ["raised by", "F1", "IoU"],
            [[word(n), f"{v['f1']:.2f}", f"{v['iou']:.2f}"] for n, v in found["pixels"].items()],
        ),
        "## Real quiet series",
        _quiet(found["quiet"]),
        "## SIMULATED quiet looks, by weather",
        table(
            ["weather", "looks", "km2 judged", "flagged wet or snow", "with a snow line", "watch",
             "of these likely", "besides, on look-alikes"],
            [
                [q["weather"], q["looks"], q["km2"], q["called_wet_or_snow"], q["snow_lines"],
                 q["watch"], q["likely"], q["on_look_alikes"]]
                for q in found["quiet_simulated"]
            ],
        ),
        "## SIMULATED look-alikes raised as shipped",
        "Looks at the first date that shows each, by kind.",
        table(
            ["kind", "looks", "watch", "of these likely"],
            [[k, v["looks"], v["watch"], v["likely"]] for k, v in found["look_alikes"].items()],
        ),
    ]  # fmt: skip
    if found["real_planted"]:
        parts += [
            "## SIMULATED landslides in real looks",
            """Planted by the simulator's own code into every look of the real series, 15 pixels and
more, as shrub (no cover is known there); wet dates included. California is in-sample for the
levels. Yambali comes despeckled, which is easier.""",
            _detection(found["real_planted"]),
        ]
    if found["filters"]:
        parts += ["## Speckle filter", _filters(found)]
    if learned:
        parts.append(learned)
    if found["reliability"]:
        parts += ["## Score and reliability", _reliability(found["reliability"])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _how(found: Mapping[str, Any]) -> str:
    stated = found["stated"]
    seeds = "; ".join(f"{use}: {_span(each)}" for use, each in stated["seeds"].items())
    return f"""Simulated events of {stated["size"]} x {stated["size"]} pixels of 30 m, seen from two
directions, made by `detectors.simulation` with parameters {stated["parameters"][:12]} (sha256,
frozen before any tuning). Seeds of {seeds}. Each event gives three quiet looks of each track, three
with planted landslides of stated contrast, and the one after what the simulator let happen.
Our looks are judged with the simulator's elevation, as a site with an elevation model is, the real
series without; up to twenty looks before are given, of which ten count.
*Contrast* is the noiseless mean change of VV inside, either sign; *visible* is at least 60 %
observable, which is out of layover, shadow and simulated snow, and 1.5 dB or more in the mean, all
computed by the simulator. Quiet looks hold no landslide, but fires, harvest and other look-alikes
of the months before: a patch that touches one is no false object of quiet ground, and is counted
apart (the first page of this bench counted them as false). A landslide is found by an
object that overlaps it by an IoU of {HIT_IOU} or more; objects have six pixels and more. Brackets
hold the exact binomial interval of 95 % and the number of landslides; those of one look are not
quite independent, so that intervals are rather narrow.

The level of each detector is the evidence that one object per {RATE_KM2:.0f} km2 and look exceeds
on the quiet looks of the calibration events and of California; the landslides are those of the
held-back events. Both are of *steady* looks unless the line says otherwise: those that the product
itself calls neither wet nor snowy, and that show no simulated snow, because the peer knows nothing
of elevation. The peer is the metric of `distmetrics` (stride 4, its own
despeckling, no wide shift removed), its objects over 2.5 or 4.5, ranked by mean times root of size
to reach the rate."""


def _span(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]}" if seeds else "none"


def word(name: str) -> str:
    return _WORDS.get(name, name)


def share(plain: Mapping[str, Any]) -> str:
    return str(Share(plain["hits"], plain["trials"]))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _detection(lines: Mapping[str, Mapping[str, Any]]) -> str:
    columns = list(next(iter(lines.values())))
    return table(
        ["landslides", *(word(c) for c in columns)],
        [[line, *(share(cells[c]) for c in columns)] for line, cells in lines.items()],
    )


def _aims(found: Mapping[str, Any]) -> str:
    """Say what is reached and what is missed."""
    wanted = next(iter(found["detection"]["all"].values()))
    at_rate, snow = wanted[SHIPPED], found["all_looks"]
    higher, level = snow["level"]["evidence"], found["levels"][SHIPPED]["evidence"]
    whatever = f"the same, wet looks and snow included (level {higher:.1f}, not {level:.1f})"
    real = found["quiet"]
    watch, likely = (sum(q[t] for q in real) for t in ("watch", "likely"))
    rows = [
        ["POD, visible, 15 px and more, 3 dB, one false object per 1000 km2 and steady look",
         "0.85", share(at_rate), _met(at_rate["trials"] and at_rate["value"] >= 0.85)],
        [whatever, "0.85", share(snow["found"]),
         _met(snow["found"]["trials"] and snow["found"]["value"] >= 0.85)],
        ["at the shipped *watch* level, wet looks and snow included", "-",
         share(snow["shipped"]["watch"]), ""],
        ["at the shipped *likely* level, wet looks and snow included", "-",
         share(snow["shipped"]["likely"]), ""],
        ["at the shipped *likely* level, steady looks", "-", share(wanted["shipped, likely"]), ""],
        ["at the shipped *watch* level, steady looks", "-", share(wanted["shipped, watch"]), ""],
    ]  # fmt: skip
    if real:
        rows += [
            ["*likely* on California and Yambali", "0", likely, _met(likely == 0)],
            ["*watch* and more on California and Yambali", "2", watch, _met(watch <= 2)],
        ]
    for peer in found["peer_at_its_own_rate"]:
        cells = peer["found"]["3 dB"]
        ahead = cells["shipped"]["hits"] > cells["peer"]["hits"]
        rows.append([
            f"POD as above at the rate of {peer['peer']}", f"over {share(cells['peer'])}",
            share(cells["shipped"]), _met(ahead),
        ])  # fmt: skip
    return table(["aim", "wanted", "measured", ""], rows)


def _met(reached: object) -> str:
    return "reached" if reached else "**missed**"


def _levels(found: Mapping[str, Any]) -> str:
    rows = []
    for name, level in found["levels"].items():
        count, km2 = level["held_back_false"], level["held_back_km2"]
        low, high = level["held_back_interval"]
        rows.append([
            word(name), f"{level['evidence']:.1f}", f"{level['least']:.1f}-{level['most']:.1f}",
            level["km2"], level["allowed"], f"{count} in {km2} km2",
            f"{count / km2 * RATE_KM2:.2f} ({low:.2f}-{high:.2f})",
        ])  # fmt: skip
    head = ["", "evidence", "range", "found on km2", "objects allowed", "false on held-back looks",
            "per 1000 km2"]  # fmt: skip
    snow = found["all_looks"]["level"]
    return f"""Shipped: *watch* {LEVELS.watch:g}, *likely* {LEVELS.likely:g}. The *range* is where
the level would lie, were the true number of objects on the ground it was found on one of the ends
of the exact interval of the number allowed: so far it is itself uncertain.

Wet looks and snow included, it is {snow["evidence"]:.1f} for both as shipped
({snow["km2"]} km2, {snow["allowed"]} objects allowed), and {snow["held_back_false"]}
exceed it in {snow["held_back_km2"]} held-back km2.

{table(head, rows)}"""


def _equal(peers: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [p["peer"], p["false_per_1000_km2"], f"{p['our_evidence']:.1f}",
         f"{p['held_back_peer']}, {p['held_back_ours']}", line, share(c["peer"]),
         share(c["shipped"])]
        for p in peers
        for line, c in p["found"].items()
    ]  # fmt: skip
    words = """The peer as it is published: every object of six pixels and more counts, and ours
are raised from the evidence at which they are as often false on the same calibration looks. Visible
landslides of 15 pixels and more."""
    head = ["peer", "its false objects per 1000 km2", "our evidence",
            "false on held-back looks: peer, ours", "contrast", "peer", "ours"]  # fmt: skip
    return f"{words}\n\n{table(head, rows)}"


def _quiet(lines: Sequence[Mapping[str, Any]]) -> str:
    if not lines:
        return "Not run: the series are not shipped (`make bench-sar DATA=folder`)."
    head = ["series", "levels set on it", "looks", "km2", "watch and more", "likely",
            "at most per 1000 km2: watch, likely", "highest evidence", *PEERS]  # fmt: skip
    rows = [
        [q["series"], "yes" if q["set_on_it"] else "no", q["looks"], q["km2"], q["watch"],
         q["likely"],
         f"{q['at_most']['watch']}, {q['at_most']['likely']}" if q["at_most"] else "-",
         f"{q['highest']:.1f}", *(q[p] for p in PEERS)]
        for q in lines
    ]  # fmt: skip
    km2 = sum(q["km2"] for q in lines)
    limits = ", ".join(
        f"{poisson_upper(sum(q[t] for q in lines)) * RATE_KM2 / km2:.1f} at *{t}*"
        for t in ("watch", "likely")
    )
    return f"""Nothing is known to have failed here, so that all that is raised counts as false.
*At most*: exact one-sided Poisson limit, 95 %. All together, {sum(q["looks"] for q in lines)} looks
of {km2} km2: at most {limits} per 1000 km2 and look. The sea (292318) is not judged. The labelled
sites without change are series of 3 x 3 pixels without any area; `scarpwatch evaluate-series`
counts them (README).

{table(head, rows)}"""


def _filters(found: Mapping[str, Any]) -> str:
    rows = [
        [name, *(f"{share(line[n]['found'])} over {line[n]['evidence']:.1f}" for n in OWN)]
        for name, line in found["filters"].items()
    ]
    some = next(iter(found["filters"].values()))[SHIPPED]
    return f"""On the tuning events, the same for all; POD of visible landslides of 15 pixels and
more at 3 dB over the level of one false object per 1000 km2 and look, which each filter has for
itself ({some["km2"]} km2, {some["allowed"]} objects allowed). The transformer was trained on total
variation, and has it as shipped, where the log ratio has a 3 x 3 mean; other lines have one filter
for both. Scores are in sigma as they come, the patches' levels unchanged. Wet looks are among
them: a few objects that rain raised decide the levels.

{table(["filter", *(word(n) for n in OWN)], rows)}"""


def _reliability(found: Mapping[str, Any]) -> str:
    rows = [
        [x["score"], x["patches"], "-" if x["said"] is None else f"{x['said']:.2f}",
         share(x["landslides"])]
        for x in found["lines"]
    ]  # fmt: skip
    tiers = [
        [name, t["patches"], "-" if t["said"] is None else f"{t['said']:.2f}",
         share(t["landslides"]), "-" if t["brier"] is None else f"{t['brier']:.3f}",
         "-" if t["brier_skill"] is None else f"{t['brier_skill']:+.2f}"]
        for name, t in found["tiers"].items()
    ]  # fmt: skip
    return f"""The score of a patch is the share of patches of its evidence that were a landslide's,
in the simulator's mixture of landslides, look-alikes and clutter: a logistic curve (slope
{found["slope"]}, offset {found["offset"]}) through {found["fitted_on"]} patches of the calibration
events, prior odds {found["prior_odds"]}. Below, the held-back events. It is no probability outside
the simulator; `detectors.probability` gives one only for stated odds with verdicts behind them.

{table(["score", "patches", "mean score", "were landslides"], rows)}

Brier skill is against always saying the base rate of the calibration events ({found["base"]}).

{table(["tier", "patches", "mean score", "were landslides", "Brier", "Brier skill"], tiers)}

![Reliability of the score, SIMULATED](results/sar-reliability.png)"""
