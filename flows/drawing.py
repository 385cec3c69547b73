"""Drawing in a process of its own, which is killed when its time is up.

A file that crashes a reader, a catalogue that does not answer and a machine without memory cost the
picture and at most so many seconds, never the one who asked for it. Loading the libraries takes as
long as several pictures, so that what is drawn within ``drawing_in_turn`` is drawn by one process,
and a run of ``serve`` has one ready that is forked with it (``keep_ready``).
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import IO, Any, NoReturn

from db.engine import make_engine
from detectors.errors import ScarpwatchError
from flows.clock import Clock
from flows.services import Services
from flows.settings import Settings
from flows.workers import ROOT, end_with_parent

#: What is appended to the path shadows nothing of the standard library.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from flows.drawing import main; main()"
_PROC_FDS = Path("/proc/self/fd")
#: How long a process that broke off its answer may take to end, s.
_DYING_S = 5.0


class _Fork:
    """A process forked from this one, with as much of ``subprocess.Popen`` as is asked for here."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody waited for all children
                pid, status = self.pid, 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        begun = time.monotonic()
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() - begun > timeout:
                raise subprocess.TimeoutExpired("drawing", timeout)
            time.sleep(0.01)
        return code


class _Child:
    """A process that draws one thing after the other; begun by ``fork``, or when it is asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | _Fork | None = None
        self._turn = Lock()

    def fork(self) -> None:
        """Begin it now, from this process, which has no other thread yet."""
        (theirs, stdin), (stdout, answers) = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            _draw_forked(theirs, answers)
        os.close(theirs)
        os.close(answers)
        self._process = _Fork(pid, os.fdopen(stdin, "wb"), os.fdopen(stdout, "rb"))

    def ask(self, job: bytes, limit: float) -> bytes | str:
        """Return what was drawn, or the reason why nothing was; a failure ends the process."""
        with self._turn:
            return self._ask(job, limit)

    def _ask(self, job: bytes, limit: float) -> bytes | str:
        if self._process is not None and self._process.poll() is not None:
            self.end()  # it ended while it waited
        if self._process is None:
            # Here and not in the thread: the child would end with the thread that began it.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, str(ROOT)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )  # fmt: skip
        process = self._process
        with ThreadPoolExecutor(1) as waiting:
            answer = waiting.submit(_exchange, process, job)
            try:
                found = answer.result(limit)
            except TimeoutError:
                self.end()
                return f"not drawn within {limit:g} s"
            except BaseException:
                self.end()  # its pipes break, and nobody waits for them any more
                raise
        if found is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_DYING_S)
            self.end()
            return f"the drawing process ended with {process.returncode}"
        return found

    def end(self) -> None:
        """End the process, whatever it is at."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:  # once it is reaped, its number may be somebody else's
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


_CHILD: ContextVar[_Child | None] = ContextVar("process that draws in turn", default=None)
#: What this process has ready, and its number: what is forked from it later shares no pipes.
_ready: tuple[int, _Child] | None = None


def keep_ready() -> None:
    """Fork a process that draws for this one, and ends with it.

    For a process that has loaded what drawing takes, and has no other thread yet: a run of
    ``serve`` just after it was forked itself. Where the one that is ready fails, another takes its
    place, which loads all that by itself. Later calls, and those of what is forked from this
    process, change nothing.
    """
    global _ready
    if _ready is None:
        child = _Child()
        _ready = os.getpid(), child
        child.fork()


@contextmanager
def drawing_in_turn() -> Iterator[None]:
    """Let all that is drawn in here be drawn by one process, one thing at a time."""
    mine = _ready is not None and _ready[0] == os.getpid()
    child = _ready[1] if _ready is not None and mine else _Child()
    before = _CHILD.set(child)
    try:
        yield
    finally:
        _CHILD.reset(before)
        if not mine:
            child.end()


def drawn_apart(services: Services, what: str, subject: Any, limit: float) -> bytes | str:
    """Draw in a child; within ``drawing_in_turn`` in the one that drew before.

    Args:
        services: What it draws from; the child opens its own.
        what: ``module:function``, called with services and subject; returns bytes.
        subject: What is drawn; pickled.
        limit: Seconds.

    Returns:
        What was drawn, or the reason why nothing was.
    """
    url = services.engine.url.render_as_string(hide_password=False)
    # Through a pipe: neither arguments nor environment of the child show a secret of the settings.
    job = pickle.dumps((services.settings, url, services.clock, what, subject))
    child = _CHILD.get()
    if child is not None:
        return child.ask(job, limit)
    with drawing_in_turn():
        return _CHILD.get().ask(job, limit)  # type: ignore[union-attr]


def _exchange(process: subprocess.Popen[bytes] | _Fork, job: bytes) -> bytes | str | None:
    """Hand a job over and read the answer; None where the process ended instead."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
    try:
        process.stdin.write(job)
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        if "reason" in answer:
            return str(answer["reason"])
        content = process.stdout.read(answer["bytes"])
    except (OSError, ValueError):
        return None
    return content if len(content) == answer["bytes"] else None


def main() -> None:
    """Read jobs from stdin, draw, answer each on stdout."""
    # Libraries that print must not spoil the answer: stdout is ours alone.
    private = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(private, "wb") as out:
        _answer(sys.stdin.buffer, out)


def _draw_forked(jobs: int, answers: int) -> NoReturn:
    """Do the same as a fork, through two pipes; everything else of the parent's is let go."""
    code = 1
    try:
        end_with_parent(signal.SIGKILL)
        os.setsid()
        # Signals are told to a pipe of the parent's parent, which is let go below.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        for held in list(_PROC_FDS.iterdir()):
            # Who waits for the other end of a parent's pipe would wait for this process, too.
            if int(held.name) not in {jobs, answers} and _is_pipe(held):
                os.close(int(held.name))
        with os.fdopen(jobs, "rb") as wanted, os.fdopen(answers, "wb") as out:
            _answer(wanted, out)
        code = 0
    finally:
        os._exit(code)


def _is_pipe(held: Path) -> bool:
    """Tell whether an open file is a pipe, a socket or the like."""
    with suppress(FileNotFoundError):  # the one that listed them
        return not str(held.readlink()).startswith("/")
    return False


def _answer(jobs: IO[bytes], out: IO[bytes]) -> None:
    """Answer each job with one line of JSON, and the picture behind it."""
    while True:
        try:
            job = pickle.load(jobs)  # noqa: S301 - from our parent
        except EOFError:
            return
        answer, content = _drawn(*job)
        out.write(json.dumps(answer).encode() + b"\n" + content)
        out.flush()


def _drawn(
    settings: Settings, url: str, clock: Clock, what: str, subject: Any
) -> tuple[dict[str, Any], bytes]:
    """Draw one thing; return what is told of it, and the picture."""
    engine = make_engine(url)
    try:
        module, _, function = what.partition(":")
        services = Services(settings, engine, clock, ())
        content: bytes = getattr(importlib.import_module(module), function)(services, subject)
    except ScarpwatchError as error:
        return {"reason": str(error)}, b""
    except Exception as error:  # noqa: BLE001 - the process boundary: the parent must hear of it
        return {"reason": f"the drawing broke: {type(error).__name__}"}, b""
    finally:
        engine.dispose()
    return {"bytes": len(content)}, content
