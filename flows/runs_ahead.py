"""What the runs of flows load, loaded once: imported by the process that they are forked from.

A run that loads Prefect, PyTorch and the rest by itself spends 9 s of a core before it begins. Runs
are processes of their own as before, and end with the one they were forked from, which ends with
``serve``: after a kill, the next one takes their work over at once.
"""

from __future__ import annotations

import os
import signal

import torch  # noqa: F401

from flows import examining, judging, keeping, monitor  # noqa: F401
from flows.workers import end_with_parent


def _begin() -> None:
    end_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_begin)
# A signal for all of ``serve`` is answered by the runs; this process goes when ``serve`` has gone,
# which it would not notice by itself while a run lives.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end_with_parent(signal.SIGKILL)
