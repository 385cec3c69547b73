"""The picture that explains a radar detection: before, after, what changed, and where. Pure.

All panels of backscatter share one grey stretch, so that a change of brightness is a change of the
ground and not of the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shapely.geometry.base import BaseGeometry

from alerts.panels import (
    Line,
    as_png,
    draw_compass,
    draw_legend,
    draw_map,
    draw_outline,
    draw_scale,
    sheet,
    stretch,
)
from alerts.wording import finding
from detectors.types import FloatArray, Grid, Kind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OUTLINE = "#e8452c"
#: Blue on grey, so that water is not taken for the slide that it lies behind.
_WATER = Line(finding(Kind.PONDING), "#2aa8ff")
_SERIES = ("#1f4e79", "#b8860b", "#555555", "#888888")


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
    kind: Kind = Kind.LANDSLIDE
    """What the outline is taken for."""
    water_db: tuple[float, ...] = ()
    """Levels under which ground may be water, by polarisation, drawn into the history; dB."""


def draw(shown: Explained) -> bytes:
    """Return the picture as PNG, 1095 x 1230 pixels, readable at the width of a phone."""
    figure, places = sheet(shown.title, shown.facts, shown.credit)
    bounds = shown.grid.bounds
    first, last = shown.pre_span
    low, high = stretch(
        shown.pre_db, shown.post_db, percentiles=(2, 98), least=1.0, empty=(-25.0, 0.0)
    )
    grey = {"cmap": "gray", "vmin": low, "vmax": high}
    span = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    pre = draw_map(figure, places[0, 0], bounds, shown.pre_db, ("Before: median", span), **grey)
    moment = f"{shown.post_at:%Y-%m-%d %H:%M} UTC"
    post = draw_map(figure, places[0, 1], bounds, shown.post_db, ("After", moment), **grey)
    change = draw_map(
        figure, places[1, 0], bounds, shown.score,
        ("Score", "sigma: red brighter, blue darker, grey not judged"),
        cmap="RdBu_r", vmin=-6, vmax=6,
    )  # fmt: skip
    change.set_facecolor("#d9d9d9")
    water = shown.kind is Kind.PONDING
    style = _WATER.style() if water else {"color": _OUTLINE, "linewidth": 1.6}
    for axes in (pre, post, change):
        draw_outline(axes, shown.outline, **style)
    if water:
        draw_legend(post, _WATER)
    draw_scale(pre)
    draw_compass(post, look=shown.look_azimuth)
    _history(figure, places[1, 1], shown)
    return as_png(figure)


def _history(figure: Figure, place: Any, shown: Explained) -> None:
    """Draw the mean backscatter inside the outline, look by look; looks are evenly spaced."""
    axes: Axes = figure.add_subplot(place)
    steps = range(len(shown.history))
    for band, (name, colour) in enumerate(zip(shown.polarisations, _SERIES, strict=False)):
        values = [means[band] for _, means in shown.history]
        axes.plot(steps, values, "o-", color=colour, markersize=3.5, linewidth=1.2, label=name)
    changed = len(shown.history) - 1.5
    for level, name, colour in zip(shown.water_db, shown.polarisations, _SERIES, strict=False):
        axes.axhline(level, color=colour, linewidth=1.0, linestyle=":")
        axes.text(
            0.85, level, f"{name}: water below", transform=axes.get_yaxis_transform(),
            color=colour, fontsize=8, ha="right", va="bottom",
        )  # fmt: skip
    axes.axvline(changed, color=_OUTLINE, linewidth=1.2, linestyle="--")
    axes.set_xticks(list(steps))
    axes.set_xticklabels(
        [f"{moment:%y-%m-%d}" for moment, _ in shown.history], rotation=90, fontsize=7.5
    )
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title("Inside the outline, dB", fontsize=11, loc="left")
    axes.legend(fontsize=8, frameon=False, loc="best" if shown.water_db else "center left")
    axes.grid(axis="y", color="#e5e5e5")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_box_aspect(0.72)
    axes.set_anchor("N")
