"""Is everything in order that alerts depend on? Looks, asks once, changes nothing."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from alerts.channels.registry import check as check_channel
from alerts.languages import language
from alerts.records import Channel
from db import facts, queries, schema
from db.binaries import find_binaries
from db.cluster import Cluster
from db.engine import make_engine, transaction
from db.records import PollRecord
from detectors.errors import ConfigurationError, ScarpwatchError
from detectors.types import WatchedRegion
from flows.attention import overdue, told
from flows.catalogs.registry import known_catalogues, make_catalogue, split_source
from flows.services import DATABASE
from flows.settings import CapSettings, Settings, config_path
from flows.subscribing import subscriber_records

OLDEST_PYTHON = (3, 12)
#: The weights every figure in bench/data.md was measured with; others change who is alerted.
EXPECTED_WEIGHTS = "distmetrics-1.0.8/transformer_optimized/0705e75189ef"
#: Room for imagery caches, the database's log and a replay.
DISK_WARN_BYTES, DISK_FAIL_BYTES = 5_000_000_000, 1_000_000_000
#: Leases and retries are compared between machines, so their clocks must agree.
CLOCK_WARN, CLOCK_FAIL = timedelta(seconds=5), timedelta(minutes=1)
#: A person waits for the answer: one try, and not for long.
CATALOGUE_TIMEOUT_S = 15.0

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    """What."""
    state: str
    """``ok``, ``warn`` (works, but) or ``fail``."""
    said: str
    """What was found."""
    advice: str | None = None
    """What to do next, None where it is in order."""


def examine(settings: Settings) -> Iterator[Check]:
    """Yield one check after the other; none of them raises."""
    yield _python()
    yield _configuration(settings)
    yield _disk(settings.home)
    yield _guarded("weights", _weights, "run: make setup")
    yield _models(settings.models)
    regions: list[WatchedRegion] = []
    polls: list[PollRecord] = []
    engine, read = None, False
    try:
        engine = make_engine(_database_url(settings))
        yield _server(engine)
        yield _clock(engine)
        fits = _schema(engine)
        yield fits
        if fits.state == OK:
            with transaction(engine) as s:
                regions, polls = queries.list_regions(s), queries.list_polls(s)
            read = True
    except ScarpwatchError as error:
        yield Check("database", FAIL, str(error), _database_advice(settings, str(error)))
    finally:
        if engine is not None:
            engine.dispose()
    yield from _regions(settings, regions, polls)
    yield from _catalogues(settings, regions)
    yield from _channels(settings, regions if read else None)


def _guarded(name: str, look: Callable[[], Check], advice: str) -> Check:
    """Turn what a check raises into its answer."""
    try:
        return look()
    except ScarpwatchError as error:
        return Check(name, FAIL, str(error), advice)
    except (OSError, ImportError, LookupError) as error:
        return Check(name, FAIL, f"{type(error).__name__}: {error}", advice)


def _python() -> Check:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", FAIL, f"{version}, too old", "install Python 3.12, run: make setup")
    return Check("python", OK, version)


def _configuration(settings: Settings) -> Check:
    path = config_path()
    said = f"{path}" if path.is_file() else f"environment and defaults; there is no {path}"
    if settings.exercise:
        return Check(
            "settings", WARN, f"{said}; exercise is on", "unset it before real alerts are needed"
        )
    return Check("settings", OK, said)


def _disk(home: Path) -> Check:
    place = home.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    said = f"{free / 1e9:,.1f} GB free at {place}"
    if free < DISK_FAIL_BYTES:
        return Check("disk", FAIL, said, "free some; the database stops when the disk is full")
    if free < DISK_WARN_BYTES:
        return Check("disk", WARN, said, "free some soon")
    return Check("disk", OK, said)


def _weights() -> Check:
    from detectors.sar_disturbance import weights_version

    found = weights_version()
    if found != EXPECTED_WEIGHTS:
        return Check(
            "weights", FAIL, f"{found}, expected {EXPECTED_WEIGHTS}",
            "run: make setup; other weights change who is alerted",
        )  # fmt: skip
    return Check("weights", OK, found)


def _models(folder: Path) -> Check:
    """Read the models that are asked to their last byte."""
    from detectors.weights import names
    from flows.model_registry import Registry, check

    try:
        found = [check(Registry(folder).in_use(name)).version for name in names()]
    except ScarpwatchError as error:
        return Check("models", FAIL, str(error), "see: scarpwatch models list, models rollback")
    return Check("models", OK, ", ".join(found))


def _database_url(settings: Settings) -> str:
    """Return the URL without starting anything."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    find_binaries()
    return Cluster(settings.home).url(DATABASE)


def _database_advice(settings: Settings, said: str) -> str | None:
    if "scarpwatch " in said:
        return None
    if settings.database_url is None:
        return "run: scarpwatch db start, then: scarpwatch db upgrade"
    return "look after that server, or unset SCARPWATCH_DATABASE_URL for a private one"


def _server(engine: Engine) -> Check:
    found = facts.server_facts(engine)
    postgis = f"PostGIS {found.postgis}" if found.postgis else "PostGIS not set up yet"
    size = f"{found.size_bytes / 1e6:,.0f} MB"
    return Check("database", OK, f"PostgreSQL {found.version}, {postgis}, {size}")


def _clock(engine: Engine) -> Check:
    before = datetime.now(UTC)
    server = facts.server_facts(engine).clock
    apart = max(before - server, server - datetime.now(UTC), timedelta())
    said = f"{before:%Y-%m-%d %H:%M:%S} UTC, {apart.total_seconds():.1f} s from the database's"
    advice = "let both machines keep network time (NTP)"
    if apart > CLOCK_FAIL:
        return Check("clock", FAIL, said, advice)
    if apart > CLOCK_WARN:
        return Check("clock", WARN, said, advice)
    return Check("clock", OK, said)


def _schema(engine: Engine) -> Check:
    current, head = schema.current(engine), schema.head()
    if current == head:
        return Check("schema", OK, f"{current}, up to date")
    said = f"{current or 'none'}, this version needs {head}"
    return Check("schema", FAIL, said, "run: scarpwatch db upgrade")


def _regions(
    settings: Settings, regions: Sequence[WatchedRegion], polls: Sequence[PollRecord]
) -> Iterator[Check]:
    """Say which regions are watched, and which were not read for long."""
    if not regions:
        return
    now = datetime.now(UTC)
    read = {(poll.region_id, poll.source) for poll in polls if poll.succeeded_at}
    waiting = [region for region in regions if overdue(region, polls, now)]
    never = [r.id for r in waiting if any((r.id, source) not in read for source in r.sources)]
    late = [region.id for region in waiting if region.id not in never]
    said = f"{len(regions)} watched"
    if not waiting or settings.clock_file:
        yield Check("regions", OK, said)
        return
    said += f"; a source never read yet: {', '.join(never)}" if never else ""
    said += f"; not read for long: {', '.join(late)}" if late else ""
    yield Check(
        "regions", WARN, said,
        "run: scarpwatch serve; why a source fails: scarpwatch regions show ID",
    )  # fmt: skip


def _catalogues(settings: Settings, regions: Sequence[WatchedRegion]) -> Iterator[Check]:
    """Ask every catalogue that a region uses whether it answers and has what it needs."""
    names = {split_source(source)[0] for region in regions for source in region.sources}
    known = known_catalogues(settings.catalogues, settings.home)
    for name in sorted(names):

        def ask(name: str = name) -> Check:
            impatient = known[name].model_copy(
                update={
                    "attempts": 1,
                    "timeout_s": min(known[name].timeout_s, CATALOGUE_TIMEOUT_S),
                }
            )
            catalogue = make_catalogue(name, impatient, known)
            catalogue.gdal_environment()
            return Check(f"catalogue {name}", OK, catalogue.check())

        advice = f"see [catalogues.{name}] in {config_path()}; the next poll asks again"
        if name not in known:
            wanted = f"add [catalogues.{name}] to {config_path()}"
            yield Check(f"catalogue {name}", FAIL, "not in the settings", wanted)
        else:
            yield _guarded(f"catalogue {name}", ask, advice)


def _subscriber(settings: Settings, regions: Sequence[WatchedRegion] | None, name: str) -> Check:
    """Read a subscriber's areas, and say which of its regions are not watched."""
    (one,) = (s for s in subscriber_records(settings, name))
    wanted = "at once" if one.budget is None else f"{one.budget} a week at once"
    said = f"{', '.join(one.channels)}; {wanted}"
    if regions is None:
        return Check(f"subscriber {name}", OK, said)
    strange = sorted(set(one.regions) - {region.id for region in regions})
    if strange:
        advice = "mend its areas, or: scarpwatch regions add FILE"
        return Check(
            f"subscriber {name}", WARN, f"{said}; not watched: {', '.join(strange)}", advice
        )
    return Check(f"subscriber {name}", OK, said)


def _channels(settings: Settings, regions: Sequence[WatchedRegion] | None) -> Iterator[Check]:
    """Look over every channel, and whether each region's alerts go anywhere.

    Args:
        settings: Channels, subscribers.
        regions: What is watched; None = the database could not be asked.
    """
    channels = settings.channel_records()
    for channel in channels:
        kind = "exercise" if channel.exercise else "live"

        def look(channel: Channel = channel, kind: str = kind) -> Check:
            spoken = ", ".join(language(t, settings.templates).tag for t in channel.languages)
            said = f"{check_channel(channel)}, {kind}, {spoken}"
            return Check(f"channel {channel.name}", OK, said)

        yield _guarded(
            f"channel {channel.name}", look, f"mend [channels.{channel.name}] in {config_path()}"
        )
    unset = settings.cap.sender == CapSettings.model_fields["sender"].default
    if unset and any(not channel.exercise for channel in channels):
        yield Check(
            "cap", WARN, f"live messages name {settings.cap.sender} as their sender",
            f"set sender under [cap] in {config_path()}: readers tell senders apart by it",
        )  # fmt: skip
    for name in settings.subscribers:
        yield _guarded(
            f"subscriber {name}", partial(_subscriber, settings, regions, name),
            f"mend [subscribers.{name}] in {config_path()}",
        )  # fmt: skip
    try:
        silent = [region.id for region in regions or () if not told(settings, region)]
    except ConfigurationError:
        return  # said with its subscriber
    if silent:
        yield Check(
            "alerts", WARN, f"nobody is told of: {', '.join(silent)}",
            f"set a channel in {config_path()}, exercise = true for drills",
        )  # fmt: skip
    elif not channels:
        yield Check("alerts", WARN, "no channel is set", f"set one in {config_path()}")
