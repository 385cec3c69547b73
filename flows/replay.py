"""Replay an archive: the whole system over past looks, knowing only what was published by then.

A replay has a database, a catalogue server and a clock of its own; nothing of it can reach what is
watched for real, and every alert it decides is an exercise without a recipient.
"""

from __future__ import annotations

import fcntl
import math
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from shapely import union_all
from shapely.geometry import MultiPolygon, Polygon, mapping, shape

from alerts.message import credit
from db import counts, outbox, queries, schema, store
from db.cluster import Cluster
from db.engine import make_engine, transaction
from db.records import AlertRecord, LookRecord, Summary
from detectors.errors import CatalogueUnavailable, ConfigurationError, InvalidArchive
from detectors.types import Landslide, WatchedRegion, require_utc
from flows import confirming, polling, steps
from flows.archive.manifest import Archive, open_archive
from flows.archive.publish import publish
from flows.archive.server import ArchiveServer
from flows.catalogs.base import CatalogueSettings
from flows.clock import FileClock
from flows.services import Services
from flows.settings import Settings

#: Name under which a replay's regions find the archive server.
CATALOGUE = "archive"
#: How often a replayed region is polled where no region says otherwise.
POLL_EVERY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One poll of a replay, for progress bars."""

    number: int
    """From 1."""
    of: int
    """How many there will be."""
    clock: datetime
    """Replay time, UTC."""
    published: int
    """Looks that became visible."""
    suspected: int
    """Landslides that nobody has confirmed or refuted so far."""
    confirmed: int
    """Landslides an optical look has confirmed so far."""
    refuted: int
    """Landslides an optical look has refuted so far."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found."""

    regions: tuple[WatchedRegion, ...]
    """What was watched."""
    counts: Summary
    """Looks, landslides and alerts by region."""
    landslides: tuple[Landslide, ...]
    """Latest version of each, oldest first."""
    alerts: tuple[AlertRecord, ...]
    """What would have been told, newest first."""
    looks: tuple[LookRecord, ...]
    """Every look and what became of it, newest first."""
    told_at: Mapping[uuid.UUID, datetime]
    """By alert: where the clock stood when it was decided, UTC."""
    span: timedelta
    """How far the clock moved."""
    seconds: float
    """How long that took."""

    @property
    def days_a_second(self) -> float:
        """Days of the clock in a second of ours."""
        return self.span / timedelta(days=1) / max(self.seconds, 1e-3)

    def feature_collection(self) -> dict[str, Any]:
        """Return the landslides as GeoJSON, lon/lat, one feature each, with the data credit."""
        sensed = [look.acquisition.sensed_at for look in self.looks]
        items = [look.acquisition.item_id for look in self.looks]
        return {
            "type": "FeatureCollection",
            "credit": credit(min(sensed), max(sensed), items[0]) if sensed else None,
            "features": [feature(one) for one in self.landslides],
        }


def feature(landslide: Landslide) -> dict[str, Any]:
    """Return one landslide as a GeoJSON feature."""
    return {
        "type": "Feature",
        "id": str(landslide.id),
        "geometry": mapping(landslide.geometry),
        "properties": {
            "region": landslide.region_id,
            "state": landslide.state.value,
            "tier": landslide.tier.value,
            "area_m2": landslide.area_m2,
            "not_before": landslide.not_before.isoformat(),
            "not_after": landslide.not_after.isoformat(),
            "looks": landslide.looks,
            "evidence": landslide.evidence,
            "score_max": landslide.score_max,
            "change_db": landslide.change_db,
            "source": landslide.source.value,
            "d_ndvi": landslide.d_ndvi,
            "ensemble_score": landslide.ensemble_score,
            "verdict_at": landslide.verdict_at.isoformat() if landslide.verdict_at else None,
            "advisory": landslide.advisory,
            "simulated": landslide.simulated,
        },
    }


def whole_archive(archive: Archive) -> WatchedRegion:
    """Return a region that covers everything an archive shows."""
    covered = union_all([shape(item["geometry"]) for item in archive.items()])
    parts = [covered] if isinstance(covered, Polygon) else list(covered.geoms)
    return WatchedRegion(
        id=re.sub(r"[^a-z0-9]+", "-", archive.id.lower()).strip("-"),
        name=str(archive.collection.get("title", archive.id)),
        geometry=MultiPolygon(parts),
        sources=(f"{CATALOGUE}/{archive.id}",),
        simulated=archive.simulated,
    )


def replay(
    settings: Settings,
    archives: Sequence[Path],
    regions: Sequence[WatchedRegion] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    progress: Callable[[ReplayStep], None] | None = None,
    requests: Path | None = None,
) -> ReplayReport:
    """Run polls, detectors, tracking and rules over archives, at full speed.

    Args:
        settings: for the state folder; database, clock and channels are the replay's own.
        archives: folders made by ``archive build``.
        regions: what to watch, over all archives; None watches all of each archive by itself.
        start: looks sensed before only feed stacks; None judges all that have enough before them.
        end: stop the clock here; None runs to the last publication.
        progress: called after every poll.
        requests: file to which the path of everything that is asked of the catalogue is added.

    Raises:
        InvalidArchive: a folder is no archive, or holds nothing in the time asked for.
        CatalogueUnavailable: the replay's own catalogue failed; half a replay would be misread.
        ConfigurationError: PostGIS is not installed.
    """
    opened = [open_archive(path) for path in archives]
    sources = tuple(f"{CATALOGUE}/{archive.id}" for archive in opened)
    wanted = [replace(region, sources=sources, paused=False) for region in regions or ()]
    watched = tuple(
        replace(region, watch_from=start or region.watch_from)
        for region in wanted or [whole_archive(archive) for archive in opened]
    )
    if not watched:
        raise ConfigurationError("a replay needs an archive")
    _refuse_elsewhere(watched, opened)
    ticks = _ticks(opened, watched, end)
    told_at: dict[uuid.UUID, datetime] = {}
    with _stage(settings, archives, opened, ticks[0], requests) as (services, clock, publish_until):
        begun = time.monotonic()
        with transaction(services.engine) as s:
            for region in watched:
                store.save_region(s, region)
        for number, tick in enumerate(ticks, start=1):
            clock.set(tick)
            published = publish_until(tick)
            polled = polling.poll_together(services, watched)
            if errors := [error for one in polled.values() for error in one.errors]:
                raise CatalogueUnavailable("; ".join(dict.fromkeys(errors)))
            for region in watched:
                steps.detect_due(services, region.id)
                confirming.confirm_due(services, region.id)
            with transaction(services.engine) as s:
                for record in outbox.list_alerts(s):
                    told_at.setdefault(record.alert.id, tick)
                known = counts.summary(s)
            if progress is not None:
                states = (known.landslides(one) for one in ("suspected", "confirmed", "refuted"))
                progress(ReplayStep(number, len(ticks), tick, published, *states))
        seconds = time.monotonic() - begun
        return _report(services, watched, told_at, ticks[-1] - ticks[0], seconds)


def _refuse_elsewhere(regions: Sequence[WatchedRegion], archives: Sequence[Archive]) -> None:
    """Refuse a region that no look touches: its silence would look like quiet ground.

    Raises:
        InvalidArchive: where the region is, and where the archive.
    """
    shown = union_all([shape(item["geometry"]) for archive in archives for item in archive.items()])
    for region in regions:
        if not region.geometry.intersects(shown):
            here, there = ([round(x, 3) for x in area.bounds] for area in (region.geometry, shown))
            raise InvalidArchive(
                f"no look of the archive touches region {region.id}: it lies in {here}, the looks "
                f"in {there} (west, south, east, north)"
            )


def _ticks(
    archives: Sequence[Archive], regions: Sequence[WatchedRegion], end: datetime | None
) -> list[datetime]:
    """Return the polls that find something new, oldest first; everything before counts as one."""
    every = min(region.poll_every for region in regions).total_seconds()
    ticks = set()
    for archive in archives:
        for item in archive.items():
            published = datetime.fromisoformat(item["properties"]["published"])
            if end is None or published <= require_utc(end, "end"):
                seconds = math.ceil(published.timestamp() / every) * every
                ticks.add(datetime.fromtimestamp(seconds, UTC))
    if not ticks:
        raise InvalidArchive("the archive holds nothing that was published in this time")
    return sorted(ticks)


@contextmanager
def _stage(
    settings: Settings,
    paths: Sequence[Path],
    archives: Sequence[Archive],
    start: datetime,
    requests: Path | None,
) -> Iterator[tuple[Services, FileClock, Callable[[datetime], int]]]:
    """Set up database, clock and catalogue of one replay, and take them down again."""
    name = f"replay_{uuid.uuid4().hex[:12]}"
    cluster = Cluster(settings.home)
    cluster.ensure()
    folder = settings.home / "replays"
    folder.mkdir(parents=True, exist_ok=True)
    clear_killed(cluster, folder)
    lock = _alive(folder / f"{name}.lock")
    cluster.create_database(name)
    clock = FileClock(folder / f"{name}.clock")
    clock.set(start)
    engine = make_engine(cluster.url(name))
    try:
        schema.upgrade(engine)
        with ArchiveServer(cluster.url(name), paths, requests=requests) as server:
            own = settings.model_copy(
                update={
                    "catalogues": {CATALOGUE: local_catalogue(server.url)},
                    "channels": {},
                    "exercise": True,
                    "keep_composites_days": 0,  # its database goes when it ends
                    "history": history_of(archives),
                }
            )

            def publish_until(moment: datetime) -> int:
                url = cluster.url(name)
                return sum(len(publish(url, a, moment, server.url)) for a in archives)

            yield Services(own, engine, clock, ()), clock, publish_until
    finally:
        engine.dispose()
        cluster.drop_database(name)
        clock.remove()
        Path(lock.name).unlink(missing_ok=True)
        lock.close()


def _alive(path: Path) -> IO[str]:
    """Return a file that is locked for as long as this process lives.

    Raises:
        BlockingIOError: another process has it.
    """
    file = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        file.close()
        raise
    return file


def clear_killed(cluster: Cluster, folder: Path) -> list[str]:
    """Drop the databases of replays that were killed, and their files; return their names."""
    cleared = []
    for name in sorted({path.stem for path in folder.glob("replay_*.*")}):
        try:
            lock = _alive(folder / f"{name}.lock")
        except BlockingIOError:
            continue  # it runs
        with lock:
            cluster.drop_database(name)
            for ending in ("clock", "new", "lock"):
                (folder / f"{name}.{ending}").unlink(missing_ok=True)
        cleared.append(name)
    return cleared


def local_catalogue(url: str) -> CatalogueSettings:
    """Return settings for an archive server: one search a poll, by publication."""
    return CatalogueSettings(
        kind="stac", url=url, published_property="published", window=timedelta(days=36_500)
    )


def history_of(archives: Sequence[Archive]) -> timedelta:
    """Return how far back a first poll must look to see all of the archives."""
    sensed = [
        datetime.fromisoformat(item["properties"]["datetime"])
        for archive in archives
        for item in archive.items()
    ]
    return max(sensed) - min(sensed) + timedelta(days=400)


def _report(
    services: Services,
    regions: tuple[WatchedRegion, ...],
    told_at: Mapping[uuid.UUID, datetime],
    span: timedelta,
    seconds: float,
) -> ReplayReport:
    with transaction(services.engine) as s:
        return ReplayReport(
            regions=regions,
            counts=counts.summary(s),
            landslides=tuple(queries.list_landslides(s)),
            alerts=tuple(outbox.list_alerts(s)),
            looks=tuple(queries.list_looks(s)),
            told_at=told_at,
            span=span,
            seconds=seconds,
        )
