"""Delivery against real servers: good answers, bad answers, none at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts import child, deliver
from alerts.channels.push import notify_with
from alerts.channels.registry import SENDERS, send
from alerts.message import render
from alerts.receiver import Receiver
from alerts.records import Channel, Message
from detectors.errors import ConfigurationError, DeliveryFailed
from detectors.types import Alert

Make = Callable[..., Channel]


def _children() -> list[Path]:
    """The /proc folders of processes this one has started and that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        # Python keeps one of its own once a test used several processes.
        own = b"multiprocessing.resource_tracker" in command
        if int(status[1]) == os.getpid() and status[0] != "Z" and not own:
            found.append(folder)
    return found


def test_the_receipt_is_the_receivers(receiver: Receiver, channel: Make, exercise: Alert) -> None:
    receipt = deliver.deliver(exercise, channel(receiver.url))
    (line,) = receiver.received()
    assert receipt["status"] == 200
    assert (receipt["receipt"], receipt["received_at"]) == (line["receipt"], line["received_at"])
    assert receipt["repeated"] is False
    assert line["exercise"] is True
    assert line["body"] == render(exercise).payload
    assert line["received_at"] <= receipt["accepted_at"]


def test_a_repeated_key_gets_the_same_receipt(
    receiver: Receiver, channel: Make, exercise: Alert
) -> None:
    first, second = (deliver.deliver(exercise, channel(receiver.url)) for _ in range(2))
    assert [line["repeated"] for line in receiver.received()] == [False, True]
    assert second["repeated"] is True
    assert (first["receipt"], first["received_at"]) == (second["receipt"], second["received_at"])


@pytest.mark.parametrize("status", ["500 Broken", "429 Slow down", "404 Gone", "401 Who?"])
def test_an_error_status_is_a_failure(
    rude: object, channel: Make, exercise: Alert, status: str
) -> None:
    rude.status(status)
    for scheme in ("http", "json"):
        with pytest.raises(DeliveryFailed, match=rf"answered {status[:3]}"):
            deliver.deliver(exercise, channel(f"{scheme}://127.0.0.1:{rude.port}/x"))


def test_a_redirect_is_not_followed(
    rude: object, receiver: Receiver, channel: Make, exercise: Alert
) -> None:
    rude.status("307 Elsewhere", f"Location: {receiver.url}")
    with pytest.raises(DeliveryFailed, match="answered 307"):
        deliver.deliver(exercise, channel(f"http://127.0.0.1:{rude.port}/"))
    assert receiver.received() == []


def test_any_success_without_a_receipt_will_do(
    rude: object, channel: Make, exercise: Alert
) -> None:
    rude.status("204 Thanks")
    receipt = deliver.deliver(exercise, channel(f"http://127.0.0.1:{rude.port}/"))
    assert receipt["status"] == 204
    assert "receipt" not in receipt


@pytest.mark.parametrize(
    ("scheme", "trickle", "limit"),
    [("http", False, 3), ("http", True, 3), ("json", True, 8)],
    ids=["silent", "trickling", "through Apprise"],
)
def test_a_slow_answer_is_killed(
    rude: object, channel: Make, exercise: Alert, scheme: str, trickle: bool, limit: int
) -> None:
    rude.trickle = trickle
    token = "t0ken-in-the-path"
    started = time.monotonic()
    with pytest.raises(DeliveryFailed, match=rf"no answer within {limit} s, killed") as failure:
        deliver.deliver(exercise, channel(f"{scheme}://127.0.0.1:{rude.port}/{token}"), limit)
    assert time.monotonic() - started < limit + 3
    assert token not in str(failure.value)
    assert rude.arrived.is_set()
    assert rude.caller_left.wait(5)
    assert _children() == []


def test_a_broken_line_is_a_failure(rude: object, channel: Make, exercise: Alert) -> None:
    rude.hang_up = True
    with pytest.raises(DeliveryFailed, match="no answer"):
        deliver.deliver(exercise, channel(f"http://127.0.0.1:{rude.port}/"))


def test_a_refused_connection_is_a_failure(
    closed_port: int, channel: Make, exercise: Alert
) -> None:
    with pytest.raises(DeliveryFailed, match="ECONNREFUSED"):
        deliver.deliver(exercise, channel(f"http://127.0.0.1:{closed_port}/"))
    with pytest.raises(DeliveryFailed, match="returned False, the connection failed"):
        deliver.deliver(exercise, channel(f"json://127.0.0.1:{closed_port}/"))


def test_neither_arguments_nor_environment_show_a_secret(
    rude: object, channel: Make, exercise: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCARPWATCH_CHANNELS", "t0ken-of-another-channel")
    target = channel(f"http://me:t0ken-one@127.0.0.1:{rude.port}/?t0ken-two", secret="t0ken-three")
    failures: list[DeliveryFailed] = []

    def go() -> None:
        try:
            deliver.deliver(exercise, target, 4)
        except DeliveryFailed as failure:
            failures.append(failure)

    thread = threading.Thread(target=go)
    thread.start()
    assert rude.arrived.wait(4)
    (process,) = _children()
    shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    thread.join()
    assert b"alerts.child" in shown
    assert b"t0ken" not in shown
    assert "t0ken" not in str(failures[0])
    assert "t0ken" not in repr(target)


def test_proxies_do_not_stand_between_us_and_loopback(
    receiver: Receiver,
    closed_port: int,
    channel: Make,
    exercise: Alert,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    for scheme in ("http", "json"):
        deliver.deliver(exercise, channel(receiver.url.replace("http", scheme)))
    assert len(receiver.received()) == 2


def test_apprise_saying_none_is_a_failure() -> None:
    import apprise

    config = apprise.Apprise()
    config.add("json://127.0.0.1:1", tag="somebody-else")

    class OnlyTagged:
        """Apprise as it answers when no target matches: really None."""

        def notify(self, **words: str) -> bool | None:
            answer: bool | None = config.notify(**words, tag="nobody", match_always=False)
            return answer

    assert OnlyTagged().notify(title="t", body="b") is None
    with pytest.raises(DeliveryFailed, match="Apprise returned None"):
        notify_with(OnlyTagged(), "title", "body")
    with pytest.raises(DeliveryFailed, match="Apprise returned False"):
        notify_with(apprise.Apprise(), "title", "body")


def test_the_child_checks_exercise_again(
    receiver: Receiver, channel: Make, exercise: Alert, live: Alert
) -> None:
    pairs = ((exercise, channel(receiver.url, exercise=False)), (live, channel(receiver.url)))
    for alert, target in pairs:
        job = {"channel": target.to_job(), "message": render(alert).to_job()}
        assert child.answer_for(job)["error"] == "ConfigurationError"
        with pytest.raises(ConfigurationError):
            send(target, render(alert))
    assert receiver.received() == []


def test_a_sender_that_breaks_tells_where_but_no_text(
    channel: Make, exercise: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        kind = "broken"

        def handles(self, scheme: str) -> bool:
            return True

        def check(self, channel: Channel) -> None: ...

        def send(self, channel: Channel, message: Message) -> dict[str, object]:
            raise KeyError(channel.url.get_secret_value())

    for name in SENDERS:
        monkeypatch.setitem(SENDERS, name, Broken())
    job = {"channel": channel("x://t0ken").to_job(), "message": render(exercise).to_job()}
    answer = child.answer_for(job)
    assert answer["error"] == "DeliveryFailed"
    assert "KeyError, test_deliver.py:" in answer["reason"]
    assert "t0ken" not in answer["reason"]


def test_a_child_that_ends_without_a_word_is_a_failure(
    receiver: Receiver, channel: Make, exercise: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_BOOT", "raise ModuleNotFoundError('t0ken')")
    with pytest.raises(DeliveryFailed, match=r"ended with 1 \(ModuleNotFoundError\)$"):
        deliver.deliver(exercise, channel(receiver.url))


def test_a_time_out_must_be_positive(receiver: Receiver, channel: Make, exercise: Alert) -> None:
    with pytest.raises(ValueError, match="positive"):
        deliver.deliver(exercise, channel(receiver.url), 0)


def test_the_child_starts_light() -> None:
    heavy = {"numpy", "shapely", "jinja2", "pydantic", "torch", "rasterio", "prefect", "fastapi"}
    code = "import alerts.child, json, sys; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not heavy & set(json.loads(shown.stdout))
