"""What repeats every year in a series of looks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

#: Length of the season, days (tropical year).
YEAR = 365.2422
_ORIGIN = datetime(2014, 4, 3, tzinfo=UTC)


def days(moments: Sequence[datetime]) -> Values:
    """Return moments in days since Sentinel-1A was launched, float64 (look,)."""
    return np.array([(moment - _ORIGIN).total_seconds() / 86_400.0 for moment in moments])


def harmonics(at: Values, order: int) -> Values:
    """Return cosine and sine of the season, float64 (look, 2 x order), dimensionless.

    Args:
        at: times, days.
        order: harmonics of the year; 0 gives no column.
    """
    phase = 2.0 * np.pi * np.outer(at / YEAR, np.arange(1, order + 1))
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
