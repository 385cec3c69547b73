"""Faults that kill nobody: outages, servers that lie, a full disk, clocks, two workers, restarts.

Each is made once at every stop of the history, just before the step it is for has been done, in
random order. What the steps raise must have a name, every invariant must hold after each, and when
all is well again the books must be whole. A fault that met nothing (no request, no file, a step
that was over) is not counted as one.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bench.chaos.killing import Point, Ran, die, run
from bench.chaos.rounds import Tally, Undisturbed, alone, finish, settle
from bench.chaos.world import STEPS, STOPS, World
from db import outbox
from db.cluster import Cluster
from db.engine import transaction
from db.invariants import Broken
from flows import rasters

#: What remembers a fault that is over, by table or column: addresses and checksums as last seen,
#: tries, answers, and when something was decided by a clock that was wrong.
REMEMBER = frozenset(
    {
        "acquisitions", "optical_attempts", "receipts", "deliveries", "refused_items",
        "notices.decided_at",
    }
)  # fmt: skip
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
    "too slow": {"wait": 6.0},
    "dripping": {"drip": 0.2},
}
#: What is waited for a server that is too slow, or drips, seconds.
SHORT_S = 4.0
LIES = ("duplicate", "checksums", "change", "poison")


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a fault."""

    met: bool
    """It really happened: a request was spoilt, a write refused, a step interrupted."""
    wrong: list[Broken]
    """What the steps should not have done."""


type Make = Callable[[World, random.Random, Ran], Made]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong."""

    step: str
    """That it is for."""
    rank: int
    """Those of higher rank come later: the step may come to its end in spite of them."""
    make: Make
    """Makes it; is told how the step goes where nothing is wrong."""


def _misled(
    what: str, step: str, rule: dict[str, Any], world: World, chance: random.Random, _: Ran
) -> Made:
    """Let a server misbehave for some requests of a step."""
    slow = "wait" in rule or "drip" in rule
    world.timeout_s = SHORT_S if slow else 30.0
    world.rules(
        {"match": what, "after": chance.choice((0, 0, 1, 3)), "times": 4 if slow else 40, **rule}
    )

    def hurried() -> None:
        rasters.HTTP_OPTIONS["GDAL_HTTP_TIMEOUT"] = f"{SHORT_S:g}"
        getattr(world, step)()

    wrong = _stepped(world, step, hurried if slow else None)
    _, ruled = world.asked()
    world.rules()
    world.timeout_s = 30.0
    return Made(ruled > 0, wrong)


def _stepped(
    world: World, name: str, step: Callable[[], None] | None = None, point: Point | None = None,
    act: Callable[[], None] = die,
) -> list[Broken]:  # fmt: skip
    """Run a step as the rules have it; return what it should not have done."""
    return _found(name, run(step or getattr(world, name), world.home, point, act=act))


def _found(name: str, ran: Ran) -> list[Broken]:
    if ran.error and not ran.named:
        return [Broken("what goes wrong has a name", f"{name}: {ran.error}")]
    return [Broken("a step comes to its end", name)] if ran.killed else []


def full_disk(step: str, world: World, chance: random.Random, _: Ran) -> Made:
    """Let no file grow beyond some bytes."""
    room = chance.choice((0, 0, 512, 4096))
    told, tells = os.pipe()

    def cramped() -> None:
        # The kernel says so besides refusing the write.
        signal.signal(signal.SIGXFSZ, lambda *_: os.write(tells, b"!"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        getattr(world, step)()

    wrong = _stepped(world, step, cramped)
    os.close(tells)
    with os.fdopen(told, "rb") as said:
        return Made(bool(said.read()), wrong)


def clock_back(step: str, world: World, chance: random.Random, _: Ran) -> Made:
    """Do a step by a clock that is set back, and set it right."""
    right = world.clock.now()
    world.clock.set(right - timedelta(days=chance.randint(1, 60)))
    wrong = _stepped(world, step)
    world.clock.set(right)
    return Made(True, wrong)


def clock_ahead(world: World, chance: random.Random, _: Ran) -> Made:
    """Poll with a clock that is ahead, and set it right."""
    right = world.clock.now()
    world.clock.set(right + timedelta(days=chance.randint(1, 60)))
    wrong = _stepped(world, "poll")
    world.clock.set(right)
    return Made(True, wrong + _stepped(world, "poll"))


def two_workers(step: str, world: World, chance: random.Random, usual: Ran) -> Made:
    """Run a step twice at the same time."""
    wait, said = chance.random() * usual.seconds, world.home / "second"

    def both() -> None:
        other = os.fork()
        if other == 0:
            time.sleep(wait)
            try:
                getattr(world, step)()
            except BaseException:  # noqa: BLE001 - the process ends here, and ours must hear of it
                said.write_text(traceback.format_exc())
            os._exit(0)
        try:
            getattr(world, step)()
        finally:
            os.waitpid(other, 0)

    world.rules()
    wrong = _stepped(world, step, both)
    if said.exists():
        wrong.append(Broken("two workers do not disturb each other", said.read_text()[-2000:]))
        said.unlink()
    asked, _ = world.asked()
    # A poll and a decision ask the database alone; the others had nothing to do without a request.
    return Made(asked > 0 or step == "notify", wrong)


def redelivery(world: World, chance: random.Random, _: Ran) -> Made:
    """Send what was sent again, through a line that hands everything on twice."""
    again = 0
    with world.services() as services, transaction(services.engine) as s:
        for record in outbox.list_alerts(s):
            if chance.random() < 0.5:
                again += outbox.requeue(s, record.alert.id)
    world.doubled = True
    world.rules({"match": HOOK, "twice": True})
    wrong = _stepped(world, "deliver")
    _, ruled = world.asked()
    world.rules()
    return Made(ruled > 0, wrong)


def restarted(
    cluster: Cluster, step: str, world: World, chance: random.Random, usual: Ran
) -> Made:  # fmt: skip
    """Restart the database at a statement, as ``pg_ctl restart -m immediate`` does."""
    point = Point("statement", chance.randint(1, max(usual.points.get("statement", 1), 1)))
    server = cluster.status().pid
    assert server is not None
    helper = os.fork()
    if helper == 0:
        code = 1
        with suppress(Exception):
            while cluster.status().pid == server:
                time.sleep(0.02)
            cluster.ensure()
            code = 0
        os._exit(code)

    told, tells = os.pipe()

    def end_it() -> None:
        os.write(tells, b"!")
        os.kill(server, signal.SIGQUIT)
        time.sleep(chance.random() / 2)

    wrong = _stepped(world, step, None, point, end_it)
    os.close(tells)
    with os.fdopen(told, "rb") as said:
        met = bool(said.read())
    if not met:
        os.kill(helper, signal.SIGKILL)
    _, status = os.waitpid(helper, 0)
    if met and status:
        wrong.append(Broken("the database comes back", str(status)))
    cluster.ensure()
    return Made(met, wrong)


def faults(cluster: Cluster | None) -> dict[str, Fault]:
    """Return every fault by its name."""
    made: dict[str, Fault] = {}
    for place, what, step in (
        ("catalogue", SEARCH, "poll"), ("radar imagery", IMAGERY, "detect"),
        ("optical imagery", OPTICAL, "confirm"), ("receiver", HOOK, "deliver"),
    ):  # fmt: skip
        for name, rule in OUTAGES.items():
            # Some requests that are slow may not keep a step from its end.
            rank = int("wait" in rule or "drip" in rule)
            made[f"{place}: {name}"] = Fault(step, rank, partial(_misled, what, step, rule))
    for lie in LIES:
        make = partial(_misled, "^POST /search", "poll", {"edit": lie, "after": 0})
        made[f"catalogue lies: {lie}"] = Fault("poll", 0, make)
    for step in STEPS:
        if cluster is not None:
            made[f"database restarted: {step}"] = Fault(step, 1, partial(restarted, cluster, step))
        if step != "sweep":
            made[f"two workers: {step}"] = Fault(step, 1, partial(two_workers, step))
        if step in {"detect", "deliver"}:  # the sweep writes nothing
            made[f"full disk: {step}"] = Fault(step, 1, partial(full_disk, step))
        made[f"clock set back: {step}"] = Fault(step, 1, partial(clock_back, step))
    made["clock ahead"] = Fault("poll", 1, clock_ahead)
    made["redelivery"] = Fault("deliver", 2, redelivery)
    return made


def faulty_round(
    world: World, seed: int, base: Undisturbed, tally: Tally, cluster: Cluster | None,
    stops: Sequence[datetime] = STOPS, over: Callable[[], bool] = lambda: False,
) -> Iterator[str]:  # fmt: skip
    """Live through the history with every fault before its step; yields their names.

    Args:
        world: fresh.
        seed: decides order and places; the same seed is the same round.
        base: what must come out, each step done ``again``, but for ``REMEMBER``, ``NOT_KEPT``.
        tally: takes what comes of it.
        cluster: database that may be restarted.
        stops: of the history, as in ``undisturbed``.
        over: whether the time is up; the history comes to its end even so.
    """
    chance, known = random.Random(seed), faults(cluster)
    for moment in stops:
        world.reach(moment)
        for step in STEPS:
            names = sorted(name for name, fault in known.items() if fault.step == step)
            chance.shuffle(names)
            for name in sorted(names, key=lambda one: known[one].rank):
                if over():
                    break
                world.again(step)
                made = known[name].make(world, chance, base.ran[moment, step])
                (tally.faults if made.met else tally.missed)[name] += 1
                tally.note(seed, f"{moment:%Y-%m-%d} {name}", [*made.wrong, *world.broken()])
                world.fresh_tries()
                yield name
            wrong = [*alone(world, step), *world.broken()]
            tally.note(seed, f"{moment:%Y-%m-%d} {step} let alone", wrong)
        tally.note(seed, f"{moment:%Y-%m-%d} settled", settle(world))
    finish(world, seed, base, tally, REMEMBER | NOT_KEPT)
