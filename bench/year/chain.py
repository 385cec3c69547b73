"""The full chain over a SIMULATED year: judged, confirmed, told, kept and swept, day by day."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from alerts.journal import read
from bench.chaos.world import receiving
from bench.year.ground import Place, places, told, write_archives
from bench.year.samples import sample, slope
from bench.year.scheduler import Spent, poll_due
from bench.year.sky import BEGIN, DAY
from db import outbox, store
from db.engine import make_engine, transaction
from flows import confirming, delivering, ledger, measuring, soundness, steps
from flows.archive.manifest import Archive, open_archive
from flows.archive.publish import publish
from flows.archive.server import ArchiveServer
from flows.clock import FileClock
from flows.examining import ENSEMBLE
from flows.files import is_written
from flows.replay import CATALOGUE, local_catalogue
from flows.services import Services
from flows.settings import Settings

MONTH, KEEP_DAYS = 30, 60
INBOXES = {"duty": "/alerts/duty"}


@dataclass
class Chain:
    """The year as it goes on."""

    services: Services
    server: ArchiveServer
    catalogue: str
    archives: Sequence[Archive]
    places: Sequence[Place]
    inbox: Path
    wrong: list[str] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    months: list[dict[str, Any]] = field(default_factory=list)
    looks: Counter[str] = field(default_factory=Counter)
    published: int = 0

    def live(self, days: int, until: float = math.inf) -> int:
        """Go through the days; return how many, whole months only once ``until`` is over.

        Args:
            days: how many at most.
            until: seconds of ``time.monotonic``.
        """
        with transaction(self.services.engine) as s:
            for place in self.places:
                store.save_region(s, place.region)
        for day in range(days + 1):
            now = BEGIN + day * DAY
            assert isinstance(self.services.clock, FileClock)
            self.services.clock.set(now)
            with self.spent.on("publishing"):
                for archive in self.archives:
                    shown = publish(self.catalogue, archive, now, self.server.url)
                    self.published += len(shown)
            polled = poll_due(self.services, self._judge, self.spent)
            errors = [error for one in polled.values() for error in one.errors]
            self.wrong += [f"{now:%m-%d} {error}" for error in errors]
            self._age(DAY)
            if day and (day % MONTH == 0 or day == days):
                self._check(f"day {day}")
                self.months.append(self._sample(round(day / MONTH, 2)))
                print(f"day {day}: {self.months[-1]}; wrong: {self.wrong}", flush=True)
                if time.monotonic() > until:
                    return day
        return days

    def _judge(self, region_id: str) -> None:
        """Do what waits in a region, as ``flows.monitor`` does."""
        services, now = self.services, self.services.clock.now()
        if steps.looks_due(services, region_id):
            with self.spent.on("radar"):
                looks = steps.detect_due(services, region_id)
            self.looks.update(f"radar {one.state}" for one in looks)
            delivering.deliver_due(services, now)
        if confirming.confirmations_due(services, region_id):
            with self.spent.on("optical"):
                done = confirming.confirm_due(services, region_id)
            self.looks.update(f"optical {one.state}" for one in done.looks)
            self.looks.update(f"check {one.finding}" for one in done.checks)
            delivering.deliver_due(services, now)
        ledger.keep_ledger(services, [region_id])
        measuring.measure_new(services, region_id)

    def _age(self, by: timedelta) -> None:
        """Let what goes by the machine's clock grow older, as the year does."""
        back = by.total_seconds()
        with transaction(self.services.engine) as s:
            s.execute(text("UPDATE scarpwatch.composites SET recorded_at = recorded_at - :by"),
                      {"by": by})  # fmt: skip
            for table in ("looks", "deliveries", "optical_attempts"):
                s.execute(text(f"UPDATE scarpwatch.{table} SET retry_at = retry_at - :by "
                               "WHERE retry_at IS NOT NULL"), {"by": by})  # fmt: skip
        settings = self.services.settings
        for folder in (settings.composites, settings.shared, settings.despeckled):
            for path in folder.rglob("*"):
                at = path.stat().st_mtime - back
                os.utime(path, (at, at))

    def _check(self, when: str) -> None:
        lines = read(self.inbox)
        broken = [*soundness.broken(self.services, lines, INBOXES),
                  *soundness.swept(self.services)]  # fmt: skip
        home = self.services.settings.home
        left = [p for p in home.rglob("*.part") if p.is_file() and not is_written(p)]
        self.wrong += [f"{when}: {one.rule}: {one.what}" for one in broken]
        self.wrong += [f"{when}: half-written: {path.name}" for path in left]
        self.wrong += [f"{when}: came twice: {one['key']}" for one in lines if one["repeated"]]

    def _sample(self, month: float) -> dict[str, Any]:
        root = self.services.settings.composites
        files = [path for path in root.rglob("*.tif") if path.is_file()]
        with transaction(self.services.engine) as s:
            waiting = s.scalar(text("SELECT count(*) FROM scarpwatch.looks "
                                    "WHERE state NOT IN ('processed', 'baseline')"))  # fmt: skip
        home = [p for p in self.services.settings.home.rglob("*") if p.is_file()]
        return sample(self.services.engine, month) | {
            "composites": len(files),
            "composites_mb": round(sum(path.stat().st_size for path in files) / 1e6, 2),
            "other_files": len(home) - len(files), "not_processed": waiting,
            "looks": dict(self.looks),
            "seconds": {k: round(v, 1) for k, v in self.spent.seconds.items()},
        }  # fmt: skip

    def alerts(self, days: int) -> dict[str, list[str]]:
        """Return the alerts of each place, oldest first, and note what should not be."""
        with transaction(self.services.engine) as s:
            records = list(reversed(outbox.list_alerts(s)))
        found = {}
        for place in self.places:
            mine = [r.alert for r in records if r.alert.landslide.region_id == place.id]
            beside = [
                a for a in mine
                if place.changed is None or not a.landslide.geometry.intersects(place.changed)
            ]  # fmt: skip
            self.wrong += [f"{place.id}: {a.kind} where nothing was planted" for a in beside]
            kinds = [a.kind for a in mine if a not in beside]
            self.wrong += told(place, kinds, BEGIN + days * DAY)
            found[f"{place.id} {place.what}"] = kinds
        keys = Counter(line["key"] for line in read(self.inbox))
        self.wrong += [f"{r.alert.id} came {keys[str(r.alert.id)]} times" for r in records
                       if keys[str(r.alert.id)] != 1]  # fmt: skip
        return found


def year_of_chain(
    folder: Path, url: str, catalogue: str, number: int, days: int, minutes: float
) -> dict[str, Any]:
    """Live through a year, or what fits into the minutes, and return what came of it.

    Args:
        folder: for all files.
        url: of a database with our schema.
        catalogue: URL of the database of the STAC API.
        number: of regions.
        days: how long.
        minutes: after so many no further month is begun.
    """
    begun = time.monotonic()
    shown, inbox = places(number), folder / "inbox.jsonl"
    archives = write_archives(folder, shown, days)
    print(f"archives written in {time.monotonic() - begun:.0f} s", flush=True)
    with receiving(inbox) as receiver, ArchiveServer(catalogue, archives) as server:
        settings = Settings(
            home=folder / "home", catalogues={CATALOGUE: local_catalogue(server.url)},
            channels={"duty": {"url": f"{receiver}/alerts/duty", "exercise": True}},
            operators=("duty",), exercise=True, picture_timeout_s=0.0,
            keep_composites_days=KEEP_DAYS, inference_backend="eager",
        )  # fmt: skip
        engine = make_engine(url)
        services = Services(
            settings, engine, FileClock(folder / "clock"), settings.channel_records()
        )
        year = Chain(
            services, server, catalogue, [open_archive(one) for one in archives], shown, inbox
        )
        # Loaded by the first suspicion otherwise, which would look like growth.
        services.asked(ENSEMBLE).load()
        try:
            lived = year.live(days, begun + 60 * minutes)
            alerts = year.alerts(lived)
        finally:
            engine.dispose()
    return {
        "regions": number, "days": lived, "s": round(time.monotonic() - begun),
        "looks_published": year.published, "looks": dict(sorted(year.looks.items())),
        "alerts": alerts, "mib_a_month": slope(year.months, "mib"),
        "database_mib_a_month": slope(year.months, "database_mib"),
        "composites_mb_a_month": slope(year.months, "composites_mb"),
        "months": year.months, "wrong": year.wrong,
    }  # fmt: skip
