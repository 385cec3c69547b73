"""The picture of a dated series: its history, the fit with the step, and the posterior."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from detectors.seasons import Values
from detectors.series import Series
from detectors.step_dates import Dated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BANDS = (("VV", "#1f4e79"), ("VH", "#b8860b"))
_DATE = "#e8452c"


def draw_dated(series: Series, level_db: Values, dated: Dated) -> bytes:
    """Return a PNG.

    Args:
        series: all looks.
        level_db: (look, 2), dB, NaN = not seen.
        dated: what was made of them, or of some.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 6.4), dpi=130, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    history, posterior = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.suptitle(f"{series.name}   {series.track}", x=0.01, ha="left", fontsize=11)
    history.set_title(_said(dated), loc="left", fontsize=9)
    _draw_history(history, series, level_db, dated)
    _draw_posterior(posterior, dated)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _said(dated: Dated) -> str:
    """Return the answer in one line."""
    steps = ", ".join(
        f"{name} {step:+.1f} dB" for (name, _), step in zip(_BANDS, dated.step_db, strict=True)
    )
    if dated.unknown:
        return f"date unknown: {dated.unknown}"
    return (
        f"{dated.best:%Y-%m-%d}, 90 % between {dated.not_before:%Y-%m-%d} and "
        f"{dated.not_after:%Y-%m-%d} UTC; {steps}; evidence 10^{dated.evidence:.1f}"
    )


def _draw_history(axes: Axes, series: Series, level_db: Values, dated: Dated) -> None:
    moments = np.array(series.sensed_at)
    for band, (name, colour) in enumerate(_BANDS):
        axes.plot(moments, level_db[:, band], ".", color=colour, markersize=4, label=name)
        axes.plot(
            np.array(dated.looks), dated.fitted_db[:, band], "-", color=colour, linewidth=1.2,
            label=f"{name}, season and step",
        )  # fmt: skip
    _shade(axes, dated)
    axes.set_ylabel("gamma0, dB")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, ncols=4, loc="lower left", frameon=False)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.15 * (high - low), high)


def _draw_posterior(axes: Axes, dated: Dated) -> None:
    """Draw the probability per day, so that long gaps do not look likely for their length."""
    looks = np.array(dated.looks)
    lengths = np.array([gap.total_seconds() / 86_400.0 for gap in np.diff(looks)])
    axes.stairs(100.0 * dated.probability / lengths, looks, fill=True, color="#555555")
    _shade(axes, dated)
    axes.set_ylabel("posterior, % a day")
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.25)


def _shade(axes: Axes, dated: Dated) -> None:
    """Show the credible interval; faint where the date is not known."""
    from matplotlib.dates import date2num

    low, best, high = date2num([dated.not_before, dated.best, dated.not_after])  # type: ignore[no-untyped-call]
    axes.axvspan(
        low, high, color=_DATE, alpha=0.08 if dated.unknown else 0.25,
        linewidth=0.0,
    )  # fmt: skip
    if not dated.unknown:
        axes.axvline(best, color=_DATE, linewidth=1.0)
