"""The webhook sender by itself: what goes over the wire, and what it makes of odd answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from alerts.channels.webhook import WebhookSender
from alerts.deliver import deliver
from alerts.message import render
from alerts.records import Channel
from detectors.errors import ConfigurationError, DeliveryFailed
from detectors.types import Alert

Make = Callable[..., Channel]
_HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def _send(rude: object, channel: Make, alert: Alert, rest: str = "/x") -> dict[str, object]:
    rude.hang_up = True
    return WebhookSender().send(channel(f"http://127.0.0.1:{rude.port}{rest}"), render(alert))


def test_the_request_is_what_the_readme_promises(
    rude: object, channel: Make, exercise: Alert
) -> None:
    rude.status("200 OK")
    target = channel(f"http://me:p%40ss@127.0.0.1:{rude.port}/a?b=c#d", secret="whsec_c2VjcmV0")
    WebhookSender().send(target, render(exercise))
    head, _, body = rude.requests[0].partition(b"\r\n{")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    assert first == "POST /a?b=c HTTP/1.1"
    assert headers["idempotency-key"] == headers["webhook-id"] == str(exercise.id)
    assert headers["webhook-signature"].startswith("v1,")
    basic = base64.b64encode(b"me:p@ss").decode().lower()
    assert headers["authorization"] == f"basic {basic}"
    assert json.loads(b"{" + body) == render(exercise).payload


@pytest.mark.parametrize(
    ("body", "receipt"),
    [
        (b"thanks", None),
        (b"[1]", None),
        (b'{"receipt": 17}', "17"),
        (b'{"receipt": {"deep": 1}}', None),
        (b'{"receipt": "a\\u0000b"}', "ab"),
        (b'{"receipt": "' + b"x" * 500 + b'"}', "x" * 200),
        (b'{"receipt": "' + b"x" * 100_000 + b'"}', None),
        (b"[" * 60_000, None),
        (b"\xff\xfe", None),
    ],
    ids=["text", "list", "number", "object", "nul", "long", "huge", "nested", "bytes"],
)
def test_odd_answers_are_still_a_success(
    rude: object, channel: Make, exercise: Alert, body: bytes, receipt: str | None
) -> None:
    rude.answer = _HEAD + b"\r\n" + body
    assert _send(rude, channel, exercise).get("receipt") == receipt


def test_a_success_whose_body_breaks_off_stays_one(
    rude: object, channel: Make, exercise: Alert
) -> None:
    rude.answer = _HEAD + b"Content-Length: 999\r\n\r\n{"
    assert _send(rude, channel, exercise)["status"] == 200


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-hello\r\n", b"HTTP/1.1 "])
def test_what_is_no_http_is_a_failure(
    rude: object, channel: Make, exercise: Alert, answer: bytes
) -> None:
    rude.answer = answer
    with pytest.raises(DeliveryFailed, match="no answer"):
        _send(rude, channel, exercise)


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "http://[::1",
        "http://h:99999/",
        "http://h:x/",
        "http://h/t\u00f6ken",
        "http://h/ a",
    ],
)
def test_urls_that_can_never_work(channel: Make, url: str) -> None:
    with pytest.raises(ConfigurationError, match="webhook URL") as refusal:
        WebhookSender().check(channel(url))
    assert url not in str(refusal.value)


def test_a_signing_secret_is_checked_beforehand(channel: Make) -> None:
    with pytest.raises(ConfigurationError, match="base64"):
        WebhookSender().check(channel("https://host/", secret="whsec_no!"))


def _asked(rude: object, channel: Make, alert: Alert, header: str) -> float | None:
    rude.status("503 Busy", header)
    with pytest.raises(DeliveryFailed, match="answered 503") as failure:
        deliver(alert, channel(f"http://127.0.0.1:{rude.port}/"))
    return failure.value.retry_after_s


def test_a_target_may_ask_to_be_left_alone(rude: object, channel: Make, exercise: Alert) -> None:
    assert _asked(rude, channel, exercise, "Retry-After: 120") == 120
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 60 < _asked(rude, channel, exercise, f"Retry-After: {soon}") <= 90
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert _asked(rude, channel, exercise, f"Retry-After: {past}") == 0
    assert _asked(rude, channel, exercise, "Retry-After: when I am ready") is None
    assert _asked(rude, channel, exercise, "X-Other: 1") is None


def test_the_cap_message_is_in_the_payload(rude: object, channel: Make, exercise: Alert) -> None:
    rude.status("200 OK")
    deliver(exercise, channel(f"http://127.0.0.1:{rude.port}/"), cap="<alert>\u00e6</alert>")
    body = rude.requests[0].partition(b"\r\n{")[2]
    assert json.loads(b"{" + body)["cap"] == "<alert>\u00e6</alert>"
