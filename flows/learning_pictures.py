"""Pictures of what trained members and their ensembles are worth."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.training import metrics
from detectors.training.ensembles import AGREEMENT, Judged, Ranking
from detectors.training.metrics import Counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SINGLE, ENSEMBLE = "#b8860b", "#1f4e79"
#: By code of ``ensembles.AGREEMENT``, from 1: hits green, misses black, false ones red; what only
#: one of the two says in a hue of its own. Okabe and Ito's palette, which colour-blind eyes tell
#: apart, with two more.
AGREEMENT_COLOURS = (
    "#009e73", "#56b4e9", "#f0e442", "#000000", "#d55e00", "#cc79a7", "#e69f00",
)  # fmt: skip
_BIASES = (0.3, 0.5, 0.8, 1.0, 1.25, 2.0, 3.3)


def _blank(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def draw_performance(ranking: Ranking, names: Sequence[str]) -> bytes:
    """Return a PNG: precision against recall on the test, with F1 isolines and bias rays.

    Args:
        ranking: members and ensembles.
        names: of the members, in the order of ``ranking.members``.
    """
    figure = _blank(7.4, 6.2)
    axes = figure.subplots()
    points = np.array(
        [(j.test.recall, j.test.precision) for j in (*ranking.members, *ranking.by_size)]
    )
    low = np.clip(np.floor((np.nanmin(points, axis=0) - 0.1) * 10) / 10, 0.0, 0.9)
    high = np.clip(np.ceil((np.nanmax(points, axis=0) + 0.1) * 10) / 10, low + 0.1, 1.0)
    _draw_isolines(axes, low, high)
    _draw_rays(axes, low, high)
    many = len(ranking.members)
    axes.scatter(
        points[:many, 0], points[:many, 1], 26, color=SINGLE, label="single members", zorder=3
    )
    axes.plot(*points[many:].T, "-", color=ENSEMBLE, linewidth=0.8, alpha=0.6, zorder=2)
    axes.scatter(
        points[many:, 0], points[many:, 1], 18, color=ENSEMBLE, label="mean of the K best", zorder=4
    )
    for place, text, offset in (
        (points[0], names[0], (6, -12)),
        (points[many + ranking.best_size - 1], f"K = {ranking.best_size}", (6, 6)),
    ):
        axes.annotate(text, place, offset, textcoords="offset points", fontsize=8)
    axes.set(
        xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="recall", ylabel="precision",
        title="Test: F1 isolines (grey), rays of frequency bias (dotted)",
    )  # fmt: skip
    axes.legend(fontsize=8, loc="lower left")
    return _png(figure)


def _draw_isolines(axes: Axes, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    recall, precision = np.meshgrid(
        *(np.linspace(max(a, 1e-3), b, 200) for a, b in zip(low, high, strict=True))
    )
    f1 = 2 * recall * precision / (recall + precision)
    lines = axes.contour(
        recall, precision, f1, np.arange(0.1, 1.0, 0.05), colors="#999999", linewidths=0.7
    )
    axes.clabel(lines, fmt="%.2f", fontsize=7)


def _draw_rays(axes: Axes, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """Draw where as many pixels are called per landslide pixel: recall / precision."""
    for bias in _BIASES:
        end = min(high[0], high[1] * bias)
        axes.plot([0, end], [0, end / bias], ":", color="#555555", linewidth=0.8, zorder=1)
        if end > low[0] and end / bias > low[1]:
            axes.annotate(
                f"{bias:g}", (end, end / bias), (-2, -2), textcoords="offset points", fontsize=7,
                color="#555555", ha="right", va="top",
            )  # fmt: skip


def draw_sizes(ranking: Ranking) -> bytes:
    """Return a PNG: F1 of the mean of the K best against K, beside each member alone."""
    from matplotlib.ticker import MaxNLocator

    figure = _blank(7.4, 4.4)
    axes = figure.subplots()
    sizes = range(1, len(ranking.by_size) + 1)
    for side, style in (("validation", "--"), ("test", "-")):
        axes.plot(
            sizes, [_f1(j, side) for j in ranking.by_size], style, marker="o", markersize=3.5,
            color=ENSEMBLE, label=f"mean of the K best, {side}",
        )  # fmt: skip
        axes.plot(
            sizes, [_f1(j, side) for j in ranking.members], style, marker=".", markersize=4,
            linewidth=0.8, color=SINGLE, label=f"the K-th member alone, {side}",
        )  # fmt: skip
    axes.axvline(ranking.best_size, color="#555555", linewidth=0.8, linestyle=":")
    axes.set(xlabel="K, members by F1 on validation", ylabel="F1 of the landslide class")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    axes.set_title(f"K = {ranking.best_size} is best on validation", loc="left", fontsize=10)
    return _png(figure)


def _f1(judged: Judged, side: str) -> float:
    return judged.validation_f1 if side == "validation" else judged.test.f1


def draw_agreement(
    pictures: Sequence[NDArray[np.uint8]], codes: Sequence[NDArray[np.uint8]]
) -> bytes:
    """Return a PNG: pictures above, who hit, missed or was false in each below.

    Args:
        pictures: (band, y, x) with red, green and blue first.
        codes: (y, x), as ``ensembles.agreement``.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    figure = _blank(2.1 * len(pictures), 5.2)
    axes = figure.subplots(2, len(pictures), squeeze=False)
    palette = (255 * np.array([to_rgb(c) for c in ("white", *AGREEMENT_COLOURS)])).astype(np.uint8)
    for column, (picture, code) in enumerate(zip(pictures, codes, strict=True)):
        axes[0, column].imshow(picture[:3].transpose(1, 2, 0))
        axes[1, column].imshow(palette[code], interpolation="nearest")
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    handles = [
        Patch(facecolor=colour, label=text)
        for colour, text in zip(AGREEMENT_COLOURS, AGREEMENT, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return _png(figure)


def draw_reliability(tallies: Mapping[str, Counts]) -> bytes:
    """Return a PNG: what was observed where so much was said, and how often it was said.

    Args:
        tallies: (2, steps) by what is to stand in the legend.
    """
    figure = _blank(6.0, 6.4)
    curve, pixels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], ":", color="#555555", linewidth=1.0)
    for (name, counts), colour in zip(tallies.items(), (SINGLE, ENSEMBLE), strict=False):
        rows = [row for row in metrics.reliability(counts) if row["pixels"]]
        said = [row["said"] for row in rows]
        ece = metrics.expected_calibration_error(counts)
        curve.plot(
            said, [row["observed"] for row in rows], "o-", markersize=4, color=colour,
            label=f"{name} (ECE {ece:.3f})",
        )  # fmt: skip
        pixels.plot(said, [row["pixels"] for row in rows], "o-", markersize=3, color=colour)
    curve.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of landslide pixels observed")
    pixels.set(yscale="log", xlabel="probability said", ylabel="pixels")
    for axes in (curve, pixels):
        axes.grid(alpha=0.25)
    curve.legend(fontsize=8, loc="upper left")
    curve.set_title("Test, by pixels", loc="left", fontsize=10)
    return _png(figure)
