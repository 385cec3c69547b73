"""What an account has spent, counted for all workers and processes of this machine.

A small SQLite file in the state folder is the counter: its write lock makes reservations one at a
time, it survives restarts and kills, and it needs neither PostGIS nor a service of its own.
Reservations are made before a request and settled afterwards with what the service charged.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from detectors.errors import CatalogueUnavailable, QuotaSpent
from flows.catalogs.base import Quota
from flows.catalogs.sentinel_hub.ledger import Ledger

_MINUTE_S = 60.0
#: Looked again after this long while others hold all connections, s.
_SLOT_WAIT_S = 0.1
#: A refusal of the service is believed this long: the account may have been topped up meanwhile.
_REFUSED_S = 3600.0


@dataclass(slots=True)
class Bill:
    """One request on its way."""

    units: float
    """Processing units, as estimated before."""
    charged: float | None = None
    """What the service said it charged; None = nothing, the request failed."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the account has spent this month, as far as this machine knows."""

    requests: int
    """Requests."""
    units: float
    """Processing units."""
    renews_at: datetime
    """Start of the next month, UTC."""


class Budget:
    """The counter of one account; make as many as you like, they share the file."""

    def __init__(
        self,
        folder: Path | None,
        account: str,
        quota: Quota,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open nothing yet.

        Args:
            folder: where the file lies; None = counted within this object only.
            account: what tells accounts apart; only its hash is stored.
            quota: what it may spend.
            clock: seconds since 1970; the machine's.
            sleep: waits so many seconds.
        """
        self.quota = quota
        self._account = hashlib.sha256(account.encode()).hexdigest()[:16]
        self._ledger = Ledger(folder)
        self._clock, self._sleep = clock, sleep

    @contextmanager
    def spend(self, units: float, *, wait_s: float, lease_s: float) -> Iterator[Bill]:
        """Reserve one request, wait for its turn, and settle it at the end.

        Args:
            units: processing units it will cost, as estimated.
            wait_s: longest wait for its turn, s.
            lease_s: how long it may take at most, s; a killed process gives its place back then.

        Raises:
            QuotaSpent: the month is spent.
            CatalogueUnavailable: its turn did not come, or the file cannot be written.
        """
        entry = self._reserve(units, wait_s, lease_s)
        bill = Bill(units)
        try:
            yield bill
        finally:
            self._settle(entry, bill)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for so long: the service said so (429)."""
        self._put_off("until", self._clock() + seconds)

    def refuse(self) -> QuotaSpent:
        """Note that the service says the month is spent; return the error to raise."""
        now = self._clock()
        renews = _renewal(now)
        self._put_off("refused_until", min(now + _REFUSED_S, renews.timestamp()))
        return QuotaSpent(
            f"the service says the account's month is spent; {_again(renews)}", renews
        )

    def spent(self) -> Spent:
        """Return what this month has cost so far.

        Raises:
            CatalogueUnavailable: the file cannot be read.
        """
        now = self._clock()
        with self._ledger.transaction() as file:
            requests, units = self._of_month(file, now)
        return Spent(requests, units, _renewal(now))

    def _reserve(self, units: float, wait_s: float, lease_s: float) -> int:
        deadline = self._clock() + wait_s
        while True:
            now = self._clock()
            with self._ledger.transaction() as file:
                self._insist_on_month(file, now, units)
                wait, why = self._turn(file, now, units)
                if not wait:
                    return self._enter(file, now, units, lease_s)
            if now + wait > deadline:
                raise CatalogueUnavailable(f"not asked: {why}, for longer than {wait_s:g} s")
            self._sleep(wait)

    def _insist_on_month(self, file: sqlite3.Connection, now: float, units: float) -> None:
        renews = _renewal(now)
        refused = self._held(file)[1]
        if refused > now:
            raise QuotaSpent(
                f"the service said the account's month is spent; {_again(renews)}", renews
            )
        requests, used = self._of_month(file, now)
        if requests + 1 > self.quota.requests_a_month:
            what = f"{requests} of {self.quota.requests_a_month} requests"
        elif used + units > self.quota.units_a_month:
            what = f"{used:.1f} of {self.quota.units_a_month:g} processing units"
        else:
            return
        raise QuotaSpent(f"the account's month is spent ({what}); {_again(renews)}", renews)

    def _turn(self, file: sqlite3.Connection, now: float, units: float) -> tuple[float, str]:
        """Return how long to wait and why; 0 = it is our turn."""
        until = self._held(file)[0]
        if until > now:
            return until - now, "the service asked for a pause"
        rows = file.execute(
            "select at, units, open_until from recent where account = ? order by at",
            (self._account,),
        ).fetchall()
        if sum(ends > now for _, _, ends in rows) >= self.quota.connections:
            return _SLOT_WAIT_S, f"{self.quota.connections} requests are under way"
        latest = [(at, cost) for at, cost, _ in rows if at > now - _MINUTE_S]
        requests, used, wait = len(latest), sum(cost for _, cost in latest), 0.0
        for at, cost in latest:
            fits = used + units <= self.quota.units_a_minute
            if requests < self.quota.requests_a_minute and fits:
                break
            requests, used, wait = requests - 1, used - cost, at + _MINUTE_S - now
        # One request over the whole limit goes when the minute is empty: never, otherwise.
        return wait, "the minute is spent"

    def _enter(self, file: sqlite3.Connection, now: float, units: float, lease_s: float) -> int:
        file.execute(
            "delete from recent where account = ? and at <= ? and open_until <= ?",
            (self._account, now - _MINUTE_S, now),
        )
        file.execute(
            "insert into month values (?, ?, 1, ?) on conflict (account, month) do update set "
            "requests = requests + 1, units = units + excluded.units",
            (self._account, _month(now), units),
        )
        entry = file.execute(
            "insert into recent (account, at, units, open_until) values (?, ?, ?, ?)",
            (self._account, now, units, now + lease_s),
        ).lastrowid
        assert entry is not None  # noqa: S101 - an insert has a row
        return entry

    def _settle(self, entry: int, bill: Bill) -> None:
        with self._ledger.transaction() as file:
            found = file.execute("select at from recent where id = ?", (entry,)).fetchone()
            file.execute("update recent set open_until = 0 where id = ?", (entry,))
            at = found[0] if found else self._clock()
            file.execute(
                "update month set units = max(0, units + ?) where account = ? and month = ?",
                ((bill.charged or 0.0) - bill.units, self._account, _month(at)),
            )

    def _of_month(self, file: sqlite3.Connection, now: float) -> tuple[int, float]:
        found = file.execute(
            "select requests, units from month where account = ? and month = ?",
            (self._account, _month(now)),
        ).fetchone()
        return found or (0, 0.0)

    def _held(self, file: sqlite3.Connection) -> tuple[float, float]:
        found = file.execute(
            "select until, refused_until from held where account = ?", (self._account,)
        ).fetchone()
        return found or (0.0, 0.0)

    def _put_off(self, column: str, until: float) -> None:
        with self._ledger.transaction() as file:
            held = dict(zip(("until", "refused_until"), self._held(file), strict=True))
            held[column] = max(held[column], until)
            file.execute(
                "insert or replace into held values (?, ?, ?)",
                (self._account, held["until"], held["refused_until"]),
            )


def _month(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m}"


def _renewal(moment: float) -> datetime:
    """Return when quotas start anew: the first of the next month, UTC."""
    now = datetime.fromtimestamp(moment, UTC)
    year, month = divmod(now.year * 12 + now.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def _again(renews: datetime) -> str:
    return f"it renews on {renews:%Y-%m-%d} 00:00 UTC"
