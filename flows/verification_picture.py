"""The small picture of a verification: precision with its interval, and scores of stable ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from alerts.panels import as_png
from detectors.drift import ScoreSummary
from flows.verification import Verification, span_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MONTH, _MARK = "#0072b2", "#f2e3c4", "#a0148c"
_TRACKS = ("#0072b2", "#d55e00", "#009e73", "#7a5400", "#8a0f6b", "#595959")

Series = Mapping[str, Sequence[tuple[datetime, ScoreSummary]]]


def draw(made: Verification, scores: Series, mark: str) -> bytes:
    """Return a PNG, 1500 pixels wide.

    Args:
        made: what is told.
        scores: what looks say of stable ground, by track.
        mark: words that no picture may lose, empty for the real thing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(
        1, 2, gridspec_kw={
            "left": 0.13, "right": 0.985, "top": 0.8, "bottom": 0.15, "wspace": 0.16,
            "width_ratios": (2, 3),
        },
    )  # fmt: skip
    _precision(left, made)
    _stable(right, made, scores)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    if mark:
        figure.text(
            0.985, 0.955, mark, fontsize=12, weight="bold", color="white", ha="right", va="center",
            bbox={"facecolor": _MARK, "edgecolor": "none", "pad": 4},
        )  # fmt: skip
    return as_png(figure)


def _precision(axes: Axes, made: Verification) -> None:
    names = []
    for row, one in enumerate(reversed(made.groups)):
        share = one.year.precision
        names.append(f"{one.name}\n{share.hits} of {share.of}")
        if share.interval is None:
            continue
        low, high = share.interval
        axes.plot([100 * low, 100 * high], [row, row], color=_INK, linewidth=2)
        # An open mark: too few for a percentage, the interval alone speaks.
        full = _INK if share.share is not None else "white"
        axes.plot(
            100 * share.hits / share.of,
            row,
            "o",
            color=_INK,
            markerfacecolor=full,
            markersize=6,
            clip_on=False,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% confirmed of decided, twelve months, 95 %", fontsize=8)
    axes.set_title("Precision", fontsize=10, weight="bold", loc="left")


def _stable(axes: Axes, made: Verification, scores: Series) -> None:
    from matplotlib import dates

    known: Any = dates  # without types of its own
    since, until = map(known.date2num, span_of(made.month))
    axes.axvspan(since, until, color=_MONTH, linewidth=0)
    for number, (track, told) in enumerate(sorted(scores.items())):
        colour = _TRACKS[number % len(_TRACKS)]
        axes.plot(
            [known.date2num(at) for at, _ in told], [one.p90 for _, one in told], ".-",
            color=colour, markersize=5, linewidth=0.8, label=track,
        )  # fmt: skip
    if scores:
        axes.legend(fontsize=7, frameon=False, ncols=4, loc="upper left")
        highest = max(one.p90 for told in scores.values() for _, one in told)
        axes.set_ylim(0, 1.35 * highest)
        locator = known.AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(known.ConciseDateFormatter(locator))
    else:
        axes.text(0.5, 0.5, "none yet", transform=axes.transAxes, ha="center", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    axes.set_ylabel("sigma", fontsize=8)
    axes.set_title(
        "Scores of stable ground, 90 % quantile of each look", fontsize=10, weight="bold",
        loc="left",
    )  # fmt: skip
