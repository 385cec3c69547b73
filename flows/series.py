"""How a detector does on labelled series: false alarms a year, changes found, delay.

What counts, and how:

- **alarm**: the first look of a change over the detector's level (``detectors.series.alarms``); a
  change that lasts is one alarm. Looks before there is enough history are not judged.
- **quiet** are the series of sites labelled ``noChange``. Their years run from the first to the
  last judged look.
- **changed** are the series of sites labelled ``VLmaj`` that were judged at least once in the 90
  days after the change; others could not be found by anybody. Found: an alarm in these 90 days.
- **false**: every alarm of a quiet series, and every alarm of a ``VLmaj`` series before its change.
  They are divided by the years of the quiet series alone, which counts against the detector.
- Other labels are read and judged, and count as ``series`` only.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from detectors.errors import InvalidSeries
from detectors.seasons import YEAR
from detectors.series import alarms
from detectors.series_detectors import SeriesDetector
from flows.series_files import Site, SiteSeries, read_series, read_sites

QUIET, CHANGED = "noChange", "VLmaj"
#: An alarm so long after the change finds it.
FOUND_WITHIN = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Judged:
    """One series and what the detector said of it."""

    name: str
    """Its file."""
    site: Site
    """What is known of the place."""
    judged_at: tuple[datetime, ...]
    """Looks that were judged, UTC, ascending."""
    alarms: tuple[datetime, ...]
    """Looks that raised an alarm, UTC, ascending."""

    @property
    def years(self) -> float:
        """From the first to the last judged look."""
        if not self.judged_at:
            return 0.0
        return (self.judged_at[-1] - self.judged_at[0]) / timedelta(days=YEAR)

    def within(self, moments: Sequence[datetime]) -> list[datetime]:
        """Return those moments that would find the change of the site."""
        change = self.site.changed_at
        if change is None:
            return []
        return [moment for moment in moments if change <= moment <= change + FOUND_WITHIN]

    @property
    def counts_as_changed(self) -> bool:
        """Whether the change could have been found."""
        return self.site.label == CHANGED and bool(self.within(self.judged_at))

    @property
    def false(self) -> tuple[datetime, ...]:
        """Alarms that count as false."""
        if self.site.label == QUIET:
            return self.alarms
        change = self.site.changed_at
        if self.site.label != CHANGED or change is None:
            return ()
        return tuple(alarm for alarm in self.alarms if alarm < change)

    @property
    def delay(self) -> timedelta | None:
        """From the change to the first alarm that finds it; None where none does."""
        found = self.within(self.alarms) if self.counts_as_changed else []
        return found[0] - self.site.changed_at if found and self.site.changed_at else None


@dataclass(frozen=True, slots=True)
class SeriesFigures:
    """What ``evaluate-series`` prints."""

    series: int
    """Series that were read and judged, whatever their label."""
    quiet_series_years: float
    """Years of the quiet series, from first to last judged look."""
    false_total: int
    """False alarms in quiet series, and before the change in changed ones."""
    false_per_series_year: float | None
    """``false_total`` by ``quiet_series_years``; None without quiet years."""
    changed_total: int
    """Changed series that were judged within 90 days after the change."""
    changed_detected: int
    """Those with an alarm in these 90 days."""
    median_delay_days: float | None
    """Median time from change to alarm of those; None without any."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A whole run."""

    figures: SeriesFigures
    """The sum of it."""
    judged: tuple[Judged, ...]
    """Series by series, by name."""
    refused: tuple[str, ...]
    """Why files were left out, each with the name of the file."""


def figures_of(judged: Sequence[Judged]) -> SeriesFigures:
    """Count over any selection of series."""
    years = sum(one.years for one in judged if one.site.label == QUIET)
    false = sum(len(one.false) for one in judged)
    delays = [one.delay / timedelta(days=1) for one in judged if one.delay is not None]
    return SeriesFigures(
        series=len(judged),
        quiet_series_years=years,
        false_total=false,
        false_per_series_year=false / years if years else None,
        changed_total=sum(one.counts_as_changed for one in judged),
        changed_detected=len(delays),
        median_delay_days=statistics.median(delays) if delays else None,
    )


def judge(one: SiteSeries, site: Site, detector: SeriesDetector) -> Judged:
    """Let a detector run through a series.

    Raises:
        InvalidSeries: the site is said to have changed, but not when.
    """
    if site.label == CHANGED and site.changed_at is None:
        raise InvalidSeries(f"{one.series.name}: site {site.id} is {CHANGED} without change_time")
    score = detector.score(one.series)
    moments = one.series.sensed_at
    return Judged(
        one.series.name,
        site,
        tuple(moments[look] for look in np.flatnonzero(np.isfinite(score))),
        tuple(moments[look] for look in alarms(score, detector.level)),
    )


def find(folder: Path) -> list[Path]:
    """Return the series of a folder, by name.

    Raises:
        InvalidSeries: there is none.
    """
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        raise InvalidSeries(f"{folder}: no series (*.csv)")
    return paths


def evaluate(
    paths: Sequence[Path],
    sites: Path,
    detector: SeriesDetector,
    done: Callable[[], None] = lambda: None,
) -> Evaluated:
    """Judge every series and compare it with the label of its site.

    Args:
        paths: the series; what cannot be read is left out and named.
        sites: labels, GeoJSON.
        detector: with its one level.
        done: called after each file.

    Raises:
        InvalidSeries: the labels cannot be read, or not one series can.
    """
    labels = read_sites(sites)
    judged, refused = [], []
    for path in paths:
        try:
            one = read_series(path)
            if one.site_id not in labels:
                raise InvalidSeries(f"{path.name}: site {one.site_id} is not in {sites.name}")  # noqa: TRY301
            judged.append(judge(one, labels[one.site_id], detector))
        except InvalidSeries as error:
            refused.append(str(error))
        done()
    if not judged:
        raise InvalidSeries(f"none of {len(paths)} series can be judged; {refused[0]}")
    return Evaluated(figures_of(judged), tuple(judged), tuple(refused))
