"""E-mail through Apprise to a real SMTP server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alerts.channels.registry import check
from alerts.deliver import deliver
from alerts.message import render
from alerts.records import Channel, Picture
from detectors.errors import ConfigurationError, DeliveryFailed
from detectors.types import Alert

Make = Callable[..., Channel]


def _url(port: int, credentials: str = "", to: str = "duty@example.org") -> str:
    return f"mailto://{credentials}127.0.0.1:{port}/?from=watch@example.org&to={to}&mode=insecure"


def test_a_mail_arrives_as_written(mail_server: object, channel: Make, exercise: Alert) -> None:
    receipt = deliver(exercise, channel(_url(mail_server.port)))
    assert receipt["kind"] == "push"
    assert receipt["form"] == "full"
    (mail,) = mail_server.inbox
    message = render(exercise)
    assert mail["To"] == "duty@example.org"
    assert mail["Idempotency-Key"] == str(exercise.id)
    assert str(mail["Subject"]).startswith("EXERCISE SIMULATED: ")
    assert mail.get_content_type() == "text/plain"
    text = mail.get_payload(decode=True).decode()
    assert text.split() == message.text.split()
    assert "\n       lat 0.00025, lon 0.00025 " in text.replace("\r\n", "\n")


def test_the_picture_is_attached(mail_server: object, channel: Make, exercise: Alert) -> None:
    content = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
    picture = Picture(f"{exercise.id}.png", content)
    assert deliver(exercise, channel(_url(mail_server.port)), picture=picture)["picture"] is True
    (mail,) = mail_server.inbox
    text, attached = mail.get_payload()
    assert render(exercise).text.split() == text.get_payload(decode=True).decode().split()
    assert (attached.get_content_type(), attached.get_filename()) == ("image/png", picture.name)
    assert attached.get_payload(decode=True) == content


def test_a_refused_mail_is_a_failure(mail_server: object, channel: Make, exercise: Alert) -> None:
    mail_server.accepts = False
    with pytest.raises(DeliveryFailed, match="Apprise returned False"):
        deliver(exercise, channel(_url(mail_server.port)))
    assert mail_server.inbox == []


def test_a_wrong_password_is_a_failure_and_stays_secret(
    mail_server: object, channel: Make, exercise: Alert
) -> None:
    with pytest.raises(DeliveryFailed) as failure:
        deliver(exercise, channel(_url(mail_server.port, "watch:pa55word@")))
    assert mail_server.passwords_refused
    assert mail_server.inbox == []
    for part in ("pa55word", "watch", "example.org"):
        assert part not in str(failure.value)


def test_a_mail_server_that_never_greets_is_given_up(
    mail_server: object, channel: Make, exercise: Alert
) -> None:
    mail_server.greets = False
    with pytest.raises(DeliveryFailed, match="no answer within 5 s, killed"):
        deliver(exercise, channel(_url(mail_server.port)), 5)


def test_one_channel_has_one_recipient(mail_server: object, channel: Make) -> None:
    with pytest.raises(ConfigurationError, match="one channel for each") as refusal:
        check(channel(_url(mail_server.port, to="a@example.org,b@example.org")))
    assert "example.org" not in str(refusal.value)
