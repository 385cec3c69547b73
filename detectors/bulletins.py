"""What is told besides alerts: digests, answers to a trigger, silence. Records only."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


class Sort(enum.StrEnum):
    """What a bulletin is for."""

    DIGEST = "digest"
    """A subscriber's list of what was not sent at once."""
    SUMMARY = "summary"
    """What looks of the past showed in a region that has caught up."""
    BULLETIN = "bulletin"
    """What was found, or not found, after a named trigger."""
    SILENCE = "silence"
    """To operators: a look that was expected did not come."""
    ALL_CLEAR = "all-clear"
    """To operators: it came after all."""
    QUOTA = "quota"
    """To operators: a region has spent its month, and its looks wait."""
    VERIFICATION = "verification"
    """To operators: how last month's alerts of a region turned out."""


@dataclass(frozen=True, slots=True)
class Bulletin:
    """One message that is about no single landslide."""

    id: uuid.UUID
    """Idempotency key, derived from what makes it unique."""
    sort: Sort
    """What it is for."""
    region_id: str | None
    """Watched region; None for a digest, which may speak of several."""
    exercise: bool
    """Goes out as EXERCISE, to exercise channels only."""
    simulated: bool
    """Something in it never happened."""
    issued_at: datetime
    """When it was decided, UTC."""
    content: Mapping[str, Any]
    """What it says, JSON-able: see ``alerts.bulletins`` for each sort."""
