"""E-mail, chat and SMS through Apprise: one URL, one recipient, True or failure."""

from __future__ import annotations

import logging
import mimetypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from alerts.records import Channel, Message, Picture
from detectors.errors import ConfigurationError, DeliveryFailed

#: Apprise gives up on a socket after 4 s, which a mail server that greets late exceeds while it
#: still takes the message. The parent's kill is the clock instead.
_SOCKET_TIMEOUT = 600.0
_STATUS = re.compile(r"error=(\d{3})\b")
#: Kinds whose headers reach the target, so that it can drop repeats.
_MAIL = {"mailto", "mailtos"}
_CARRIES_HEADERS = {"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"}


class PushSender:
    """Sends to any URL that Apprise knows; registered last because it takes every scheme."""

    kind = "push"

    def handles(self, scheme: str) -> bool:
        """Take every scheme nobody else took; ``check`` asks Apprise."""
        return bool(scheme)

    def check(self, channel: Channel) -> None:
        """Let Apprise read the URL and insist on a single recipient."""
        _plugin(channel)

    def send(self, channel: Channel, message: Message) -> dict[str, Any]:
        """Send as plain text, in the longest form the service takes."""
        import apprise

        plugin = _plugin(channel)
        if isinstance(getattr(plugin, "headers", None), dict) and (
            channel.scheme in _CARRIES_HEADERS
        ):
            plugin.headers["Idempotency-Key"] = message.key
        target = apprise.Apprise(asset=plugin.asset)
        target.add(plugin)
        form, title, body = fitted(message, plugin.body_maxlen)
        picture = message.picture if plugin.attachment_support else None
        notify_with(target, title, body, _files(channel, message, picture))
        return {"accepted": True, "form": form, "picture": picture is not None}


def fitted(message: Message, limit: int) -> tuple[str, str, str]:
    """Return form, title and body of at most ``limit`` characters together, never cut blindly.

    ``full`` where it fits; else ``cut`` to the leading paragraphs (what, where, when, what to do)
    with the key; else ``short``, one SMS. Apprise itself would cut in the middle of a coordinate
    or let the service refuse.
    """
    limit -= 2  # services without titles put the title on a line of its own above the text
    if len(message.title) + len(message.text) <= limit:
        return "full", message.title, message.text
    tail = f"(cut to fit) Key: {message.key}\n"
    room = limit - len(message.title) - len(tail)
    paragraphs = message.text.split("\n\n")
    for count in range(len(paragraphs) - 1, 2, -1):
        body = "\n\n".join(paragraphs[:count]) + "\n\n"
        if len(body) <= room:
            return "cut", message.title, body + tail
    return "short", "", message.short


def _files(channel: Channel, message: Message, picture: Picture | None) -> list[Any] | None:
    """Return what goes along: the picture, and in a mail the CAP message for programs."""
    from apprise.attachment.memory import AttachMemory

    memory: Any = AttachMemory
    files = []
    if picture is not None:
        files.append(memory(content=picture.content, name=picture.name, mimetype="image/png"))
    if message.cap is not None and channel.scheme in _MAIL:
        mimetypes.add_type("application/cap+xml", ".cap")  # Apprise refuses types it has never met
        name = f"{message.key}.xml"
        files.append(memory(message.cap.encode(), name=name, mimetype="application/cap+xml"))
    return files or None


def notify_with(target: Any, title: str, body: str, files: list[Any] | None = None) -> None:
    """Send through an ``apprise.Apprise`` and accept nothing but True.

    Raises:
        DeliveryFailed: Apprise said False (the target refused) or None (nobody was told).
    """
    with _overheard() as said:
        result = target.notify(title=title, body=body, body_format="text", attach=files)
    if result is True:
        return
    statuses = [found[1] for line in said if (found := _STATUS.search(line))]
    detail = ""
    if statuses:
        detail = f", target answered {statuses[-1]}"
    elif any("connection error" in line.lower() for line in said):
        detail = ", the connection failed or broke off"
    raise DeliveryFailed(f"Apprise returned {result}{detail}")


def _plugin(channel: Channel) -> Any:
    """Return Apprise's plugin for one channel.

    Raises:
        ConfigurationError: Apprise cannot read the URL, or it names several recipients.
    """
    import apprise

    asset = apprise.AppriseAsset(app_id="Scarpwatch", app_desc="Landslide monitoring")
    asset.async_mode = False
    url = channel.url.get_secret_value().strip()
    with _overheard():
        plugin = apprise.Apprise.instantiate(url, asset=asset)
    if plugin is None:
        raise ConfigurationError("Apprise cannot read the URL; see its page on this service")
    if len(plugin) // (plugin.retry + 1) > 1:
        # With several, one refusal would send the message again to all who have it.
        raise ConfigurationError("the URL names several recipients: make one channel for each")
    for name in ("socket_connect_timeout", "socket_read_timeout"):
        if getattr(plugin, name) == getattr(apprise.URLBase, name):
            setattr(plugin, name, _SOCKET_TIMEOUT)
    if "format" not in parse_qs(urlsplit(url).query) and plugin.notify_format == "html":
        # Laid out in lines: mail readers show plain text as it is, HTML would fold it.
        plugin.notify_format = apprise.NotifyFormat.TEXT
    return plugin


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Collect what Apprise logs, and keep it from going anywhere else: it may name recipients."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, ear = logging.getLogger("apprise"), Ear(logging.WARNING)
    before = logger.propagate
    logger.addHandler(ear)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(ear)
        logger.propagate = before
