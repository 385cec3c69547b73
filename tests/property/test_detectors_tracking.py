"""However detections come in, the same landslides come out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from detectors.fusion import RULE
from detectors.tracking import track
from detectors.types import Detection, Landslide, Tier, derive_id

FIRST = datetime(2024, 1, 10, tzinfo=UTC)


def make(look: int, west: int, side: int, evidence: float, tier: Tier) -> Detection:
    return Detection(
        region_id="region", acquisition_id=derive_id("look", look),
        polygon=box(west / 1000, 34.0, (west + side) / 1000, 34.0 + side / 1000),
        area_m2=900.0 * side**2, score_max=5.0, score_mean=3.5, evidence=evidence, change_db=4.0,
        tier=tier, not_before=FIRST + timedelta(days=12 * (look - 1)),
        not_after=FIRST + timedelta(days=12 * look), item_ids=(str(look),), detector="d",
        weights_version="none", config_hash="c",
    )  # fmt: skip


detections = st.lists(
    st.builds(
        make,
        st.integers(0, 3),
        st.integers(0, 30),
        st.integers(1, 12),
        st.floats(12.0, 40.0, allow_nan=False),
        st.sampled_from(Tier),
    ),
    max_size=10,
    unique_by=lambda d: d.id,
)


def latest(versions: Sequence[Landslide]) -> list[Landslide]:
    return list({version.id: version for version in versions}.values())


@settings(deadline=None)
@given(detections, st.randoms(use_true_random=False))
def test_order_within_a_call_does_not_matter(
    found: list[Detection], shuffler: random.Random
) -> None:
    mixed = list(found)
    shuffler.shuffle(mixed)
    assert track(mixed, []) == track(found, [])


@settings(deadline=None)
@given(detections)
def test_look_by_look_gives_what_all_at_once_gives(found: list[Detection]) -> None:
    versions: list[Landslide] = []
    for look in range(4):
        these = [d for d in found if d.item_ids == (str(look),)]
        versions += track(these, latest(versions), found)
    assert versions == track(found, [])


@settings(deadline=None)
@given(detections)
def test_running_again_is_silent(found: list[Detection]) -> None:
    known = latest(track(found, []))
    assert track(found, known) == []


@settings(deadline=None)
@given(detections)
def test_every_detection_belongs_to_one_landslide(found: list[Detection]) -> None:
    landslides = [one for one in latest(track(found, [])) if one.merged_into is None]
    held = [d for landslide in landslides for d in landslide.detections]
    assert sorted(held) == sorted(d.id for d in found)


@settings(deadline=None)
@given(detections)
def test_versions_count_up_and_tell_the_truth(found: list[Detection]) -> None:
    by_id = {d.id: d for d in found}
    history: dict[object, Landslide] = {}
    for version in track(found, []):
        before = history.get(version.id)
        assert version.revision == (before.revision + 1 if before else 1)
        own = [by_id[d] for d in version.detections]
        assert version.looks == len({d.acquisition_id for d in own})
        assert version.evidence == max(d.evidence for d in own)
        assert version.not_after == min(d.not_after for d in own)
        strongest = {d.acquisition_id: 0.0 for d in own}
        for d in own:
            strongest[d.acquisition_id] = max(strongest[d.acquisition_id], d.evidence)
        together = sum(evidence >= RULE.together for evidence in strongest.values()) > 1
        alone = any(d.tier is Tier.LIKELY for d in own)
        assert (version.tier is Tier.LIKELY) == (alone or together)
        history[version.id] = version
