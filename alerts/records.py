"""The two records of this layer: a place to send to, and what is sent.

Kept apart from ``alerts.message`` so that the sending process need not import numpy, shapely,
pydantic and Jinja2.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Any, Protocol

from detectors.errors import ConfigurationError

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class Secret(Protocol):
    """Anything that hides a text from logs; pydantic's ``SecretStr`` is one."""

    def get_secret_value(self) -> str:
        """Return the text."""
        ...


class Hidden:
    """A secret without pydantic, whose import would double the start-up of a sending process."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._value

    def __repr__(self) -> str:
        return "Hidden('**********')"


@dataclass(frozen=True, slots=True)
class Channel:
    """One target: exactly one place that takes a message or does not."""

    name: str
    """What people, settings and the database call it: lower-case letters, digits, hyphens."""
    url: Secret
    """Where it goes; the scheme chooses the sender. Never stored, logged or printed."""
    exercise: bool
    """True: takes exercises only. False: takes real alerts only. There is no third kind."""
    tags: tuple[str, ...] = ()
    """Takes alerts of regions that share a tag; empty takes every region."""
    secret: Secret | None = None
    """Signs webhooks; None sends them unsigned."""
    languages: tuple[str, ...] = ("en",)
    """What its messages are written in, one below the other (``alerts.languages``)."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            # The value is not repeated: people paste URLs into the wrong field.
            raise ConfigurationError(
                "a channel name is made of lower-case letters, digits and hyphens"
            )

    @property
    def scheme(self) -> str:
        """What stands before the first colon of the URL, lower case; empty where there is none."""
        return self.url.get_secret_value().strip().partition(":")[0].lower()

    def to_job(self) -> dict[str, Any]:
        """Return a JSON-able copy WITH its secrets, for the pipe to the sending process only."""
        return {
            "name": self.name,
            "url": self.url.get_secret_value(),
            "exercise": self.exercise,
            "tags": list(self.tags),
            "secret": None if self.secret is None else self.secret.get_secret_value(),
            "languages": list(self.languages),
        }

    @classmethod
    def from_job(cls, job: dict[str, Any]) -> Channel:
        """Return the channel that ``to_job`` described."""
        return cls(
            name=job["name"],
            url=Hidden(job["url"]),
            exercise=job["exercise"],
            tags=tuple(job["tags"]),
            secret=None if job["secret"] is None else Hidden(job["secret"]),
            languages=tuple(job["languages"]),
        )


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture of one alert."""

    name: str
    """File name, the alert's key and ``.png``."""
    content: bytes
    """PNG."""

    def described(self) -> dict[str, Any]:
        """Return what a message says of it: ``name``, ``media_type``, ``bytes``, ``sha256``."""
        return {
            "name": self.name,
            "media_type": "image/png",
            "bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class Message:
    """One alert in words, ready for any channel."""

    key: str
    """Idempotency key, the alert's id: the same key twice is the same message."""
    exercise: bool
    """Goes to exercise channels only."""
    title: str
    """One line for subjects and lock screens."""
    text: str
    """Plain text to act on, lines of at most 78 characters where words allow."""
    short: str
    """The same for channels that hold one SMS: at most 160 characters."""
    payload: dict[str, Any]
    """For machines: strict JSON (no NaN), holds title and text too."""
    cap: str | None = None
    """The same as a CAP 1.2 message; None where none was kept."""
    picture: Picture | None = None
    """Goes along where the channel can carry one."""

    def to_job(self) -> dict[str, Any]:
        """Return a JSON-able copy for the pipe to the sending process."""
        job = {name: getattr(self, name) for name in self.__slots__}
        if self.picture is not None:
            content = base64.b64encode(self.picture.content).decode()
            job["picture"] = {"name": self.picture.name, "content": content}
        return job

    @classmethod
    def from_job(cls, job: dict[str, Any]) -> Message:
        """Return the message that ``to_job`` described."""
        sent = job["picture"]
        picture = None if sent is None else Picture(sent["name"], base64.b64decode(sent["content"]))
        return cls(**(job | {"picture": picture}))
