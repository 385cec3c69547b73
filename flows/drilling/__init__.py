"""The whole drill: every state a landslide can be in, told to real receivers, through two kills.

``make drill``. Five changes that never happened are written into real radar looks (``flows.drill``)
and go through poll, judgement, store and delivery as everything does, by ``scarpwatch poll`` under
a replay clock. ``scene`` says what is watched and when, ``inbox`` takes mails, ``summary`` compares
what was decided with what has arrived, and this module moves the clock and kills.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db import counts, outbox
from db.engine import transaction
from detectors.errors import TransientError
from flows.demo.stage import Stage, stage
from flows.drilling.inbox import MailBox
from flows.drilling.scene import FIRST_SUSPECTED, FIRST_VERDICT, PLAY, STOPS
from flows.drilling.screen import print_result
from flows.drilling.summary import keep_cap, summarise
from flows.settings import Settings

#: Longest that one poll may take, seconds.
PATIENCE_S = 400.0


def run(settings: Settings, console: Console, as_json: bool = False) -> int:
    """Play the drill; leave ``summary.json``, the CAP messages, the feed and the mails.

    Args:
        settings: for the state folder; everything else is the drill's own.
        console: where people look.
        as_json: print the summary as JSON instead of tables.

    Returns:
        0 if every state was reached and every message arrived as it should; 1 otherwise.

    Raises:
        ScarpwatchError: something did not come up or did not finish in time.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    with Progress(
        TextColumn("{task.description:<52}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("stops"), TimeElapsedColumn(), console=console, disable=as_json,
    ) as bar:  # fmt: skip
        task = bar.add_task("setting the stage", total=len(STOPS))
        with MailBox() as post, stage(
            settings, lambda t: bar.update(task, description=t), PLAY, _more(settings, post)
        ) as on:  # fmt: skip
            for moment in STOPS:
                bar.update(task, description=f"replay clock at {moment:%Y-%m-%d}")
                on.reach(moment)
                if moment == FIRST_SUSPECTED:
                    killed(on, lambda: _stored_unsent(on), "stored, not sent")
                elif moment == FIRST_VERDICT:
                    _killed_after_sending(on)
                _poll(on)
                bar.advance(task)
            bar.update(task, description="polling once more")
            _poll(on)
            kept = keep_cap(post, on.home / "cap")
            summary = summarise(on, post, kept)
            (on.home / "summary.json").write_text(
                json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8"
            )
            bar.update(task, description="done")
            if as_json:
                sys.stdout.write(json.dumps(asdict(summary)) + "\n")
            else:
                print_result(console, on, summary, time.monotonic() - started)
    return 0 if summary.complete else 1


def _more(settings: Settings, post: MailBox) -> str:
    """Return what the drill's settings say beyond those of the demo."""
    folder = settings.home.absolute() / PLAY.name / "feed"
    return f"""
[channels.mail]
url = {json.dumps(post.url)}
exercise = true

[feed]
folder = {json.dumps(str(folder))}

[cap]
sender = "drill.scarpwatch.invalid"
exercise_name = "make drill"
"""


def _command(on: Stage) -> subprocess.Popen[bytes]:
    log = on.home / "logs" / "poll.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "poll", "--json"], env=on.environment,
            stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


def _poll(on: Stage) -> None:
    """Poll, judge, store and deliver, until nothing is left to send.

    Raises:
        TransientError: it failed, or took too long.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        process = _command(on)
        try:
            code = process.wait(max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise TransientError(f"a poll took too long; see {on.home / 'logs'}") from None
        if code:
            raise TransientError(f"a poll ended with {code}; see {on.home / 'logs'}")
        if not _to_deliver(on):
            return
        if time.monotonic() > deadline:
            raise TransientError(f"messages cannot be delivered; see {on.home / 'logs'}")
        # A killed worker's message is somebody's until its lease is over.
        time.sleep(1)


def killed(on: Stage, when: Callable[[], bool], what: str) -> None:
    """Begin a poll, and kill it with everything it has begun as soon as something holds.

    Raises:
        TransientError: the poll ended before.
    """
    process = _command(on)
    deadline = time.monotonic() + PATIENCE_S
    while not when():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TransientError(f"no moment to kill at ({what}); see {on.home / 'logs'}")
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _killed_after_sending(on: Stage) -> None:
    """Kill a worker whose message was taken by a receiver that has not said so."""
    before = len(on.receiver.received())
    on.receiver.answers.clear()
    killed(on, lambda: len(on.receiver.received()) > before, "sent, no receipt")
    on.receiver.answers.set()


def _stored_unsent(on: Stage) -> bool:
    """Tell whether an alert is in the outbox of which nobody has a receipt."""
    with transaction(on.engine) as s:
        told = outbox.list_alerts(s)
    return bool(told) and not any(one.receipts for record in told for one in record.deliveries)


def _to_deliver(on: Stage) -> int:
    with transaction(on.engine) as s:
        summary = counts.summary(s)
    return summary.deliveries("due") + summary.deliveries("sending")
