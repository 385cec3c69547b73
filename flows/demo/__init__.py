"""The main job, shown end to end on real Sentinel-1 and simulated Sentinel-2: ``make demo``.

``scene`` says what is watched, ``stage`` runs what it takes, ``summary`` reads the result, and this
module moves the clock, waits for the work to be done, and prints.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db import counts, outbox
from db.engine import transaction
from db.records import Summary
from detectors.errors import TransientError
from flows import confirming
from flows.demo.scene import CLOCK, regions
from flows.demo.screen import print_result
from flows.demo.stage import Play, Stage, serving, stage
from flows.demo.summary import best_match, summarise, versions, work_done
from flows.drill import Drill
from flows.settings import Settings
from flows.workers import end_with_parent

PLAY = Play("demo", Drill(), regions(), real=True, pages=True, pictures=False)
#: Longest a batch of looks may take before the demo says that something is wrong, seconds.
PATIENCE_S = 400.0


def run(settings: Settings, console: Console, as_json: bool = False) -> int:
    """Play the demo; write ``summary.json`` and pictures of the drill's landslide.

    Args:
        settings: for the state folder; everything else is the demo's own.
        console: where people look.
        as_json: print the summary as JSON instead of tables.

    Returns:
        0 if the drill was alerted, confirmed, and its decoy withdrawn, and the control stayed
        quiet; 1 otherwise.

    Raises:
        ScarpwatchError: something did not come up or did not finish in time.
    """
    # Processes and servers are ended by the context managers, also when somebody stops the demo.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    with Progress(
        TextColumn("{task.description:<44}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("looks"), TimeElapsedColumn(), console=console, disable=as_json,
    ) as bar:  # fmt: skip
        task = bar.add_task("setting the stage", total=None)
        with stage(settings, lambda text: bar.update(task, description=text), PLAY) as on:
            total = sum(len(archive.items()) for archive in on.archives)
            bar.update(task, total=total)
            with serving(on) as flows:
                for moment in CLOCK:
                    bar.update(task, description=f"replay clock at {moment:%Y-%m-%d}")
                    show(on, moment, flows, lambda done: bar.update(task, completed=done))
                drawing = begin_to_draw(on)  # while the flows come to their end
            bar.update(task, description="polling the whole archive a second time")
            summary = summarise(on.engine, second_run(on))
            (on.home / "summary.json").write_text(
                json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8"
            )
            bar.update(task, description="drawing the drill")
            pictures = drawn(drawing)
        bar.update(task, description="done")
    if as_json:
        sys.stdout.write(json.dumps(asdict(summary)) + "\n")
    else:
        print_result(console, on, summary, pictures, time.monotonic() - started)
    verdicts = summary.confirmed > 0 and summary.refuted > 0 and summary.withdrawn > 0
    good = summary.alerts_sent > 0 and verdicts and not summary.control_alerts
    return 0 if good else 1


def show(
    on: Stage, until: datetime, flows: subprocess.Popen[bytes], tell: Callable[[int], None]
) -> None:
    """Move the clock, make looks visible, and wait until all of them are done, judged and told.

    Raises:
        TransientError: the flows died, or took longer than ``PATIENCE_S``.
    """
    on.reach(until)
    wanted = sum(
        datetime.fromisoformat(item["properties"]["published"]) <= until
        for archive in on.archives
        for item in archive.items()
    )
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and flows.poll() is None:
        with transaction(on.engine) as s:
            summary = counts.summary(s)
        done = _finished(summary)
        tell(done)
        # Messages are counted again behind the verdicts: a verdict may have made one meanwhile.
        if done >= wanted and not _verdicts_due(on) and not _to_deliver(on):
            return
        time.sleep(0.25)
    what = "took too long" if flows.poll() is None else "ended by themselves"
    raise TransientError(f"{until:%Y-%m-%d}: the flows {what}; see {on.home / 'logs'}")


def _verdicts_due(on: Stage) -> bool:
    return any(confirming.confirmations_due(on.services, region.id) for region in regions())


def _to_deliver(on: Stage) -> int:
    with transaction(on.engine) as s:
        summary = counts.summary(s)
    return summary.deliveries("due") + summary.deliveries("sending")


def _finished(summary: Summary) -> int:
    return sum(summary.looks(state) for state in ("processed", "skipped", "failed", "baseline"))


def second_run(on: Stage) -> tuple[int, int]:
    """Poll the whole archive again, from its first look; return looks judged and messages sent."""
    before = work_done(on.engine)
    subprocess.run(
        [sys.executable, "-m", "flows.cli", "poll", "--json"],
        env={**on.environment, "SCARPWATCH_OVERLAP": "P4000D"},
        check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    after = work_done(on.engine)
    return after[0] - before[0], after[1] - before[1]


def begin_to_draw(on: Stage) -> dict[str, subprocess.Popen[bytes]]:
    """Begin to draw the landslide that fits the planted one best, and its last alert, by path."""
    with transaction(on.engine) as s:
        best, _ = best_match(versions(s, regions()[0].id))
        told = [] if best is None else outbox.list_alerts(s, landslide_id=best.id, limit=1)
    if best is None:
        return {}
    wanted = {
        str(on.home / f"drill-{eye}.png"): ["landslides", "picture", str(best.id), f"--{eye}"]
        for eye in ("radar", "optical")
    }
    for record in told:
        wanted[str(on.home / "drill-alert.png")] = ["alerts", "picture", str(record.alert.id)]
    return {
        picture: subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *words, picture],
            preexec_fn=end_with_parent,
            env=on.environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )
        for picture, words in wanted.items()
    }  # fmt: skip


def drawn(drawing: dict[str, subprocess.Popen[bytes]]) -> tuple[str, ...]:
    """Wait for the pictures and return their paths.

    Raises:
        TransientError: a picture could not be drawn.
    """
    if failed := [picture for picture, process in drawing.items() if process.wait()]:
        raise TransientError(f"not drawn: {', '.join(failed)}")
    return tuple(drawing)
