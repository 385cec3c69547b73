"""Times of the year in which a region is watched. Pure.

A window is text: ``05/10`` is May to October, ``04-15/05-31`` is from day to day, both ends
included, UTC. One whose end lies before its beginning goes over the new year: ``11/02``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from datetime import UTC, datetime

_WINDOW = re.compile(r"(\d\d)(?:-(\d\d))?(?:/(\d\d)(?:-(\d\d))?)?")
#: A year with a 29 February.
_LEAP = 2024


def bounds(window: str) -> tuple[str, str]:
    """Return the first and the last day of a window as ``MM-DD``, which sorts as days do.

    Raises:
        ValueError: it is none; says what one looks like.
    """
    found = _WINDOW.fullmatch(window)
    if found is None:
        raise ValueError(_none(window))
    first_month, first_day, last_month, last_day = found.groups()
    if last_month is None:
        last_month, last_day = first_month, first_day
    if (first_day is None) is not (last_day is None):
        raise ValueError(_none(window))
    try:
        first = datetime(_LEAP, int(first_month), int(first_day or 1), tzinfo=UTC)
        end = calendar.monthrange(_LEAP, int(last_month))[1] if last_day is None else int(last_day)
        last = datetime(_LEAP, int(last_month), end, tzinfo=UTC)
    except ValueError:
        raise ValueError(_none(window)) from None
    return f"{first:%m-%d}", f"{last:%m-%d}"


def inside(windows: Iterable[str], moment: datetime) -> bool:
    """Tell whether a moment (aware) lies in one of some windows; without any, every one does."""
    days = [bounds(window) for window in windows]
    day = f"{moment.astimezone(UTC):%m-%d}"
    return not days or any(
        first <= day <= last if first <= last else day >= first or day <= last
        for first, last in days
    )


def _none(window: str) -> str:
    return f"{window!r} is no time of the year: write months (05/10) or days (04-15/05-31)"
