"""Who is told, and when."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alerts.records import Channel, Hidden
from alerts.rules import (
    LADDER,
    Severity,
    channels_for,
    is_exercise,
    marks,
    severity,
    should_alert,
)
from alerts.sample import KINDS, sample_alert
from detectors.errors import ConfigurationError
from detectors.exposure import Exposed, Exposure, OnRiver, Thing
from detectors.types import Alert, Kind, Landslide, Sensor, State, Tier

_ALERT = sample_alert(datetime(2023, 1, 1, tzinfo=UTC))
_LIKELY = replace(_ALERT.landslide, simulated=False)
_WATCH = replace(_LIKELY, tier=Tier.WATCH)
_CONFIRMED = replace(_LIKELY, state=State.CONFIRMED)
_REFUTED = replace(_LIKELY, state=State.REFUTED)


def _channel(name: str, *tags: str, exercise: bool = False) -> Channel:
    return Channel(name, Hidden("file:///x"), exercise, tags)


@pytest.mark.parametrize(
    ("now", "before", "kind"),
    [
        (_LIKELY, None, "updated"),
        (_LIKELY, _WATCH, "updated"),
        (_LIKELY, _LIKELY, None),
        (replace(_LIKELY, looks=2), _LIKELY, "updated"),
        (replace(_LIKELY, looks=3), replace(_LIKELY, looks=2), None),
        (_WATCH, _LIKELY, "updated"),
        (_WATCH, None, None),
        (_WATCH, _WATCH, None),
        (_CONFIRMED, _LIKELY, "confirmed"),
        (_CONFIRMED, replace(_LIKELY, state=State.UNRESOLVED), "confirmed"),
        (_CONFIRMED, None, "confirmed"),
        (_CONFIRMED, _CONFIRMED, None),
        (replace(_CONFIRMED, tier=Tier.WATCH), _WATCH, "confirmed"),
        (replace(_CONFIRMED, source=Sensor.OPTICAL, change_db=None), _WATCH, "confirmed"),
        (_REFUTED, _LIKELY, "withdrawn"),
        (_REFUTED, _CONFIRMED, "withdrawn"),
        (_REFUTED, _REFUTED, None),
        *((replace(_LIKELY, state=s), _LIKELY, s) for s in (State.UNRESOLVED, State.CLOSED)),
        *((replace(_LIKELY, state=s),) * 2 + (None,) for s in (State.UNRESOLVED, State.CLOSED)),
        (replace(_LIKELY, state=State.CLOSED), _REFUTED, None),
        (replace(_LIKELY, state=State.CLOSED, merged_into=_LIKELY.id), _LIKELY, None),
    ],
)
def test_an_alert_goes_out_once(now: Landslide, before: Landslide | None, kind: str | None) -> None:
    assert should_alert(now, before, alerted=True) == kind


def test_the_first_alert_is_a_suspicion_or_a_confirmation() -> None:
    for before in (None, _WATCH):
        assert should_alert(_LIKELY, before) == "suspected"
        assert should_alert(_CONFIRMED, before) == "confirmed"
    for state in (State.UNRESOLVED, State.CLOSED, State.REFUTED):
        assert should_alert(replace(_LIKELY, state=state), _WATCH) is None


def test_what_nobody_was_told_is_not_withdrawn() -> None:
    assert should_alert(_REFUTED, _WATCH) is None
    assert should_alert(_REFUTED, _LIKELY, alerted=False) is None


_LIVES = st.lists(st.tuples(st.sampled_from(State), st.sampled_from(Tier)), min_size=1, max_size=12)


@given(_LIVES)
def test_a_life_is_told_in_an_order_that_makes_sense(life: list[tuple[State, Tier]]) -> None:
    told: list[str] = []
    before = None
    for revision, (state, tier) in enumerate(life, start=1):
        # A tier once reached is kept: see detectors.tracking.
        likely = before is not None and before.tier is Tier.LIKELY
        now = replace(_LIKELY, revision=revision, state=state, tier=Tier.LIKELY if likely else tier)
        kind = should_alert(now, before, alerted=bool(told))
        if kind is not None:
            others = {("withdrawn", State.REFUTED), ("updated", State.SUSPECTED)}
            assert kind == state.value or (kind, state) in others
            told.append(kind)
        again = should_alert(replace(now, revision=revision + 1), now, alerted=bool(told))
        assert again is None, "what did not change is not told again"
        before = now
    assert told.count("suspected") <= 1
    assert not told or told[0] != "withdrawn"


def test_versions_of_two_landslides_are_not_compared() -> None:
    with pytest.raises(ValueError, match="no earlier version"):
        should_alert(_LIKELY, replace(_LIKELY, id=uuid.uuid4()))


def test_tags_choose_channels() -> None:
    alert = replace(_ALERT, exercise=False, landslide=_LIKELY, tags=("roads", "north"))
    channels = [
        _channel("everything"),
        _channel("north-office", "north", "east"),
        _channel("south-office", "south"),
        _channel("a-drill", exercise=True),
    ]
    assert channels_for(alert, channels) == ("everything", "north-office")
    assert channels_for(replace(alert, tags=()), channels) == ("everything",)
    assert channels_for(replace(alert, exercise=True), channels) == ("a-drill",)
    assert channels_for(alert, []) == ()


def test_a_withdrawal_goes_where_the_alert_went() -> None:
    alert = replace(_ALERT, exercise=False, landslide=_LIKELY, tags=("north",))
    channels = [
        _channel("everything"),
        _channel("north-office", "north"),
        _channel("south-office", "south"),
        _channel("a-drill", exercise=True),
    ]
    told = {"south-office", "a-drill", "gone"}
    assert channels_for(alert, channels, told) == ("everything", "north-office")
    confirmed = replace(alert, kind="confirmed")
    assert channels_for(confirmed, channels, told) == ("everything", "north-office", "south-office")
    withdrawn = replace(alert, kind="withdrawn")
    assert channels_for(withdrawn, channels, told) == ("south-office",)
    assert channels_for(withdrawn, channels) == ()
    assert channels_for(replace(withdrawn, exercise=True), channels, told) == ("a-drill",)


_TAGS = st.lists(st.sampled_from("abc"), max_size=2).map(tuple)
_CHANNELS = st.lists(
    st.builds(
        Channel, st.sampled_from(["one", "two", "three", "four"]), st.just(Hidden("file:///x")),
        st.booleans(), _TAGS,
    ),
    max_size=4, unique_by=lambda channel: channel.name,
)  # fmt: skip


@given(
    st.sampled_from(KINDS), _CHANNELS, _TAGS, st.booleans(), st.booleans(),
    st.sets(st.sampled_from(["one", "two", "three", "four", "gone"])),
)  # fmt: skip
def test_no_message_crosses_the_wall(
    kind: str, channels: list[Channel], tags: tuple[str, ...], exercise: bool, simulated: bool,
    told: set[str],
) -> None:  # fmt: skip
    landslide = replace(_LIKELY, simulated=simulated)
    alert = replace(_ALERT, kind=kind, landslide=landslide, tags=tags, exercise=exercise)
    chosen = channels_for(alert, iter(channels), told)
    right = {one.name for one in channels if one.exercise is (exercise or simulated)}
    assert list(chosen) == sorted(set(chosen))
    assert set(chosen) <= right
    first = set(channels_for(replace(alert, kind="suspected"), channels))
    expected = {"suspected": first, "confirmed": first | told}.get(kind, told)
    assert set(chosen) == expected & right


def test_marks() -> None:
    assert marks(exercise=False, simulated=False) == ""
    assert marks(exercise=True, simulated=False) == "EXERCISE"
    assert marks(exercise=False, simulated=True) == "EXERCISE SIMULATED"


@pytest.mark.parametrize("flag", [True, False])
def test_a_simulated_landslide_is_always_an_exercise(flag: bool) -> None:
    alert = Alert(
        **{name: getattr(_ALERT, name) for name in _ALERT.__slots__ if name != "exercise"},
        exercise=flag,
    )
    assert is_exercise(alert)
    channels = [_channel("live"), _channel("drill", exercise=True)]
    assert channels_for(alert, channels) == ("drill",)


@pytest.mark.parametrize("name", ["", "Duty", "a b", "-a", "mailto://user:t0ken@host"])
def test_a_channel_needs_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Channel(name, Hidden("x://y"), exercise=True)
    assert "t0ken" not in str(refusal.value)


def test_a_channel_hides_its_secrets_and_survives_the_pipe() -> None:
    for hide in (Hidden, SecretStr):
        channel = Channel("duty", hide("https://u:t0ken@h"), False, ("a",), hide("t0ken"))
        assert "t0ken" not in f"{channel} {channel!r}"
        copy = Channel.from_job(channel.to_job())
        assert copy.to_job() == channel.to_job()
        assert copy.scheme == "https"


def test_new_water_is_worse_than_a_landslide_in_every_state_but_refuted() -> None:
    order = list(Severity)
    for state in State:
        slide = severity(replace(_LIKELY, state=state))
        water = severity(replace(_LIKELY, state=state, kind=Kind.PONDING))
        step = 0 if state is State.REFUTED else 1
        assert order.index(slide) - order.index(water) == step
    assert severity(replace(_LIKELY, state=State.REFUTED)) is Severity.MINOR


def test_water_alerts_by_the_same_rule() -> None:
    water = replace(_LIKELY, kind=Kind.PONDING)
    assert should_alert(water, None) == "suspected"
    assert should_alert(replace(water, tier=Tier.WATCH), None) is None
    assert should_alert(water, water) is None


_EMPTY = Exposure(
    tuple(Thing), (), 0, 0, None, None, ("a map",), datetime(2023, 1, 1, tzinfo=UTC)
)  # fmt: skip
_DOWN = OnRiver(True, ("Utla",), 2, (), 0, ())
_ROAD = Exposed(Thing.ROAD, "Fv53", "secondary", 120.0, 0.0)
_RIVER = replace(_ROAD, kind=Thing.RIVER, name="Utla")


@pytest.mark.parametrize(
    ("exposure", "suspected", "confirmed"),
    [
        (None, Severity.MODERATE, Severity.SEVERE),
        # Nothing there, on a map that would show it.
        (_EMPTY, Severity.MODERATE, Severity.MODERATE),
        # The map shows rivers only: of the rest nothing is known.
        (replace(_EMPTY, mapped=(Thing.RIVER,)), Severity.MODERATE, Severity.SEVERE),
        (replace(_EMPTY, things=(_ROAD,)), Severity.MODERATE, Severity.SEVERE),
        (replace(_EMPTY, buildings_near=1), Severity.MODERATE, Severity.SEVERE),
        (replace(_EMPTY, buildings_inside=1), Severity.SEVERE, Severity.EXTREME),
        (
            replace(_EMPTY, things=(replace(_ROAD, kind=Thing.RAIL),)),
            Severity.SEVERE,
            Severity.EXTREME,
        ),
        # A landslide dam: only where there is something below it.
        (replace(_EMPTY, things=(_RIVER,), downstream=_DOWN), Severity.SEVERE, Severity.EXTREME),
        (
            replace(_EMPTY, things=(_RIVER,), downstream=replace(_DOWN, buildings=0)),
            Severity.MODERATE,
            Severity.SEVERE,
        ),
        # A river beside it that it does not reach is not blocked.
        (
            replace(_EMPTY, things=(replace(_RIVER, length_m=0.0),), downstream=_DOWN),
            Severity.MODERATE,
            Severity.SEVERE,
        ),
    ],
)
def test_what_lies_there_moves_the_severity(
    exposure: Exposure | None, suspected: Severity, confirmed: Severity
) -> None:
    assert severity(_LIKELY, exposure) is suspected
    assert severity(_CONFIRMED, exposure) is confirmed
    assert severity(_REFUTED, exposure) is Severity.MINOR


_EXPOSURES = st.none() | st.builds(
    Exposure,
    st.sets(st.sampled_from(Thing)).map(tuple),
    st.lists(st.sampled_from([_ROAD, _RIVER, replace(_ROAD, length_m=0.0)]), max_size=3).map(tuple),
    st.integers(0, 2),
    st.integers(0, 2),
    st.none(),
    st.sampled_from([None, _DOWN]),
    st.just(()),
    st.just(datetime(2023, 1, 1, tzinfo=UTC)),
)


@given(_EXPOSURES, st.sampled_from(State), st.sampled_from(Kind))
def test_severity_keeps_its_order(exposure: Exposure | None, state: State, kind: Kind) -> None:
    def step(landslide: Landslide, exposure: Exposure | None) -> int:
        return LADDER.index(severity(landslide, exposure))

    now = replace(_LIKELY, state=state, kind=kind)
    assert step(now, exposure) <= step(replace(now, kind=Kind.PONDING), exposure)
    assert abs(step(now, exposure) - step(now, None)) <= 1, "maps move it by one step at most"
    if exposure is not None:
        worse = replace(exposure, buildings_inside=exposure.buildings_inside + 1)
        assert step(now, worse) >= step(now, exposure)
    if state is not State.REFUTED:
        assert step(replace(now, state=State.CONFIRMED), exposure) >= step(now, exposure)
