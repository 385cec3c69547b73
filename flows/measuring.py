"""What the ground inside each landslide is like: heights, and what covers it.

Not in the transaction that stores a look: an alert never waits for an elevation model or a map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from db.engine import transaction
from db.measures import record_land_cover, record_relief, unmeasured
from detectors.errors import ScarpwatchError
from detectors.types import Landslide
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

    def read(landslide: Landslide) -> bool:
        grid = grid_around(landslide.geometry)
        with charging(services, landslide.region_id, "elevation", "measure"):
            heights, advisory = services.heights.on(grid)
        ground = None if heights is None else relief(heights, grid, landslide.geometry)
        if ground is None:
            if advisory:
                log.info("not measured", landslide=str(landslide.id), reason=advisory)
            return False
        with transaction(services.engine) as s:
            record_relief(s, landslide, ground)
        return True

    return _counted(waiting, read, at_work)


def read_land_cover(
    services: Services,
    region_id: str | None = None,
    *,
    since: datetime | None = None,
    at_work: Callable[[], None] = lambda: None,
) -> tuple[int, int]:
    """Read the land cover of the outlines that have none yet, out of the map of the settings.

    Args:
        services: what the step reaches the world through.
        region_id: only of this region.
        since: only versions recorded then or later.
        at_work: called after each.

    Returns:
        How many have one now, and how many lie where the map does not say; those stay unknown.

    Raises:
        ConfigurationError: the map is not there.
        UnreadableRaster: it cannot be read.
    """
    with transaction(services.engine) as s:
        waiting = unmeasured(s, region_id, since, cover=True)
    if services.settings.land_cover.file is None:
        return 0, len(waiting)
    from flows.land_cover import LandCoverMap  # the numerical libraries can wait

    told = LandCoverMap(services.settings.land_cover)

    def read(landslide: Landslide) -> bool:
        cover = told.of(landslide.geometry)
        if cover is None:
            return False
        with transaction(services.engine) as s:
            record_land_cover(s, landslide, cover, told.name)
        return True

    return _counted(waiting, read, at_work)


def _counted(
    waiting: Sequence[Landslide], read: Callable[[Landslide], bool], at_work: Callable[[], None]
) -> tuple[int, int]:
    """Read something of each landslide; return how many have it now, and how many do not."""
    done = 0
    for landslide in waiting:
        done += read(landslide)
        at_work()
    return done, len(waiting) - done


def measure_new(services: Services, region_id: str) -> int:
    """Measure what came about in a region lately; return how many got heights."""
    since = datetime.now(UTC) - TRIED_FOR
    try:
        read_land_cover(services, region_id, since=since)
    except ScarpwatchError as error:
        # A poll is not lost for want of a map; ``scarpwatch landslides measure`` says why.
        log.warning("land cover not read", reason=str(error))
    return measure(services, region_id, since=since)[0]
