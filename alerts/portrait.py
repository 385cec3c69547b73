"""A page for the width of a phone: strips of text, maps and curves below each other. Pure.

Pages are 1080 pixels wide. One point is one pixel, so that sizes of type are sizes on the page; no
type is smaller than ``SMALL``. Colours are those of Okabe and Ito, which colour-blind people tell
apart, and nothing is told by colour alone.
"""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from shapely.geometry.base import BaseGeometry

from alerts.panels import Bounds, Line, Veil, draw_outline, draw_veil, scale_length
from detectors.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

WIDTH, EDGE, GAP = 1080, 30, 20
INNER = WIDTH - 2 * EDGE
#: Sizes of type, pixels.
SMALL, TEXT, LEAD, HEAD = 26, 28, 32, 52
#: Side of one of two maps beside each other.
SIDE = (INNER - GAP) // 2
#: Colours of Okabe and Ito that lines are drawn in.
INKS = ("#E69F00", "#56B4E9", "#F0E442", "#0072B2", "#D55E00")
#: Height of a line of type, as a multiple of its size.
_LEADING = 1.32
_MARKS = {"background": "#111111", "ink": "#F0E442"}
_EMPTY = "#d9d9d9"


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is being drawn."""

    figure: Figure
    """Of matplotlib."""
    height: float
    """Pixels."""

    def text(self, x: float, top: float, words: str, size: float = TEXT, **style: Any) -> None:
        """Write one line whose upper edge is ``top`` pixels below that of the page."""
        self.figure.text(
            x / WIDTH, 1 - (top + _LEADING * size / 2) / self.height, printable(words),
            fontsize=size, va="center", parse_math=False, **style,
        )  # fmt: skip

    def axes(self, x: float, top: float, width: float, height: float) -> Axes:
        """Return axes of that size, pixels from the upper left corner of the page."""
        place = (x / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        made: Axes = self.figure.add_axes(place)
        return made

    def box(self, x: float, top: float, width: float, height: float, **style: Any) -> None:
        """Fill a rectangle."""
        from matplotlib.patches import Rectangle

        corner = (x / WIDTH, 1 - (top + height) / self.height)
        size = (width / WIDTH, height / self.height)
        patch = Rectangle(corner, *size, transform=self.figure.transFigure, **style)
        self.figure.add_artist(patch)


@dataclass(frozen=True, slots=True)
class Strip:
    """A part of a page over its full width."""

    height: float
    """Pixels."""
    draw: Callable[[Page, float], None]
    """Draws it, given its upper edge in pixels."""


@dataclass(frozen=True, slots=True)
class Map:
    """One of two maps beside each other."""

    heading: str
    """What it shows."""
    lines: tuple[str, str]
    """Two lines below the heading: dates, number of looks."""
    layer: FloatArray
    """(y, x), or (y, x, 3) for colours from 0 to 1; NaN = nothing to show."""
    bounds: Bounds
    """Of the layer."""
    outlines: tuple[tuple[BaseGeometry, Line], ...]
    """In the coordinates of the bounds, the first below the others."""
    veils: tuple[tuple[np.typing.NDArray[np.bool_], Veil], ...] = ()
    """What could not be seen (y, x), by reason."""
    arrows: Mapping[str, float] | None = None
    """Directions of flight and look, degrees clockwise from the top, by name; empty for none. None
    for north and scale."""


def page(strips: Sequence[Strip], marks: str) -> Figure:
    """Return a page of strips, drawn.

    Args:
        strips: From the top down.
        marks: EXERCISE and SIMULATED, or nothing; they stand above and below everything else.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    band = [marks_band(marks)] if marks else []
    drawn = [*band, *strips, *band]
    height = math.ceil(sum(strip.height for strip in drawn) + (0 if band else 2 * GAP))
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor="white")
    FigureCanvasAgg(figure)
    made, top = Page(figure, height), 0.0 if band else float(GAP)
    for strip in drawn:
        strip.draw(made, top)
        top += strip.height
    return figure


def as_png(figure: Figure, metadata: Mapping[str, str]) -> bytes:
    """Return a page as PNG; the texts of ``metadata`` are kept inside the file."""
    canvas: Any = figure.canvas
    canvas.draw()
    return _as_png(np.asarray(canvas.buffer_rgba())[..., :3], metadata)


def _as_png(pixels: np.typing.NDArray[np.uint8], metadata: Mapping[str, str]) -> bytes:
    """Return (y, x, 3) as PNG of 256 colours: a third of the bytes, and nobody sees it."""
    from PIL import Image, ImageColor
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    for name, words in metadata.items():
        told.add_itxt(name, words)
    # Below the page and cut off again: thin lines weigh little, and would lose their colours.
    strips = [np.full((12, WIDTH, 3), ImageColor.getrgb(ink), dtype=np.uint8) for ink in INKS]
    stacked = Image.fromarray(np.concatenate([pixels, *strips]))
    few = stacked.quantize(256, dither=Image.Dither.NONE).crop((0, 0, WIDTH, len(pixels)))
    buffer = io.BytesIO()
    few.save(buffer, "PNG", pnginfo=told)
    return buffer.getvalue()


def marks_band(marks: str) -> Strip:
    """Return the band that says what is not real."""

    def draw(on: Page, top: float) -> None:
        on.box(0, top, WIDTH, 64, facecolor=_MARKS["background"], edgecolor="none")
        on.text(WIDTH / 2, top + 9, marks, 36, color=_MARKS["ink"], weight="bold", ha="center")

    return Strip(64, draw)


def title(words: str, below: str, colours: tuple[str, str]) -> Strip:
    """Return the headline on a field of (background, ink), with what must be known beside it."""
    size = next((s for s in (HEAD, 46, 40) if width_of(words, s, bold=True) <= INNER), 36)
    lines = wrapped(below, INNER, LEAD, bold=True)
    step = LEAD * _LEADING

    def draw(on: Page, top: float) -> None:
        tall = 24 + size * _LEADING + len(lines) * step
        on.box(0, top, WIDTH, tall, facecolor=colours[0], edgecolor="none")
        on.text(EDGE, top + 10, words, size, weight="bold", color=colours[1])
        for number, line in enumerate(lines):
            below_it = top + 12 + size * _LEADING + number * step
            on.text(EDGE, below_it, line, LEAD, weight="bold", color=colours[1])

    return Strip(24 + size * _LEADING + len(lines) * step + 10, draw)


def rows(pairs: Sequence[tuple[str, str]], indent: float = 150) -> Strip:
    """Return lines of name and value; long values go on below themselves."""
    lines: list[tuple[str, str]] = []
    for name, value in pairs:
        first, *more = wrapped(value, INNER - indent, TEXT) or [""]
        lines += [(name, first), *(("", line) for line in more)]
    step = TEXT * _LEADING

    def draw(on: Page, top: float) -> None:
        for number, (name, value) in enumerate(lines):
            on.text(EDGE, top + number * step, name, TEXT, color="#595959")
            on.text(EDGE + indent, top + number * step, value, TEXT)

    return Strip(len(lines) * step + 14, draw)


def paragraph(words: str, size: int = SMALL, *, bold: bool = False, ink: str = "#111111") -> Strip:
    """Return a paragraph, wrapped to the page."""
    lines = wrapped(words, INNER, size, bold=bold)
    weight = "bold" if bold else "normal"

    def draw(on: Page, top: float) -> None:
        for number, line in enumerate(lines):
            at = top + number * size * _LEADING
            on.text(EDGE, at, line, size, weight=weight, color=ink)

    return Strip(len(lines) * size * _LEADING + 10, draw)


def maps(pair: tuple[Map, Map], marks: str, **style: Any) -> Strip:
    """Return two maps beside each other; ``style`` is for ``imshow`` and holds for both."""
    above = LEAD * _LEADING + 2 * SMALL * _LEADING + 8

    def draw(on: Page, top: float) -> None:
        for number, one in enumerate(pair):
            x = EDGE + number * (SIDE + GAP)
            on.text(x, top, one.heading, LEAD, weight="bold")
            for line, words in enumerate(one.lines):
                below = top + LEAD * _LEADING + line * SMALL * _LEADING
                on.text(x, below, words, SMALL)
            _draw_map(on.axes(x, top + above, SIDE, SIDE), one, marks, style)

    return Strip(above + SIDE + 16, draw)


def _draw_map(axes: Axes, one: Map, marks: str, style: Mapping[str, Any]) -> None:
    west, south, east, north = one.bounds
    axes.set_facecolor(_EMPTY)
    axes.imshow(
        _thinned(one.layer), extent=(west, east, south, north), interpolation="nearest", **style
    )
    for where, veil in one.veils:
        draw_veil(axes, one.bounds, where, veil, width=1.8)
    for outline, line in one.outlines:
        draw_outline(axes, outline, **thick(line))
    half = max(east - west, north - south) / 2
    x, y = (west + east) / 2, (south + north) / 2
    axes.set_xlim(x - half, x + half)
    axes.set_ylim(y - half, y + half)
    axes.set_aspect("auto")
    axes.set_xticks([])
    axes.set_yticks([])
    if one.arrows is None:
        _north_and_scale(axes, 2 * half, lifted=bool(marks))
    elif one.arrows:
        _flight_and_look(axes, one.arrows)
    if marks:
        # On each map: whoever cuts one out of the page keeps the marks.
        axes.axhspan(
            y - half, y - half + 2 * half * 40 / SIDE, facecolor=_MARKS["background"], zorder=8
        )
        size = next((s for s in (28, SMALL) if width_of(marks, s, bold=True) < SIDE), SMALL)
        axes.text(
            0.5, 20 / SIDE, marks, transform=axes.transAxes, ha="center", va="center",
            fontsize=size, weight="bold", color=_MARKS["ink"], zorder=9,
        )  # fmt: skip


def _thinned(layer: FloatArray) -> FloatArray:
    """Return means of (y, x, ...) blocks where there are more pixels than half the map shows."""
    step = math.ceil(2 * max(layer.shape[:2]) / SIDE)
    if step == 1:
        return layer
    rows, columns = (size // step for size in layer.shape[:2])
    blocks = layer[: rows * step, : columns * step].reshape(
        rows, step, columns, step, *layer.shape[2:]
    )
    seen = np.isfinite(blocks)
    total = np.where(seen, blocks, 0.0).sum(axis=(1, 3))
    made: FloatArray = (
        total / np.where(seen.any(axis=(1, 3)), seen.sum(axis=(1, 3)), np.nan)
    ).astype(np.float32)
    return made


def _plate(axes: Axes, x: float, y: float, width: float, height: float) -> None:
    """Lay a light plate under marks, in pixels from the lower left corner of a map."""
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (x / SIDE, y / SIDE), width / SIDE, height / SIDE, transform=axes.transAxes,
            facecolor="white", alpha=0.85, edgecolor="none", zorder=6,
        )
    )  # fmt: skip


def _north_and_scale(axes: Axes, ground: float, *, lifted: bool) -> None:
    """Draw a north arrow in the upper left corner and a scale bar in the lower left."""
    _plate(axes, 10, SIDE - 104, 52, 94)
    _arrow(axes, (36, SIDE - 44), 0.0, 50, "#111111")
    _label(axes, 36, SIDE - 86, "N")
    length = scale_length(ground)
    bar = length / ground * SIDE
    y = 50 if lifted else 10
    label = f"{length} m" if length < 1000 else f"{length // 1000} km"
    width = max(bar, width_of(label, SMALL)) + 24
    _plate(axes, 10, y, width, 58)
    middle = 10 + width / 2
    axes.plot(
        [(middle - bar / 2) / SIDE, (middle + bar / 2) / SIDE], [(y + 12) / SIDE] * 2,
        transform=axes.transAxes, color="#111111", linewidth=7, solid_capstyle="butt", zorder=7,
    )  # fmt: skip
    _label(axes, middle, y + 38, label)


def _flight_and_look(axes: Axes, arrows: Mapping[str, float]) -> None:
    """Draw the flight arrow and, at right angles from its middle, where the radar looks."""
    middle = (SIDE - 80, SIDE - 66)
    _plate(axes, SIDE - 190, SIDE - 198, 180, 188)
    for (_, azimuth), length, colour in zip(
        arrows.items(), (88, 62), ("#111111", "#D55E00"), strict=True
    ):
        centre: tuple[float, float] = middle
        if length < 88:
            east, north = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
            centre = (middle[0] + length / 2 * east, middle[1] + length / 2 * north)
        _arrow(axes, centre, azimuth, length, colour)
    for number, (name, colour) in enumerate(zip(arrows, ("#111111", "#D55E00"), strict=True)):
        _label(axes, SIDE - 100, SIDE - 144 - 34 * number, name, colour)


def _arrow(
    axes: Axes, middle: tuple[float, float], azimuth: float, length: float, colour: str
) -> None:
    east, north = math.sin(math.radians(azimuth)), math.cos(math.radians(azimuth))
    (x, y), half = middle, length / 2
    tail = ((x - half * east) / SIDE, (y - half * north) / SIDE)
    tip = ((x + half * east) / SIDE, (y + half * north) / SIDE)
    axes.annotate(
        "", xy=tip, xytext=tail, xycoords="axes fraction", textcoords="axes fraction", zorder=7,
        arrowprops={
            "arrowstyle": "-|>,head_length=0.7,head_width=0.35", "color": colour, "linewidth": 4.5,
            "mutation_scale": 24, "shrinkA": 0, "shrinkB": 0,
        },
    )  # fmt: skip


def _label(axes: Axes, x: float, y: float, words: str, ink: str = "#111111") -> None:
    axes.text(
        x / SIDE, y / SIDE, words, transform=axes.transAxes, fontsize=SMALL, ha="center",
        va="center", color=ink, weight="bold", zorder=7,
    )  # fmt: skip


def legend(lines: Sequence[Line], veils: Sequence[tuple[Veil, str]]) -> Strip:
    """Return what lines and hatches mean; each hatch with its share in words."""
    step = 44.0
    entries: list[tuple[Line | Veil, str]] = [(line, line.label) for line in lines]
    entries += [(veil, words) for veil, words in veils]

    def draw(on: Page, top: float) -> None:
        from matplotlib import rc_context
        from matplotlib.patches import Rectangle

        for number, (mark, words) in enumerate(entries):
            y = top + number * step
            sample = on.axes(EDGE, y + 4, 64, 32)
            sample.set_xlim(0, 1)
            sample.set_ylim(0, 1)
            sample.set_xticks([])
            sample.set_yticks([])
            if isinstance(mark, Line):
                sample.set_facecolor("#8c8c8c")
                sample.plot([0.06, 0.94], [0.5, 0.5], **thick(mark))
            else:
                with rc_context({"hatch.color": "#333333", "hatch.linewidth": 2.0}):
                    sample.add_patch(
                        Rectangle(
                            (0, 0), 1, 1, facecolor=mark.colour, hatch=mark.hatch, linewidth=0
                        )
                    )
            on.text(EDGE + 80, y + 3, words, SMALL)

    return Strip(len(entries) * step + 8, draw)


def thick(line: Line) -> dict[str, Any]:
    """Return the arguments for an outline that is seen at a third of its size."""
    from matplotlib.patheffects import Normal, Stroke

    edge = [Stroke(linewidth=9, foreground="#111111", alpha=0.8), Normal()]
    return line.style() | {"linewidth": 5, "path_effects": edge}


def wrapped(words: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Break a text into lines of at most ``width`` pixels, at blanks where there are any."""
    lines: list[str] = []
    for word in words.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and width_of(joined, size, bold=bold) <= width:
            lines[-1] = joined
            continue
        while width_of(word, size, bold=bold) > width:
            fits = max(1, _fitting(word, width, size, bold=bold))
            lines.append(word[:fits])
            word = word[fits:]
        lines.append(word)
    return lines


def _fitting(word: str, width: float, size: float, *, bold: bool) -> int:
    """Return how many characters of a word fit."""

    def reach(count: int) -> float:
        return width_of(word[:count], size, bold=bold)

    return bisect_right(range(len(word)), width, key=reach) - 1


def width_of(words: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a line of type is, pixels."""
    font = _font(bold)
    font.set_size(size, 72)
    font.set_text(printable(words))
    return float(font.get_width_height()[0]) / 64


def printable(words: str) -> str:
    """Return a text with a question mark for every character that the font cannot draw."""
    font = _font(False)
    return "".join(c if c == "\n" or font.get_char_index(ord(c)) else "?" for c in words)


def _font(bold: bool) -> FT2Font:
    from matplotlib.font_manager import get_font

    return get_font(_font_path(bold))  # one for each thread


@cache
def _font_path(bold: bool) -> str:
    from matplotlib.font_manager import FontProperties, findfont

    return str(findfont(FontProperties(weight="bold" if bold else "normal")))
