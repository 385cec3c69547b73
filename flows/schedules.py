"""When a region is polled: by interval or by cron, inside its windows.

Cron is read by ``cronsim`` here and by Prefect where the runs are planned. They read alike what is
accepted here; where both the day of the month and of the week are given they would not.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from detectors.types import WatchedRegion
from detectors.windows import inside

_FIELD = re.compile(r"[\d*,/-]+")
_FIELDS = 5


def parse_cron(text: str) -> tuple[str, str]:
    """Return the five fields of a cron line and its time zone, ``UTC`` where it names none.

    Args:
        text: minute, hour, day of the month, month, day of the week (0 to 7, Sunday is 0 and 7),
            then an IANA zone if it is not UTC: ``0 6,18 * * * Europe/Oslo``.

    Raises:
        ValueError: what is wrong with it.
    """
    words = text.split()
    fields, zone = words[:_FIELDS], words[_FIELDS:] or ["UTC"]
    if len(fields) < _FIELDS or len(zone) > 1:
        raise ValueError("five fields, minute hour day month weekday, and a time zone if not UTC")
    if strange := [word for word in fields if not _FIELD.fullmatch(word)]:
        raise ValueError(f"{strange[0]!r}: digits and * , - / only")
    if "*" not in (fields[2], fields[4]):
        raise ValueError("say the day of the month or of the week, and * for the other")
    line = " ".join(fields)
    try:
        _simulated(line, zone[0], datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"{line!r} is no cron line: {error}") from None
    except StopIteration:
        raise ValueError(f"{line!r} never comes") from None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no IANA time zone {zone[0]!r}, such as Europe/Oslo") from None
    return line, zone[0]


def _simulated(line: str, zone: str, at: datetime, *, back: bool = False) -> datetime:
    return next(CronSim(line, at.astimezone(ZoneInfo(zone)), reverse=back)).astimezone(UTC)


def polls_before(region: WatchedRegion, now: datetime, count: int) -> datetime:
    """Return when the poll was due that lies so many polls before ``now``, UTC."""
    if region.poll_cron is None:
        return now - count * region.poll_every
    line, zone = parse_cron(region.poll_cron)
    for _ in range(count):
        now = _simulated(line, zone, now, back=True)
    return now


def in_season(region: WatchedRegion, now: datetime) -> bool:
    """Tell whether a region is polled and its looks are judged at a moment (aware)."""
    return inside(region.windows, now)


def words(region: WatchedRegion, every: str) -> str:
    """Return when a region is polled, in words.

    Args:
        region: watched region.
        every: its interval in words, which only a region without cron goes by.
    """
    when = f"every {every}" if region.poll_cron is None else f"at {region.poll_cron}"
    return f"{when}, in {', '.join(region.windows)} only" if region.windows else when


def minutes(length: timedelta) -> str:
    """Return a length of time in minutes, as region files and forms have it."""
    return f"{length / timedelta(minutes=1):.15g}"
