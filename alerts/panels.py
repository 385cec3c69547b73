"""What every picture is put together from: a sheet, maps with outlines, scale bar and compass.

Pure. Sheets are 1095 x 1230 pixels, readable at the width of a phone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from detectors.types import BoolArray, FloatArray, Unseen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

#: West, south, east, north in map coordinates, metres.
Bounds = tuple[float, float, float, float]

#: Scale bars are one of these, metres.
_BARS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
_LEFT, _RIGHT = 0.035, 0.965
#: How finely a hatched area follows the edges of its pixels.
_STEPS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """How an outline is drawn, and what a legend calls it."""

    label: str
    """For legends."""
    colour: str
    """Of the line; a dark edge makes it stand out on any ground."""
    dashes: str = "-"
    """Line style of matplotlib."""

    def style(self) -> dict[str, Any]:
        """Return the arguments for matplotlib."""
        return {"color": self.colour, "linestyle": self.dashes, **_edged()}


@dataclass(frozen=True, slots=True)
class Veil:
    """How ground that could not be seen is drawn over."""

    label: str
    """For legends."""
    colour: str
    """Of the ground."""
    hatch: str
    """Pattern of matplotlib."""

    def style(self) -> dict[str, Any]:
        """Return the arguments for a patch of matplotlib."""
        return {
            "facecolor": self.colour, "hatch": self.hatch, "edgecolor": "#4a4a4a", "linewidth": 0.0,
        }  # fmt: skip


#: Ground that could not be seen, by reason.
VEILS: Mapping[Unseen, Veil] = {
    Unseen.NO_DATA: Veil("no data", "#d9d9d9", "xxx"),
    Unseen.CLOUD: Veil("cloud", "#f2f2f2", "///"),
    Unseen.CLOUD_SHADOW: Veil("cloud shadow", "#9a9a9a", "\\\\\\"),
    Unseen.SNOW: Veil("snow", "#dff3ff", "..."),
    Unseen.WATER: Veil("water", "#a9c9e8", "---"),
    Unseen.SATURATED: Veil("saturated", "#fff3b0", "+++"),
    Unseen.LAYOVER: Veil("layover", "#f3d9c4", "|||"),
    Unseen.RADAR_SHADOW: Veil("radar shadow", "#9a9a9a", "ooo"),
    Unseen.TOO_FEW_LOOKS: Veil("too few looks before", "#d9d9d9", "xx"),
}


def sheet(title: str, facts: str, credit: str) -> tuple[Figure, GridSpec]:
    """Return an empty sheet with its texts, and the two by two places on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.3, 8.2), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    places = figure.add_gridspec(
        2, 2, left=_LEFT, right=_RIGHT, top=0.855, bottom=0.075, hspace=0.16, wspace=0.1
    )
    figure.text(_LEFT, 0.962, title, fontsize=14, weight="bold", va="center")
    figure.text(_LEFT, 0.912, facts, fontsize=9.5, va="center", linespacing=1.5)
    figure.text(_LEFT, 0.018, credit, fontsize=7.5, color="#444444")
    return figure, places


def as_png(figure: Figure) -> bytes:
    """Return a sheet as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def stretch(
    *bands: FloatArray, percentiles: tuple[float, float], least: float, empty: tuple[float, float]
) -> tuple[float, float]:
    """Return one range of values for all bands, so that a change is one of the ground.

    Args:
        bands: any shape, NaN = no data.
        percentiles: of the finite values, lowest and highest.
        least: smallest width of the range.
        empty: the range where nothing is finite.
    """
    values = np.concatenate([band[np.isfinite(band)] for band in bands])
    if not values.size:
        return empty
    low, high = np.percentile(values, percentiles)
    return (float(low), float(max(high, low + least)))


def draw_map(
    figure: Figure,
    place: Any,
    bounds: Bounds,
    layer: FloatArray,
    titles: tuple[str, str],
    **style: Any,
) -> Axes:
    """Draw a raster that fills ``bounds``, with a title above and a line below it.

    Args:
        figure: the sheet.
        place: where on it.
        bounds: of the raster.
        layer: (y, x), or (y, x, 3) for colours from 0 to 1.
        titles: above and below.
        style: for ``imshow``.
    """
    axes: Axes = figure.add_subplot(place)
    west, south, east, north = bounds
    axes.imshow(layer, extent=(west, east, south, north), interpolation="nearest", **style)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(titles[0], fontsize=11, loc="left")
    axes.set_xlabel(titles[1], fontsize=9)
    return axes


def draw_outline(axes: Axes, outline: BaseGeometry, **style: Any) -> None:
    """Draw the outer rings of a polygon or of several; anything else is left out."""
    for part in getattr(outline, "geoms", [outline]):
        if isinstance(part, Polygon) and not part.is_empty:
            axes.plot(*part.exterior.xy, **style)


def draw_legend(axes: Axes, line: Line) -> None:
    """Say on the map itself what an outline is."""
    from matplotlib.lines import Line2D

    axes.legend(
        handles=[Line2D([], [], label=line.label, **line.style())], loc="lower right", fontsize=10,
        framealpha=0.9, borderpad=0.4,
    )  # fmt: skip


def draw_veil(
    axes: Axes, bounds: Bounds, where: BoolArray, veil: Veil, *, width: float = 0.8
) -> None:
    """Hatch pixels (y, x) of a raster that fills ``bounds`` with lines of a width in points."""
    from matplotlib import rc_context

    west, south, east, north = bounds
    fine = np.kron(where.astype(np.uint8), np.ones((_STEPS, _STEPS), dtype=np.uint8))
    rows, columns = fine.shape
    x = west + (np.arange(columns) + 0.5) * (east - west) / columns
    y = north - (np.arange(rows) + 0.5) * (north - south) / rows
    with rc_context({"hatch.color": "#4a4a4a", "hatch.linewidth": width}):
        axes.contourf(x, y, fine, levels=[0.5, 1.5], colors=[veil.colour], hatches=[veil.hatch])


def scale_length(ground: float) -> int:
    """Return the longest round length that fits a third of ``ground``, metres."""
    return max((bar for bar in _BARS if bar <= ground / 3), default=_BARS[0])


def draw_scale(axes: Axes) -> None:
    """Draw the longest round length that fits a third of the map."""
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    length = scale_length(east - west)
    x, y = west + 0.05 * (east - west), south + 0.06 * (north - south)
    axes.plot([x, x + length], [y, y], color="white", linewidth=5, solid_capstyle="butt")
    axes.plot([x, x + length], [y, y], color="black", linewidth=2.5, solid_capstyle="butt")
    label = f"{length} m" if length < 1000 else f"{length // 1000} km"
    axes.text(
        x + length / 2, y + 0.02 * (north - south), label, fontsize=9, ha="center", va="bottom",
        bbox=_BOX,
    )  # fmt: skip


def draw_compass(axes: Axes, **directions: float) -> None:
    """Draw arrows side by side: north, and named directions in degrees clockwise from north."""
    arrow = {"arrowstyle": "-|>", "color": "#ffd54a", **_edged()}
    for place, (label, azimuth) in enumerate({"N": 0.0, **directions}.items()):
        east, north = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
        x, y = 0.07 + 0.13 * place, 0.87
        axes.annotate(
            "", xycoords="axes fraction", textcoords="axes fraction",
            xy=(x + 0.05 * east, y + 0.05 * north), xytext=(x - 0.05 * east, y - 0.05 * north),
            arrowprops=arrow,
        )  # fmt: skip
        axes.text(x, 0.77, label, transform=axes.transAxes, fontsize=9, ha="center", bbox=_BOX)


def _edged() -> dict[str, Any]:
    """Return the style of lines that stand out on any ground."""
    from matplotlib.patheffects import Normal, Stroke

    edge = [Stroke(linewidth=3.2, foreground="#202020", alpha=0.75), Normal()]
    return {"linewidth": 1.8, "path_effects": edge}
