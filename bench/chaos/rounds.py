"""Rounds of killed steps: the same history again and again, killed elsewhere each time.

After each kill every invariant is asked; at the end of a round the books must be what they are
where nobody was killed, row by row.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.chaos.killing import Point, Ran, draw, run
from bench.chaos.world import STEPS, STOPS, World
from db.invariants import Broken
from flows.files import is_written

#: A step is killed so often, at most, before it may come to its end.
MOST_IN_A_ROW = 6
#: Runs of a step after which something that waits still is stuck.
PATIENCE = 4


@dataclass
class Tally:
    """What was done and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    """By step and kind of point."""
    faults: Counter[str] = field(default_factory=Counter)
    """By name, those that really happened."""
    missed: Counter[str] = field(default_factory=Counter)
    """By name, those that met nothing: the step asked nobody, wrote no file, was over."""
    services: int = 0
    """Kills of the whole service."""
    working: int = 0
    """Of them those that came after its first poll."""
    survived: int = 0
    """Steps that ended before their point."""
    checks: int = 0
    """How often all invariants were asked."""
    rounds: int = 0
    """Histories that came to their end."""
    repeated: int = 0
    """Messages that came once more, under the same key."""
    last: str = ""
    """What was asked about last."""
    broken: list[dict[str, Any]] = field(default_factory=list)
    """What did not hold, with all it takes to repeat it."""

    @property
    def killed(self) -> int:
        """Kills altogether."""
        return sum(self.kills.values())

    def note(self, seed: int, where: str, found: list[Broken]) -> None:
        """Note what does not hold."""
        self.checks += 1
        self.last = f"seed {seed}: {where}"
        self.broken += [
            {"seed": seed, "where": where, "rule": one.rule, "what": one.what} for one in found
        ]


@dataclass(frozen=True)
class Undisturbed:
    """What a history leaves behind where nobody is killed."""

    rows: Mapping[str, Any]
    """All that is stored."""
    ran: Mapping[tuple[datetime, str], Ran]
    """By stop and step how long it took, and how many points of each kind it came by."""


def in_fork(world: World, name: str, point: Point | None = None) -> Ran:
    """Run one step in a fork, killed at a point; the proxy kills at requests."""
    step: Callable[[], None] = getattr(world, name)
    world.rules()

    def told(pid: int) -> None:
        if point is not None and point.kind == "request":
            kill = {"match": ".", "after": point.number - 1, "times": 1, "kill": pid}
            world.rules({**kill, "when": point.when})

    own = None if point is not None and point.kind == "request" else point
    ran = run(step, world.home, own, told)
    asked, _ = world.asked()
    world.rules()
    return Ran(ran.killed, ran.seconds, {**ran.points, "request": asked}, ran.error, ran.named)


def alone(world: World, name: str) -> list[Broken]:
    """Run a step that nobody kills, where all servers behave: it has to come to its end."""
    ran = in_fork(world, name)
    wrong = [Broken("a step that nobody kills comes to its end", f"{name}: {ran.error}")]
    return wrong if ran.killed or ran.error else []


def settle(world: World) -> list[Broken]:
    """Let every step come to its end until nothing waits; return what went wrong."""
    found = []
    for _ in range(PATIENCE):
        world.impatient()
        for name in STEPS:
            found += alone(world, name)
        if not (left := world.waiting()):
            return found
    return [*found, Broken("nothing is stuck", ", ".join(left))]


def undisturbed(
    world: World, stops: Sequence[datetime] = STOPS, *, again: bool = False
) -> Undisturbed:
    """Live through the history; nobody is killed.

    Args:
        world: fresh.
        stops: of the history.
        again: do each step once more, with work made for it, as ``faulty_round`` does. A look that
            is judged again later leaves out of its history what was outlined meanwhile.

    Raises:
        RuntimeError: it does not work even so.
    """
    known = {}
    for moment in stops:
        world.reach(moment)
        for name in STEPS:
            known[moment, name] = ran = in_fork(world, name)
            if ran.error or ran.killed:
                raise RuntimeError(f"{name}, undisturbed: {ran.error}")
            if again:
                world.again(name)
                if wrong := alone(world, name):
                    raise RuntimeError(f"{name}, undisturbed, again: {wrong}")
    if wrong := [*settle(world), *world.broken(sweep=True)]:
        raise RuntimeError(f"undisturbed: {wrong}")
    return Undisturbed(world.rows(), known)


def killed_round(
    world: World, seed: int, base: Undisturbed, tally: Tally, most: int,
    stops: Sequence[datetime] = STOPS, over: Callable[[], bool] = lambda: False,
) -> Iterator[int]:  # fmt: skip
    """Live through the history and be killed on the way; yields the kills so far.

    The history comes to its end and is compared also where the time for kills is up.

    Args:
        world: fresh.
        seed: decides every kill; the same seed is killed at the same points.
        base: what must come out.
        tally: takes what comes of it.
        most: no more kills than this.
        stops: of the history, as in ``undisturbed``.
        over: whether the time is up.
    """
    chance, kills = random.Random(seed), 0
    for moment in stops:
        world.reach(moment)
        for name in STEPS:
            for _ in range(chance.randint(1, MOST_IN_A_ROW)):
                if kills >= most or over():
                    break
                usual = base.ran[moment, name]
                point = draw(chance, usual.points, usual.seconds)
                ran = in_fork(world, name, point)
                where = f"{moment:%Y-%m-%d} {name} {point.kind} {point.number} {point.when}"
                if ran.killed:
                    kills += 1
                    tally.kills[f"{name} {point.kind}"] += 1
                else:
                    tally.survived += 1
                wrong = world.broken()
                if ran.error:
                    wrong.append(Broken("a step ends well, or is killed", ran.error))
                tally.note(seed, where, wrong)
                yield kills
            wrong = [*alone(world, name), *world.broken()]
            tally.note(seed, f"{moment:%Y-%m-%d} {name} let alone", wrong)
        tally.note(seed, f"{moment:%Y-%m-%d} settled", settle(world))
    finish(world, seed, base, tally)
    yield kills


def finish(
    world: World, seed: int, base: Undisturbed, tally: Tally, but: Collection[str] = ()
) -> None:
    """Ask at the end of a round: invariants, orphaned files, all rows but some tables, columns."""
    wrong = world.broken(sweep=True)
    rows = world.rows()
    for table in base.rows.keys() - set(but):
        found, usual = (
            sorted(
                ({k: v for k, v in row.items() if f"{table}.{k}" not in but} for row in one[table]),
                key=str,
            )
            for one in (rows, base.rows)
        )
        if found != usual:
            more, less = (
                [row for row in one if row not in other]
                for one, other in ((found, usual), (usual, found))
            )
            what = f"{table}: more {str(more)[:600]}; less {str(less)[:600]}"
            wrong.append(Broken("the books are as if nobody had been killed", what))
    ends, due = (sorted((row["acquisition_id"], row["state"]) for row in one["looks"])
                 for one in (rows, base.rows))  # fmt: skip
    if ends != due:
        wrong.append(Broken("every look comes to the end it should", f"{ends}, not {due}"))
    left = [p for p in world.home.rglob("*.part") if p.is_file()]
    wrong += [Broken("no half-written file is left", p.name) for p in left if not is_written(p)]
    tally.repeated += sum(line["repeated"] for line in world.received())
    tally.note(seed, "end of the round", wrong)
    tally.rounds += 1
