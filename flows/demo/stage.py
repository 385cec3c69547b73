"""Everything that runs during the demo: PostGIS, catalogue, receiver, Prefect and the flows."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from alerts.receiver import Receiver
from db import schema, store
from db.cluster import Cluster
from db.engine import make_engine, transaction
from detectors.errors import ConfigurationError
from flows.archive.manifest import Archive, open_archive
from flows.archive.server import ArchiveServer
from flows.clock import FileClock
from flows.demo.scene import ARCHIVE, CATALOGUE, WATCH_FROM, regions
from flows.deployments import (
    free_port,
    prefect_environment,
    prefect_server,
    stop_group,
)
from flows.drill import Drill, make_drill_archive
from flows.drill_optical import make_optical_archive
from flows.services import Services
from flows.settings import Settings
from flows.workers import end_with_parent

DATABASE = "scarpwatch_demo"


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs, and where it keeps its things."""

    home: Path
    """State folder of the demo."""
    services: Services
    """What asks the demo's own database what is still to be done."""
    url: str
    """Its libpq URL."""
    clock: FileClock
    """Replay clock that all processes read."""
    archives: tuple[Archive, ...]
    """The drill's looks, radar and optical, and the real ones."""
    server: ArchiveServer
    """STAC API and COGs on loopback."""
    environment: dict[str, str]
    """What ``scarpwatch`` commands of the demo run under."""

    @property
    def engine(self) -> Engine:
        """The demo's own database."""
        return self.services.engine


@contextmanager
def stage(settings: Settings, tell: Callable[[str], None]) -> Iterator[Stage]:
    """Set everything up in an empty ``demo`` folder, and take it down at the end."""
    home = settings.home.absolute() / "demo"
    with ExitStack() as stack:
        stack.enter_context(_alone(settings.home.absolute()))
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        tell("writing the drill's looks")
        drills = home / "archive-drill", home / "archive-optical"
        make_drill_archive(ARCHIVE, drills[0], Drill())
        make_optical_archive(ARCHIVE, drills[1], Drill())
        archives = tuple(open_archive(path) for path in (*drills, ARCHIVE))
        tell("starting PostGIS")
        cluster = Cluster(settings.home)
        cluster.ensure()
        cluster.drop_database(DATABASE)
        cluster.create_database(DATABASE)
        url = cluster.url(DATABASE)
        engine = make_engine(url)
        stack.callback(engine.dispose)
        schema.upgrade(engine)
        with transaction(engine) as s:
            for region in regions():
                store.save_region(s, region)
        tell("starting catalogue and receiver")
        server = stack.enter_context(ArchiveServer(url, [a.path for a in archives]))
        receiver = stack.enter_context(Receiver(home / "received.jsonl"))
        clock = FileClock(home / "clock")
        clock.set(WATCH_FROM)
        config = home / "scarpwatch.toml"
        config.write_text(_config(home, server.url, receiver.url), encoding="utf-8")
        own = settings.model_copy(update={"home": home, "prefect_port": free_port()})
        environment = {
            **_outside(),
            "SCARPWATCH_CONFIG": str(config),
            "SCARPWATCH_HOME": str(home),
            "SCARPWATCH_DATABASE_URL": url,
        }
        tell("starting Prefect")
        with _without_prefect_url():
            api = stack.enter_context(prefect_server(own))
        environment |= prefect_environment(own, api)
        services = Services(own, engine, clock, ())
        yield Stage(home, services, url, clock, archives, server, environment)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep a second demo out while this one runs; the lock goes with the process.

    Raises:
        ConfigurationError: another demo holds the lock.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "demo.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"a demo runs in {home} already; wait until it ends") from None
        yield


def _outside() -> dict[str, str]:
    """Return the environment without the operator's own settings of us and of Prefect."""
    ours = ("SCARPWATCH_", "PREFECT_")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


@contextmanager
def _without_prefect_url() -> Iterator[None]:
    """The demo brings its own Prefect server, whatever the operator's environment names."""
    given = os.environ.pop("PREFECT_API_URL", None)
    try:
        yield
    finally:
        if given is not None:
            os.environ["PREFECT_API_URL"] = given


def _config(home: Path, catalogue_url: str, receiver_url: str) -> str:
    """Return the settings file of the demo, such as an operator would write it."""
    quoted = json.dumps
    push = receiver_url.replace("http://", "json://")
    return f"""# Settings of the demo: a replay, so that every alert is an exercise.
exercise = true
clock_file = {quoted(str(home / "clock"))}
history = "P500D"
deliver_every = "PT1M"

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
