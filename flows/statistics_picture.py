"""Statistics on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.panels import as_png
from flows.statistics import MONTHS, UNKNOWN, Share, Statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OURS, _GROUND, _FIT, _MARK = "#d55e00", "#b0b0b0", "#0072b2", "#a0148c"


def draw(made: Statistics) -> bytes:
    """Return a sheet as PNG, 1650 pixels wide: sizes, months, density, and the ground if known."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    parts: list[Any] = [_sizes, _months, _density]
    for name, title, shares in (
        ("slope", "Slope, degrees", made.slope),
        ("aspect", "Slope faces", made.aspect),
        ("land cover", "Land cover", made.land_cover),
    ):
        if shares:
            parts.append(_ground(name, title, shares))
    if not made.land_cover and set(made.covers) - {UNKNOWN}:
        parts.append(_covers)
    rows = (len(parts) + 2) // 3
    figure = Figure(figsize=(11, 1.35 + 3.55 * rows), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    tall = figure.get_figheight()
    places = figure.subplots(
        rows, 3, squeeze=False,
        gridspec_kw={
            "left": 0.07, "right": 0.985, "top": 1 - 1.15 / tall, "bottom": 0.85 / tall,
            "hspace": 0.5, "wspace": 0.28,
        },
    )  # fmt: skip
    figure.text(0.02, 1 - 0.3 / tall, made.title, fontsize=14, weight="bold", va="center")
    facts = f"{made.landslides} landslides, {len(made.areas_m2)} of them with an outline"
    figure.text(0.02, 1 - 0.62 / tall, facts, fontsize=10, va="center")
    if made.mark:
        figure.text(
            0.98, 1 - 0.42 / tall, made.mark, fontsize=16, weight="bold", color="white",
            ha="right", va="center", bbox={"facecolor": _MARK, "edgecolor": "none", "pad": 5},
        )  # fmt: skip
    figure.text(0.02, 0.16 / tall, made.credits, fontsize=7.5, color="#444444")
    for place, part in zip(places.flat, parts, strict=False):
        part(place, made)
        place.spines[["top", "right"]].set_visible(False)
        place.tick_params(labelsize=8)
    for place in places.flat[len(parts) :]:
        place.set_visible(False)
    return as_png(figure)


def _title(axes: Axes, title: str, said: str) -> None:
    axes.set_title(f"{title}\n", fontsize=10, weight="bold", loc="left")
    axes.text(0, 1.02, said, transform=axes.transAxes, fontsize=8, color="#444444")


def _sizes(axes: Axes, made: Statistics) -> None:
    areas = made.areas_m2
    fitted = made.sizes
    if len(areas):
        axes.loglog(
            areas, np.arange(len(areas), 0, -1), ".", color=_OURS, markersize=3, label="landslides"
        )
        # Whole decades: between them matplotlib writes labels over each other.
        ends = np.floor(np.log10(areas[0])), np.ceil(np.log10(areas[-1]))
        axes.set_xlim(10 ** ends[0], 10 ** max(ends[1], ends[0] + 1))
        axes.set_ylim(0.7, 10 ** max(np.ceil(np.log10(len(areas))), 1))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter("")
    axes.set_xlabel("area, m2", fontsize=8)
    axes.set_ylabel("landslides of this area or more", fontsize=8)
    if fitted is None:
        _title(axes, "Sizes", made.no_sizes[:60])
        return
    tail = np.geomspace(fitted.x_min, areas[-1], 50)
    axes.loglog(tail, fitted.above(tail), color=_FIT, linewidth=1.5, label="power law")
    axes.axvline(fitted.x_min, color=_FIT, linestyle=":", linewidth=1)
    axes.legend(fontsize=7, frameon=False, loc="lower left")
    sure = "" if fitted.p >= 0.1 else ", ruled out"
    _title(
        axes, "Sizes",
        f"exponent {fitted.alpha:.2f} ± {fitted.alpha_error:.2f} from {fitted.x_min:.0f} m2 on "
        f"({fitted.tail}), p {fitted.p:.2f}{sure}",
    )  # fmt: skip


def _months(axes: Axes, made: Statistics) -> None:
    axes.bar(range(12), made.months, color=_OURS)
    axes.set_xticks(range(12), [month[0] for month in MONTHS])
    axes.set_ylim(0, max(1.05 * max(made.months), 1))
    axes.locator_params(axis="y", integer=True)
    axes.set_ylabel("landslides", fontsize=8)
    _title(axes, "Months", f"{made.month_unknown} not known to the month")


def _density(axes: Axes, made: Statistics) -> None:
    shown = sorted(made.density, key=lambda one: one.per_km2)[-8:]
    axes.barh(range(len(shown)), [one.per_km2 for one in shown], color=_OURS)
    for row, one in enumerate(shown):
        axes.text(
            0.02, row, f"{one.region_id}  {one.landslides} in {one.km2:.0f} km2",
            transform=axes.get_yaxis_transform(), fontsize=7.5, va="center",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    axes.set_yticks([])
    axes.set_xlim(0, max([1.05 * one.per_km2 for one in shown if one.landslides], default=1))
    axes.set_xlabel("landslides per km2", fontsize=8)
    _title(axes, "Density", "by watched region" if shown else "no region is watched")


def _covers(axes: Axes, made: Statistics) -> None:
    known = [(name, number) for name, number in made.covers.items() if name != UNKNOWN]
    shown = known[:8][::-1]
    axes.barh(range(len(shown)), [number for _, number in shown], color=_OURS)
    for row, (name, number) in enumerate(shown):
        axes.text(
            0.02, row, f"{name[:40]}  {number}", transform=axes.get_yaxis_transform(),
            fontsize=7.5, va="center",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    axes.set_yticks([])
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("landslides", fontsize=8)
    more = f"; {len(known) - 8} classes more" if len(known) > 8 else ""
    _title(axes, "Land cover", f"by map or person; {made.covers.get(UNKNOWN, 0)} unknown{more}")


def _ground(name: str, title: str, shares: Sequence[Share]) -> Any:
    def part(axes: Axes, _: Statistics) -> None:
        at = np.arange(len(shares))
        axes.bar(at - 0.2, [100 * s.landslides for s in shares], 0.4, color=_OURS,
                 label="landslides")  # fmt: skip
        axes.bar(at + 0.2, [100 * s.ground for s in shares], 0.4, color=_GROUND, label="all ground")
        labels = [share.label[:14] for share in shares]
        axes.set_xticks(at, labels, rotation=60 if max(map(len, labels)) > 2 else 0)
        axes.set_ylabel("% of pixels", fontsize=8)
        axes.legend(fontsize=7, frameon=False)
        known = [share for share in shares if share.ratio is not None and share.ground >= 0.01]
        most = max(known, key=lambda share: share.ratio or 0.0)
        _title(axes, title, f"most for its ground: {name} {most.label} ({most.ratio:.1f} times)")

    return part
