"""Thousands of spoilt documents and files: each is taken, or refused by a named error.

    make fuzz
    python -m bench.chaos.fuzzing [--cases 10000] [--seed 1] [--only DOOR] [--case N] \
        [--minutes 60] [--write [FILE]] [--json]

Within its time and memory, in a process that must outlive it; nothing lies on the disk afterwards
that was not there before, and what was taken can be stored. ``--only DOOR --case N`` repeats one.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.orm import Session

from bench.chaos.doors import DOORS, Desk
from bench.chaos.telling import Run, add_words
from bench.many import throwaway
from db.engine import make_engine, named_errors
from detectors.errors import ScarpwatchError

RESULT = Path(__file__).parents[1] / "results" / "fuzzing.json"
#: Longest a case may take by the clock: a loaded machine takes its time.
HANGS_S = 60.0
#: Processor time that no case may need.
SLOW_S = 10.0
#: Memory beyond what a process has when it begins.
MOST_BYTES = 1500 * 2**20
#: Cases of one process.
BATCH = 200


@dataclass
class Outcome:
    """What came of all cases."""

    taken: Counter[str] = field(default_factory=Counter)
    """By door."""
    refused: Counter[str] = field(default_factory=Counter)
    """By door and error."""
    slowest_s: float = 0.0
    """Processor time of the slowest case."""
    faults: list[dict[str, Any]] = field(default_factory=list)
    """Whatever had no name, took too long or left something behind, with what repeats it."""

    @property
    def cases(self) -> int:
        """How many there were."""
        return self.taken.total() + self.refused.total()


def cases(count: int, only: str | None = None, first: int = 0) -> list[tuple[str, int]]:
    """Return doors and numbers of cases, every door by turns."""
    doors = [only] if only else list(DOORS)
    return [(doors[n % len(doors)], n // len(doors) + first) for n in range(count)]


def fuzz(url: str, todo: list[tuple[str, int]], seed: int, outcome: Outcome) -> Iterator[int]:
    """Hand cases in; yields how many there were so far.

    Args:
        url: database with our schema; nothing stays in it.
        todo: door and number of each.
        seed: with door and number it decides a case.
        outcome: takes what came of them.
    """
    done = 0
    while done < len(todo):
        batch = todo[done : done + BATCH]
        for told in _in_fork(lambda say, batch=batch: _batch(url, seed, batch, say)):  # type: ignore[misc]
            done += 1
            _note(outcome, told, seed)
            yield done


def _note(outcome: Outcome, told: dict[str, Any], seed: int) -> None:
    door = told["door"]
    outcome.slowest_s = max(outcome.slowest_s, told.get("seconds", 0.0))
    if told.get("fault"):
        outcome.faults.append({**told, "seed": seed})
    if told.get("error"):
        outcome.refused[f"{door}: {told['error']}"] += 1
    else:
        outcome.taken[door] += 1
    outcome.taken.setdefault(door, 0)


def _batch(
    url: str, seed: int, batch: list[tuple[str, int]], say: Callable[[dict[str, Any]], None]
) -> None:
    """Read cases one after the other; say which before, and what came of it after."""
    os.environ["GDAL_HTTP_TIMEOUT"] = "2"
    for name in [one for one in os.environ if one.startswith("SCARPWATCH_")]:
        del os.environ[name]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable()
    warnings.simplefilter("ignore")
    engine = make_engine(url)
    home = Path(tempfile.mkdtemp(prefix="scarpwatch-fuzz-"))
    os.chdir(home)
    try:
        (home / "honest").mkdir()
        (home / "case").mkdir()
        os.environ["SCARPWATCH_HOME"] = str(home / "case")
        desk = Desk(home / "case", home / "honest", Session(engine))
        desk.open()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, hard))
        for door, number in batch:
            say({"begin": [door, number]})
            say(_case(desk, door, number, seed))
    finally:
        shutil.rmtree(home, ignore_errors=True)
        engine.dispose()


def _case(desk: Desk, door: str, number: int, seed: int) -> dict[str, Any]:
    told: dict[str, Any] = {"door": door, "case": number}
    chance = random.Random(f"{seed} {door} {number}")
    began = time.process_time()
    try:
        with named_errors():
            DOORS[door](desk, chance)
            desk.session.flush()
    except ScarpwatchError as error:
        told["error"] = type(error).__name__
        lines = str(error)
        if any(letter in lines for letter in "\0\x1b"):
            told["fault"] = f"control characters in the refusal: {lines[:200]!r}"
        if "the database refused" in lines or "cannot be stored" in lines:
            told["fault"] = f"taken, and cannot be stored: {lines[:300]}"
    except BaseException:  # noqa: BLE001 - that is what is looked for
        told["error"] = "no name"
        told["fault"] = traceback.format_exc()[-1500:]
    desk.session.rollback()
    told["seconds"] = time.process_time() - began
    if told["seconds"] > SLOW_S:
        told["fault"] = f"took {told['seconds']:.1f} s of processor"
    left = sorted(p.name for p in desk.folder.iterdir() if not p.name.startswith("case."))
    if left and told.get("error"):
        told.setdefault("fault", f"left behind: {left}")
    for path in desk.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return told


def _in_fork(work: Callable[[Callable[[dict[str, Any]], None]], None]) -> Iterator[dict[str, Any]]:
    """Run a batch in a fork; yields what it says of each case, also of one that ended it."""
    ours, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        code = 0
        with os.fdopen(its, "w", buffering=1) as out:
            try:
                work(lambda told: print(json.dumps(told), file=out))
            except BaseException:  # noqa: BLE001 - the process ends here
                traceback.print_exc()
                code = 1
        os._exit(code)
    os.close(its)
    held, buffer = None, b""
    try:
        while True:
            ready, _, _ = select.select([ours], [], [], HANGS_S)
            part = os.read(ours, 65536) if ready else b""
            if not part:
                break
            *lines, buffer = (buffer + part).split(b"\n")
            for line in lines:
                told = json.loads(line)
                if "begin" in told:
                    held = told["begin"]
                else:
                    held = None
                    yield told
    finally:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(ours)
    if held is not None:
        how = "hangs" if os.WIFSIGNALED(status) and not part and not ready else f"status {status}"
        yield {"door": held[0], "case": held[1], "error": "no name", "fault": f"ended it: {how}"}


def main() -> int:
    """Read the words, hand in, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos.fuzzing", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=sorted(DOORS), help="this door alone")
    parser.add_argument("--case", type=int, help="this case of the door alone")
    add_words(parser, RESULT)
    wanted = parser.parse_args()
    todo = cases(wanted.cases if wanted.case is None else 1, wanted.only, wanted.case or 0)
    outcome = Outcome()
    run = Run(
        "bench.chaos.fuzzing", wanted, lambda: {"cases": outcome.cases, **vars(outcome)},
        partial(show, outcome=outcome),
    )  # fmt: skip
    with run.told(), throwaway() as (_, url), Progress(
        TextColumn(f"seed {wanted.seed}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True), auto_refresh=False, disable=wanted.json,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=len(todo))
        for done in fuzz(url, todo, wanted.seed, outcome):
            bar.update(task, completed=done, refresh=done % 20 == 0)
            run.keep()
            if run.over():
                break
    return 1 if outcome.faults else 0


def show(console: Console, outcome: Outcome) -> None:
    """Print what came of it."""
    table = Table("door", "taken", "refused", "by", title=f"{outcome.cases} spoilt inputs")
    for door, taken in sorted(outcome.taken.items()):
        mine = {k: n for k, n in outcome.refused.items() if k.startswith(f"{door}: ")}
        names = sorted({key.partition(": ")[2] for key in mine})
        table.add_row(door, str(taken), str(sum(mine.values())), ", ".join(names))
    console.print(table)
    console.print(f"Slowest case {outcome.slowest_s:.2f} s of processor.")
    for one in outcome.faults:
        repeat = f"--seed {one['seed']} --only {one['door']!r} --case {one['case']}"
        console.print(f"FAULT ({repeat}): {one['fault']}", style="red", markup=False)
    if not outcome.faults:
        console.print("Only named errors.", style="green")


if __name__ == "__main__":
    sys.exit(main())
