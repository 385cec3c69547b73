"""What CAP messages are made from besides the alert, and what they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from alerts.cap_words import WORDS
from detectors.errors import ConfigurationError

_NAME = re.compile(r"[^\s,<&]+")


@dataclass(frozen=True, slots=True)
class Header:
    """What later messages must say of this one, character by character."""

    sender: str
    """Who sent it."""
    identifier: str
    """Idempotency key of the alert."""
    sent: str
    """When, as it stands in the message."""
    msg_type: str
    """Alert, Update or Cancel."""

    @property
    def reference(self) -> str:
        """The triple that ``references`` is made of."""
        return f"{self.sender},{self.identifier},{self.sent}"


@dataclass(frozen=True, slots=True)
class CapMessage:
    """One message, ready to be kept and sent."""

    header: Header
    """What later messages refer to."""
    xml: str
    """The document, with an XML declaration that says UTF-8."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What every message of one agency says alike."""

    sender: str
    """Unique among all senders, such as a domain name: no blanks, commas, < or &."""
    sender_name: str
    """What people call the sender."""
    restriction: str
    """Who may see what is restricted."""
    contact: str | None = None
    """Whom to call."""
    web: str | None = None
    """Page about the alerts."""
    languages: tuple[str, ...] = ("en", "nb")
    """One block each, in this order."""
    event_list: str = "OET:v1.2"
    """Name of the list that ``event_codes`` are of."""
    event_codes: Mapping[str, str] = field(default_factory=lambda: {"landslide": "OET-119"})
    """Code by kind of finding; a kind without one goes without."""
    expires_after: timedelta = timedelta(days=30)
    """How long a message stands where no later one replaces it."""
    exercise_name: str = "Scarpwatch exercise"
    """Which exercise, for ``note``."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.sender):
            raise ConfigurationError(
                "the sender of CAP messages must be there and hold no blanks, commas, < or &"
            )
        if strange := [one for one in self.languages if one not in WORDS]:
            raise ConfigurationError(
                f"no CAP texts in {', '.join(strange)}; there are: {', '.join(WORDS)}"
            )
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise ConfigurationError("CAP messages need a language, and each one once")
        if self.expires_after <= timedelta():
            raise ConfigurationError("CAP messages must be in force for some time")
        if self.web is not None and not re.fullmatch(r"https?://[^\s<>\"]+", self.web):
            raise ConfigurationError("the web page in CAP messages must begin with https://")
        if not self.restriction.strip():
            raise ConfigurationError("CAP messages are restricted, and must say to whom")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that explains an alert."""

    content: bytes | None
    """PNG; None where it is drawn later, and only its address is known."""
    description: str
    """What it shows, with its credits."""
    uri: str | None = None
    """Where it can be had; None where nowhere."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the alert itself."""

    share_seen: float | None = None
    """Share of the region's ground inside the look that radar could judge, 0 to 1."""
    share_clear: float | None = None
    """Share of the outline that the optical look could judge, 0 to 1."""
    next_look: datetime | None = None
    """When the next look is expected, UTC."""
    incidents: tuple[str, ...] = ()
    """Landslides that this one was joined from or split off; its own id comes by itself."""
    exposure: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What lies near, in words, by language."""
    instructions: Mapping[str, str] = field(default_factory=dict)
    """What to do, by language; where there is none, our own few words."""
    picture: Picture | None = None
    """Explains the alert."""
    test_for: str | None = None
    """The channel that is tried out: nothing happened, and the message is for it alone."""
