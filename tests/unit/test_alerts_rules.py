"""Who is told, and when."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from alerts.records import Channel, Hidden
from alerts.rules import channels_for, is_exercise, should_alert
from alerts.sample import sample_alert
from detectors.errors import ConfigurationError
from detectors.types import Alert, Landslide, State, Tier

_ALERT = sample_alert(datetime(2023, 1, 1, tzinfo=UTC))
_LIKELY = replace(_ALERT.landslide, simulated=False)
_WATCH = replace(_LIKELY, tier=Tier.WATCH)


def _channel(name: str, *tags: str, exercise: bool = False) -> Channel:
    return Channel(name, Hidden("file:///x"), exercise, tags)


@pytest.mark.parametrize(
    ("now", "before", "kind"),
    [
        (_LIKELY, None, "suspected"),
        (_LIKELY, _WATCH, "suspected"),
        (_LIKELY, _LIKELY, None),
        (_WATCH, None, None),
        (_WATCH, _WATCH, None),
        *((replace(_LIKELY, state=s), None, None) for s in State if s is not State.SUSPECTED),
    ],
)
def test_an_alert_goes_out_once(now: Landslide, before: Landslide | None, kind: str | None) -> None:
    assert should_alert(now, before) == kind


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
