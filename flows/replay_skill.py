"""What a replay was worth: how soon each landslide was told, and how many were, against truth."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from pyproj import Geod
from shapely import contains, point_on_surface

from db.records import AlertRecord
from detectors.inventories import MappedLandslide, Places, Sameness, match, pairs
from detectors.types import Landslide, State, Tier
from flows.inventory_files import Layout, read_inventory
from flows.replay import ReplayReport
from flows.simulating import TRUTH

#: A truth and a finding are one where they lie within this, metres, at times that fit.
NEAR_M = 50.0
#: Layer and column of the truth that simulated archives carry.
_OWN = Layout(columns={"date": "happened_at"}, layer="slides")


@dataclass(frozen=True, slots=True)
class Told:
    """One landslide that somebody would have been told of."""

    landslide: Landslide
    """As it was believed in the end."""
    tier: Tier
    """When it was first told."""
    sensed_at: datetime
    """When the look was taken that was told first, UTC."""
    published_at: datetime
    """When that look became available, UTC."""
    told_at: datetime
    """Where the clock stood at the first alert, UTC."""
    confirmed_at: datetime | None
    """Where it stood at the confirmation; None: there was none."""
    withdrawn_at: datetime | None
    """Where it stood at the withdrawal; None: there was none."""
    happened_at: datetime | None
    """By the truth, the earliest it may have happened, UTC; None: no truth explains it."""
    iou: float | None
    """With the truth's outline; None: no truth explains it, or it is a point."""

    @property
    def after_publication(self) -> timedelta:
        """From the publication of the look to the alert."""
        return self.told_at - self.published_at

    @property
    def after_event(self) -> timedelta | None:
        """From the event to the alert, at most."""
        return None if self.happened_at is None else self.told_at - self.happened_at


@dataclass(frozen=True, slots=True)
class Skill:
    """How one tier did against truth."""

    tier: str
    """``likely``: what was alerted; ``all``: watch, too."""
    mapped: int
    """True landslides in what was watched, while it was."""
    detected: int
    """Of these, those that were found and not refuted in the end."""
    found: int
    """Landslides that were found and not refuted in the end."""
    false: int
    """Of these, those that no truth explains."""
    km2: float
    """Ground that was watched."""
    iou: float | None
    """Mean of the detected outlines."""

    @property
    def pod(self) -> float | None:
        """Probability of detection."""
        return self.detected / self.mapped if self.mapped else None

    @property
    def false_per_1000_km2(self) -> float:
        """Of the whole time that was replayed."""
        return 1000 * self.false / self.km2


@dataclass(frozen=True, slots=True)
class Played:
    """The table of a replay."""

    told: tuple[Told, ...]
    """In order of the clock."""
    skill: tuple[Skill, ...]
    """By tier; empty without truth."""
    truth: str
    """Where the truth comes from; empty without."""


def read_truth(file: Path | None, archives: Sequence[Path]) -> tuple[list[MappedLandslide], str]:
    """Return what really happened, and where that is from: a file, or what archives carry.

    Raises:
        InvalidMap, ConfigurationError: as ``read_inventory``.
    """
    if file is not None:
        return list(read_inventory(file, "truth", Layout()).mapped), file.name
    own = [path / TRUTH for path in archives if (path / TRUTH).is_file()]
    mapped = [one for path in own for one in read_inventory(path, "truth", _OWN).mapped]
    return mapped, TRUTH if own else ""


def judge(report: ReplayReport, truth: Sequence[MappedLandslide], source: str) -> Played:
    """Hold a replay against truth.

    Args:
        report: what it did.
        truth: what really happened; empty where nobody knows.
        source: where that is from, empty where there is none.
    """
    truth = [one for one in truth if _watched(report, one)]
    rule = Sameness(NEAR_M, timedelta(0), iou=0.0)
    told = _told(report, truth, rule)
    return Played(told, _skill(report, truth, rule) if source else (), source)


def _watched(report: ReplayReport, one: MappedLandslide) -> bool:
    point = point_on_surface(one.geometry)
    return any(
        contains(region.geometry, point)
        and (one.not_after is None or one.not_after >= region.watch_from)
        for region in report.regions
    )


def _told(
    report: ReplayReport, truth: Sequence[MappedLandslide], rule: Sameness
) -> tuple[Told, ...]:  # fmt: skip
    by_landslide: defaultdict[uuid.UUID, list[AlertRecord]] = defaultdict(list)
    for record in reversed(report.alerts):
        by_landslide[record.alert.landslide.id].append(record)
    latest = {one.id: one for one in report.landslides}
    events = _events([latest[one] for one in by_landslide], truth, rule)
    found = []
    for identity, records in by_landslide.items():
        first = records[0].alert

        def at(kind: str, records: list[AlertRecord] = records) -> datetime | None:
            times = (report.told_at[one.alert.id] for one in records if one.alert.kind == kind)
            return min(times, default=None)

        happened, iou = events[identity]
        found.append(
            Told(
                latest[identity], first.landslide.tier, first.sensed_at, first.published_at,
                report.told_at[first.id], at("confirmed"), at("withdrawn"), happened, iou,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.told_at, one.landslide.id)))


def _events(
    landslides: Sequence[Landslide], truth: Sequence[MappedLandslide], rule: Sameness
) -> dict[uuid.UUID, tuple[datetime | None, float | None]]:
    """Return for each landslide when the truth that fits it best may have happened, and IoU."""
    left, right, iou = pairs(_places(landslides), Places.of(truth), rule)
    best: dict[uuid.UUID, tuple[datetime | None, float | None]] = {
        one.id: (None, None) for one in landslides
    }
    for index in np.argsort(iou):
        which = truth[right[index]]
        outline = float(iou[index]) if which.geometry.area > 0 else None
        best[landslides[left[index]].id] = (which.not_before or which.not_after, outline)
    return best


def _places(landslides: Sequence[Landslide]) -> Places:
    return Places(
        [one.geometry for one in landslides],
        [(one.not_before, one.not_after) for one in landslides],
    )


def _skill(
    report: ReplayReport, truth: Sequence[MappedLandslide], rule: Sameness
) -> tuple[Skill, ...]:  # fmt: skip
    geod = Geod(ellps="WGS84")
    km2 = sum(abs(geod.geometry_area_perimeter(r.geometry)[0]) / 1e6 for r in report.regions)
    stands = [
        one
        for one in report.landslides
        if one.state is not State.REFUTED and one.merged_into is None
    ]
    alerted = {record.alert.landslide.id for record in report.alerts}
    rows = []
    for name, found in (
        (Tier.LIKELY.value, [one for one in stands if one.id in alerted]),
        ("all", stands),
    ):
        score = match(Places.of(truth), _places(found), rule).score(np.full(len(truth), np.nan))
        rows.append(
            Skill(name, score.mapped, score.detected, score.found, score.false, km2, score.iou)
        )
    return tuple(rows)


def quantiles(spans: Sequence[timedelta]) -> tuple[timedelta, timedelta] | None:
    """Return the median and the 90 % quantile, None of nothing."""
    if not spans:
        return None
    seconds = np.quantile([one.total_seconds() for one in spans], (0.5, 0.9))
    return timedelta(seconds=float(seconds[0])), timedelta(seconds=float(seconds[1]))
