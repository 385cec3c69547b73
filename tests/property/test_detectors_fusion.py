"""The tier follows from the looks, not from the order in which they came."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.fusion import RULE, merged, vote
from detectors.types import Finding, RadarCheck, Tier, derive_id

FIRST = datetime(2024, 1, 10, tzinfo=UTC)


def make(look: int, finding: Finding, evidence: float, tier: Tier | None) -> RadarCheck:
    return RadarCheck(
        derive_id("landslide"), derive_id("look", look), FIRST + look * timedelta(days=6),
        finding, "", 1.0, {}, 2.0, evidence, tier,
    )  # fmt: skip


checks = st.lists(
    st.builds(
        make,
        st.integers(0, 7),
        st.sampled_from(Finding),
        st.floats(0.0, 40.0, allow_nan=False),
        st.one_of(st.none(), st.sampled_from(Tier)),
    ),
    max_size=10,
)


@settings(deadline=None)
@given(checks, st.randoms(use_true_random=False))
def test_order_does_not_matter(said: list[RadarCheck], shuffler: random.Random) -> None:
    mixed = list(said)
    shuffler.shuffle(mixed)
    one, other = vote(merged(said)), vote(mixed)
    assert (one.tier, one.saw, one.missed) == (other.tier, other.saw, other.missed)


@settings(deadline=None)
@given(checks)
def test_hearing_a_look_twice_is_hearing_it_once(said: list[RadarCheck]) -> None:
    assert vote([*said, *said]) == vote(said)


@settings(deadline=None)
@given(checks)
def test_one_more_against_never_raises_and_one_more_for_never_lowers(
    said: Sequence[RadarCheck],
) -> None:
    now = vote(said)
    against = vote([*said, make(20, Finding.DISAGREES, 0.0, None)])
    towards = vote([*said, make(20, Finding.AGREES, 40.0, None)])
    assert against.tier is Tier.WATCH or now.tier is Tier.LIKELY
    assert towards.tier is Tier.LIKELY or now.tier is Tier.WATCH
    assert now.missed + 1 == against.missed
    assert now.saw + 1 == towards.saw


@settings(deadline=None)
@given(checks)
def test_likely_needs_a_likely_look_or_two(said: list[RadarCheck]) -> None:
    found = vote(said)
    if found.tier is Tier.LIKELY and not any(one.tier is Tier.LIKELY for one in said):
        assert found.saw >= 2
        assert found.joint_evidence >= RULE.together * 2**0.5
