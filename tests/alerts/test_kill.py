"""Killed between send and receipt: nothing is lost, and the repeat carries the same key."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts.deliver import deliver
from alerts.receiver import Receiver
from alerts.records import Channel
from alerts.sample import sample_alert

_AT = datetime(2023, 1, 1, 14, 15, tzinfo=UTC)

#: A worker that sends and is about to store the receipt.
_WORKER = """
import sys, time
from datetime import datetime
from pydantic import SecretStr
from alerts.deliver import deliver
from alerts.records import Channel
from alerts.sample import sample_alert
alert = sample_alert(datetime.fromisoformat(sys.argv[2]))
deliver(alert, Channel("duty", SecretStr(sys.argv[1]), True), float(sys.argv[3]))
print("sent", flush=True)
time.sleep(600)
"""


@pytest.fixture
def worker() -> Callable[[str, float], subprocess.Popen[bytes]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(url: str, timeout_s: float) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, "-c", _WORKER, url, _AT.isoformat(), str(timeout_s)]
        started.append(subprocess.Popen(arguments, stdout=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_killed_after_the_send_before_the_receipt_is_stored(
    receiver: Receiver, channel: Callable[..., Channel], worker: Callable[..., object]
) -> None:
    process = worker(receiver.url, 30)
    assert process.stdout.readline() == b"sent\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    deliver(sample_alert(_AT), channel(receiver.url))
    first, second = receiver.received()
    assert first["key"] == second["key"]
    assert (first["repeated"], second["repeated"]) == (False, True)
    assert first["receipt"] == second["receipt"]


def test_killed_while_the_target_is_thinking(
    rude: object,
    receiver: Receiver,
    channel: Callable[..., Channel],
    worker: Callable[..., object],
) -> None:
    process = worker(f"http://127.0.0.1:{rude.port}/", 4)
    assert rude.arrived.wait(20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = time.monotonic()
    # The orphaned child has nobody left to kill it and ends by its own alarm.
    assert rude.caller_left.wait(10)
    assert time.monotonic() - killed < 8
    key = next(
        line.split(b": ")[1].decode()
        for line in rude.requests[0].split(b"\r\n")
        if line.lower().startswith(b"idempotency-key")
    )
    assert deliver(sample_alert(_AT), channel(receiver.url))["key"] == key


def test_killed_in_the_middle_of_a_line(tmp_path: Path, channel: Callable[..., Channel]) -> None:
    file = tmp_path / "alerts.jsonl"
    alert = sample_alert(_AT)
    deliver(alert, channel(file.as_uri()))
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])  # what a kill during the write leaves behind
    receipt = deliver(alert, channel(file.as_uri()))
    assert receipt["repeated"] is False
    again = deliver(alert, channel(file.as_uri()))
    assert again["repeated"] is True
    assert again["receipt"] == receipt["receipt"]
