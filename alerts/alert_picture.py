"""The one picture that goes out with an alert: all that explains it, as wide as a phone. Pure.

From the top: what is not real, what it is, where and how sure; radar before and after in one grey
stretch; true colour before and after in one stretch where an optical look has seen it; what could
not be seen, hatched and in words; the backscatter of the landslide's own ground with the time
between which it happened; what it may not be taken for; credits. A part that is missing says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from alerts import portrait, wording
from alerts.panels import VEILS, Bounds, Line, Veil, stretch
from alerts.portrait import Map, Page, Strip
from detectors.types import BoolArray, FloatArray, Kind, State, Unseen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUSPECTED = Line("outline seen by radar", "#F0E442", "--")
FIRST_OPTICAL = Line("outline of the first optical look", "#F0E442", "--")
DECIDED = Line("outline of the optical look that decided", "#D55E00")
WATER = Line("outline of the new water, by radar", "#56B4E9")
NOT_COMPARED = Veil("nothing to compare with", "#d9d9d9", "")

#: Background and ink of the headline, by state.
_COLOURS: Mapping[State, tuple[str, str]] = {
    State.SUSPECTED: ("#E69F00", "#111111"),
    State.CONFIRMED: ("#B24A00", "#ffffff"),
    State.REFUTED: ("#0072B2", "#ffffff"),
    State.UNRESOLVED: ("#595959", "#ffffff"),
    State.CLOSED: ("#595959", "#ffffff"),
}
#: Series of the history: colour, marker and line.
_SERIES = (("#0072B2", "o", "-"), ("#E69F00", "s", "--"), ("#595959", "^", ":"))
_BRACKET = "#D55E00"
#: Eyes see differences in the dark, where forests are.
_GAMMA = 1 / 1.5
#: Shares below this are not worth a line of the legend.
_LEAST_SHARE = 0.005
#: Room left of the curves for their numbers, pixels.
_LEFT = 96


@dataclass(frozen=True, slots=True)
class Sight:
    """Before and after by one eye."""

    bounds: Bounds
    """Of the arrays, metres."""
    pre: FloatArray
    """RADAR: (y, x), co-polarised median, dB. OPTICAL: (y, x, 3), reflectance. NaN = no data."""
    post: FloatArray
    """The same of the look, NaN where it saw nothing."""
    unseen: NDArray[np.uint8]
    """(y, x), codes of ``Unseen``: why the look could not see a pixel."""
    hidden: Mapping[Unseen, float]
    """Share of the outline that the look could not see, 0 to 1, by reason."""
    outlines: tuple[tuple[BaseGeometry, Line], ...]
    """In the coordinates of the bounds, the first below the others."""
    geometry: str
    """Track, or tile, in words."""
    pre_lines: tuple[str, str]
    """How many looks before, and when."""
    post_lines: tuple[str, str]
    """When the look was taken, and what of it."""


@dataclass(frozen=True, slots=True)
class RadarSight(Sight):
    """Before and after by radar."""

    band: str
    """Polarisation of the maps."""
    flight: float
    """Direction the satellite flies in, degrees clockwise from the top of the map."""
    look: float
    """Direction the radar looks in, likewise."""


@dataclass(frozen=True, slots=True)
class History:
    """Mean backscatter of the landslide's own pixels, look by look."""

    moments: tuple[datetime, ...]
    """When the looks were taken, UTC, ascending."""
    series: Mapping[str, tuple[float, ...]]
    """By polarisation, dB, NaN = not seen."""
    levels: Mapping[str, float]
    """Level under which ground may be water, by polarisation, dB; empty for landslides."""


@dataclass(frozen=True, slots=True)
class AlertPicture:
    """Everything the picture of one alert shows."""

    marks: str
    """EXERCISE and SIMULATED, empty for the real thing."""
    kind: Kind
    """What it is taken for."""
    state: State
    """What is believed of it."""
    headline: str
    """What it is, in a few words."""
    standing: str
    """How sure it is, in a sentence."""
    facts: tuple[tuple[str, str], ...]
    """Name and value: where, how large, when, what was measured."""
    radar: RadarSight | str
    """By radar, or why there is nothing to show."""
    optical: Sight | str | None
    """By optical looks, or why there is nothing to show; None where nobody has looked yet."""
    history: History | str
    """Of its own ground, or why there is none."""
    between: tuple[datetime, datetime]
    """It happened after the first and before the second, UTC."""
    key: str
    """Key of the alert."""
    credit: str
    """Data credit; always drawn."""


def draw(shown: AlertPicture) -> bytes:
    """Return the picture as PNG, 1080 pixels wide and two or three times as high."""
    metadata = {
        "Title": f"{shown.marks}{': ' if shown.marks else ''}{shown.headline}",
        "Description": f"{shown.marks} alert {shown.key}".strip(),
        "Copyright": shown.credit,
        "Software": "Scarpwatch",
    }
    return portrait.as_png(lay_out(shown), metadata)


def lay_out(shown: AlertPicture) -> Figure:
    """Return the picture as a figure of matplotlib."""
    strips = [
        portrait.title(shown.headline, shown.standing, _COLOURS[shown.state]),
        portrait.rows(shown.facts),
        *_radar(shown),
        *_optical(shown),
        *_history(shown),
        portrait.paragraph(_caution(shown)),
        portrait.paragraph(f"Key {shown.key}", ink="#333333"),
        portrait.paragraph(f"{shown.credit}. Drawn by Scarpwatch.", ink="#333333"),
    ]
    return portrait.page(strips, shown.marks)


def _radar(shown: AlertPicture) -> list[Strip]:
    """Draw what radar saw."""
    seen = shown.radar
    if isinstance(seen, str):
        return [portrait.paragraph(f"RADAR: {seen}", bold=True)]
    low, high = stretch(seen.pre, seen.post, percentiles=(2, 98), least=6.0, empty=(-25.0, 0.0))
    scale = f"one grey stretch on both sides: black {low:.0f} dB, white {high:.0f} dB"
    return [
        portrait.paragraph(f"RADAR, {seen.geometry}; {seen.band}, {scale}", bold=True),
        portrait.maps(
            _pair(
                seen, seen.pre, seen.post,
                {"flight": seen.flight, "radar looks": seen.look},
            ),
            shown.marks, cmap="gray", vmin=low, vmax=high,
        ),
        *_unseen(seen, "this radar look"),
    ]  # fmt: skip


def _optical(shown: AlertPicture) -> list[Strip]:
    """Draw what optical looks saw."""
    seen = shown.optical
    if seen is None or isinstance(seen, str):
        said = seen or "no look has been held against it so far"
        return [portrait.paragraph(f"OPTICAL: {said}", bold=True)]
    low, high = stretch(seen.pre, seen.post, percentiles=(1, 99), least=0.05, empty=(0.0, 0.3))
    pre, post = (np.clip((p - low) / (high - low), 0, 1) ** _GAMMA for p in (seen.pre, seen.post))
    return [
        portrait.paragraph(
            f"OPTICAL, {seen.geometry}; true colour, one stretch on both sides", bold=True
        ),
        portrait.maps(_pair(seen, _clear(pre), _clear(post), {}), shown.marks),
        *_unseen(seen, "this optical look"),
    ]


def _clear(colours: FloatArray) -> FloatArray:
    """Return colours that are transparent where there are none: matplotlib would draw black."""
    blind = ~np.isfinite(colours).all(axis=-1, keepdims=True)
    opaque = np.where(blind, 0.0, 1.0)
    return np.concatenate([np.where(blind, 0.0, colours), opaque], axis=-1).astype(np.float32)


def _pair(
    seen: Sight, pre: FloatArray, post: FloatArray, arrows: Mapping[str, float]
) -> tuple[Map, Map]:
    codes = [Unseen(code) for code in np.unique(seen.unseen) if code]
    veils = tuple((seen.unseen == code, VEILS[code]) for code in codes)
    return (
        Map("Before", seen.pre_lines, pre, seen.bounds, seen.outlines),
        Map("After", seen.post_lines, post, seen.bounds, seen.outlines, veils, arrows),
    )


def _unseen(seen: Sight, look: str) -> list[Strip]:
    """Say what lines and hatches mean, and how much of the outline could not be seen."""
    codes, counts = np.unique(seen.unseen, return_counts=True)
    shares = {Unseen(c): n / seen.unseen.size for c, n in zip(codes, counts, strict=True) if c}
    reasons = sorted(
        {code for code, share in shares.items() if share >= _LEAST_SHARE} | set(seen.hidden),
        key=lambda code: (-seen.hidden.get(code, 0.0), -shares.get(code, 0.0)),
    )
    hatched = [
        (
            VEILS[code],
            (
                f"{VEILS[code].label}: {_share(seen.hidden.get(code, 0.0))} of the outline, "
                f"{_share(shares.get(code, 0.0))} of the map"
            ),
        )
        for code in reasons
    ]
    lost = sum(seen.hidden.values())
    said = f"All of the outline was seen by {look}."
    if lost > 0:
        said = f"{_share(lost)} of the outline was NOT SEEN by {look}."
    pre, post = (
        np.isnan(p).reshape(*seen.unseen.shape, -1).any(axis=-1) for p in (seen.pre, seen.post)
    )
    if (pre | (post & (seen.unseen == Unseen.SEEN))).any():
        hatched.append((NOT_COMPARED, "plain grey: nothing to compare with"))
    lines = list(dict.fromkeys(line for _, line in seen.outlines))
    return [portrait.paragraph(said, portrait.TEXT), portrait.legend(lines, hatched)]


def _not_compared(seen: Sight) -> BoolArray:
    """Return the pixels (y, x) that are empty for another reason than that the look was blind."""
    pre, post = (
        np.isnan(side).reshape(*seen.unseen.shape, -1).any(axis=-1)
        for side in (seen.pre, seen.post)
    )
    found: BoolArray = pre | (post & (seen.unseen == Unseen.SEEN))
    return found


def _share(share: float) -> str:
    """Return a share in per cent; what is there is never 0 %, what is left never 100 %."""
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", " %")


def _history(shown: AlertPicture) -> list[Strip]:
    """Draw the backscatter of its own ground over time."""
    told = shown.history
    since, until = shown.between
    between = (
        f"Shaded: it happened between {wording.moment(since)} and {wording.moment(until)} "
        f"({wording.span(until - since)})."
    )
    if isinstance(told, str):
        return [portrait.paragraph(f"HISTORY OF ITS OWN GROUND: {told}", bold=True)]

    def curves(on: Page, top: float) -> None:
        _curves(on.axes(_LEFT, top + 6, portrait.WIDTH - _LEFT - 44, 330), told, since, until)

    return [
        portrait.paragraph("HISTORY: mean backscatter inside the outline, dB", bold=True),
        Strip(412, curves),
        portrait.paragraph(between),
    ]


def _curves(axes: Axes, told: History, since: datetime, until: datetime) -> None:
    import matplotlib.dates

    dates: Any = matplotlib.dates
    days = dates.date2num(told.moments)
    start, end = dates.date2num((since, until))
    axes.axvspan(start, end, color=_BRACKET, alpha=0.25, linewidth=0)
    for edge in (start, end):
        axes.axvline(edge, color=_BRACKET, linewidth=2.5)
    for (name, values), (colour, marker, dashes) in zip(told.series.items(), _SERIES, strict=False):
        axes.plot(
            *_broken(days, values), marker, linestyle=dashes, color=colour, markersize=11,
            linewidth=3, markeredgecolor="#111111", markeredgewidth=1, label=name,
        )  # fmt: skip
        _step(axes, told, name, colour, (since, until))
        if name in told.levels:
            axes.axhline(told.levels[name], color=colour, linewidth=2.5, linestyle=":")
            axes.text(
                0.01, told.levels[name], f"{name}: water below", color="#111111",
                transform=axes.get_yaxis_transform(), fontsize=portrait.SMALL, va="bottom",
            )  # fmt: skip
    low, high = axes.get_ylim()
    room = max(high - low, 4.0)
    axes.set_ylim(low - 0.06 * room, high + 0.3 * room)
    locator = dates.AutoDateLocator(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, show_offset=False))
    axes.tick_params(labelsize=portrait.SMALL, width=2, length=7)
    axes.locator_params(axis="y", nbins=5)
    axes.legend(
        loc="upper left", ncols=3, fontsize=portrait.SMALL, frameon=False, borderpad=0.1,
        handlelength=2.2, borderaxespad=0.2,
    )  # fmt: skip
    axes.grid(axis="y", color="#dddddd", linewidth=1.5)
    axes.spines[["top", "right"]].set_visible(False)


def _broken(days: NDArray[np.float64], values: tuple[float, ...]) -> tuple[Any, Any]:
    """Return a curve with holes where looks are missing: no line claims what nobody saw."""
    gaps = np.diff(days)
    holes: Any = np.flatnonzero(gaps > 3 * np.median(gaps)) + 1 if len(gaps) else []
    return np.insert(days, holes, np.nan), np.insert(np.array(values, float), holes, np.nan)


def _step(
    axes: Axes, told: History, name: str, colour: str, between: tuple[datetime, datetime]
) -> None:
    """Mark how far the level after lies from the level before."""
    import matplotlib.dates

    dates: Any = matplotlib.dates
    since, until = between
    values = np.array(told.series[name], dtype=float)
    before = values[[at <= since for at in told.moments]]
    after = values[[at >= until for at in told.moments]]
    if not (np.isfinite(before).any() and np.isfinite(after).any()):
        return
    low, high = float(np.nanmedian(before)), float(np.nanmedian(after))
    start, end = dates.date2num(between)
    first, last = dates.date2num((told.moments[0], max(told.moments[-1], until)))
    for span, level in (((first, start), low), ((end, last), high)):
        axes.plot(span, [level, level], color=colour, linewidth=2, alpha=0.7)
    axes.text(
        start, (low + high) / 2, f"{high - low:+.1f} dB", fontsize=portrait.SMALL,
        weight="bold", ha="right", va="center", color="#111111",
        bbox={"facecolor": "white", "edgecolor": colour, "linewidth": 2, "pad": 4, "alpha": 0.9},
    )  # fmt: skip


def _caution(shown: AlertPicture) -> str:
    """Return what the picture must not be taken for."""
    if shown.kind is Kind.PONDING:
        return (
            "Radar shows water, not what holds it. Floods, smooth wet fields, reservoirs and snow "
            "look alike. Scores are no probabilities."
        )
    return (
        "Harvest, earthworks, wet soil, snow and floods can look the same. Other slopes are not "
        "cleared. Scores are no probabilities."
    )
