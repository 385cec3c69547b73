"""A complete example alert for trying out channels: always an exercise, always simulated."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from shapely.geometry import MultiPolygon, Polygon

from detectors.types import Alert, Landslide, State, Tier, derive_id

#: What a landslide of an alert of each kind looks like; the keys are the kinds there are.
_CASES: dict[str, tuple[State, float | None, float | None]] = {
    "suspected": (State.SUSPECTED, None, None),
    "updated": (State.SUSPECTED, None, None),
    "confirmed": (State.CONFIRMED, -0.42, 0.81),
    "withdrawn": (State.REFUTED, -0.01, 0.03),
    "unresolved": (State.UNRESOLVED, None, None),
    "closed": (State.CLOSED, -0.42, 0.81),
}
KINDS = tuple(_CASES)


def sample_alert(at: datetime, kind: str = "suspected") -> Alert:
    """Return an example alert as of ``at`` (aware); each time has a key of its own.

    What follows refers to the suspected example of the same time. It lies in the
    Atlantic where the equator meets Greenwich, so that nobody mistakes it.
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
    first = Alert(
        landslide=landslide,
        kind="suspected",
        region_name="Channel test",
        tags=(),
        item_id="SAMPLE",
        sensed_at=at,
        published_at=at,
        exercise=True,
    )
    if kind == first.kind:
        return first
    state, d_ndvi, ensemble_score = _CASES[kind]
    decided = replace(
        landslide, revision=2, state=state, d_ndvi=d_ndvi, ensemble_score=ensemble_score,
        not_after=at - timedelta(days=2), verdict_at=at,
    )  # fmt: skip
    return replace(first, landslide=decided, kind=kind, references=(first.id,))
