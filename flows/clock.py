"""The time the system believes in: now, or the moment a replay has reached."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from detectors.errors import ConfigurationError
from detectors.types import require_utc


class Clock(Protocol):
    """Tells the time of the world that is watched."""

    def now(self) -> datetime:
        """Return an aware UTC datetime."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present."""
        return datetime.now(UTC)


class FileClock:
    """A replay's clock: a file with one ISO 8601 time, shared by all processes of the replay."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """Return the moment the replay has reached.

        Raises:
            ConfigurationError: the file is missing or holds no aware time.
        """
        try:
            moment = datetime.fromisoformat(self._path.read_text(encoding="utf-8").strip())
            return require_utc(moment, "replay clock")
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"replay clock {self._path}: {error}") from None

    def set(self, moment: datetime) -> None:
        """Move the clock; readers see the old or the new time, never half of one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(require_utc(moment, "replay clock").isoformat(), encoding="utf-8")
        fresh.replace(self._path)

    def remove(self) -> None:
        """Remove the file; the replay is over."""
        self._path.unlink(missing_ok=True)
