"""A SIMULATED year of polls: what is due is polled, judged without pixels, kept, told, checked."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import text

from alerts.journal import read
from bench.chaos.world import receiving
from bench.polling import empty_archive
from bench.year.samples import sample, slope
from bench.year.scheduler import Spent, poll_due
from bench.year.sky import BEGIN, CYCLE, DAY, HISTORY, Pass, item_of, regions_of, sky
from bench.year.truth import Truth, truths
from db import radar, store
from db.engine import make_engine, transaction
from detectors.observability import Coverage
from detectors.types import WatchedRegion
from flows import soundness
from flows.archive.server import ArchiveServer
from flows.clock import FileClock
from flows.deployments import free_port
from flows.replay import CATALOGUE, local_catalogue
from flows.services import Services
from flows.settings import Settings

MONTH = 30
#: Days from one comparison of the books with the simulation to the next.
CHECK = 10
#: Regions up to which messages are sent; more stay in the outbox.
SENDING = 20
#: Days on which the catalogue does not answer, and on which nobody asks it.
CATALOGUE_DOWN, WATCHER_OFF = range(70, 74), range(250, 257)
LEDGER = "SELECT region_id, track, expected_at, outcome FROM scarpwatch.expected_looks"
BULLETINS = """SELECT id, sort, region_id, payload -> 'content' AS content
    FROM scarpwatch.bulletins WHERE sort IN ('silence', 'all-clear')"""
DELIVERIES = "SELECT bulletin_id FROM scarpwatch.deliveries WHERE channel = 'duty'"


@dataclass
class Books:
    """The year as it goes on."""

    services: Services
    server: ArchiveServer
    catalogue: str
    """Database of the catalogue."""
    regions: Sequence[WatchedRegion]
    passes: Sequence[Pass]
    inbox: Path
    requests: Path
    send: bool
    """Messages go out: each takes a process of its own, half a second."""
    truth: dict[str, Truth] = field(init=False)
    wrong: list[str] = field(default_factory=list)
    """What the books say otherwise than the simulation."""
    spent: Spent = field(default_factory=Spent)
    months: list[dict[str, Any]] = field(default_factory=list)
    judged: Counter[str] = field(default_factory=Counter)
    asked: list[int] = field(default_factory=list)
    """Requests by day."""

    def __post_init__(self) -> None:
        self.truth = truths(self.regions, self.passes)
        listed = [(p.listed, one, p) for one in self.passes for p in one.products]
        self._coming = sorted((e for e in listed if e[0] is not None), key=lambda e: e[0])
        self._broken = {p.name for one in self.passes for p in one.products if p.broken}

    def live(self, days: int, until: float = math.inf) -> int:
        """Go through the days; return how many, whole months only once ``until`` is over.

        Args:
            days: how many at most.
            until: seconds of ``time.monotonic``.
        """
        for day in range(days + 1):
            before = _lines(self.requests)
            self._tick(BEGIN + day * DAY, day)
            self.asked.append(_lines(self.requests) - before)
            last = day == days
            if day and (day % CHECK == 0 or last):
                self.check(BEGIN + day * DAY)
            if day and (day % MONTH == 0 or last):
                month = round(day / MONTH, 2)
                self.months.append(sample(self.services.engine, month) | {
                    "ledger_rows": self._count("expected_looks"),
                    "looks": self._count("looks"), "bulletins": self._count("bulletins"),
                    "seconds": {k: round(v, 1) for k, v in self.spent.seconds.items()},
                })  # fmt: skip
                print(f"day {day}: {self.months[-1]}; wrong: {len(self.wrong)}", flush=True)
                if time.monotonic() > until:
                    return day
        return days

    def _tick(self, now: datetime, day: int) -> None:
        assert isinstance(self.services.clock, FileClock)
        self.services.clock.set(now)
        with transaction(self.services.engine) as s:
            for region in self.regions:
                if region.watch_from == now:
                    store.save_region(s, region)
        self._publish(now)
        if day in WATCHER_OFF:
            return
        down = day in CATALOGUE_DOWN
        if down:
            self.server.stop()
        polled = poll_due(self.services, self._judge, self.spent, send=self.send)
        if down:
            self.server.start()
        for region_id, outcome in polled.items():
            if bool(outcome.errors) is not down or outcome.refused:
                self.wrong.append(f"{now} {region_id}: poll {outcome}")
            self.truth[region_id].poll(now, answered=not down)

    def _publish(self, now: datetime) -> None:
        items = {}
        while self._coming and self._coming[0][0] <= now:
            _, one, product = self._coming.pop(0)
            items[product.name] = item_of(one, product, "http://127.0.0.1:9")
        if items:
            with psycopg.connect(self.catalogue, autocommit=True) as connection:
                connection.execute("SET search_path TO pgstac, public")
                connection.execute("SELECT upsert_items(%s)", [Jsonb(list(items.values()))])

    def _judge(self, region_id: str) -> None:
        """End each look that is due as the simulation says: no pixel is read."""
        services = self.services
        with transaction(services.engine) as s:
            while True:
                now = datetime.now(UTC)
                claimed = store.claim_look(
                    s, region_id, now, services.owner, services.settings.lease
                )
                if claimed is None:
                    return
                name = claimed.acquisition.item_id
                if name in self._broken:
                    told = ("failed", "SIMULATED: a broken file", None)
                else:
                    told = ("processed", None, 1.0)
                    radar.record_observability(
                        s, region_id, claimed.acquisition.id, Coverage(1.0, 1.0), simulated=True
                    )
                store.finish_look(s, claimed.id, services.owner, *told, None, now)
                self.judged[told[0]] += 1

    def _count(self, table: str) -> int:
        with transaction(self.services.engine) as s:
            return int(s.scalar(text(f"SELECT count(*) FROM scarpwatch.{table}")) or 0)

    def check(self, now: datetime) -> None:
        """Hold ledger, alarms and messages against the simulation."""
        kept: dict[str, dict[tuple[str, int], list[str]]] = {}
        with transaction(self.services.engine) as s:
            for region_id, track, at, outcome in s.execute(text(LEDGER)):
                origin = self.truth[region_id].tracks[track]
                number = origin.number(at)
                off = abs(at - origin.planned(number))
                told = outcome if off < CYCLE / 100 else f"{outcome} {off} beside the pass"
                kept.setdefault(region_id, {}).setdefault((track, number), []).append(told)
            bulletins = s.execute(text(BULLETINS)).all()
        for region_id, truth in self.truth.items():
            due = truth.ledger()
            mine = kept.get(region_id, {})
            for key in sorted(due.keys() | mine.keys()):
                if mine.get(key) != [due.get(key)]:
                    self.wrong.append(
                        f"{now:%m-%d} ledger {region_id} {key}: {mine.get(key)} is {due.get(key)}"
                    )
        self._alarms(now, bulletins)
        inboxes = {"duty": "/alerts/duty"}
        lines = read(self.inbox)
        self.wrong += [
            f"{now:%m-%d} {one.rule}: {one.what}"
            for one in soundness.broken(self.services, lines, inboxes)
        ]
        if self.send:
            told = Counter(line["key"] for line in lines)
        else:
            with transaction(self.services.engine) as s:
                told = Counter(str(one) for one in s.scalars(text(DELIVERIES)))
        missing = [str(one.id) for one in bulletins if told[str(one.id)] != 1]
        self.wrong += [f"{now:%m-%d} not told once: {key}" for key in missing]

    def _alarms(self, now: datetime, bulletins: Sequence[Any]) -> None:
        told: Counter[tuple[str, str, str, int]] = Counter()
        for one in bulletins:
            track = self.truth[one.region_id].tracks[one.content["track"]]
            if one.sort == "silence":
                number = track.number(datetime.fromisoformat(one.content["expected_at"]))
            else:
                number = -1  # says when the track was seen, not since when it was not
            told[one.region_id, one.sort, track.name, number] += 1
        due = Counter(
            (region_id, sort, track, number if sort == "silence" else -1)
            for region_id, truth in self.truth.items()
            for sort, track, number in truth.told
        )
        for key in sorted(told.keys() | due.keys()):
            if told[key] != due[key]:
                self.wrong.append(f"{now:%m-%d} told {told[key]} times, due {due[key]}: {key}")

    def result(self) -> dict[str, Any]:
        """Return what came of it."""
        outcomes = Counter(o for truth in self.truth.values() for o in truth.ledger().values())
        return {
            "regions": len(self.regions), "passes_accounted_for": outcomes.total(),
            "outcomes": dict(sorted(outcomes.items())), "looks": dict(self.judged),
            "bulletins": dict(Counter(one for t in self.truth.values() for one, *_ in t.told)),
            "requests_a_day": round(sum(self.asked) / len(self.asked), 1),
            "requests": sum(self.asked),
            "seconds": {k: round(v, 1) for k, v in self.spent.seconds.items()},
            "mib_a_month": slope(self.months, "mib"),
            "database_mib_a_month": slope(self.months, "database_mib"),
            "months": self.months, "wrong": self.wrong,
        }  # fmt: skip


@contextmanager
def books(
    folder: Path, url: str, catalogue: str, regions: int, days: int, *, send: bool
) -> Iterator[Books]:  # fmt: skip
    """Set up a year: receiver, catalogue, database.

    Args:
        folder: for all files.
        url: of a database with our schema.
        catalogue: URL of the database of the STAC API.
        regions: how many are watched.
        days: how long.
        send: messages go out to the receiver; False: they stay in the outbox.
    """
    inbox, requests = folder / "inbox.jsonl", folder / "requests"
    archive = ArchiveServer(
        catalogue, [empty_archive(folder / "archive")], free_port(), requests=requests
    )
    with receiving(inbox) as receiver, archive as server:
        settings = Settings(
            home=folder, catalogues={CATALOGUE: _impatient(server.url)}, history=HISTORY,
            channels={"duty": {"url": f"{receiver}/alerts/duty", "exercise": True}},
            operators=("duty",), exercise=True, picture_timeout_s=0.0,
        )  # fmt: skip
        engine = make_engine(url)
        services = Services(
            settings, engine, FileClock(folder / "clock"), settings.channel_records()
        )
        try:
            yield Books(
                services, server, catalogue, regions_of(regions, days), sky(days), inbox, requests,
                send,
            )  # fmt: skip
        finally:
            engine.dispose()


def _impatient(url: str) -> Any:
    """A catalogue that is down is asked once a question."""
    return local_catalogue(url).model_copy(update={"attempts": 1})


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def year_of_books(
    folder: Path, url: str, catalogue: str, regions: int, days: int, minutes: float
) -> dict[str, Any]:
    """Live through a year, or what fits into the minutes, and return what came of it."""
    begun = time.monotonic()
    with books(folder, url, catalogue, regions, days, send=regions <= SENDING) as year:
        lived = year.live(days, begun + 60 * minutes)
        return {"days": lived, "s": round(time.monotonic() - begun), **year.result(),
                "cores": os.cpu_count()}  # fmt: skip
