"""Mail with the CAP message in it, to aiosmtpd: somebody else's server, and a moody one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from alerts.cap import Profile, compose
from alerts.deliver import deliver
from alerts.records import Channel
from detectors.errors import DeliveryFailed
from detectors.types import Alert
from tests.cap_reader import read

Make = Callable[..., Channel]
PROFILE = Profile("alerts.example.org", "Bø & Æ", "Duty desks")


@dataclass
class Inbox:
    """What the server does with a message, and what it has."""

    says: str = "250 taken"
    waits_s: float = 0
    mails: list[EmailMessage] = field(default_factory=list)
    url: str = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.waits_s)
        if self.says.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.says


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    state, ready = Inbox(), threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        server = await loop.create_server(
            lambda: SMTP(state, hostname="loopback", loop=loop), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        people = "from=watch@example.org&to=duty@example.org"
        state.url = f"mailto://127.0.0.1:{port}/?{people}&mode=insecure"
        ready.set()
        await over.wait()
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield state
    loop.call_soon_threadsafe(over.set)
    thread.join(timeout=10)
    loop.close()


@pytest.fixture
def document(exercise: Alert) -> str:
    return compose(exercise, PROFILE, (), datetime(2023, 1, 1, tzinfo=UTC)).xml


def test_a_mail_carries_words_for_people_and_cap_for_programs(
    inbox: Inbox, channel: Make, exercise: Alert, document: str
) -> None:
    deliver(exercise, channel(inbox.url), cap=document)
    (mail,) = inbox.mails
    assert mail["Idempotency-Key"] == str(exercise.id)
    assert mail["Subject"].startswith("EXERCISE SIMULATED: ")
    assert "WHAT TO DO NOW" in mail.get_body(("plain",)).get_content()
    (attached,) = mail.iter_attachments()
    assert attached.get_content_type() == "application/cap+xml"
    assert attached.get_filename() == f"{exercise.id}.xml"
    content = attached.get_payload(decode=True)
    assert content == document.encode()
    assert read(content).plain["identifier"] == str(exercise.id)


def test_a_repeat_is_the_same_message_under_the_same_key(
    inbox: Inbox, channel: Make, exercise: Alert, document: str
) -> None:
    for _ in range(2):
        deliver(exercise, channel(inbox.url), cap=document)
    assert {mail["Idempotency-Key"] for mail in inbox.mails} == {str(exercise.id)}
    assert len({next(mail.iter_attachments()).get_content() for mail in inbox.mails}) == 1


@pytest.mark.parametrize("says", ["451 try later", "554 refused", "552 too large"])
def test_a_server_that_says_no_is_a_failure(
    inbox: Inbox, channel: Make, exercise: Alert, document: str, says: str
) -> None:
    inbox.says = says
    with pytest.raises(DeliveryFailed, match="Apprise returned False"):
        deliver(exercise, channel(inbox.url), cap=document)
    assert inbox.mails == []


def test_a_server_that_takes_too_long_is_left(
    inbox: Inbox, channel: Make, exercise: Alert, document: str
) -> None:
    inbox.waits_s = 60
    began = time.monotonic()
    with pytest.raises(DeliveryFailed, match="no answer within 4 s, killed"):
        deliver(exercise, channel(inbox.url), 4, cap=document)
    assert time.monotonic() - began < 8
