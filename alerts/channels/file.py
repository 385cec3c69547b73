"""Files: one JSON line per alert, the same alert never twice; pictures in a folder beside it."""

from __future__ import annotations

import os
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
        """Ask for an absolute path in a folder that is there, and that we may write."""
        path = _path(channel)
        if not path.parent.is_dir():
            raise ConfigurationError("the folder of the alert file is not there")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ConfigurationError("this user may not write the alert file, or its folder")

    def send(self, channel: Channel, message: Message) -> dict[str, Any]:
        """Append the payload, on disk before this returns; a repeated key writes nothing.

        The picture goes first, so that what a line names is there: ``alerts.jsonl`` has its
        pictures in ``alerts-pictures``.
        """
        try:
            line, repeated = journal.record(
                _path(channel),
                message.key,
                _with_picture(_path(channel), message),
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
            "picture": message.picture is not None,
        }


def _with_picture(lines: Path, message: Message) -> dict[str, Any]:
    """Write the picture beside the file of lines; return the payload that names it."""
    picture = message.picture
    if picture is None:
        return message.payload
    folder = lines.with_name(f"{lines.stem}-pictures")
    folder.mkdir(exist_ok=True)
    part = folder / f".{picture.name}.{os.getpid()}.part"
    try:
        part.write_bytes(picture.content)
        part.replace(folder / picture.name)
    finally:
        part.unlink(missing_ok=True)
    file = f"{folder.name}/{picture.name}"
    return message.payload | {"picture": picture.described() | {"file": file}}


def _path(channel: Channel) -> Path:
    try:
        parts = urlsplit(channel.url.get_secret_value().strip())
    except ValueError:
        raise ConfigurationError("the file URL cannot be read") from None
    path = Path(unquote(parts.path))
    if parts.netloc not in {"", "localhost"} or not path.is_absolute() or not path.name:
        raise ConfigurationError("a file channel needs file:// and an absolute path")
    return path
