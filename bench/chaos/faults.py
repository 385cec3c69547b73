"""Faults that kill nobody: outages, servers that lie, a full disk, clocks, two workers, restarts.

Each is made once at every stop of the history, in random order. What the steps raise must have a
name, every invariant must hold after each, and when all is well again the books must be whole.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from bench.chaos.killing import run
from bench.chaos.rounds import Tally, Undisturbed, finish, in_fork, settle
from bench.chaos.world import STEPS, STOPS, World
from db import outbox
from db.cluster import Cluster
from db.engine import transaction
from db.invariants import Broken

#: Tables that remember a fault that is over: addresses and checksums as last seen, tries, answers.
REMEMBER = frozenset(
    {"acquisitions", "optical_attempts", "receipts", "deliveries", "refused_items"}
)
#: What a full disk costs besides: rasters, and the word about them.
NOT_KEPT = frozenset({"composites", "looks"})

SEARCH, IMAGERY, OPTICAL, HOOK = (
    "^POST /search|^GET /(collections.*)?$",
    "cogs/",
    "/optical/",
    "/alerts/",
)
OUTAGES: dict[str, dict[str, Any]] = {
    "no connection": {"refuse": True},
    "HTTP 500": {"status": 500},
    "HTTP 429": {"status": 429, "headers": {"Retry-After": "1"}},
    "line cut": {"cut": True},
    "body cut short": {"short": True},
    "length too large": {"long": True},
    "something else": {"garbage": True},
}
LIES = ("duplicate", "checksums", "change", "poison")

type Fault = Callable[[World, random.Random], list[Broken]]


def _misled(what: str, step: str, rule: dict[str, Any], world: World, chance: random.Random) -> (
    list[Broken]
):  # fmt: skip
    """Let a server misbehave for some requests of a step."""
    world.rules({"match": what, "after": chance.randint(0, 3), "times": 40, **rule})
    return _stepped(world, step)


def _stepped(world: World, name: str, wrap: Callable[[], None] | None = None) -> list[Broken]:
    """Run a step as the rules have it; return what it should not have done."""
    ran = run(wrap or getattr(world, name), world.home)
    world.rules()
    if ran.error and not ran.named:
        return [Broken("what goes wrong has a name", f"{name}: {ran.error}")]
    return [Broken("a step comes to its end", name)] if ran.killed else []


def full_disk(world: World, chance: random.Random) -> list[Broken]:
    """Let no file grow beyond some bytes, in every step."""
    room, found = chance.choice((0, 512, 4096, 20_000)), []
    for name in STEPS:

        def step(name: str = name) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            getattr(world, name)()

        found += _stepped(world, name, step)
    return found


def clock_back(world: World, chance: random.Random) -> list[Broken]:
    """Set the clock back, do everything, and set it right."""
    right = world.clock.now()
    world.clock.set(right - timedelta(days=chance.randint(1, 60)))
    found = [wrong for name in STEPS for wrong in _stepped(world, name)]
    world.clock.set(right)
    return found


def clock_ahead(world: World, chance: random.Random) -> list[Broken]:
    """Poll with a clock that is ahead, and set it right."""
    right = world.clock.now()
    world.clock.set(right + timedelta(days=chance.randint(1, 60)))
    found = _stepped(world, "poll")
    world.clock.set(right)
    return found + _stepped(world, "poll")


def two_workers(world: World, chance: random.Random) -> list[Broken]:
    """Run every step but the sweep twice at the same time."""
    found = []
    for name in STEPS[:-1]:

        def both(name: str = name, wait: float = chance.random() / 5) -> None:
            other = os.fork()
            if other == 0:
                time.sleep(wait)
                code = 1
                with suppress(Exception):
                    getattr(world, name)()
                    code = 0
                os._exit(code)
            getattr(world, name)()
            _, status = os.waitpid(other, 0)
            assert status == 0, f"the second {name} failed"

        found += _stepped(world, name, both)
    return found


def redelivery(world: World, chance: random.Random) -> list[Broken]:
    """Send what was sent again, through a line that hands everything on twice."""
    with world.services() as services, transaction(services.engine) as s:
        for record in outbox.list_alerts(s):
            if chance.random() < 0.5:
                outbox.requeue(s, record.alert.id)
    world.doubled = True
    world.rules({"match": HOOK, "twice": True})
    return _stepped(world, "deliver")


def restarted(
    cluster: Cluster, step: str, world: World, chance: random.Random
) -> list[Broken]:  # fmt: skip
    """Restart the database, as ``pg_ctl restart -m immediate`` does, in the midst of a step."""
    wait = chance.random() * (2.0 if step in {"detect", "confirm"} else 0.4)
    helper = os.fork()
    if helper == 0:
        code = 1
        with suppress(Exception):
            time.sleep(wait)
            pid = cluster.status().pid
            assert pid is not None
            os.kill(pid, signal.SIGQUIT)
            cluster.ensure()
            code = 0
        os._exit(code)
    found = _stepped(world, step)
    _, status = os.waitpid(helper, 0)
    cluster.ensure()
    return found if status == 0 else [*found, Broken("the database comes back", str(status))]


def faults(cluster: Cluster | None) -> dict[str, Fault]:
    """Return every fault by its name."""
    made: dict[str, Fault] = {}
    for place, what, step in (
        ("catalogue", SEARCH, "poll"), ("radar imagery", IMAGERY, "detect"),
        ("optical imagery", OPTICAL, "confirm"), ("receiver", HOOK, "deliver"),
    ):  # fmt: skip
        for name, rule in OUTAGES.items():
            made[f"{place}: {name}"] = partial(_misled, what, step, rule)
    for lie in LIES:
        made[f"catalogue lies: {lie}"] = partial(_misled, "^POST /search", "poll", {"edit": lie})
    made |= {
        "full disk": full_disk, "clock set back": clock_back, "clock ahead": clock_ahead,
        "two workers": two_workers, "redelivery": redelivery,
    }  # fmt: skip
    if cluster is not None:
        for step in STEPS:
            made[f"database restarted: {step}"] = partial(restarted, cluster, step)
    return made


def faulty_round(
    world: World, seed: int, base: Undisturbed, tally: Tally, cluster: Cluster | None,
    share: float = 1.0, over: Callable[[], bool] = lambda: False,
) -> Iterator[str]:  # fmt: skip
    """Live through the history with every fault at every stop; yields their names.

    Args:
        world: fresh.
        seed: decides order and places; the same seed is the same round.
        base: what must come out, but for ``REMEMBER`` and ``NOT_KEPT``.
        tally: takes what comes of it.
        cluster: database that may be restarted.
        share: of the faults at each stop, 0 to 1.
        over: whether the time is up; the history comes to its end even so.
    """
    chance, known = random.Random(seed), faults(cluster)
    for moment in STOPS:
        world.reach(moment)
        names = sorted(known)
        chance.shuffle(names)
        for name in names[: max(1, round(share * len(names)))]:
            if over():
                break
            wrong = known[name](world, chance)
            tally.faults[name] += 1
            tally.note(seed, f"{moment:%Y-%m-%d} {name}", [*wrong, *world.broken()])
            world.fresh_tries()
            if chance.random() < 0.5:
                in_fork(world, chance.choice(STEPS))
            yield name
        tally.note(seed, f"{moment:%Y-%m-%d} settled", settle(world))
    finish(world, seed, base, tally, REMEMBER | NOT_KEPT)
