"""The history of a landslide's own ground as SVG: a panel for each radar track, one for NDVI.

All panels share one axis of time. The shaded stretch is the bracket: it happened after its left
edge and before its right one, by what looks of all tracks and sensors say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from detectors.types import Finding, OpticalCheck
from flows.web.histories import TrackHistory

#: Widths of the two drawings: of a phone, and of a screen to read at.
NARROW, WIDE = 350, 900
_LEFT, _RIGHT, _TOP, _FOOT = 42, 10, 34, 24
_TALL, _SHORT = 150, 90
#: Of a panel, for the bars of the posterior.
_BARS = 0.3
#: Least range of a panel, dB and NDVI.
_LEAST_DB, _LEAST_NDVI = 6.0, 0.4

#: No line joins looks further apart: nobody knows what was between them.
APART = timedelta(days=90)

#: Places a moment.
Across = Callable[[datetime], float]


@dataclass(frozen=True, slots=True)
class Point:
    """One look."""

    x: float
    """From the left, in the view box."""
    y: float
    """From the top."""
    kind: str
    """Its class: ``vv``, ``vh``, ``agrees`` ..."""
    after: bool
    """At or after the first look that saw the landslide."""
    title: str
    """When and how much."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis."""

    at: float
    """Along its axis, in the view box."""
    label: str
    """What is written there."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing of a chart."""

    heading: str
    """What it shows."""
    top: float
    """Of the heading."""
    upper: float
    """Of the plot."""
    lower: float
    """Likewise."""
    levels: tuple[Mark, ...]
    """Along the axis of values."""
    lines: tuple[tuple[str, str], ...]
    """Class and ``d`` of a path, each a run of looks without gaps."""
    points: tuple[Point, ...]
    """Looks."""
    bars: tuple[tuple[float, float, float, str], ...] = ()
    """Left edge, width, height and title of each gap of the posterior."""
    interval: tuple[float, float, float] | None = None
    """Start, middle and end of the 90 % interval."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of one width."""

    width: int
    """Of the view box."""
    height: float
    """Likewise."""
    left: float
    """Of the plots."""
    right: float
    """Likewise."""
    panels: tuple[Panel, ...]
    """From the top down."""
    times: tuple[Mark, ...]
    """Along the axis of time."""
    bracket: tuple[float, float]
    """Left and right edge."""
    name: str
    """``phone`` or ``screen``: its class."""


def charts(
    tracks: Sequence[TrackHistory],
    checks: Sequence[OpticalCheck],
    between: tuple[datetime, datetime],
) -> tuple[Chart, ...]:
    """Return the history in both widths; nothing where no look has anything to show.

    Args:
        tracks: what radar saw.
        checks: what optical looks said.
        between: the landslide's bracket.
    """
    seen = [check for check in checks if check.d_ndvi is not None]
    shown = [track for track in tracks if track.looks]
    moments = [*(m for track in shown for m in track.looks), *(c.sensed_at for c in seen), *between]
    if not shown and not seen:
        return ()
    first, last = min(moments).timestamp(), max(moments).timestamp()
    spare = max(0.02 * (last - first), 86_400)
    span = first - spare, last + spare
    return tuple(_chart(shown, seen, between, span, width) for width in (WIDE, NARROW))


def _chart(
    tracks: Sequence[TrackHistory],
    checks: Sequence[OpticalCheck],
    between: tuple[datetime, datetime],
    span: tuple[float, float],
    width: int,
) -> Chart:
    right = width - _RIGHT

    def x(moment: datetime) -> float:
        share = (moment.timestamp() - span[0]) / (span[1] - span[0])
        return round(_LEFT + share * (right - _LEFT), 1)

    panels, top = [], 0.0
    for track in tracks:
        panels.append(_radar(track, between[1], x, top))
        top = panels[-1].lower + _FOOT
    if checks:
        panels.append(_optical(checks, between[1], x, top))
        top = panels[-1].lower + _FOOT
    return Chart(
        width, top, _LEFT, right, tuple(panels), _times(span, x, (right - _LEFT) // 64),
        (x(between[0]), x(between[1])), "screen" if width == WIDE else "phone",
    )  # fmt: skip


def _radar(track: TrackHistory, since: datetime, x: Across, top: float) -> Panel:
    upper, lower = top + _TOP, top + _TOP + _TALL
    levels = [level for band in track.series.values() for level in band if level is not None]
    y, marks = _scale(levels, _LEAST_DB, upper, lower, "{:.0f}")
    points, lines = [], []
    for band, series in track.series.items():
        kind = band.lower()
        run: list[tuple[float, float]] = []
        last: datetime | None = None
        for moment, level in zip(track.looks, series, strict=True):
            if level is None or (last is not None and moment - last > APART):
                lines.append((kind, _path(run)))
                run = []
            if level is None:
                continue
            at, last = (x(moment), y(level)), moment
            run.append(at)
            title = f"{moment:%Y-%m-%d} {band} {level:.1f} dB"
            points.append(Point(*at, kind, moment >= since, title))
        lines.append((kind, _path(run)))
    told = track.posterior
    bars: list[tuple[float, float, float, str]] = []
    if told is not None:
        tall = _BARS * _TALL / max(share for _, _, share in told.gaps)
        bars = [
            (x(a), round(x(b) - x(a), 1), round(share * tall, 1),
             f"{share:.0%} between {a:%Y-%m-%d} and {b:%Y-%m-%d}")
            for a, b, share in told.gaps
        ]  # fmt: skip
    interval = None if told is None else (x(told.not_before), x(told.best), x(told.not_after))
    return Panel(
        f"Radar, track {track.track}: dB", top + 13, upper, lower, marks,
        tuple(line for line in lines if line[1]), tuple(points), tuple(bars), interval,
    )  # fmt: skip


def _optical(checks: Sequence[OpticalCheck], since: datetime, x: Across, top: float) -> Panel:
    upper, lower = top + _TOP, top + _TOP + _SHORT
    found = [(check, check.d_ndvi) for check in checks if check.d_ndvi is not None]
    y, marks = _scale([0.0, *(d for _, d in found)], _LEAST_NDVI, upper, lower, "{:+.1f}")
    points = tuple(
        Point(x(check.sensed_at), y(change), _KINDS[check.finding], check.sensed_at >= since,
              f"{check.sensed_at:%Y-%m-%d} NDVI {change:+.2f}, {check.finding}")
        for check, change in found
    )  # fmt: skip
    return Panel(
        "Optical: NDVI against its surroundings", top + 13, upper, lower, marks, (), points
    )


_KINDS = {finding: finding.name.lower() for finding in Finding}


def _path(run: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in run) if len(run) > 1 else ""


def _scale(
    values: Sequence[float], least: float, upper: float, lower: float, style: str
) -> tuple[Callable[[float], float], tuple[Mark, ...]]:
    """Return what places a value, and round levels along the axis."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    middle, reach = (low + high) / 2, max(high - low, least) * 0.56
    low, high = middle - reach, middle + reach
    step = next(s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20) if (high - low) / s <= 7 or s == 20)

    def y(value: float) -> float:
        return round(lower - (value - low) / (high - low) * (lower - upper), 1)

    count = range(int(-(-low // step)), int(high // step) + 1)
    return y, tuple(Mark(y(k * step), style.format(k * step)) for k in count)


def _times(span: tuple[float, float], x: Across, most: float) -> tuple[Mark, ...]:
    """Return firsts of months, as many as there is room for."""
    first, last = (datetime.fromtimestamp(s, UTC) for s in span)
    start, end = (d.year * 12 + d.month - 1 for d in (first, last))
    for step in (1, 2, 3, 6, 12, 24, 60):
        months = [m for m in range(start + 1, end + 1) if m % step == 0]
        if len(months) <= max(most, 1):
            break
    found = [datetime(m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in months]
    if not found:
        found = [datetime(first.year, first.month, first.day, tzinfo=UTC)]
    return tuple(Mark(x(m), f"{m:%Y}" if step >= 12 else f"{m:%b %Y}") for m in found)
