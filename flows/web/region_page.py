"""Regions: what is watched, what could be seen, and when the next look is expected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import shapely
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from db import counts, queries, radar, triggers
from db.engine import transaction
from db.records import RegionVersion, TrackCoverage
from detectors.cycles import Cycle
from detectors.errors import ConfigurationError
from detectors.types import WatchedRegion
from flows import attention, ledger, silence
from flows.region_changes import differing
from flows.schedules import minutes, words
from flows.services import Services
from flows.web.guards import Problem
from flows.web.map_page import owed_for
from flows.web.pages import Pages

#: Looks listed on a region's page.
LOOKS = 30


@dataclass(frozen=True, slots=True)
class Expected:
    """When a track comes by again."""

    track: str
    """Orbit and direction, or tile."""
    cycle: Cycle
    """As learned from its looks."""
    next_at: datetime | None
    """Next pass, UTC; None where the track has ended."""
    missing: datetime | None
    """A pass that should be known by now and is not, UTC."""


class RegionPage:
    """Answers for regions."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    def index(self, request: Request) -> Response:
        """Answer with all regions."""
        with transaction(self._services.engine) as s:
            regions = queries.list_regions(s)
            upcoming = {one.id: silence.next_look(self._services, s, one) for one in regions}
            summary = counts.summary(s)
        return self._pages.answer(
            request, "regions.html", regions=regions, upcoming=upcoming, summary=summary.regions,
            credits=owed_for(regions),
        )  # fmt: skip

    def show(self, request: Request) -> Response:
        """Answer with one region."""
        with transaction(self._services.engine) as s:
            try:
                region = queries.get_region(s, request.path_params["region"], include_removed=True)
            except ConfigurationError:
                raise Problem(
                    404, "There is no such region", "The list of regions has those there are."
                ) from None
            watched = region.id in {one.id for one in queries.list_regions(s)}
            coverage = radar.region_coverage(s, region.id)
            looks = queries.list_looks(s, region_id=region.id, limit=LOOKS)
            polls = queries.list_polls(s, only=[region.id])
            expected = self._expected(s, region)
            summary = counts.summary(s).regions.get(region.id)
            versions = queries.region_history(s, region.id)
            warms = ledger.warming(self._services, s, region) if watched else {}
            raised = triggers.raised(s, self._services.clock.now()).get(region.id)
        return self._pages.answer(
            request, "region.html", region=region, watched=watched, looks=looks, polls=polls,
            raised=raised,
            expected=expected, summary=summary, tracks=_best_first(coverage),
            map_data=json.dumps(shapely.geometry.mapping(region.geometry.simplify(1e-4))),
            versions=_changes(versions), told=attention.told(self._services.settings, region),
            credits=owed_for([region]), warming=warms,
            polled=words(region, f"{minutes(region.poll_every)} minutes"),
        )  # fmt: skip

    def _expected(self, s: Session, region: WatchedRegion) -> list[Expected]:
        now, tolerance = self._services.clock.now(), self._services.settings.silence_tolerance
        found = []
        for track, cycle in silence.cycles(s, region, now).items():
            missed = cycle.missed(now, tolerance)
            ended = cycle.ended(now, tolerance)
            found.append(
                Expected(
                    track, cycle, None if ended else cycle.next_after(now),
                    None if missed is None else missed[0],
                )
            )  # fmt: skip
        return sorted(found, key=lambda one: (one.next_at is None, one.next_at or one.cycle.last))


def _changes(versions: Sequence[RegionVersion]) -> list[tuple[RegionVersion, list[str]]]:
    """Return versions with what changed in each, last to first."""
    found = []
    for before, one in pairwise([None, *versions]):
        if one is None:
            continue
        if before is None:
            said = ["first version"]
        else:
            said = [name.replace("_", " ") for name in differing(before.region, one.region)]
            if before.removed != one.removed:
                said.append("no longer watched" if one.removed else "watched again")
        found.append((one, said))
    return found[::-1]


def _best_first(coverage: Sequence[TrackCoverage]) -> list[TrackCoverage]:
    return sorted(coverage, key=lambda one: -one.coverage.share_seen * one.coverage.km2)
