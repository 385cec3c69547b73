"""A real mail server on loopback, and what it took. For drills."""

from __future__ import annotations

import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller

from flows.deployments import free_port

CAP_TYPE = "application/cap+xml"
KEY = "Idempotency-Key"


class MailBox:
    """A mail server with one inbox, as a context manager."""

    def __init__(self) -> None:
        self._mails: list[EmailMessage] = []
        self._lock = threading.Lock()
        self._port = free_port()
        self._server = Controller(self, hostname="127.0.0.1", port=self._port, ready_timeout=30)

    @property
    def url(self) -> str:
        """Apprise's address of it."""
        people = "from=watch@drill.invalid&to=duty@drill.invalid"
        return f"mailto://127.0.0.1:{self._port}/?{people}&mode=insecure"

    @property
    def mails(self) -> list[EmailMessage]:
        """What has come so far, oldest first."""
        with self._lock:
            return list(self._mails)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        """Take a mail; aiosmtpd calls it."""
        mail = message_from_bytes(envelope.content, policy=policy.default)
        with self._lock:
            self._mails.append(mail)
        return "250 taken"

    def __enter__(self) -> MailBox:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(no_assert=True)


def cap_of(mail: EmailMessage) -> bytes | None:
    """Return the CAP message a mail carries, None where it has none."""
    for part in mail.iter_attachments():
        if part.get_content_type() == CAP_TYPE:
            content = part.get_payload(decode=True)
            return content if isinstance(content, bytes) else None
    return None
