"""The map of an emergency: landslides by state, ground that no look reached, the relief below."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from pyproj import Transformer
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from alerts.panels import Line, draw_compass, draw_outline, draw_scale
from detectors import terrain
from detectors.projections import to_projected
from detectors.types import FloatArray, Grid, State
from flows.elevation import CREDITS
from flows.heights import ConfiguredHeights
from flows.services import Services
from flows.situation import ORDER, Situation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A sheet of paper, upright, inches.
A4 = (8.27, 11.69)
#: Most pixels of relief on a side.
_MOST = 900
#: Landslides that get a number on the map.
NUMBERED = 60
#: Smallest symbol of a landslide on paper: outlines of a hectare vanish in a map of a county.
_SYMBOL = 42
MARK = "#a0148c"
COLOURS = {
    State.CONFIRMED: "#d7191c", State.SUSPECTED: "#fdae00", State.UNRESOLVED: "#8c6bb1",
    State.CLOSED: "#5b5b5b", State.REFUTED: "#1a9641",
}  # fmt: skip
_AREA = Line("area that is watched", "#ffffff", "--")
#: Intervals of the graticule, degrees.
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def sheet_of(situation: Situation) -> Figure:
    """Return an empty upright sheet with title, marks and credits."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=A4, dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    if situation.marks:
        figure.text(
            0.94, 0.965, situation.marks, fontsize=13, weight="bold", color="white", ha="right",
            va="center", bbox={"facecolor": MARK, "edgecolor": "none", "pad": 4},
        )  # fmt: skip
    return figure


def draw(services: Services, situation: Situation) -> Figure:
    """Return the map on a sheet of its own."""
    figure = sheet_of(situation)
    figure.text(0.06, 0.965, _short(situation.region.name), fontsize=15, weight="bold", va="center")
    figure.text(
        0.06, 0.937,
        f"Landslides first seen from {situation.since:%Y-%m-%d} on, as known on "
        f"{situation.at:%Y-%m-%d %H:%M} UTC",
        fontsize=10, va="center",
    )  # fmt: skip
    epsg = utm(situation.region.geometry)
    area = to_projected(situation.region.geometry, epsg)
    bounds = _around(area)
    axes = figure.add_axes((0.09, 0.2, 0.85, 0.71))
    axes.set_aspect("equal")
    axes.set_facecolor("#d8d8d8")
    relief, credit = _relief(services, epsg, bounds)
    west, south, east, north = bounds
    if relief is not None:
        axes.imshow(relief, extent=(west, east, south, north), cmap="gray", vmin=0, vmax=1)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    _draw_uncovered(axes, situation, epsg)
    draw_outline(axes, area, **_AREA.style())
    _draw_landslides(axes, situation, epsg)
    _graticule(axes, epsg, bounds)
    draw_scale(axes)
    draw_compass(axes)
    _legend(figure, situation)
    relief_line = credit or "No elevation model is set, so no relief (setting elevation)"
    said = textwrap.fill(f"{situation.credit}. {relief_line}. EPSG:{epsg}.", 130)
    figure.text(0.06, 0.03, said, fontsize=7, color="#444444", va="bottom")
    return figure


def utm(area: BaseGeometry) -> int:
    """Return the EPSG code of the UTM zone that the middle of an area lies in."""
    middle = area.envelope.centroid
    return (32600 if middle.y >= 0 else 32700) + int((middle.x + 180) // 6) % 60 + 1


def _around(area: BaseGeometry) -> tuple[float, float, float, float]:
    """Return the frame of an area with a margin, of the shape of the paper or narrower."""
    west, south, east, north = area.bounds
    width, height = 1.08 * (east - west), 1.08 * (north - south)
    width, height = max(width, 0.6 * height), max(height, 0.6 * width)
    x, y = (west + east) / 2, (south + north) / 2
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _relief(
    services: Services, epsg: int, bounds: tuple[float, float, float, float]
) -> tuple[FloatArray | None, str]:
    """Return light and shade of the ground, and whom to credit; None where nobody knows heights."""
    if not services.settings.elevation:
        return None, ""
    west, south, east, north = bounds
    pixel = max(30.0, max(east - west, north - south) / _MOST)
    shape = math.ceil((north - south) / pixel), math.ceil((east - west) / pixel)
    grid = Grid(epsg, Affine(pixel, 0, west, 0, -pixel, north), *shape)
    found, _ = ConfiguredHeights(services.settings.elevation, services.catalogue).first(grid)
    if found is None:
        return None, "The elevation model of the settings does not reach here, so no relief"
    light = terrain.hillshade(found.metres, pixel)
    name = found.source.rpartition("/")[2]
    return (0.35 + 0.65 * light).astype(np.float32), CREDITS.get(name, f"Relief: {name}")


def _draw_uncovered(axes: Axes, situation: Situation, epsg: int) -> None:
    """Hatch the ground that no judged radar look reaches."""
    from matplotlib import rc_context
    from shapely.plotting import patch_from_polygon

    for part in getattr(situation.uncovered, "geoms", [situation.uncovered]):
        if isinstance(part, Polygon) and not part.is_empty:
            style = {"facecolor": "#f2f2f2", "alpha": 0.75, "hatch": "xx", "linewidth": 0}
            with rc_context({"hatch.color": "#6a6a6a", "hatch.linewidth": 0.5}):
                axes.add_patch(patch_from_polygon(to_projected(part, epsg), **style))


def _draw_landslides(axes: Axes, situation: Situation, epsg: int) -> None:
    """Fill outlines, and put a symbol on each, since most are smaller than one on paper."""
    for number, one in reversed(list(enumerate(situation.landslides, start=1))):
        outline = to_projected(one.geometry, epsg)
        for part in outline.geoms if isinstance(outline, MultiPolygon) else [outline]:
            axes.fill(*part.exterior.xy, color=COLOURS[one.state], linewidth=0)
        point = outline.representative_point()
        axes.scatter(
            point.x, point.y, s=_SYMBOL, marker="^", color=COLOURS[one.state], edgecolor="black",
            linewidth=0.6, zorder=5,
        )  # fmt: skip
        if number <= NUMBERED:
            axes.annotate(
                str(number), (point.x, point.y), xytext=(5, 4), textcoords="offset points",
                fontsize=8, zorder=6,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
            )  # fmt: skip


def _graticule(axes: Axes, epsg: int, bounds: tuple[float, float, float, float]) -> None:
    """Write degrees along the frame, and draw their lines thinly."""
    back, forth = (
        Transformer.from_crs(*pair, always_xy=True) for pair in ((epsg, 4326), (4326, epsg))
    )
    west, south, east, north = bounds
    left, low, right, high = back.transform_bounds(west, south, east, north)
    step = next((one for one in _STEPS if (right - left) / one <= 5), _STEPS[-1])
    digits = max(0, math.ceil(-math.log10(step)))
    ticks: list[Any] = [[], [], [], []]
    for lon in np.arange(math.ceil(left / step), right / step) * step:
        x, y = forth.transform(np.full(30, lon), np.linspace(low, high, 30))
        axes.plot(x, y, color="#303030", linewidth=0.25, alpha=0.6, zorder=1)
        ticks[0].append(float(np.interp(south, y, x)))
        ticks[1].append(f"{abs(lon):.{digits}f}°{'E' if lon >= 0 else 'W'}")
    for lat in np.arange(math.ceil(low / step), high / step) * step:
        x, y = forth.transform(np.linspace(left, right, 30), np.full(30, lat))
        axes.plot(x, y, color="#303030", linewidth=0.25, alpha=0.6, zorder=1)
        ticks[2].append(float(np.interp(west, x, y)))
        ticks[3].append(f"{abs(lat):.{digits}f}°{'N' if lat >= 0 else 'S'}")
    axes.set_xticks(ticks[0], ticks[1], fontsize=7.5)
    axes.set_yticks(ticks[2], ticks[3], fontsize=7.5, rotation=90, va="center")
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)


def _legend(figure: Figure, situation: Situation) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    counted = situation.counted()
    handles: list[Any] = [
        Line2D(
            [], [], linestyle="", marker="^", markersize=8, color=COLOURS[state],
            markeredgecolor="black", label=f"{state.value} ({sum(counted[state.value].values())})",
        )
        for state in ORDER
        if state.value in counted
    ]  # fmt: skip
    handles.append(Line2D([], [], label=_AREA.label, **_AREA.style()))
    if not situation.uncovered.is_empty and situation.covered < 0.995:
        handles.append(
            Patch(facecolor="#f2f2f2", hatch="xx", edgecolor="#4a4a4a", label="in no radar look")
        )
    where = (0.06, 0.075, 0.88, 0.08)
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=where, ncols=3, fontsize=9,
        title="Landslides (numbers as in the report)" if counted else situation.verdict_on_nothing,
        alignment="left", frameon=False, facecolor="#d8d8d8",
    )  # fmt: skip


def _short(text: str, most: int = 46) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
