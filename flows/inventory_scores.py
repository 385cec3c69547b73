"""What the monitoring found, held against an inventory: by region, and by year or month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Engine

from db import inventories, queries
from db.counting import Counted, read_found, read_mapped
from db.engine import transaction
from db.exporting import Wanted
from db.radar import looks_seen
from detectors.inventories import Inventory, Places, Sameness, Score, match
from detectors.types import State, Tier
from detectors.visibility import Sights, Visibility, sights

#: What the rows of a score are cut into, and the pattern of each.
PERIODS = {"all": "", "year": "%Y", "month": "%Y-%m"}
#: What counts as found.
_FOUND = tuple(state for state in State if state is not State.REFUTED)
ALL, UNDATED = "all", "undated"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be scored."""

    region_id: str | None = None
    """Only this region; None: all watched ones."""
    since: datetime | None = None
    """Only what happened (``not_after``) then or later, UTC."""
    until: datetime | None = None
    """Only what happened before, UTC."""
    tier: Tier | None = None
    """Only found landslides of this tier."""
    every: str = "year"
    """Key of ``PERIODS``."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of a score."""

    region_id: str
    """Watched region."""
    period: str
    """``all``, a year, a month, or ``undated``."""
    score: Score
    """How it went."""
    visibility: Visibility
    """What of the mapped could be seen by the looks after it."""

    @property
    def pod_visible(self) -> float | None:
        """Share of what could be seen that was found; None where nothing could be seen."""
        return self.score.detected / self.visibility.visible if self.visibility.visible else None


@dataclass(frozen=True, slots=True)
class Scored:
    """An inventory's score."""

    inventory: Inventory
    """Whose truth it is."""
    rows: tuple[ScoreRow, ...]
    """By region; ``all`` first, then by period."""
    outside: int
    """Mapped landslides in no region that was asked for."""
    unwatched: int
    """Mapped in a region, but before it was watched."""


def score_inventory(engine: Engine, name: str, asked: Asked, rule: Sameness) -> Scored:
    """Score what is believed now; refuted landslides and parts of others were not found.

    A SIMULATED inventory is held against SIMULATED landslides only, a real one against real ones.

    Args:
        engine: PostGIS.
        name: Inventory.
        asked: What of it.
        rule: When a found and a mapped landslide are one.

    Raises:
        ConfigurationError: no such inventory or region.
    """
    rows: list[ScoreRow] = []
    inside_any: set[int] = set()
    unwatched = 0
    with transaction(engine) as s:
        inventory = inventories.get_inventory(s, name).inventory
        regions = (
            [queries.get_region(s, asked.region_id, include_removed=True)]
            if asked.region_id is not None
            else queries.list_regions(s)
        )
        simulated = inventory.simulated
        mapped = list(read_mapped(s, name, simulated=simulated, whole=True))
        points = shapely.point_on_surface([one.geometry for one in mapped])
        for region in regions:
            inside = np.flatnonzero(shapely.contains(region.geometry, points))
            inside_any |= set(inside.tolist())
            if region.watch_from is not None:
                watched = [i for i in inside if _after(mapped[i], region.watch_from)]
                unwatched += len(inside) - len(watched)
                inside = np.array(watched, dtype=np.intp)
            truth = [mapped[index] for index in inside]
            wanted = Wanted(region.id, _FOUND, asked.tier, simulated=simulated)
            found = list(read_found(s, wanted, whole=True))
            seen = sights(
                points[inside],
                [one.not_after for one in truth],
                looks_seen(s, region.id, simulated=simulated),
                rule.within,
            )
            rows += _rows(region.id, truth, found, seen, asked, rule)
    return Scored(inventory, tuple(rows), len(mapped) - len(inside_any), unwatched)


def _after(one: Counted, moment: datetime) -> bool:
    return one.not_after is None or one.not_after >= moment


def _places(of: Sequence[Counted]) -> Places:
    return Places(
        [one.geometry for one in of],
        [(one.not_before, one.not_after) for one in of],
        [one.accuracy_m for one in of],
    )


def _rows(
    region_id: str, truth: Sequence[Counted], found: Sequence[Counted], seen_by: Sights,
    asked: Asked, rule: Sameness,
) -> list[ScoreRow]:  # fmt: skip
    matched = match(_places(truth), _places(found), rule)
    areas = np.array([one.area_m2 or np.nan for one in truth], dtype=float)
    mapped_at = [one.not_after for one in truth]
    found_at: list[datetime | None] = [one.not_after for one in found]
    counts, seen = _asked_for(mapped_at, asked), _asked_for(found_at, asked)

    def row(period: str, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> ScoreRow:
        visibility = seen_by.count(matched.detected, ours)
        return ScoreRow(region_id, period, matched.score(areas, ours, theirs), visibility)

    whole = row(ALL, counts, seen)
    if asked.every == ALL:
        return [whole]
    ours, theirs = (np.array([_period(at, asked) for at in times], dtype=object) for times in (
        mapped_at, found_at,
    ))  # fmt: skip
    periods = sorted({*ours[counts], *theirs[seen]})
    return [whole] + [
        row(str(period), counts & (ours == period), seen & (theirs == period)) for period in periods
    ]


def _asked_for(times: Sequence[datetime | None], asked: Asked) -> NDArray[np.bool_]:
    """Return which lie in the time asked for; an unknown time lies in none but all time."""

    def lies(at: datetime | None) -> bool:
        if at is None:
            return asked.since is None and asked.until is None
        return (asked.since is None or at >= asked.since) and (
            asked.until is None or at < asked.until
        )

    return np.array([lies(at) for at in times], dtype=bool)


def _period(at: datetime | None, asked: Asked) -> str:
    return UNDATED if at is None else at.strftime(PERIODS[asked.every])
