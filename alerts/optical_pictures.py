"""The picture that explains an optical verdict: true colour before and after, and NDVI. Pure.

Both panels of true colour share one stretch, so that a change of colour is a change of the ground
and not of the drawing. Ground that could not be seen is hatched, never filled from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from alerts import panels
from alerts.panels import Bounds, Line, Veil
from detectors.types import Finding, FloatArray, Unseen

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Eyes see differences in the dark, where forests are.
_GAMMA = 1 / 1.5
_NDVI_SPAN = 0.6
_NOT_COMPARED = Veil("not compared", "#d9d9d9", "")
_SAID = {
    Finding.AGREES: ("a landslide", "#a52714"),
    Finding.DISAGREES: ("no landslide", "#1b6e3c"),
    Finding.UNDECIDED: ("not decided", "#6b5500"),
    Finding.NOT_SEEN: ("could not be seen", "#555555"),
}


@dataclass(frozen=True, slots=True)
class ExplainedOptical:
    """Everything one picture of an optical verdict shows."""

    title: str
    """First line, with its marks EXERCISE and SIMULATED."""
    facts: str
    """One or two lines under the title."""
    bounds: Bounds
    """Of the arrays, metres."""
    pre: FloatArray
    """(y, x, 3), reflectance before, red green blue, NaN = not compared."""
    post: FloatArray
    """(y, x, 3), the same after, NaN = not seen or not compared."""
    unseen: NDArray[np.uint8]
    """(y, x), codes of ``Unseen`` where ``post`` is empty because of it, SEEN elsewhere."""
    change: FloatArray
    """(y, x), NDVI change against the surroundings, NaN = not compared."""
    outlines: tuple[tuple[BaseGeometry, Line], ...]
    """Outlines in the grid's coordinates, the first below the others."""
    pre_line: str
    """Dates of the looks before."""
    post_line: str
    """Dates of the looks after."""
    finding: Finding
    """What the look says."""
    figures: tuple[tuple[str, str], ...]
    """What it was read from, name and number."""
    credit: str
    """Data credit; always drawn."""


def draw_optical(shown: ExplainedOptical) -> bytes:
    """Return the picture as PNG, 1095 x 1230 pixels, readable at the width of a phone."""
    figure, places = panels.sheet(shown.title, shown.facts, shown.credit)
    low, high = panels.stretch(
        shown.pre, shown.post, percentiles=(1, 99), least=0.05, empty=(0.0, 0.3)
    )
    pre, post = (np.clip((p - low) / (high - low), 0, 1) ** _GAMMA for p in (shown.pre, shown.post))
    before = panels.draw_map(
        figure, places[0, 0], shown.bounds, pre, ("Before: true colour", shown.pre_line)
    )
    titles = ("After: true colour, same stretch", shown.post_line)
    after = panels.draw_map(figure, places[0, 1], shown.bounds, post, titles)
    change = panels.draw_map(
        figure, places[1, 0], shown.bounds, shown.change,
        ("NDVI change", f"brown lost, green gained, full at {_NDVI_SPAN}"),
        cmap="BrBG", vmin=-_NDVI_SPAN, vmax=_NDVI_SPAN,
    )  # fmt: skip
    veils = [_veil(after, shown, code) for code in np.unique(shown.unseen) if code]
    if any(np.isnan(layer).any() for layer in (shown.pre, shown.change)):
        veils.append(_NOT_COMPARED)
    for axes in (before, after, change):
        axes.set_facecolor(_NOT_COMPARED.colour)
        for outline, line in shown.outlines:
            panels.draw_outline(axes, outline, **line.style())
    panels.draw_scale(before)
    panels.draw_compass(after)
    _verdict(figure.add_subplot(places[1, 1]), shown, veils)
    return panels.as_png(figure)


def _verdict(axes: Axes, shown: ExplainedOptical, veils: list[Veil]) -> None:
    """Write what the look says, the numbers behind it, and what lines and hatches mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.axis("off")
    axes.set_title("What the look says", fontsize=11, loc="left")
    said, colour = _SAID[shown.finding]
    axes.text(0, 0.93, said, fontsize=14, weight="bold", color=colour, va="center")
    for row, (name, number) in enumerate(shown.figures):
        height = 0.82 - 0.083 * row
        axes.text(0, height, name, fontsize=9, color="#444444", va="center")
        axes.text(0.4, height, number, fontsize=9.5, va="center")
    lines = [Line2D([], [], label=line.label, **line.style()) for _, line in shown.outlines]
    hatched = [Patch(label=veil.label, **veil.style()) for veil in veils]
    axes.legend(
        handles=[*lines, *hatched], loc="lower left", bbox_to_anchor=(-0.02, -0.05), fontsize=8.5,
        frameon=False, ncols=1 if len(hatched) < 2 else 2, borderpad=0, handlelength=2.2,
        columnspacing=1.0,
    )  # fmt: skip


def _veil(axes: Axes, shown: ExplainedOptical, code: int) -> Veil:
    """Hatch what could not be seen for one reason."""
    veil = panels.VEILS[Unseen(code)]
    panels.draw_veil(axes, shown.bounds, shown.unseen == code, veil)
    return veil
