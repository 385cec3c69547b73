"""Files: one JSON line per alert, the same alert never twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from alerts import journal
from alerts.channels.base import explain
from alerts.records import Channel, Message
from detectors.errors import ConfigurationError, DeliveryFailed


class FileSender:
    """Appends to ``file:///absolute/path.jsonl``; the folder must exist."""

    kind = "file"

    def handles(self, scheme: str) -> bool:
        """Take file URLs."""
        return scheme == "file"

    def check(self, channel: Channel) -> None:
        """Ask for an absolute path in a folder that is there."""
        if not _path(channel).parent.is_dir():
            raise ConfigurationError("the folder of the alert file is not there")

    def send(self, channel: Channel, message: Message) -> dict[str, Any]:
        """Append the payload, on disk before this returns; a repeated key writes nothing."""
        try:
            line, repeated = journal.record(
                _path(channel),
                message.key,
                message.payload,
                inbox="file",
                exercise=message.exercise,
                keep_repeats=False,
            )
        except OSError as error:
            raise DeliveryFailed(f"the file cannot be written ({explain(error)})") from error
        return {
            "receipt": line["receipt"],
            "received_at": line["received_at"],
            "repeated": repeated,
        }


def _path(channel: Channel) -> Path:
    try:
        parts = urlsplit(channel.url.get_secret_value().strip())
    except ValueError:
        raise ConfigurationError("the file URL cannot be read") from None
    path = Path(unquote(parts.path))
    if parts.netloc not in {"", "localhost"} or not path.is_absolute() or not path.name:
        raise ConfigurationError("a file channel needs file:// and an absolute path")
    return path
