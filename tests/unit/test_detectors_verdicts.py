"""What optical looks, or the end of waiting, make of a landslide."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import MultiPolygon, box

from detectors.types import (
    Finding,
    Landslide,
    OpticalCheck,
    Sensor,
    State,
    Tier,
)
from detectors.verdicts import decide, expire

SEEN = datetime(2024, 5, 3, tzinfo=UTC)
RADAR = MultiPolygon([box(10, 45, 10.001, 45.001)])
OPTICAL = MultiPolygon([box(10, 45, 10.0008, 45.0008)])
WINDOW = timedelta(days=120)

LANDSLIDE = Landslide(
    id=uuid.uuid4(), region_id="r", revision=3, state=State.SUSPECTED, tier=Tier.WATCH,
    geometry=RADAR, area_m2=9000.0, not_before=SEEN - timedelta(days=12), not_after=SEEN,
    detections=(uuid.uuid4(),), looks=1, score_max=5.0, evidence=14.0, change_db=4.5, cause="seen",
)  # fmt: skip

CHECK = OpticalCheck(
    landslide_id=LANDSLIDE.id, revision=3, acquisition_id=uuid.uuid4(),
    sensed_at=SEEN + timedelta(days=2), finding=Finding.AGREES, reason="vegetation lost",
    share_clear=1.0, unseen={}, ndvi_before=0.8, d_ndvi=-0.5, share_changed=0.7,
    ensemble_score=0.8, ensemble_spread=0.1, outline=OPTICAL, outline_area_m2=6400.0,
    item_ids=("S2",), weights_version="w", config_hash="c",
)  # fmt: skip


def test_agreement_confirms_with_the_optical_outline() -> None:
    version = decide(LANDSLIDE, CHECK)
    assert version is not None
    assert (version.state, version.revision) == (State.CONFIRMED, 4)
    assert version.geometry == OPTICAL
    assert version.area_m2 == 6400.0
    assert (version.d_ndvi, version.ensemble_score) == (-0.5, 0.8)
    assert version.verdict_at == CHECK.sensed_at
    assert "2024-05-05" in version.cause
    assert version.tier is Tier.WATCH, "evidence of the radar is not what optical looks change"


def test_disagreement_refutes_and_keeps_the_outline() -> None:
    check = replace(CHECK, finding=Finding.DISAGREES, outline=None, outline_area_m2=None)
    version = decide(LANDSLIDE, check)
    assert version is not None
    assert (version.state, version.geometry) == (State.REFUTED, RADAR)


@pytest.mark.parametrize("finding", [Finding.UNDECIDED, Finding.NOT_SEEN])
def test_what_says_nothing_changes_nothing(finding: Finding) -> None:
    assert decide(LANDSLIDE, replace(CHECK, finding=finding)) is None


@pytest.mark.parametrize("state", [State.CONFIRMED, State.REFUTED, State.CLOSED])
@pytest.mark.parametrize("finding", list(Finding))
def test_what_is_decided_stays_decided(state: State, finding: Finding) -> None:
    assert decide(replace(LANDSLIDE, state=state), replace(CHECK, finding=finding)) is None


def test_a_late_verdict_still_counts() -> None:
    version = decide(replace(LANDSLIDE, state=State.UNRESOLVED), CHECK)
    assert version is not None
    assert version.state is State.CONFIRMED


def test_waiting_ends() -> None:
    assert expire(LANDSLIDE, SEEN + WINDOW, WINDOW) is None
    version = expire(LANDSLIDE, SEEN + WINDOW + timedelta(seconds=1), WINDOW)
    assert version is not None
    assert (version.state, version.revision) == (State.UNRESOLVED, 4)
    assert expire(version, SEEN + 2 * WINDOW, WINDOW) is None


def test_an_optical_find_is_confirmed_by_a_second_look() -> None:
    found = replace(LANDSLIDE, source=Sensor.OPTICAL, change_db=None)
    version = decide(found, CHECK)
    assert version is not None
    assert version.state is State.CONFIRMED
