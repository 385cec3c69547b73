"""``scarpwatch serve`` with its Prefect server, killed at random moments and started again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from bench.chaos.rounds import Tally
from bench.chaos.world import STOPS, World
from db import store
from db.engine import transaction
from db.invariants import Broken
from flows.demo.stage import outside
from flows.workers import end_with_parent

#: Share of the kills that hit its start, which takes half a minute.
EARLY = 0.3
#: Longest that it lives where it is killed as it starts, and after its first poll, seconds.
EARLY_S, WORKS_S = 30.0, 30.0
#: Longest that it may take to its first poll, seconds: a loaded machine takes its time.
STARTS_S = 900.0
#: Longest that a backlog of four looks may take a service that nobody kills, seconds.
PATIENCE_S = 1200.0


def killed_services(
    world: World, seed: int, kills: int, tally: Tally, over: Callable[[], bool] = lambda: False
) -> Iterator[int]:
    """Serve, kill, ask, and serve again; at the end it may live until nothing waits.

    Args:
        world: fresh.
        seed: decides when.
        kills: how many.
        tally: takes what comes of it.
        over: whether the time is up.
    """
    chance, environment = random.Random(seed), _environment(world)
    with world.services() as services, transaction(services.engine) as s:
        store.save_region(s, replace(world.region, poll_every=timedelta(seconds=20)))
    for number in range(kills):
        if over():
            break
        world.reach(STOPS[min(number * len(STOPS) // kills, len(STOPS) - 1)])
        early, share, began = chance.random() < EARLY, chance.random(), time.monotonic()
        process = _serve(world, environment)
        wrong = []
        if not early:
            if _polls(world, process):
                tally.working += 1
            else:
                wrong.append(Broken("it comes to its work", f"no poll within {STARTS_S:g} s"))
        time.sleep(share * (EARLY_S if early else WORKS_S))
        lives = time.monotonic() - began
        if process.poll() is not None:
            wrong.append(Broken("it serves until it is killed", f"ended: {process.returncode}"))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if left := _left(world.home):
            wrong.append(Broken("what it began ends with it", str(left)))
        tally.services += 1
        where = f"service {number + 1} killed {'as it starts' if early else 'at work'}"
        tally.note(seed, f"{where}, after {lives:.1f} s", [*wrong, *world.broken()])
        yield tally.services
    world.reach(STOPS[-1])
    world.impatient()
    process = _serve(world, environment)
    patient = time.monotonic() + PATIENCE_S
    while not _done(world) and process.poll() is None and time.monotonic() < patient:
        time.sleep(1)
    wrong = [] if _done(world) else [Broken("nothing is stuck", str(world.waiting()))]
    process.send_signal(signal.SIGKILL)
    process.wait()
    _left(world.home)
    tally.note(seed, "service at the end", [*wrong, *world.broken(sweep=True)])
    yield tally.services


def _polls(world: World, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the service has polled; tell whether it has."""
    before, deadline = _last_poll(world), time.monotonic() + STARTS_S
    while time.monotonic() < deadline and process.poll() is None:
        if _last_poll(world) != before:
            return True
        time.sleep(1)
    return False


def _last_poll(world: World) -> object:
    """Return which transaction stored a poll last; the clock it is told by stands still."""
    with world.services() as services, transaction(services.engine) as s:
        return s.scalar(text("SELECT max(xmin::text::bigint) FROM scarpwatch.poll_states"))


def _done(world: World) -> bool:
    rows = world.rows()
    states = {row["state"] for row in rows["landslide_versions"]}
    return not world.waiting() and "confirmed" in states and bool(rows["receipts"])


def _environment(world: World) -> dict[str, str]:
    quoted = json.dumps
    channels = "".join(
        f"[channels.{name}]\nurl = {quoted(world.proxy + inbox)}\nexercise = true\n"
        for name, inbox in world.inboxes.items()
    )
    path = world.home / "scarpwatch.toml"
    path.write_text(f"""
exercise = true
clock_file = {quoted(str(world.home / "clock"))}
picture_timeout_s = 0
keep_composites_days = 30
look_attempts = 10000
delivery_attempts = 10000
deliver_every = "PT20S"
prefect_port = 0
[feed]
folder = {quoted(str(world.home / "feed"))}
[catalogues.local]
kind = "stac"
url = {quoted(world.proxy)}
published_property = "published"
window = "P36500D"
[subscribers.team]
channels = ["team"]
areas = ["region:slope"]
{channels}""")
    return outside() | {
        "SCARPWATCH_HOME": str(world.home), "SCARPWATCH_CONFIG": str(path),
        "SCARPWATCH_DATABASE_URL": world.url,
    }  # fmt: skip


def _serve(world: World, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (world.home / "serve.log").open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "serve"], env=environment, stdout=sink, stderr=sink,
            stdin=subprocess.DEVNULL, preexec_fn=end_with_parent,
        )  # fmt: skip


def _left(home: Path) -> list[int]:
    """Wait until nothing that has the state folder in its environment lives; return what does."""
    deadline = time.monotonic() + 60
    while (found := _descended(home)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _descended(home: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"SCARPWATCH_HOME={home}\0".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found
