"""Heights for outlines: what the ground inside each landslide is like.

Not in the transaction that stores a look: an alert never waits for an elevation model.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from db.engine import transaction
from db.measures import record_relief, unmeasured
from flows.costs import charging
from flows.services import Services

log = structlog.get_logger()

#: How long a new version waits for heights at each poll; later ``scarpwatch landslides measure``.
TRIED_FOR = timedelta(days=1)


def measure(
    services: Services,
    region_id: str | None = None,
    *,
    since: datetime | None = None,
    at_work: Callable[[], None] = lambda: None,
) -> tuple[int, int]:
    """Measure the ground inside the outlines that have not been measured yet.

    Args:
        services: what the step reaches the world through.
        region_id: only of this region.
        since: only versions recorded then or later.
        at_work: called after each.

    Returns:
        How many were measured, and how many lie where no elevation model of the settings has
        heights, or could not be read; those stay unknown.
    """
    with transaction(services.engine) as s:
        waiting = unmeasured(s, region_id, since)
    if not services.settings.elevation:
        return 0, len(waiting)
    from detectors.relief import grid_around, relief  # the numerical libraries can wait

    done = 0
    for landslide in waiting:
        grid = grid_around(landslide.geometry)
        with charging(services, landslide.region_id, "elevation", "measure"):
            heights, advisory = services.heights.on(grid)
        ground = None if heights is None else relief(heights, grid, landslide.geometry)
        if ground is not None:
            with transaction(services.engine) as s:
                record_relief(s, landslide, ground)
            done += 1
        elif advisory:
            log.info("not measured", landslide=str(landslide.id), reason=advisory)
        at_work()
    return done, len(waiting) - done


def measure_new(services: Services, region_id: str) -> int:
    """Measure what came about in a region lately; return how many were measured."""
    return measure(services, region_id, since=datetime.now(UTC) - TRIED_FOR)[0]
