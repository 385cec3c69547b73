"""What every kind of channel offers."""

from __future__ import annotations

import errno
from typing import Any, Protocol

from alerts.records import Channel, Message


class Sender(Protocol):
    """One kind of channel.

    Rules for the words in errors: use your own, an HTTP status, an exception's class or an errno
    name. Never a part of the URL and never another program's text, which may repeat one.
    """

    @property
    def kind(self) -> str:
        """Name in the registry."""
        ...

    def handles(self, scheme: str) -> bool:
        """Tell whether URLs of this scheme (lower case) belong to this kind."""
        ...

    def check(self, channel: Channel) -> None:
        """Look over a channel without sending anything.

        Raises:
            ConfigurationError: the URL can never work.
        """
        ...

    def send(self, channel: Channel, message: Message) -> dict[str, Any]:
        """Send one message to one target and return what it answered, JSON-able.

        Runs in a process of its own that is killed when time is up, so it may block.

        Raises:
            ConfigurationError: the URL can never work.
            DeliveryFailed: the target did not take the message, or may not have.
        """
        ...


def explain(error: BaseException) -> str:
    """Return an exception as its class and errno name; its text may hold a URL."""
    name = type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        number = getattr(cause, "errno", None)
        if isinstance(number, int) and number in errno.errorcode:
            return f"{name}, {errno.errorcode[number]}"
        cause = cause.__cause__ or cause.__context__
    return name
