"""Every figure of a run, as it goes into bench/results/sar.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.sar import reliability
from bench.sar.figures import (
    RATE_KM2,
    Level,
    Raised,
    Record,
    by_pixel,
    detected,
    false_rate,
    level_at_rate,
    likely,
    over,
    poisson_interval,
    poisson_upper,
    steady,
    watch,
)  # fmt: skip
from bench.sar.judging import OWN, PEERS, SHIPPED
from bench.sar.planting import CONTRASTS_DB, SIZES
from bench.sar.series import CALIFORNIA, REAL, YAMBALI

Figures = dict[str, Any]
Want = Callable[[Record, Record], bool]
COVERS = ("forest", "shrub", "grass", "bare", "wetland")
#: What issue and README speak of: visible, 15 pixels and more, 3 dB.
TARGET_PIXELS, TARGET_DB = 15, 3.0


def size_name(low: int, high: int) -> str:
    """Return a class of sizes in words."""
    return f"{low}-{high} px" if (low, high) != SIZES[-1] else f"{low} px and more"


def _in(pixels: int, low: int, high: int) -> bool:
    return pixels >= low and (pixels < high or (low, high) == SIZES[-1])


def strata() -> dict[str, dict[str, Want]]:
    """Return the landslides that each line of the table counts, by heading."""
    return {
        "true contrast, 15 px and more": {
            f"{db:g} dB": lambda _, s, db=db: s["contrast"] == db and s["pixels"] >= TARGET_PIXELS
            for db in CONTRASTS_DB
        },
        "size, 3 dB": {
            size_name(*size): lambda _, s, z=size: (
                s["contrast"] == TARGET_DB and _in(s["pixels"], *z)
            )
            for size in SIZES
        },
        "size, 5 dB": {
            size_name(*size): lambda _, s, z=size: s["contrast"] == 5.0 and _in(s["pixels"], *z)
            for size in SIZES
        },
        "size, 1.5 dB": {
            size_name(*size): lambda _, s, z=size: s["contrast"] == 1.5 and _in(s["pixels"], *z)
            for size in SIZES
        },
        "land cover, 15 px and more, 3 dB": {
            cover: lambda _, s, c=cover: s["cover"] == c and _target(s) for cover in COVERS
        },
        "look direction, 15 px and more, 3 dB": {
            orbit: lambda r, s, o=orbit: r["orbit"] == o and _target(s)
            for orbit in ("ascending", "descending")
        },
        "direction of the change, 15 px and more, 3 dB": {
            word: lambda _, s, sign=sign: s["sign"] == sign and _target(s)
            for word, sign in (("brighter", 1), ("darker", -1))
        },
    }


def _target(slide: Record) -> bool:
    return bool(slide["contrast"] == TARGET_DB and slide["pixels"] >= TARGET_PIXELS)


def figures(
    calibration: Sequence[Record],
    held_back: Sequence[Record],
    real: Sequence[Record],
    filtered: Mapping[str, Sequence[Record]],
    stated: Mapping[str, Any],
) -> Figures:
    """Compute every figure of the page.

    Args:
        calibration: looks that levels and scores are found on (simulated, and California).
        held_back: simulated looks that nothing was ever set on.
        real: looks of the real series.
        filtered: looks of the tuning events by speckle filter.
        stated: what goes on the page as it is: versions, seeds, date.
    """
    used = [*calibration, *(r for r in real if r["source"] == CALIFORNIA)]
    everywhere = [r for r in held_back if r["kind"] == "planted"]
    planted = steady(everywhere)
    happened = [r for r in held_back if r["kind"] == "happened"]
    levels = {name: level_at_rate(steady(used), name) for name in (*OWN, *PEERS)}
    all_looks = level_at_rate(used, SHIPPED)
    result: Figures = {"stated": dict(stated), "levels": {}, "detection": {}, "pixels": {}}
    for name, level in levels.items():
        result["levels"][name] = _level(level, steady(held_back))
    result["all_looks"] = {
        "shipped": {
            tier: detected(everywhere, SHIPPED, raised, lambda _, s: _target(s)).plain()
            for tier, raised in (("watch", watch), ("likely", likely))
        },
        "level": _level(all_looks, held_back),
        "found": detected(
            everywhere, SHIPPED, over(all_looks.evidence), lambda _, s: _target(s)
        ).plain(),
    }
    columns = raised_by(levels)
    for heading, lines in {"all": {"15 px and more, 3 dB": lambda _, s: _target(s)},
                           **strata()}.items():  # fmt: skip
        result["detection"][heading] = {
            line: {
                column: detected(planted, name, raised, want).plain()
                for column, (name, raised) in columns.items()
            }
            for line, want in lines.items()
        }
    result["detection"]["weather of the look, 15 px and more, 3 dB"] = {
        weather: {
            column: detected(
                everywhere, name, raised, lambda r, s, w=weather: r["weather"] == w and _target(s)
            ).plain()
            for column, (name, raised) in columns.items()
        }
        for weather in ("dry", "wet", "snow")
    }
    result["own_landslides"] = {
        line: {
            column: detected(happened, name, raised, want).plain()
            for column, (name, raised) in columns.items()
        }
        for line, want in {
            "all visible": lambda *_: True,
            "visible, 15 px and more": lambda _, s: s["pixels"] >= TARGET_PIXELS,
            "visible, 15 px and more, 3 dB and more": lambda _, s: (
                s["pixels"] >= TARGET_PIXELS and s["contrast"] >= TARGET_DB
            ),
        }.items()
    }
    for column, (name, raised) in columns.items():
        f1, iou = by_pixel(planted, name, raised)
        result["pixels"][column] = {"f1": round(f1, 3), "iou": round(iou, 3)}
    result["peer_at_its_own_rate"] = [
        _equal(steady(used), planted, steady(held_back), p) for p in PEERS
    ]
    result["look_alikes"] = _alikes(happened)
    result["quiet"] = [_quiet(real, *r[:2], r[4]) for r in REAL] if real else []
    result["quiet_simulated"] = _quiet_simulated(held_back)
    result["real_planted"] = _real_planted(real, columns)
    result["filters"] = {n: _filter(looks) for n, looks in filtered.items() if looks}
    result["reliability"] = reliability.figures(calibration, held_back)
    return result


def _level(level: Level, held_back: Sequence[Record]) -> Figures:
    count, km2 = false_rate(held_back, level.name, level.evidence)
    return {
        "evidence": level.evidence, "least": level.least, "most": level.most,
        "km2": round(level.km2), "allowed": level.allowed,
        "held_back_false": count, "held_back_km2": round(km2),
        "held_back_interval": [round(x * RATE_KM2 / km2, 2) for x in poisson_interval(count)],
    }  # fmt: skip


def raised_by(levels: Mapping[str, Level]) -> dict[str, tuple[str, Raised]]:
    """Return the columns of the table: whose patches, and which of them count."""
    at_rate = {name: (name, over(levels[name].evidence)) for name in (*OWN, *PEERS)}
    return {**at_rate, "shipped, watch": (SHIPPED, watch), "shipped, likely": (SHIPPED, likely)}


def _equal(
    used: Sequence[Record], planted: Sequence[Record], held_back: Sequence[Record], peer: str
) -> Figures:
    """Compare with a peer as it is published, at the rate of false objects that it has."""
    everything = over(-1.0)
    count, km2 = false_rate(used, peer, -1.0)
    rate = count / km2 * RATE_KM2
    ours = level_at_rate(used, SHIPPED, RATE_KM2 / rate) if count else level_at_rate(used, SHIPPED)
    compared = {}
    for line, want in {
        "3 dB": lambda _, s: _target(s),
        "5 dB": lambda _, s: s["contrast"] == 5.0 and s["pixels"] >= TARGET_PIXELS,
        "1.5 dB": lambda _, s: s["contrast"] == 1.5 and s["pixels"] >= TARGET_PIXELS,
    }.items():
        compared[line] = {
            "peer": detected(planted, peer, everything, want).plain(),
            "shipped": detected(planted, SHIPPED, over(ours.evidence), want).plain(),
        }
    own_false, own_km2 = false_rate(held_back, SHIPPED, ours.evidence)
    peer_false, peer_km2 = false_rate(held_back, peer, -1.0)
    return {
        "peer": peer, "false_per_1000_km2": round(rate, 2), "our_evidence": ours.evidence,
        "held_back_ours": round(own_false / own_km2 * RATE_KM2, 2),
        "held_back_peer": round(peer_false / peer_km2 * RATE_KM2, 2), "found": compared,
    }  # fmt: skip


def _alikes(happened: Sequence[Record]) -> Figures:
    """Count the look-alikes that are raised as shipped, by kind."""
    counts: dict[str, list[int]] = {}
    for record in happened:
        for index, kind in enumerate(record["look_alikes"]):
            line = counts.setdefault(kind, [0, 0, 0])
            mine = [p for p in record["patches"][SHIPPED] if p["alike"] == index]
            line[0] += 1
            line[1] += any(watch(p) for p in mine)
            line[2] += any(likely(p) for p in mine)
    return {k: {"looks": v[0], "watch": v[1], "likely": v[2]} for k, v in sorted(counts.items())}


def _quiet(real: Sequence[Record], folder: str, burst: str, was_used: bool) -> Figures:
    """Count what is raised over one real series in which nothing failed."""
    looks = [r for r in real if r["kind"] == "quiet" and r["burst"] == burst]
    patches = [p for r in looks for p in r["patches"][SHIPPED]]
    km2 = sum(r["km2"] for r in looks)
    line: Figures = {
        "series": f"{'California' if folder == CALIFORNIA else 'Yambali'}, {burst}",
        "set_on_it": was_used, "looks": len(looks), "km2": round(km2),
        "watch": sum(watch(p) for p in patches), "likely": sum(likely(p) for p in patches),
        "highest": max((p["evidence"] for p in patches), default=0.0),
    }  # fmt: skip
    line["at_most"] = (
        {t: round(poisson_upper(line[t]) * RATE_KM2 / km2, 2) for t in ("watch", "likely")}
        if km2
        else None
    )
    for peer in PEERS:
        line[peer] = sum(len(r["patches"][peer]) for r in looks)
    return line


def _quiet_simulated(held_back: Sequence[Record]) -> list[Figures]:
    """Count what is raised over simulated quiet looks, by their weather."""
    lines = []
    for weather in ("dry", "wet", "snow"):
        looks = [r for r in held_back if r["kind"] == "quiet" and r["weather"] == weather]
        everything = [p for r in looks for p in r["patches"][SHIPPED]]
        patches = [p for p in everything if p["alike"] < 0]
        km2 = sum(r["km2"] for r in looks)
        lines.append({
            "weather": weather, "looks": len(looks), "km2": round(km2),
            "called_wet_or_snow": sum(r["wet"] or r["snow"] for r in looks),
            "snow_lines": sum(r["snow_line_m"] is not None for r in looks),
            "watch": sum(watch(p) for p in patches), "likely": sum(likely(p) for p in patches),
            "on_look_alikes": sum(watch(p) for p in everything if p["alike"] >= 0),
        })  # fmt: skip
    return lines


def _real_planted(real: Sequence[Record], columns: Mapping[str, tuple[str, Raised]]) -> Figures:
    """Count landslides planted into real series."""
    lines: Figures = {}
    for folder, word in ((CALIFORNIA, "California"), (YAMBALI, "Yambali")):
        looks = [r for r in real if r["kind"] == "planted" and r["source"] == folder]
        for db in CONTRASTS_DB:
            lines[f"{word}, {db:g} dB"] = {
                column: detected(
                    looks, name, raised,
                    lambda _, s, db=db: s["contrast"] == db and s["pixels"] >= TARGET_PIXELS,
                ).plain()
                for column, (name, raised) in columns.items()
            }  # fmt: skip
    return lines


def _filter(looks: Sequence[Record]) -> Figures:
    """Return what each detector finds behind one filter, at the rate, on the same events."""
    planted = [r for r in looks if r["kind"] == "planted"]
    line: Figures = {}
    for name in OWN:
        level = level_at_rate(looks, name)
        line[name] = {
            "evidence": level.evidence, "km2": round(level.km2), "allowed": level.allowed,
            "found": detected(planted, name, over(level.evidence), lambda _, s: _target(s)).plain(),
        }  # fmt: skip
    return line
