"""Several radar looks at one landslide: what raises it, what lowers it, and what says nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from shapely.geometry import MultiPolygon, box

from detectors.fusion import look_again, merged, sighting, vote, weigh
from detectors.levels import Levels
from detectors.tracking import kept_out, track
from detectors.types import (
    Detection,
    Finding,
    Kind,
    Landslide,
    Observability,
    RadarCheck,
    ScoreMap,
    Sensor,
    State,
    Tier,
    Unseen,
    derive_id,
)
from tests.scenes import make_grid

FIRST = datetime(2024, 1, 10, 2, 0, tzinfo=UTC)
REPEAT = timedelta(days=12)
GRID = make_grid(20, 20)
OWN = np.zeros(GRID.shape, dtype=bool)
OWN[5:10, 5:10] = True


def found(look: int = 0, **changes: Any) -> Detection:
    values: dict[str, Any] = {
        "region_id": "region", "acquisition_id": derive_id("look", look),
        "polygon": box(0.0, 34.0, 0.01, 34.01), "area_m2": 25 * 900.0, "score_max": 5.0,
        "score_mean": 3.5, "evidence": 13.0, "change_db": 4.0, "tier": Tier.WATCH,
        "not_before": FIRST + (look - 1) * REPEAT, "not_after": FIRST + look * REPEAT,
        "item_ids": (f"item-{look}",), "detector": "d", "weights_version": "none",
        "config_hash": "c",
    }  # fmt: skip
    return Detection(**(values | changes))


def known(**changes: Any) -> Landslide:
    (landslide,) = track([found(**changes)], [])
    return landslide


def check(look: int, finding: Finding, evidence: float = 13.0, **changes: Any) -> RadarCheck:
    return replace(
        RadarCheck(
            derive_id("landslide"), derive_id("look", look), FIRST + look * REPEAT, finding,
            "because", 1.0, {}, 2.5, evidence,
        ),
        **changes,
    )  # fmt: skip


def scores(inside: float, *, complete: bool = True, seen: np.ndarray | None = None) -> ScoreMap:
    score = np.where(OWN, inside, 0.3).astype(np.float32)
    codes = np.zeros(GRID.shape, dtype=np.uint8)
    if seen is not None:
        score[~seen] = np.nan
        codes[~seen] = Unseen.LAYOVER
    return ScoreMap(
        GRID, score, score, "d", "none", "c", False, complete, Observability(GRID, codes)
    )


@pytest.mark.parametrize(
    ("inside", "finding"),
    [(3.0, Finding.AGREES), (-3.0, Finding.AGREES), (1.7, Finding.UNDECIDED),
     (0.4, Finding.DISAGREES)],
)  # fmt: skip
def test_a_later_look_sees_it_again_or_not(inside: float, finding: Finding) -> None:
    said = look_again(known(), derive_id("x"), scores(inside), OWN, Levels(), steady=True)
    assert said is not None
    assert (said.finding, said.share_seen, said.tier) == (finding, 1.0, None)
    assert said.score_mean == pytest.approx(abs(inside))
    assert said.evidence == pytest.approx(5 * abs(inside))


def test_what_a_look_could_not_see_or_may_not_say() -> None:
    hidden = np.ones(GRID.shape, dtype=bool)
    hidden[5:8] = False
    blind = look_again(
        known(), derive_id("x"), scores(0.1, seen=hidden), OWN, Levels(), steady=True
    )
    assert blind is not None
    assert (blind.finding, blind.unseen) == (Finding.NOT_SEEN, {"layover": pytest.approx(0.6)})
    assert blind.share_seen == pytest.approx(0.4)
    wet = look_again(known(), derive_id("x"), scores(0.1), OWN, Levels(), steady=False)
    single = look_again(
        known(), derive_id("x"), scores(3.0, complete=False), OWN, Levels(), steady=True
    )
    assert wet is not None
    assert single is not None
    assert {wet.finding, single.finding} == {Finding.UNDECIDED}


def test_ground_beyond_the_edge_of_a_look_counts_as_not_seen() -> None:
    large = known(area_m2=50 * 900.0)
    said = look_again(large, derive_id("x"), scores(3.0), OWN, Levels(), steady=True)
    assert said is not None
    assert (said.share_seen, said.unseen) == (0.5, {"no_data": 0.5})
    assert said.finding is Finding.NOT_SEEN


def test_scores_say_nothing_of_a_pond() -> None:
    pond = known(kind=Kind.PONDING)
    assert look_again(pond, derive_id("x"), scores(3.0), OWN, Levels(), steady=True) is None


def test_two_passes_at_watch_make_likely() -> None:
    one = check(0, Finding.AGREES, tier=Tier.WATCH)
    assert vote([one]).tier is Tier.WATCH
    again = vote([one, check(1, Finding.AGREES)])
    assert (again.tier, again.saw, again.missed) == (Tier.LIKELY, 2, 0)
    assert again.joint_evidence == pytest.approx(13.0 * 2**0.5)
    weaker = [check(look, Finding.AGREES, evidence=12.7) for look in range(1, 9)]
    assert vote([one, *weaker]).tier is Tier.WATCH


def test_two_products_of_one_pass_are_one_witness() -> None:
    burst = check(1, Finding.AGREES, acquisition_id=derive_id("neighbour"))
    burst = replace(burst, sensed_at=FIRST + timedelta(seconds=3))
    assert vote([check(0, Finding.AGREES, tier=Tier.WATCH), burst]).saw == 1


def test_as_many_that_see_nothing_lower_it_and_one_more_that_sees_it_raises_it() -> None:
    said = [check(0, Finding.AGREES, tier=Tier.LIKELY)]
    assert vote(said).tier is Tier.LIKELY
    said.append(check(1, Finding.DISAGREES))
    assert vote(said).tier is Tier.WATCH
    said.append(check(2, Finding.AGREES))
    assert vote(said).tier is Tier.LIKELY


@pytest.mark.parametrize("finding", [Finding.UNDECIDED, Finding.NOT_SEEN])
def test_what_is_undecided_neither_raises_nor_lowers(finding: Finding) -> None:
    for tier in Tier:
        one = check(0, Finding.AGREES, tier=tier)
        assert vote([one, check(1, finding, 40.0), check(2, finding, 40.0)]).tier is tier


def test_a_wet_look_may_find_but_not_raise() -> None:
    wet = sighting(known(), found(1, tier=Tier.LIKELY, advisory="wet scene"))
    assert wet.finding is Finding.UNDECIDED
    assert vote([wet]).tier is Tier.LIKELY, "what it found first is told, with the flag"
    dry = check(0, Finding.AGREES, tier=Tier.WATCH)
    assert vote([dry, wet]).tier is Tier.WATCH


def test_what_optical_looks_refuted_counts_for_nothing() -> None:
    said = [sighting(known(), found(k, tier=Tier.LIKELY), repeats=True) for k in range(4)]
    assert vote(said).tier is Tier.WATCH


def test_a_detection_counts_more_than_the_mean_of_the_same_look() -> None:
    (kept,) = merged([
        check(1, Finding.DISAGREES, evidence=20.0), check(1, Finding.AGREES, tier=Tier.WATCH),
    ])  # fmt: skip
    assert (kept.finding, kept.tier, kept.evidence) == (Finding.AGREES, Tier.WATCH, 20.0)


def test_weighing_makes_a_version_only_of_another_tier() -> None:
    landslide = known(tier=Tier.LIKELY)
    own = sighting(landslide, found(tier=Tier.LIKELY))
    assert weigh(landslide, [own]) is None
    nothing = check(1, Finding.DISAGREES, landslide_id=landslide.id)
    lowered = weigh(landslide, [own, nothing])
    assert lowered is not None
    assert (lowered.tier, lowered.revision, lowered.state) == (Tier.WATCH, 2, State.SUSPECTED)
    assert "lowered to watch by the look of 2024-01-22" in lowered.cause
    assert "1 looked and saw nothing" in lowered.cause
    assert weigh(lowered, [own, nothing]) is None


@pytest.mark.parametrize(
    "decided",
    [{"state": State.CONFIRMED, "verdict_at": FIRST + REPEAT}, {"state": State.UNRESOLVED},
     {"state": State.REFUTED}, {"source": Sensor.OPTICAL}],
)  # fmt: skip
def test_radar_neither_confirms_nor_refutes_nor_touches_what_is_decided(
    decided: dict[str, Any],
) -> None:
    landslide = replace(known(tier=Tier.LIKELY), **decided)
    own = sighting(landslide, found(tier=Tier.LIKELY))
    for count in range(1, 5):
        against = [check(k + 1, Finding.DISAGREES) for k in range(count)]
        assert weigh(landslide, [own, *against]) is None


def test_a_joining_detection_raises_and_says_why() -> None:
    first, second = found(0), found(1)
    start, joined = track([first, second], [])
    assert (start.tier, joined.tier) == (Tier.WATCH, Tier.LIKELY)
    assert "raised to likely: seen by 2 passes, joint evidence 18.4" in joined.cause


def test_a_lowered_landslide_stays_lowered_until_more_see_it_than_do_not() -> None:
    first = found(0, tier=Tier.LIKELY)
    (start,) = track([first], [])
    said = [sighting(start, first), check(1, Finding.DISAGREES, landslide_id=start.id)]
    said.append(check(2, Finding.DISAGREES, landslide_id=start.id))
    lowered = replace(start, tier=Tier.WATCH, revision=2)
    (joined,) = track([found(3, tier=Tier.LIKELY)], [lowered], [first], heard={start.id: said})
    assert (joined.tier, joined.looks) == (Tier.WATCH, 2)


def test_what_is_of_another_kind_never_merges() -> None:
    slide, pond = track([found(0), found(1, kind=Kind.PONDING)], [])
    assert slide.id != pond.id
    assert (slide.kind, pond.kind) == (Kind.LANDSLIDE, Kind.PONDING)
    (again,) = track([found(2, kind=Kind.PONDING)], [slide, pond])
    assert again.id == pond.id


def test_changed_ground_is_no_history_until_it_is_decided_or_long_ago() -> None:
    landslide = known()
    later = FIRST + 3 * REPEAT
    assert kept_out([landslide], [], later) == [landslide]
    assert kept_out([landslide], [], landslide.not_before) == []
    for state in (State.UNRESOLVED, State.CLOSED, State.REFUTED):
        assert kept_out([replace(landslide, state=state)], [], later) == []
    confirmed = replace(landslide, state=State.CONFIRMED, verdict_at=FIRST + REPEAT)
    assert kept_out([confirmed], [], later) == [confirmed]
    assert kept_out([confirmed], [], FIRST + timedelta(days=140)) == []


def test_what_may_be_a_refuted_change_becomes_history() -> None:
    refuted = replace(known(), state=State.REFUTED)
    again = replace(known(look=2), id=derive_id("again"))
    assert kept_out([again], [refuted], FIRST + 4 * REPEAT) == []
    elsewhere = replace(refuted, geometry=MultiPolygon([box(1.0, 34.0, 1.01, 34.01)]))
    assert kept_out([again], [elsewhere], FIRST + 4 * REPEAT) == [again]
