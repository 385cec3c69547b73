"""What ledger and alarms of one region must say, from the SIMULATED sky alone.

Nothing of the product is asked: cycles are 12 days because they were made so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bench.year.sky import CYCLE, HISTORY, Pass, Product
from detectors.types import WatchedRegion

#: What a product usually takes, and how much more is no alarm yet.
DELAY, TOLERANCE = timedelta(hours=4.5), timedelta(hours=24)
#: Passes before a track is expected again, and in a row after which it no longer is.
FEWEST, MOST = 3, 3


@dataclass
class Track:
    """The passes of one track over one region."""

    name: str
    origin: datetime
    """Of the pass with number 0."""
    products: dict[int, list[Product]] = field(default_factory=dict)
    """By number of the pass, those that touch the region."""
    open: list[int] = field(default_factory=list)
    """Passes that were told as missing and have no all-clear."""

    def planned(self, number: int) -> datetime:
        """When a pass was to be."""
        return self.origin + number * CYCLE

    def number(self, moment: datetime) -> int:
        """The pass that a time belongs to."""
        return round((moment - self.origin) / CYCLE)


@dataclass
class Truth:
    """One region as its polls go on."""

    region: WatchedRegion
    tracks: dict[str, Track]
    read_at: datetime | None = None
    """Of the last poll that was answered."""
    at: datetime | None = None
    """Of the last poll: the ledger is as of then."""
    told: list[tuple[str, str, int]] = field(default_factory=list)
    """Alarms and all-clears that are due so far: sort, track, pass."""

    def poll(self, now: datetime, *, answered: bool) -> None:
        """Go on to a poll, and to the alarms that follow it."""
        self.at = now
        if answered:
            self.read_at = now
        for track in self.tracks.values():
            self._alarms(track, now)

    def _alarms(self, track: Track, now: datetime) -> None:
        known = self._known(track)
        if len(known) < FEWEST:
            return
        last = known[-1]
        if track.open and last >= track.open[0]:
            self.told.append(("all-clear", track.name, track.open[0]))
            track.open.clear()
        due = (now - DELAY - TOLERANCE - track.planned(last)) // CYCLE
        missed = last + due
        if (
            1 <= due <= MOST
            and missed not in track.open
            and track.planned(missed) >= self.region.watch_from
        ):
            track.open.append(missed)
            self.told.append(("silence", track.name, missed))

    def _known(self, track: Track) -> list[int]:
        """Return the passes that have come, oldest first."""
        return [n for n in sorted(track.products) if self.came(track.products[n])]

    def came(self, products: Iterable[Product]) -> list[Product]:
        """Return the products that are known at the last poll that was answered."""
        since, until = self.region.watch_from - HISTORY, self.read_at
        return [
            one
            for one in products
            if until is not None and one.published is not None and one.published <= until
            and one.sensed >= since
        ]  # fmt: skip

    def ledger(self) -> dict[tuple[str, int], str]:
        """Return what is to be said of each pass since the last poll, by track and number."""
        lines: dict[tuple[str, int], str] = {}
        if self.at is None:
            return lines
        for track in self.tracks.values():
            known = self._known(track)
            for place, number in enumerate(known):
                if place + 1 >= FEWEST:
                    following = known[place + 1] if place + 1 < len(known) else None
                    lines |= self._absent(track, number, following, self.at)
                came = self.came(track.products[number])
                if min(one.sensed for one in came) >= self.region.watch_from:
                    failed = any(one.broken for one in came)
                    lines[track.name, number] = "failed" if failed else "processed"
        return lines

    def _absent(
        self, track: Track, last: int, following: int | None, now: datetime
    ) -> dict[tuple[str, int], str]:
        lines = {}
        for number in range(last + 1, last + 1 + MOST):
            at = track.planned(number)
            if following is not None and number >= following:
                break
            outcome = self._verdict(at, now)
            if at >= self.region.watch_from:
                lines[track.name, number] = outcome
            if outcome == "expected" and at > now:
                break
        return lines

    def _verdict(self, at: datetime, now: datetime) -> str:
        if now < at + DELAY:
            return "expected"
        if now < at + DELAY + TOLERANCE:
            return "late"
        asked = self.read_at is not None and self.read_at >= at + DELAY + TOLERANCE
        return "missing" if asked else "failed"


def truths(regions: Iterable[WatchedRegion], passes: Iterable[Pass]) -> dict[str, Truth]:
    """Return the truth of each region, before its first poll."""
    found = {one.id: Truth(one, {}) for one in regions}
    for one in passes:
        for truth in found.values():
            touching = [p for p in one.products if p.place.intersects(truth.region.geometry)]
            if touching:
                origin = one.planned - one.number * CYCLE
                track = truth.tracks.setdefault(one.track, Track(one.track, origin))
                track.products.setdefault(one.number, []).extend(touching)
    return found
