"""A complete example alert for trying out channels: always an exercise, always simulated."""

from __future__ import annotations

from datetime import datetime, timedelta

from shapely.geometry import MultiPolygon, Polygon

from detectors.types import Alert, Landslide, State, Tier, derive_id


def sample_alert(at: datetime) -> Alert:
    """Return an example alert as of ``at`` (aware); each time has a key of its own.

    It lies in the Atlantic where the equator meets Greenwich, so that nobody mistakes it.
    """
    corner = 0.0005
    outline = Polygon([(0, 0), (corner, 0), (corner, corner), (0, corner)])
    landslide = Landslide(
        id=derive_id("sample", at.isoformat()),
        region_id="channel-test",
        revision=1,
        state=State.SUSPECTED,
        tier=Tier.LIKELY,
        geometry=MultiPolygon([outline]),
        area_m2=3_000.0,
        not_before=at - timedelta(days=12),
        not_after=at,
        detections=(),
        looks=1,
        score_max=5.0,
        evidence=10.0,
        change_db=4.0,
        cause="somebody tried out this channel",
        simulated=True,
    )
    return Alert(
        landslide=landslide,
        kind="suspected",
        region_name="Channel test",
        tags=(),
        item_id="SAMPLE",
        sensed_at=at,
        published_at=at,
        exercise=True,
    )
