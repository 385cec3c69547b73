"""Break Scarpwatch on purpose, and ask after each fault whether everything still holds.

    make chaos
    python -m bench.chaos [--kills 1000] [--services 30] [--rounds 1] [--fuzz 10000] \\
        [--seed 1] [--minutes 60] [--write [FILE]] [--json]

Ends with 1 where an invariant broke; what broke is printed with the seed that repeats it. Figures
are written as they come, and told also where the run is broken off.
"""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.chaos.faults import faulty_round
from bench.chaos.rounds import Tally, killed_round, undisturbed
from bench.chaos.service import killed_services
from bench.chaos.stage import Stage, stage
from bench.chaos.telling import Run, add_words

RESULT = Path(__file__).parents[1] / "results" / "chaos.json"


def main() -> int:
    """Read the words, break things, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="kills of single steps")
    parser.add_argument("--services", type=int, default=30, help="kills of scarpwatch serve")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of all other faults")
    parser.add_argument("--seed", type=int, default=1, help="the first; each round has its own")
    add_words(parser, RESULT)
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tally = Tally()
    run = Run(
        "bench.chaos", wanted, lambda: {"killed": tally.killed, **vars(tally)},
        partial(show, tally=tally),
    )  # fmt: skip
    # No thread that draws: steps are forks of this process.
    with run.told(), Progress(
        TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), console=Console(stderr=True), auto_refresh=False,
        disable=wanted.json,
    ) as bar, stage() as on:  # fmt: skip
        _break(on, tally, run, bar)
    return 1 if tally.broken else 0


def _break(on: Stage, tally: Tally, run: Run, bar: Progress) -> None:
    wanted, seed = run.wanted, run.wanted.seed
    task = bar.add_task("other faults", total=None)
    if wanted.rounds:
        with on.world() as world:
            base = undisturbed(world, again=True)
    for _ in range(wanted.rounds):
        if run.over():
            return
        with on.world() as world:
            for name in faulty_round(world, seed, base, tally, on.cluster, over=run.over):
                run.keep()
                bar.update(task, advance=1, description=f"seed {seed}: {name}", refresh=True)
        seed += 1
    task = bar.add_task("kills of steps", total=wanted.kills)
    if wanted.kills and not run.over():
        with on.world() as world:
            base = undisturbed(world)
    while tally.killed < wanted.kills and not run.over():
        with on.world() as world:
            left = wanted.kills - tally.killed
            for _ in killed_round(world, seed, base, tally, left, over=run.over):
                run.keep()
                bar.update(task, completed=tally.killed, description=f"seed {seed}: kills",
                           refresh=True)  # fmt: skip
        seed += 1
    task = bar.add_task("kills of the service", total=wanted.services)
    if wanted.services and not run.over():
        with on.world() as world:
            for _ in killed_services(world, seed, wanted.services, tally, run.over):
                run.keep()
                bar.update(task, completed=tally.services, refresh=True)


def show(console: Console, tally: Tally) -> None:
    """Print what was done and what came of it."""
    table = Table("fault", "times", title="Faults made on purpose")
    for name, count in sorted(tally.kills.items()):
        table.add_row(f"killed: {name}", str(count))
    table.add_row("killed: the whole service", str(tally.services))
    for name, count in sorted(tally.faults.items()):
        table.add_row(name, str(count))
    console.print(table)
    console.print(
        f"{tally.killed} kills of steps ({tally.survived} more ended before their point), "
        f"{tally.faults.total()} other faults ({tally.missed.total()} more met nothing), "
        f"{tally.services} kills of the service ({tally.working} at work); "
        f"invariants asked {tally.checks} times, {tally.rounds} histories compared row by row, "
        f"{tally.repeated} messages repeated under their key."
    )
    if not tally.checks:
        console.print("Nothing was asked.", style="yellow")
    elif not tally.broken:
        console.print("Nothing broke.", style="green")
    for one in tally.broken:
        console.print(
            f"BROKEN (--seed {one['seed']}, {one['where']}): {one['rule']}: {one['what']}",
            style="red", markup=False,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
