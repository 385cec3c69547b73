"""The receiver as others see it: over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from alerts import journal
from alerts.channels.signature import sign
from alerts.deliver import deliver
from alerts.receiver import Receiver
from detectors.types import Alert


def _post(url: str, key: str = "k1", body: object = None, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body or {"n": 1}).encode()
    sent = {"Idempotency-Key": key, **headers} if key else headers
    return httpx.post(url, content=content, headers=sent, trust_env=False)


def test_a_repeat_is_answered_as_the_first_time(receiver: Receiver) -> None:
    first, second = _post(receiver.url), _post(receiver.url)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert [line["repeated"] for line in receiver.received()] == [False, True]


def test_every_path_is_an_inbox_of_its_own(receiver: Receiver) -> None:
    _post(f"{receiver.url}/one")
    _post(f"{receiver.url}/two")
    assert [line["repeated"] for line in receiver.received()] == [False, False]
    assert [line["inbox"] for line in receiver.received()] == ["/alerts/one", "/alerts/two"]


def test_of_many_at_once_exactly_one_is_the_first(receiver: Receiver) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _post(receiver.url).json(), range(24)))
    assert len({answer["receipt"] for answer in answers}) == 1
    assert sorted(line["repeated"] for line in receiver.received()) == [False] + [True] * 23


def test_keys_survive_a_restart(tmp_path: Path) -> None:
    out = tmp_path / "inbox.jsonl"
    answers = []
    for _ in range(2):
        with Receiver(out) as receiver:
            answers.append(_post(receiver.url).json())
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("", {"n": 1}, 400),
        ("k", b"not json", 400),
        ("k", b'{"x": NaN}', 400),
        ("k", b"\xff", 400),
        ("k", b"1" * (5 * 1024 * 1024), 413),
    ],
    ids=["no key", "no json", "nan", "no utf-8", "too large"],
)
def test_what_it_refuses(receiver: Receiver, key: str, body: object, status: int) -> None:
    assert _post(receiver.url, key, body).status_code == status
    assert receiver.received() == []


def test_a_full_disk_makes_the_sender_try_again(tmp_path: Path) -> None:
    with Receiver(tmp_path / "no-folder" / "inbox.jsonl") as receiver:
        assert _post(receiver.url).status_code == 503


def test_the_mark_is_read_from_field_or_title(receiver: Receiver) -> None:
    for number, body in enumerate(
        (
            {"exercise": True},
            {"exercise": False, "title": "EXERCISE"},
            {"title": "EXERCISE: x"},
            [1],
        )
    ):
        _post(receiver.url, f"k{number}", body)
    assert [line["exercise"] for line in receiver.received()] == [True, False, True, False]


@pytest.mark.parametrize("secret", ["plain words", "whsec_c2VjcmV0LWJ5dGVz"])
def test_signed_messages_only(
    tmp_path: Path, channel: object, exercise: Alert, secret: str
) -> None:
    with Receiver(tmp_path / "inbox.jsonl", secret=secret) as receiver:
        deliver(exercise, channel(receiver.url, secret=secret))
        assert _post(receiver.url).status_code == 401
        stale = sign(secret, "k1", 1_000_000_000, b"{}")
        assert _post(receiver.url, "k1", b"{}", **stale).status_code == 401
        (line,) = receiver.received()
    assert line["key"] == str(exercise.id)


def test_the_command_prints_its_url_first(tmp_path: Path) -> None:
    out = tmp_path / "inbox.jsonl"
    command = [sys.executable, "-m", "alerts.receiver", "--port", "0", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert _post(url).status_code == 200
        finally:
            process.terminate()
    assert [line["key"] for line in journal.read(out)] == ["k1"]
