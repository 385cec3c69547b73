"""A sample of ``make chaos`` and of its fuzzer, small enough for every day; seeds are fixed."""

from __future__ import annotations

import random

import pytest

from bench.chaos.doors import DOORS
from bench.chaos.faults import clock_ahead, faults
from bench.chaos.fuzzing import Outcome, cases, fuzz
from bench.chaos.killing import Ran
from bench.chaos.rounds import STEPS, STOPS, Tally, Undisturbed, in_fork, killed_round, settle
from bench.chaos.stage import Stage
from tests.chaos.conftest import SAMPLE

KILLS = 10
#: Of the other faults, one of each kind, in an order that leaves each its work.
FAULTS = (
    "catalogue: HTTP 500", "catalogue lies: poison", "clock set back: poll",
    "radar imagery: body cut short", "full disk: detect", "two workers: confirm",
    "receiver: line cut", "redelivery",
)  # fmt: skip
#: How a step usually goes, roughly.
USUAL = Ran(False, 1.0, {"statement": 20})


@pytest.mark.slow
@pytest.mark.long
def test_steps_are_killed_and_nothing_is_lost(on: Stage, base: Undisturbed) -> None:
    tally = Tally()
    with on.world() as world:
        for _ in killed_round(world, 3, base, tally, KILLS, SAMPLE):
            pass
    assert tally.broken == []
    # A moment of the clock may come too late on one machine and not on another.
    assert KILLS // 2 <= tally.killed <= KILLS
    assert tally.rounds == 1
    assert len({name.split()[1] for name in tally.kills}) >= 3, "several kinds of points"


@pytest.mark.slow
def test_faults_have_names_and_nothing_is_lost(on: Stage) -> None:
    chance, known, tally = random.Random(3), faults(None), Tally()
    with on.world() as world:
        world.reach(STOPS[-2])
        for name in FAULTS:
            for step in STEPS[: STEPS.index(known[name].step)]:
                in_fork(world, step)
            made = known[name].make(world, chance, USUAL)
            (tally.faults if made.met else tally.missed)[name] += 1
            tally.note(3, name, [*made.wrong, *world.broken()])
            world.fresh_tries()
        world.reach(STOPS[-1])
        tally.note(3, "settled", [*settle(world), *world.broken(sweep=True)])
        states = {row["state"] for row in world.rows()["looks"]}
    assert tally.broken == []
    assert not tally.missed, "each of them really happened"
    assert states == {"baseline", "processed"}


def test_what_came_out_while_the_clock_was_ahead_is_found(on: Stage) -> None:
    """Otherwise it lies before a mark that nobody had reached, and is never asked for."""
    with on.world() as world:
        world.reach(STOPS[0])
        assert clock_ahead(world, random.Random(1), USUAL).wrong == []
        world.reach(STOPS[1])
        in_fork(world, "poll")
        assert world.broken() == []
        looks = world.rows()["looks"]
    assert sum(look["state"] == "due" for look in looks) >= 2


@pytest.mark.long
def test_a_broken_rule_is_told(on: Stage) -> None:
    """A check that never says no would pass as well."""
    with on.world() as world:
        world.reach(STOPS[-1])
        for name in STEPS:
            in_fork(world, name)
        assert world.broken(sweep=True) == []
        with world.services() as services:
            kept = next(services.settings.composites.rglob("*_score_*.tif"))
            with services.engine.begin() as connection:
                for statement in (
                    "DELETE FROM scarpwatch.receipts",
                    "DELETE FROM scarpwatch.observability",
                    "DELETE FROM scarpwatch.landslide_detections",
                    """UPDATE scarpwatch.looks SET state = 'processing', owner = 'x',
                    finished_at = NULL, lease_until = now() + interval '1 day'
                    WHERE state = 'processed'""",
                ):
                    connection.exec_driver_sql(statement)
        kept.write_bytes(kept.read_bytes()[:-1])
        (kept.parent / "stray.txt").write_text("nobody's")
        told = {one.rule for one in world.broken(sweep=True)}
    assert told >= {
        "a delivered message has a receipt", "a look is held for one lease at most",
        "evidence of a version is linked with its landslide", "a file is what its row says",
        "nothing is left that the sweep does not remove",
    }  # fmt: skip


def test_spoilt_input_is_refused_by_name(database_url: str) -> None:
    outcome = Outcome()
    for _ in fuzz(database_url, cases(SPOILT), 7, outcome):
        pass
    assert outcome.faults == []
    assert outcome.cases == SPOILT
    assert set(outcome.taken) == set(DOORS)


#: Of every door as many.
SPOILT = 18 * len(DOORS)
#: What the fuzzer has found: door, and number of the case with seed 1.
FOUND: tuple[tuple[str, int], ...] = (
    ("inventory", 0), ("inventory", 2), ("inventory", 21), ("inventory", 189), ("map", 10),
    ("search answer", 90), ("search answer", 153), ("STAC item", 91), ("region", 108),
    ("region", 269), ("raster", 16), ("raster", 95), ("raster", 129),
)  # fmt: skip


def test_what_was_found_once_has_a_name_now(database_url: str) -> None:
    outcome = Outcome()
    for _ in fuzz(database_url, list(FOUND), 1, outcome):
        pass
    assert outcome.faults == []
    assert outcome.cases == len(FOUND)
