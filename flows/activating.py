"""An emergency in one go: watch the area, judge what was seen since a date, and report.

Everything it does is what other commands do; run again, it goes on with what came since.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alerts.panels import as_png
from db.engine import transaction
from db.exporting import Wanted
from detectors.types import require_utc
from flows import (
    activation_map,
    activation_report,
    confirming,
    delivering,
    polling,
    situation,
    steps,
)
from flows.activation_area import area_of
from flows.backfilling import Backfilled, Progress, backfill
from flows.export_rows import UNSTATED
from flows.exporting import export_landslides
from flows.files import write_whole
from flows.region_changes import watch
from flows.services import Services
from flows.situation import Situation

MAP, REPORT, LANDSLIDES, SUMMARY = "map.png", "report.pdf", "landslides.gpkg", "summary.json"


@dataclass(frozen=True, slots=True)
class Activated:
    """What an activation left."""

    situation: Situation
    """How the area stands."""
    new: bool
    """It was not watched before."""
    past: Backfilled | None
    """What came of looks from before it was watched; None where none were asked for."""
    looks: int
    """Looks that were judged by this run."""
    errors: tuple[str, ...]
    """Sources that could not be read, and why the rest has to wait."""
    seconds: float
    """How long polling and judging took."""
    pages: int
    """Of the report."""
    files: tuple[Path, ...]
    """What was written."""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return self.situation.document() | {
            "new_region": self.new,
            "looks_judged_now": self.looks,
            "seconds": round(self.seconds, 1),
            "complete": not self.errors,
            "errors": list(self.errors),
            "files": [path.name for path in self.files],
        }


def activate(
    services: Services,
    text: str,
    since: datetime,
    *,
    name: str | None = None,
    sources: tuple[str, ...] = (),
    out: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Activated:
    """Watch an area from now on, judge what was seen since a date, and write what is known.

    Args:
        services: what the steps reach the world through.
        text: see ``activation_area.area_of``.
        since: looks sensed then or later are judged, UTC.
        name: what to call a new region.
        sources: of a new region.
        out: folder to write into; None takes one in the state folder.
        progress: called after each look from before it was watched.
        say: called with what is being done.

    Raises:
        ScarpwatchError: as ``area_of``, ``watch`` and ``backfill``.
    """
    since, begun = require_utc(since, "since"), time.monotonic()
    now = services.clock.now()
    area = area_of(services, text, now, name, sources)
    region = area.region
    if not area.known:
        region = watch(services, region, since_unsaid=True).region
    folder = out or services.settings.home / "activations" / region.id
    folder.mkdir(parents=True, exist_ok=True)
    say("asking the catalogues")
    polled = polling.poll_region(services, region.id)
    past = None
    if since < region.watch_from:
        past = backfill(services, region.id, since, progress=progress)
    say("judging what came since it is watched")
    fresh = steps.detect_due(services, region.id)
    say("asking optical looks")
    fresh += confirming.confirm_due(services, region.id).looks
    delivering.deliver_due(services)
    seconds = time.monotonic() - begun
    say("drawing the map")
    with transaction(services.engine) as s:
        stands = situation.load(services, s, region.id, since)
    judged = len(fresh) + (past.looks.total() if past else 0)
    write_whole(folder / MAP, as_png(activation_map.draw(services, stands)))
    say("writing the GeoPackage")
    export_landslides(
        services.engine, "geopackage", folder / LANDSLIDES, Wanted(region.id, since=since),
        licence=services.settings.licence or UNSTATED, exercise=services.settings.exercise,
        overwrite=True, begin=lambda _: lambda: None,
    )  # fmt: skip
    say("writing the report")
    spent = f"This run judged {judged} look{'' if judged == 1 else 's'} in {seconds:.0f} s"
    pages = activation_report.write(services, stands, folder / REPORT, spent)
    errors = [*polled.errors, *(past.errors if past else ())]
    errors += [past.put_off] if past and past.put_off else []
    files = tuple(folder / one for one in (MAP, REPORT, LANDSLIDES, SUMMARY))
    done = Activated(
        stands, not area.known, past, judged, tuple(dict.fromkeys(errors)), seconds, pages, files
    )
    summary = json.dumps(done.document(), indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / SUMMARY, summary.encode())
    return done
