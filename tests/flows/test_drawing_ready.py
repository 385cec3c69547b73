"""A process that draws is forked with the one it draws for, has its libraries, and ends with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from db.engine import make_engine
from flows import drawing
from flows.workers import ROOT

#: Set by the process that forks; who loads this module anew does not know it.
loaded_by: int | None = None


def who_draws(services: Any, wanted: str) -> bytes:
    """Draw nothing but who draws."""
    del services
    if wanted == "too long":
        time.sleep(60)
    print("a library prints")
    pipes = [
        held for held in Path("/proc/self/fd").iterdir()
        if held.exists() and held.readlink().name.startswith(("pipe:", "socket:"))
    ]  # fmt: skip
    told = {"pid": os.getpid(), "parent": os.getppid(), "loaded_by": loaded_by, "pipes": len(pipes)}
    return json.dumps(told).encode()


def draw(wanted: str = "", limit: float = 60.0) -> Any:
    services: Any = SimpleNamespace(settings=None, engine=make_engine("postgresql://"), clock=None)
    drawn = drawing.drawn_apart(services, f"{__name__}:who_draws", wanted, limit)
    return json.loads(drawn) if isinstance(drawn, bytes) else drawn


def in_turn(*wanted: tuple[str, float]) -> list[Any]:
    with drawing.drawing_in_turn():
        return [draw(*one) for one in wanted or [("", 60.0)]]


def tell() -> NoReturn:
    """Be the process that forks: what is drawn, and by whom."""
    global loaded_by
    loaded_by = os.getpid()
    os.pipe()  # someone waits for its end
    drawing.keep_ready()
    drawing.keep_ready()
    found = {"pid": os.getpid(), "first": in_turn(("", 60.0), ("", 60.0)), "second": in_turn()}
    got, gives = os.pipe()
    if os.fork() == 0:
        os.write(gives, json.dumps(in_turn()).encode())
        os._exit(0)
    found["by_a_fork"] = json.loads(os.read(got, 10_000))
    found["late"] = in_turn(("too long", 0.3), ("", 60.0))
    found["later"] = in_turn()
    died = found["later"][0]["pid"]
    os.kill(died, signal.SIGKILL)
    os.waitid(os.P_PID, died, os.WEXITED | os.WNOWAIT)
    found["after_its_end"] = in_turn()
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # as runs do


def run(program: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-W", "error", "-c", f"from {__name__} import *\n{program}"]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_the_one_that_is_ready_draws() -> None:
    with run("tell()") as process:
        assert process.stdout is not None
        found = json.loads(process.stdout.read())
    assert process.returncode == 0
    first, again = found["first"]
    assert first == again
    assert [first] == found["second"]
    assert first["parent"] == first["loaded_by"] == found["pid"]
    assert first["pipes"] == 2, "jobs and answers, and nothing of the parent's"
    # A fork does not get at its pipes; whoever takes its place has to load everything.
    (by_a_fork,) = found["by_a_fork"]
    assert by_a_fork["pid"] != first["pid"]
    reason, anew = found["late"]
    assert reason == "not drawn within 0.3 s"
    assert (by_a_fork["loaded_by"], anew["loaded_by"]) == (None, None)
    assert found["later"] == [anew]
    (last,) = found["after_its_end"]
    assert len({one["pid"] for one in (first, anew, last)}) == 3
    assert not any(Path("/proc", str(one["pid"])).exists() for one in (first, anew))


def test_it_ends_with_the_one_it_draws_for() -> None:
    program = "drawing.keep_ready(); print(in_turn()[0]['pid'], flush=True); time.sleep(60)"
    with run(program) as process:
        assert process.stdout is not None
        draws = Path("/proc", process.stdout.readline().strip())
        assert draws.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 10
        while draws.exists() and "zombie" not in (draws / "status").read_text():
            assert time.monotonic() < deadline, "it lives on"
            time.sleep(0.05)
