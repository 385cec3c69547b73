"""Every kind of channel there is, and the last check before a message leaves."""

from __future__ import annotations

from typing import Any

from alerts.channels.base import Sender
from alerts.channels.file import FileSender
from alerts.channels.push import PushSender
from alerts.channels.webhook import WebhookSender
from alerts.records import Channel, Message
from detectors.errors import ConfigurationError

#: Asked in this order; ``push`` takes every scheme and so comes last.
SENDERS: dict[str, Sender] = {
    sender.kind: sender for sender in (WebhookSender(), FileSender(), PushSender())
}


def sender_for(channel: Channel) -> Sender:
    """Return the sender for a channel's URL.

    Raises:
        ConfigurationError: the URL has no scheme.
    """
    for sender in SENDERS.values():
        if sender.handles(channel.scheme):
            return sender
    raise ConfigurationError(f"channel {channel.name}: the URL has no scheme such as https://")


def check(channel: Channel) -> str:
    """Look over a channel without sending anything and return its kind, for ``doctor``.

    Raises:
        ConfigurationError: the channel can never work; names it, never its URL.
    """
    sender = sender_for(channel)
    try:
        sender.check(channel)
    except ConfigurationError as error:
        raise ConfigurationError(f"channel {channel.name}: {error}") from None
    return sender.kind


def refuse_mismatch(channel: Channel, message: Message) -> None:
    """Keep exercises away from live people, and real alerts out of exercises.

    Raises:
        ConfigurationError: message and channel are not of the same sort.
    """
    if message.exercise is channel.exercise:
        return
    broken = (
        "an exercise must not go to a live channel"
        if message.exercise
        else "a real alert must not go to an exercise channel"
    )
    raise ConfigurationError(f"channel {channel.name}: {broken}")


def send(channel: Channel, message: Message) -> dict[str, Any]:
    """Send one message now, in this process; ``alerts.deliver`` runs this in a child.

    Raises:
        ConfigurationError: exercise against live, or a URL that can never work.
        DeliveryFailed: the target did not take it.
    """
    sender = sender_for(channel)
    refuse_mismatch(channel, message)
    return sender.send(channel, message)
