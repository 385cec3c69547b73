"""How often a track comes by, learned from its looks, and which look is missing. Pure.

A constant of 6 or 12 days is wrong as soon as the fleet changes; what came is what can be expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median, median_low

from detectors.types import SAME_PASS

#: Intervals a cycle is learned from: the newest, so that a change of the fleet is learned after
#: half of them. A gap in them does not move the median.
REMEMBERED = 6
#: Passes without which nothing is learned: two equal intervals may be chance, three passes tell.
FEWEST = 3
#: After so many expected looks in a row that did not come, a track is taken to have ended.
MOST_MISSED = 3


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a track has been used to."""

    every: timedelta
    """From one pass to the next."""
    last: datetime
    """The newest pass, UTC."""
    delay: timedelta
    """What a recent pass took from sensing to publication: the median, since archives are filled
    and products made again years later."""

    def next_after(self, now: datetime) -> datetime:
        """Return the first pass expected after a moment, counted on from the last one."""
        return self.last + self.every * max((now - self.last) // self.every + 1, 1)

    def missed(self, now: datetime, tolerance: timedelta) -> tuple[datetime, int] | None:
        """Return the newest pass that should be known by now and is not.

        Args:
            now: UTC.
            tolerance: So much later than usual is not late yet.

        Returns:
            When it should have been taken, and the how manieth in a row it is; None where nothing
            is missing, or where the track has ended (more than ``MOST_MISSED`` in a row).
        """
        count = (now - self.delay - tolerance - self.last) // self.every
        if not 1 <= count <= MOST_MISSED:
            return None
        return self.last + count * self.every, count

    def ended(self, now: datetime, tolerance: timedelta) -> bool:
        """Tell whether the track has been silent for longer than any alarm is given."""
        return (now - self.delay - tolerance - self.last) // self.every > MOST_MISSED


def passes(looks: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return (sensed, published) of each pass, oldest first: the first item, the last publication.

    Bursts and tiles of one pass are one.
    """
    found: list[tuple[datetime, datetime]] = []
    for sensed, published in sorted(looks):
        if found and sensed - found[-1][0] <= SAME_PASS:
            found[-1] = (found[-1][0], max(found[-1][1], published))
        else:
            found.append((sensed, published))
    return found


def learn(looks: Sequence[tuple[datetime, datetime]]) -> Cycle | None:
    """Return the cycle of one track, None where too few passes are known.

    Args:
        looks: (sensed, published) of its items, UTC, in any order.
    """
    known = passes(looks)
    if len(known) < FEWEST:
        return None
    recent = known[-REMEMBERED - 1 :]
    # The lower of two middle gaps: between 12 and 36 days lie 24, at which nothing ever came.
    every = median_low(after[0] - before[0] for before, after in pairwise(recent))
    delays = ((published - sensed).total_seconds() for sensed, published in recent)
    return Cycle(every, known[-1][0], timedelta(seconds=median(delays)))
