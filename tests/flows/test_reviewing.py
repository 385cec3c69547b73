"""A person's verdict end to end: it outranks every look, is kept, and is told."""

from __future__ import annotations

import pytest

from db import queries
from db.engine import transaction
from detectors.errors import ConfigurationError
from detectors.types import Cause, Landslide, State, Tier, Verdict
from flows.reviewing import ReviewOutcome, review_landslide
from tests.optical_watch import DEBRIS, EVENT, OpticalWatch, drill_channel


@pytest.fixture
def world(watch_optically) -> OpticalWatch:
    """Three clear looks before, nothing after."""
    return watch_optically(channels=(drill_channel("team", "valley"), drill_channel("everybody")))


def decide(
    world: OpticalWatch, landslide: Landslide, verdict: Verdict, days: float = 2
) -> ReviewOutcome:
    from datetime import timedelta

    world.clock.set(EVENT + timedelta(days=days))
    return review_landslide(world.services, landslide.id, verdict, "been there", "Kari")


def test_a_person_confirms_and_the_alert_goes_the_same_way(world: OpticalWatch) -> None:
    landslide = world.suspect(tier=Tier.WATCH)
    assert world.alerts() == []
    outcome = decide(world, landslide, Verdict.CONFIRM)
    latest = world.now(landslide)
    assert outcome.landslide == latest
    assert (latest.state, latest.reviewed_by, latest.cause_kind) == (
        State.CONFIRMED, "Kari", Cause.PERSON,
    )  # fmt: skip
    assert latest.geometry == landslide.geometry
    assert outcome.alerts == 1
    assert sorted(world.alerts()) == [("confirmed", "everybody"), ("confirmed", "team")]
    with transaction(world.services.engine) as s:
        assert queries.list_reviews(s, [landslide.id]) == [outcome.review]
        steps = queries.list_transitions(s, landslide.id)
    assert [(one.cause_kind, one.reviewed_by) for one in steps] == [
        (Cause.RADAR_LOOK, None), (Cause.PERSON, "Kari"),
    ]  # fmt: skip


@pytest.mark.parametrize("tier", [Tier.WATCH, Tier.LIKELY])
def test_a_person_refutes_and_what_was_sent_is_withdrawn(world: OpticalWatch, tier: Tier) -> None:
    landslide = world.suspect(tier=tier)
    outcome = decide(world, landslide, Verdict.REFUTE)
    assert world.now(landslide).state is State.REFUTED
    told = ["suspected", "withdrawn"] if tier is Tier.LIKELY else []
    assert world.kinds() == told
    assert outcome.alerts == len(told) // 2


@pytest.mark.parametrize(
    ("verdict", "state", "changed"),
    [(Verdict.CONFIRM, State.CONFIRMED, False), (Verdict.REFUTE, State.REFUTED, True)],
)
def test_no_optical_look_overrides_a_person(
    world: OpticalWatch, verdict: Verdict, state: State, changed: bool
) -> None:
    """What the look shows is the opposite; it was taken after the verdict, or before and late."""
    landslide = world.suspect()
    decide(world, landslide, verdict)
    told = world.kinds()
    patches = [DEBRIS] if changed else []
    for days in (4, 9):
        world.see(days, *patches)
        world.confirm(days + 1)
    world.see(1, *patches)
    world.confirm(12)
    (latest,) = world.landslides()
    assert (latest.id, latest.state, latest.reviewed_by) == (landslide.id, state, "Kari")
    assert world.kinds() == told


@pytest.mark.parametrize("verdict", [Verdict.CONFIRM, Verdict.REFUTE])
def test_no_radar_look_overrides_a_person(world: OpticalWatch, verdict: Verdict) -> None:
    landslide = world.suspect()
    decide(world, landslide, verdict)
    told = world.kinds()
    for days in (12, 24, 90, 1):
        world.radar_sees(days=days)
        latest = world.now(landslide)
        assert latest.reviewed_by == "Kari"
        assert (
            latest.state
            is {Verdict.CONFIRM: State.CONFIRMED, Verdict.REFUTE: State.REFUTED}[verdict]
        )
    assert len(world.landslides()) == 1
    assert world.kinds() == told


def test_a_change_long_after_a_persons_refutation_is_another_landslide(world: OpticalWatch) -> None:
    landslide = world.suspect()
    decide(world, landslide, Verdict.REFUTE)
    again = world.suspect(days=150)
    assert again.id != landslide.id
    assert (again.follows, again.state, again.tier) == (
        landslide.id, State.SUSPECTED, Tier.LIKELY,
    )  # fmt: skip
    assert world.now(landslide).state is State.REFUTED


def test_a_closed_landslide_takes_nothing_in_and_is_followed(world: OpticalWatch) -> None:
    landslide = world.suspect()
    outcome = decide(world, landslide, Verdict.CLOSE)
    assert outcome.alerts == 1, "who was told hears that it is over"
    assert world.now(landslide).state is State.CLOSED
    again = world.suspect(days=90)
    assert (again.follows, again.state) == (landslide.id, State.SUSPECTED)
    assert world.now(landslide).detections == landslide.detections
    world.see(4, DEBRIS)
    world.confirm(5)
    assert world.now(landslide).state is State.CLOSED


def test_a_confirmed_landslide_closes_when_nothing_changes(world: OpticalWatch) -> None:
    landslide = world.suspect()
    world.see(4, DEBRIS)
    world.confirm(5)
    assert world.now(landslide).state is State.CONFIRMED
    assert world.confirm(124).checks == ()
    outcome = world.confirm(125)
    assert [one.finding for one in outcome.checks] == ["closed"]
    latest = world.now(landslide)
    assert (latest.state, latest.cause_kind) == (State.CLOSED, Cause.CLOSURE)
    assert world.kinds() == ["suspected", "confirmed", "closed"]
    assert world.confirm(126).checks == ()


def test_reopening_lets_looks_decide_again(world: OpticalWatch) -> None:
    landslide = world.suspect()
    decide(world, landslide, Verdict.REFUTE)
    decide(world, landslide, Verdict.REOPEN, days=200)
    latest = world.now(landslide)
    assert (latest.state, latest.reviewed_by) == (State.SUSPECTED, None)
    assert world.confirm(201).checks == (), "the window begins anew"
    world.see(203, DEBRIS)
    world.confirm(204)
    assert world.now(landslide).state is State.CONFIRMED
    assert world.kinds() == ["suspected", "withdrawn", "confirmed"]


def test_a_person_may_decide_what_a_look_has_decided(world: OpticalWatch) -> None:
    landslide = world.suspect()
    world.see(4)
    world.confirm(5)
    assert world.now(landslide).state is State.REFUTED
    decide(world, landslide, Verdict.CONFIRM, days=6)
    assert world.now(landslide).state is State.CONFIRMED
    assert world.kinds() == ["suspected", "withdrawn", "confirmed"]
    with pytest.raises(ConfigurationError, match="is confirmed by Kari already"):
        decide(world, landslide, Verdict.CONFIRM, days=7)


def test_a_verdict_that_says_nothing_is_refused(world: OpticalWatch) -> None:
    landslide = world.suspect()
    for reason, name in ((" ", "Kari"), ("been there", "")):
        with pytest.raises(ConfigurationError, match="needs a reason and a name"):
            review_landslide(world.services, landslide.id, Verdict.REFUTE, reason, name)
    with pytest.raises(ConfigurationError, match="is suspected already"):
        decide(world, landslide, Verdict.REOPEN)
    assert world.history(landslide) == [landslide]
