"""The picture that explains a detection: before, after, what changed, and where. Pure.

All panels of backscatter share one grey stretch, so that a change of brightness is a change of the
ground and not of the drawing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from detectors.types import FloatArray, Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Scale bars are one of these, metres.
_BARS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_OUTLINE = "#e8452c"


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything one picture shows."""

    title: str
    """First line; EXERCISE and SIMULATED belong here."""
    grid: Grid
    """Where the pixels of the panels are."""
    pre_db: FloatArray
    """(y, x), co-polarised median before, dB, NaN = no data."""
    post_db: FloatArray
    """(y, x), co-polarised backscatter of the look, dB, NaN = no data."""
    score: FloatArray
    """(y, x), signed score, sigma, NaN = not judged."""
    outline: BaseGeometry
    """Outline in the grid's coordinates."""
    pre_span: tuple[datetime, datetime]
    """First and last look before, UTC."""
    post_at: datetime
    """The look, UTC."""
    look_azimuth: float
    """Direction the radar looks in, degrees clockwise from north."""
    history: Sequence[tuple[datetime, tuple[float, ...]]]
    """Per look: time and mean backscatter inside the outline by polarisation, dB."""
    polarisations: tuple[str, ...]
    """Names of the history's series."""
    facts: str
    """One or two lines under the title."""
    credit: str
    """Data credit; always drawn."""


def draw(shown: Explained) -> bytes:
    """Return the picture as PNG, 1100 x 1230 pixels, readable at the width of a phone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.3, 8.2), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    places = figure.add_gridspec(
        2, 2, left=0.035, right=0.965, top=0.855, bottom=0.075, hspace=0.16, wspace=0.1
    )
    first, last = shown.pre_span
    low, high = _stretch(shown.pre_db, shown.post_db)
    grey = {"cmap": "gray", "vmin": low, "vmax": high}
    pre = _map(figure, places[0, 0], shown, shown.pre_db, "Before: median", grey)
    pre.set_xlabel(f"{first:%Y-%m-%d} to {last:%Y-%m-%d}", fontsize=9)
    post = _map(figure, places[0, 1], shown, shown.post_db, "After", grey)
    post.set_xlabel(f"{shown.post_at:%Y-%m-%d %H:%M} UTC", fontsize=9)
    change = _map(
        figure, places[1, 0], shown, shown.score, "Score",
        {"cmap": "RdBu_r", "vmin": -6, "vmax": 6},
    )  # fmt: skip
    change.set_facecolor("#d9d9d9")
    change.set_xlabel("sigma: red brighter, blue darker, grey not judged", fontsize=9)
    _scale_bar(pre, shown.grid)
    _compass(post, shown.look_azimuth)
    _history(figure, places[1, 1], shown)
    figure.text(0.035, 0.962, shown.title, fontsize=14, weight="bold", va="center")
    figure.text(0.035, 0.912, shown.facts, fontsize=9.5, va="center", linespacing=1.5)
    figure.text(0.035, 0.018, shown.credit, fontsize=7.5, color="#444444")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _stretch(*bands: FloatArray) -> tuple[float, float]:
    """Return one grey range for all bands: the 2nd to 98th percentile."""
    values = np.concatenate([band[np.isfinite(band)] for band in bands])
    if not values.size:
        return (-25.0, 0.0)
    low, high = np.percentile(values, [2, 98])
    return (float(low), float(max(high, low + 1.0)))


def _map(
    figure: Figure,
    place: Any,
    shown: Explained,
    band: FloatArray,
    title: str,
    style: dict[str, Any],
) -> Axes:
    axes: Axes = figure.add_subplot(place)
    west, south, east, north = shown.grid.bounds
    axes.imshow(band, extent=(west, east, south, north), interpolation="nearest", **style)
    parts = shown.outline.geoms if isinstance(shown.outline, MultiPolygon) else [shown.outline]
    for part in parts:
        if isinstance(part, Polygon):
            axes.plot(*part.exterior.xy, color=_OUTLINE, linewidth=1.6)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=11, loc="left")
    return axes


def _scale_bar(axes: Axes, grid: Grid) -> None:
    """Draw the longest round length that fits a third of the map."""
    west, south, east, north = grid.bounds
    length = max((bar for bar in _BARS if bar <= (east - west) / 3), default=_BARS[0])
    x, y = west + 0.05 * (east - west), south + 0.06 * (north - south)
    axes.plot([x, x + length], [y, y], color="white", linewidth=5, solid_capstyle="butt")
    axes.plot([x, x + length], [y, y], color="black", linewidth=2.5, solid_capstyle="butt")
    label = f"{length} m" if length < 1000 else f"{length // 1000} km"
    axes.text(
        x + length / 2, y + 0.02 * (north - south), label, fontsize=9, ha="center", va="bottom",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
    )  # fmt: skip


def _compass(axes: Axes, look_azimuth: float) -> None:
    """Draw north and the look direction."""
    arrow = {"arrowstyle": "-|>", "linewidth": 1.8}
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    for azimuth, label, x in ((0.0, "N", 0.07), (look_azimuth, "look", 0.2)):
        east, north = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
        middle = (x, 0.87)
        axes.annotate(
            "", xycoords="axes fraction", textcoords="axes fraction",
            xy=(middle[0] + 0.05 * east, middle[1] + 0.05 * north),
            xytext=(middle[0] - 0.05 * east, middle[1] - 0.05 * north),
            arrowprops={**arrow, "color": "#ffd54a"},
        )  # fmt: skip
        axes.text(x, 0.77, label, transform=axes.transAxes, fontsize=9, ha="center", bbox=box)


def _history(figure: Figure, place: Any, shown: Explained) -> None:
    """Draw the mean backscatter inside the outline, look by look; looks are evenly spaced."""
    axes: Axes = figure.add_subplot(place)
    steps = range(len(shown.history))
    for band, (name, colour) in enumerate(
        zip(shown.polarisations, ("#1f4e79", "#b8860b", "#555555", "#888888"), strict=False)
    ):
        values = [means[band] for _, means in shown.history]
        axes.plot(steps, values, "o-", color=colour, markersize=3.5, linewidth=1.2, label=name)
    changed = len(shown.history) - 1.5
    axes.axvline(changed, color=_OUTLINE, linewidth=1.2, linestyle="--")
    axes.set_xticks(list(steps))
    axes.set_xticklabels(
        [f"{moment:%y-%m-%d}" for moment, _ in shown.history], rotation=90, fontsize=7.5
    )
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title("Inside the outline, dB", fontsize=11, loc="left")
    axes.legend(fontsize=8, frameon=False, loc="center left")
    axes.grid(axis="y", color="#e5e5e5")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_box_aspect(0.72)
    axes.set_anchor("N")
