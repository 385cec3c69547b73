"""The ledger: which passes of a track were to be expected, and what became of each. Pure.

Expected is what the track's own cycle said at that time (``cycles.learn``), the same that silence
alarms and "next look" go by. Nobody's fault is told from somebody's: *missing* is what was read for
and was not there, *failed* is what is ours.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from detectors.cycles import MOST_MISSED, REMEMBERED, Cycle, learn
from detectors.types import SAME_PASS


class Outcome(enum.StrEnum):
    """What became of a pass."""

    PROCESSED = "processed"
    """It came and was judged."""
    WAITING = "waiting"
    """It came and is still to be judged."""
    SKIPPED = "skipped"
    """It came and could not be judged, for want of earlier looks or of data."""
    EXPECTED = "expected"
    """It cannot be there yet."""
    LATE = "late"
    """It should be there by now; the tolerance is not over."""
    MISSING = "missing"
    """Missing upstream: it should be there, was asked for since, and is not."""
    FAILED = "failed"
    """Failed here: it came and could not be judged, or nobody asked for it."""


@dataclass(frozen=True, slots=True)
class KnownLook:
    """One item of a pass, and how far it has got here."""

    sensed_at: datetime
    """When it was taken, UTC."""
    published_at: datetime
    """When it became available, UTC."""
    state: str
    """State of the look: due, processing, processed, failed, skipped or baseline."""
    reason: str | None = None
    """Why it failed, was skipped or waits."""
    finished_at: datetime | None = None
    """When it was judged, UTC."""
    source: str = ""
    """``catalogue/collection`` it came from."""


@dataclass(frozen=True, slots=True)
class ExpectedPass:
    """One line of the ledger."""

    track: str
    """What comes by again, as ``db.passes.track_name`` says it."""
    expected_at: datetime
    """When the pass was taken, or should have been, UTC."""
    outcome: Outcome
    """What became of it."""
    reason: str | None
    """Why, where it was not processed."""
    sensed_at: datetime | None = None
    """When it was taken, UTC; None: none came."""
    published_at: datetime | None = None
    """When the last of its items became available, UTC."""
    finished_at: datetime | None = None
    """When the last of its items was judged, UTC."""


#: States of looks, what speaks first at the front, and what they make of their pass.
_OUTCOMES = (
    ("failed", Outcome.FAILED),
    ("due", Outcome.WAITING),
    ("processing", Outcome.WAITING),
    ("processed", Outcome.PROCESSED),
    ("skipped", Outcome.SKIPPED),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the track is known."""

    now: datetime
    """UTC."""
    tolerance: timedelta
    """So much later than usual is not missing yet."""
    read_at: datetime | None
    """When its sources were last read with success, UTC; None: never."""


def ledger(
    track: str, looks: Iterable[KnownLook], since: datetime, reading: Reading
) -> list[ExpectedPass]:
    """Return the passes of one track that were to be expected, oldest first.

    Args:
        track: its name.
        looks: what came, in any order; older ones than ``since`` are what the cycle is learned
            from.
        since: only passes taken, or expected, at this time or later, UTC.
        reading: how far the track is known.

    Returns:
        Every pass that came and was to be judged, the passes that were missed in between, those
        since the last one, and the next one. After ``cycles.MOST_MISSED`` in a row that did not
        come nothing more is expected of the track.
    """
    came = _passes(looks)
    whole = [(items[0].sensed_at, max(one.published_at for one in items)) for items in came]
    lines: list[ExpectedPass] = []
    for number, items in enumerate(came):
        line = _came(track, items)
        lines += [line] if line is not None else []
        recent = whole[max(0, number - REMEMBERED) : number + 1]
        following = whole[number + 1][0] if number + 1 < len(whole) else None
        if _on_time(recent, following):
            continue
        cycle = learn(recent)
        if cycle is not None:
            lines += _absent(track, cycle, following, reading)
    return [line for line in lines if line.expected_at >= since]


@dataclass(frozen=True, slots=True)
class WarmingUp:
    """A track that cannot be judged yet, for want of earlier passes."""

    passes: int
    """So many more have to come before one is judged."""
    judged_at: datetime | None
    """When the first that can be judged is expected, UTC; None where no cycle is known."""

    @property
    def words(self) -> str:
        """Return it in words."""
        more = f"{self.passes} more pass{'' if self.passes == 1 else 'es'}"
        until = "" if self.judged_at is None else f" until about {self.judged_at:%Y-%m-%d}"
        return f"warming up{until}: {more} before one can be judged"


def warming_up(looks: Iterable[KnownLook], needed: int) -> WarmingUp | None:
    """Return what a track still lacks before a pass of it can be judged, None where nothing.

    Args:
        looks: all that is known of the track, in any order.
        needed: passes that a look is held against at least.
    """
    came = _passes(looks)
    lacking = needed - len(came)
    if lacking <= 0:
        return None
    cycle = learn([(one.sensed_at, one.published_at) for items in came for one in items])
    return WarmingUp(lacking, None if cycle is None else cycle.last + (lacking + 1) * cycle.every)


def _passes(looks: Iterable[KnownLook]) -> list[list[KnownLook]]:
    """Group looks by pass, oldest first, as ``cycles.passes`` does."""
    found: list[list[KnownLook]] = []
    for look in sorted(looks, key=lambda one: (one.sensed_at, one.published_at)):
        if found and look.sensed_at - found[-1][0].sensed_at <= SAME_PASS:
            found[-1].append(look)
        else:
            found.append([look])
    return found


def _came(track: str, items: Sequence[KnownLook]) -> ExpectedPass | None:
    """Return the line of a pass that came; None where it only feeds stacks."""
    for state, outcome in _OUTCOMES:
        told = [one for one in items if one.state == state]
        if told:
            ends = [one.finished_at for one in items if one.finished_at is not None]
            reason = next((one.reason for one in told if one.reason), None)
            return ExpectedPass(
                track, items[0].sensed_at, outcome,
                None if outcome is Outcome.PROCESSED else reason,
                items[0].sensed_at, max(one.published_at for one in items),
                max(ends, default=None),
            )  # fmt: skip
    return None


def _on_time(recent: Sequence[tuple[datetime, datetime]], following: datetime | None) -> bool:
    """Tell that nothing is absent before the next pass, without learning the cycle.

    The median of some gaps is no shorter than the shortest: what ``_absent`` looks for does not fit
    between.
    """
    gaps = [after[0] - before[0] for before, after in pairwise(recent)]
    if following is None or not gaps:
        return False
    return following - recent[-1][0] <= 1.5 * min(gaps)


def _absent(
    track: str, cycle: Cycle, following: datetime | None, reading: Reading
) -> Iterator[ExpectedPass]:
    """Yield the passes between one that came and the next, or now."""
    for count in range(1, MOST_MISSED + 1):
        at = cycle.last + count * cycle.every
        if following is not None and at >= following - cycle.every / 2:
            return  # that one is the one that came
        outcome, reason = _verdict(at, cycle, reading)
        yield ExpectedPass(track, at, outcome, reason)
        if outcome is Outcome.EXPECTED and at > reading.now:
            return


def _verdict(at: datetime, cycle: Cycle, reading: Reading) -> tuple[Outcome, str | None]:
    """Return what is to be said of a pass that has not come."""
    due = at + cycle.delay
    if reading.now < due:
        return Outcome.EXPECTED, None
    if reading.now < due + reading.tolerance:
        return Outcome.LATE, f"usually published by {due:%Y-%m-%d %H:%M} UTC"
    if reading.read_at is None:
        return Outcome.FAILED, "never polled: scarpwatch poll"
    if reading.read_at < due + reading.tolerance:
        return Outcome.FAILED, (
            f"not polled since {reading.read_at:%Y-%m-%d %H:%M} UTC: scarpwatch doctor"
        )
    # Not by when it was read last: the line would be another after every poll.
    return Outcome.MISSING, f"not listed by {due + reading.tolerance:%Y-%m-%d %H:%M} UTC"
