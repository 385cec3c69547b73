"""One contract for every kind of channel. A new kind adds one rig below, nothing else."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import alerts
from alerts import journal
from alerts.channels.registry import SENDERS, check, sender_for
from alerts.deliver import deliver
from alerts.receiver import Receiver
from alerts.records import Channel, Picture
from detectors.errors import ConfigurationError, DeliveryFailed
from detectors.types import Alert

Make = Callable[..., Channel]
_TOKEN = "s3cr3t-t0ken"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@dataclass(frozen=True)
class Rig:
    """How to reach a kind of channel, how to see what arrived, and how to break it."""

    good: str
    arrived: Callable[[], list[str]]
    failing: str
    hopeless: str
    pictures: Callable[[], list[bytes]]


@pytest.fixture(params=sorted(SENDERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def rig(kind: str, receiver: Receiver, tmp_path: Path, closed_port: int) -> Rig:
    def at_receiver() -> list[str]:
        return [line["key"] for line in receiver.received()]

    file = tmp_path / "alerts.jsonl"
    rigs = {
        "webhook": Rig(
            good=receiver.url,
            arrived=at_receiver,
            failing=f"http://user:{_TOKEN}@127.0.0.1:{closed_port}/{_TOKEN}?token={_TOKEN}",
            hopeless=f"https:///{_TOKEN}",
            pictures=lambda: [
                b64decode(line["body"]["picture"]["base64"]) for line in receiver.received()
            ],
        ),
        "file": Rig(
            good=file.as_uri(),
            arrived=lambda: [line["key"] for line in journal.read(file)],
            failing=(tmp_path / _TOKEN / "missing" / "alerts.jsonl").as_uri(),
            hopeless=f"file://{_TOKEN}/relative",
            pictures=lambda: [
                (tmp_path / line["body"]["picture"]["file"]).read_bytes()
                for line in journal.read(file)
            ],
        ),
        "push": Rig(
            good=receiver.url.replace("http://", "json://"),
            arrived=at_receiver,
            failing=f"json://user:{_TOKEN}@127.0.0.1:{closed_port}/{_TOKEN}?:token={_TOKEN}",
            hopeless=f"no-such-service://{_TOKEN}",
            pictures=lambda: [
                b64decode(one["base64"])
                for line in receiver.received()
                for one in line["body"]["attachments"]
            ],
        ),
    }
    assert rigs.keys() == SENDERS.keys()
    return rigs[kind]


def test_it_delivers_with_a_receipt(kind: str, rig: Rig, channel: Make, exercise: Alert) -> None:
    receipt = deliver(exercise, channel(rig.good))
    assert rig.arrived() == [str(exercise.id)]
    assert receipt.items() >= {"key": str(exercise.id), "channel": "duty", "kind": kind}.items()
    assert receipt["accepted_at"].endswith("Z")
    assert json.loads(json.dumps(receipt, allow_nan=False)) == receipt


def test_it_carries_the_picture(rig: Rig, channel: Make, exercise: Alert) -> None:
    picture = Picture(f"{exercise.id}.png", PNG)
    receipt = deliver(exercise, channel(rig.good), picture=picture)
    assert receipt["picture"] is True
    assert rig.pictures() == [PNG]
    assert rig.arrived() == [str(exercise.id)]
    assert deliver(exercise, channel(rig.good))["picture"] is False


def test_a_repeat_carries_the_same_key(rig: Rig, channel: Make, exercise: Alert) -> None:
    deliver(exercise, channel(rig.good))
    deliver(exercise, channel(rig.good))
    assert set(rig.arrived()) == {str(exercise.id)}


def test_a_failure_is_named_and_keeps_secrets(rig: Rig, channel: Make, exercise: Alert) -> None:
    with pytest.raises(DeliveryFailed) as failure:
        deliver(exercise, channel(rig.failing))
    assert str(failure.value).startswith("channel duty: ")
    assert _TOKEN not in str(failure.value)
    assert "127.0.0.1" not in str(failure.value)


def test_an_exercise_never_reaches_a_live_channel(
    rig: Rig, channel: Make, exercise: Alert, live: Alert
) -> None:
    forgotten_flag = replace(exercise, exercise=False)
    for alert in (exercise, forgotten_flag):
        with pytest.raises(ConfigurationError, match="exercise must not go to a live channel"):
            deliver(alert, channel(rig.good, exercise=False))
    with pytest.raises(ConfigurationError, match="real alert must not go to an exercise channel"):
        deliver(live, channel(rig.good, exercise=True))
    assert rig.arrived() == []


def test_a_real_alert_reaches_a_live_channel(rig: Rig, channel: Make, live: Alert) -> None:
    deliver(live, channel(rig.good, exercise=False))
    assert rig.arrived() == [str(live.id)]


def test_a_hopeless_url_is_found_before_sending(
    kind: str, rig: Rig, channel: Make, exercise: Alert
) -> None:
    assert check(channel(rig.good)) == kind
    for refuse in (check, lambda c: deliver(exercise, c)):
        with pytest.raises(ConfigurationError) as refusal:
            refuse(channel(rig.hopeless))
        assert str(refusal.value).startswith("channel duty: ")
        assert _TOKEN not in str(refusal.value)


def test_the_registry_finds_it_and_the_readme_tells_of_it(
    kind: str, rig: Rig, channel: Make
) -> None:
    assert sender_for(channel(rig.good)).kind == kind
    readme = (Path(alerts.__file__).parent / "README.md").read_text()
    assert f"| `{kind}` |" in readme


def test_a_url_without_a_scheme_is_refused(channel: Make) -> None:
    with pytest.raises(ConfigurationError, match="no scheme"):
        check(channel(""))


@pytest.mark.parametrize("url", ["file://[::1", "file:", "file:///", "file:relative.jsonl"])
def test_a_file_needs_an_absolute_path(channel: Make, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"channel duty: .*file"):
        check(channel(url))


def test_a_file_channel_takes_paths_with_blanks(
    tmp_path: Path, channel: Make, exercise: Alert
) -> None:
    file = tmp_path / "duty \u00f8ffice.jsonl"
    deliver(exercise, channel(file.as_uri()))
    assert len(journal.read(file)) == 1


def test_a_channel_speaks_its_language(rig: Rig, channel: Make, exercise: Alert) -> None:
    norwegian = replace(channel(rig.good), languages=("nb",))
    assert "template_fault" not in deliver(exercise, norwegian)
    unknown = replace(channel(rig.good), languages=("xx",))
    assert "no language 'xx'" in deliver(exercise, unknown)["template_fault"]
    assert rig.arrived() == [str(exercise.id)] * len(rig.arrived())


def test_norwegian_arrives_as_it_was_written(
    receiver: Receiver, channel: Make, exercise: Alert
) -> None:
    deliver(exercise, replace(channel(receiver.url), languages=("nb",)), exposure={"road": "E6"})
    (line,) = receiver.received()
    body = line["body"]
    assert (body["language"], body["status"]) == ("nb", "Exercise")
    assert body["title"].startswith("EXERCISE SIMULATED: Mistenkt skred")
    assert "ØVELSE" in body["text"]
    assert any(action.startswith("E6 i eller ved omrisset") for action in body["actions"])
