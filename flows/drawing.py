"""Drawing in a process of its own, which is killed when its time is up.

A file that crashes a reader, a catalogue that does not answer and a machine without memory cost the
picture and at most so many seconds, never the one who asked for it.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import flows
from db.engine import make_engine
from detectors.errors import ScarpwatchError
from flows.services import Services
from flows.workers import end_with_parent

#: The checkout or site-packages; appended, so that it shadows nothing of the standard library.
_ROOT = str(Path(flows.__file__).resolve().parents[1])
_BOOT = "import sys; sys.path.append(sys.argv[1]); from flows.drawing import main; main()"


def drawn_apart(services: Services, what: str, subject: Any, limit: float) -> bytes | str:
    """Draw in a child.

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
    with subprocess.Popen(
        [sys.executable, "-P", "-c", _BOOT, _ROOT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,
    ) as child:  # fmt: skip
        try:
            out, _ = child.communicate(job, timeout=limit)
        except BaseException as error:
            if child.poll() is None:  # once it is reaped, its number may be somebody else's
                os.killpg(child.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                return f"not drawn within {limit:g} s"
            raise
    head, _, content = out.partition(b"\n")
    try:
        answer: dict[str, Any] = json.loads(head)
    except ValueError:
        return f"the drawing process ended with {child.returncode}"
    return str(answer["reason"]) if "reason" in answer else content


def main() -> None:
    """Read a job, draw, answer: one line of JSON, and the picture behind it."""
    # Libraries that print must not spoil the answer: stdout is ours alone.
    private = os.dup(1)
    os.dup2(2, 1)
    settings, url, clock, what, subject = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our parent
    services = Services(settings, make_engine(url), clock, ())
    content = b""
    try:
        module, _, function = what.partition(":")
        content = getattr(importlib.import_module(module), function)(services, subject)
        answer: dict[str, Any] = {"bytes": len(content)}
    except ScarpwatchError as error:
        answer = {"reason": str(error)}
    except Exception as error:  # noqa: BLE001 - the process boundary: the parent must hear of it
        answer = {"reason": f"the drawing broke: {type(error).__name__}"}
    with os.fdopen(private, "wb") as out:
        out.write(json.dumps(answer).encode() + b"\n" + content)
