"""What a demo or a drill runs on: PostGIS, catalogue, receiver, and Prefect with the flows."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from alerts.receiver import Receiver
from db import schema, store
from db.cluster import Cluster
from db.engine import make_engine, transaction
from detectors.errors import ConfigurationError
from detectors.types import WatchedRegion
from flows.archive.manifest import Archive, open_archive
from flows.archive.publish import publish
from flows.archive.server import ArchiveServer
from flows.clock import FileClock
from flows.demo.scene import ARCHIVE, CATALOGUE, WATCH_FROM
from flows.deployments import (
    free_port,
    prefect_environment,
    starting_prefect,
    stop_group,
)
from flows.distribution import DistributionSettings
from flows.drill import Drill, make_drill_archive
from flows.drill_optical import make_optical_archive
from flows.services import Services
from flows.settings import Settings
from flows.workers import end_with_parent


@dataclass(frozen=True, slots=True)
class Play:
    """What is played, and with what."""

    name: str
    """Of its folder and of its database."""
    drill: Drill
    """What is planted."""
    regions: tuple[WatchedRegion, ...]
    """What is watched."""
    real: bool
    """Show the real looks, without anything planted, as well."""
    pages: bool
    """Run Prefect, whose pages show the runs."""
    pictures: bool
    """Messages take their pictures along, which costs some seconds each."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs, and where it keeps its things."""

    home: Path
    """Its state folder."""
    regions: tuple[WatchedRegion, ...]
    """What is watched."""
    services: Services
    """What asks its own database what is still to be done."""
    url: str
    """Its libpq URL."""
    clock: FileClock
    """Replay clock that all processes read."""
    archives: tuple[Archive, ...]
    """The drill's looks, radar and optical, and the real ones."""
    server: ArchiveServer
    """STAC API and COGs on loopback."""
    receiver: Receiver
    """Web hook on loopback."""
    environment: dict[str, str]
    """What its ``scarpwatch`` commands run under."""

    @property
    def engine(self) -> Engine:
        """Its own database."""
        return self.services.engine

    def reach(self, moment: datetime) -> None:
        """Make visible what was published by a moment, and move the clock to it."""
        for archive in self.archives:
            publish(self.url, archive, moment, self.server.url)
        # Last: a poll in between would take what is not listed yet for what does not exist.
        self.clock.set(moment)


@contextmanager
def stage(
    settings: Settings,
    tell: Callable[[str], None],
    play: Play,
    more: str = "",
) -> Iterator[Stage]:
    """Set everything up in an empty folder, and take it down at the end.

    Args:
        settings: for the state folder.
        tell: called with what is being done.
        play: what is played.
        more: what else the settings say, TOML.
    """
    home = settings.home.absolute() / play.name
    database = f"scarpwatch_{play.name}"
    with ExitStack() as stack:
        stack.enter_context(_alone(settings.home.absolute(), play.name))
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        alone = {"prefect_port": free_port(), "distribution": DistributionSettings()}
        own = settings.model_copy(update={"home": home, **alone})
        # It takes longest to come up, and the other core has time for what comes next.
        prefect = stack.enter_context(starting_prefect(own)) if play.pages else None
        tell("writing the drill's looks")
        drills = home / "archive-drill", home / "archive-optical"
        make_drill_archive(ARCHIVE, drills[0], play.drill)
        make_optical_archive(ARCHIVE, drills[1], play.drill)
        archives = tuple(open_archive(path) for path in (*drills, *([ARCHIVE] * play.real)))
        tell("starting PostGIS")
        cluster = Cluster(settings.home)
        cluster.ensure()
        cluster.drop_database(database)
        cluster.create_database(database)
        url = cluster.url(database)
        engine = make_engine(url)
        stack.callback(engine.dispose)
        schema.upgrade(engine)
        with transaction(engine) as s:
            for region in play.regions:
                store.save_region(s, region)
        tell("starting catalogue and receiver")
        server = stack.enter_context(ArchiveServer(url, [a.path for a in archives]))
        receiver = stack.enter_context(Receiver(home / "received.jsonl"))
        clock = FileClock(home / "clock")
        clock.set(WATCH_FROM)
        config = home / "scarpwatch.toml"
        config.write_text(
            _config(home, url, server.url, receiver.url, pictures=play.pictures) + more,
            encoding="utf-8",
        )
        environment = {
            **outside(),
            "SCARPWATCH_CONFIG": str(config),
            "SCARPWATCH_HOME": str(home),
            "SCARPWATCH_DATABASE_URL": url,
        }
        if prefect is not None:
            tell("starting Prefect")
            environment |= prefect_environment(own, prefect())
        services = Services(own, engine, clock, ())
        yield Stage(
            home, play.regions, services, url, clock, archives, server, receiver, environment
        )


@contextmanager
def _alone(home: Path, name: str) -> Iterator[None]:
    """Keep a second one out while this one runs; the lock goes with the process.

    Raises:
        ConfigurationError: another one holds the lock.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{name}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"a {name} runs in {home} already; wait until it ends"
            ) from None
        yield


def outside() -> dict[str, str]:
    """Return the environment without the operator's own settings of us and of Prefect."""
    ours = ("SCARPWATCH_", "PREFECT_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def _config(
    home: Path, database_url: str, catalogue_url: str, receiver_url: str, *, pictures: bool
) -> str:
    """Return the settings file, such as an operator would write it."""
    quoted = json.dumps
    push = receiver_url.replace("http://", "json://")
    return f"""# A replay, so that every alert is an exercise.
# Look at what it left with: SCARPWATCH_HOME={shlex.quote(str(home))} scarpwatch web
exercise = true
database_url = {quoted(database_url)}
clock_file = {quoted(str(home / "clock"))}
history = "P500D"
deliver_every = "PT1M"
picture_timeout_s = {60 if pictures else 0}

[catalogues.{CATALOGUE}]
kind = "stac"
url = {quoted(catalogue_url)}
published_property = "published"
window = "P4000D"

[channels.webhook]
url = {quoted(f"{receiver_url}/alerts")}
exercise = true

[channels.apprise]
url = {quoted(f"{push}/push")}
exercise = true

[channels.file]
url = {quoted(f"file:{home / 'alerts.jsonl'}")}
exercise = true
"""


@contextmanager
def serving(on: Stage) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``scarpwatch serve`` as an operator would."""
    log = on.home / "logs" / "serve.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "-v", "serve"],
            preexec_fn=end_with_parent,
            env=on.environment, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        stop_group(process)
