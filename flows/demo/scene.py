"""What the demo watches: the drill region, the quiet control, and the stops of the replay clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from shapely import union_all
from shapely.geometry import MultiPolygon, Polygon, shape

from detectors.types import WatchedRegion
from flows.archive.manifest import open_archive
from flows.drill import Drill
from flows.drill_optical import COLLECTION as OPTICAL

#: Name under which the demo's regions find the archive server.
CATALOGUE = "local"
ARCHIVE = Path(__file__).resolve().parents[2] / "infra" / "demo" / "archive"
WATCH_FROM = datetime(2022, 11, 1, tzinfo=UTC)
#: How often both regions are polled: a demo's half hour.
POLL_EVERY = timedelta(seconds=12)
#: Where the replay clock stops: batches of looks become visible together. The drill's first radar
#: look comes in a batch of its own (with a cloudy optical one), then the optical looks that show
#: the landslide, between clouds, and the decoy, before the looks of the next winter. Each further
#: stop costs half a minute.
CLOCK = tuple(
    datetime.fromisoformat(f"{day}T23:59:00+00:00")
    for day in ("2023-11-15", "2023-11-22", "2023-12-31", "2025-01-31")
)


def regions() -> tuple[WatchedRegion, WatchedRegion]:
    """Return the drill region and the quiet control."""
    drill, real = Drill(), open_archive(ARCHIVE)
    frames = {
        item["properties"]["opera:burst_id"]: shape(item["geometry"]) for item in real.items()
    }
    return (
        WatchedRegion(
            id="san-rafael",
            name="San Rafael mountains (drill)",
            geometry=_area([frames[burst] for burst in drill.bursts]),
            sources=(f"{CATALOGUE}/{drill.collection}", f"{CATALOGUE}/{OPTICAL}"),
            watch_from=WATCH_FROM,
            poll_every=POLL_EVERY,
            simulated=True,
            tags=("drill",),
        ),
        WatchedRegion(
            id="quiet-control",
            name="Santa Barbara, nothing planted (quiet control)",
            geometry=_area(list(frames.values())),
            sources=(f"{CATALOGUE}/{real.id}",),
            watch_from=WATCH_FROM,
            poll_every=POLL_EVERY,
            tags=("control",),
        ),
    )


def _area(frames: list[Polygon]) -> MultiPolygon:
    covered = union_all(frames)
    return MultiPolygon([covered] if isinstance(covered, Polygon) else list(covered.geoms))
