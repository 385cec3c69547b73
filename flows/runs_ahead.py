"""What the runs of flows load, loaded once: imported by the process that they are forked from.

By that process and nowhere else, since importing it changes how a process answers signals. A run
that loads Prefect, PyTorch and the rest by itself takes seconds of a core before it begins.
Runs are processes of their own as before, and end with the one they were forked from, which ends
with ``serve``: after a kill, the next one takes their work over at once. Each has a process ready
that draws the pictures of its alerts.
"""

from __future__ import annotations

import os
import signal
import warnings

from flows.workers import adopt_orphans, end_with_parent

# Ctrl-C and SIGTERM for all of ``serve`` are answered by the runs. This process goes when ``serve``
# has gone, which it would not notice by itself while a run lives.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end_with_parent(signal.SIGKILL)
# Who draws for a run is left behind when that ends; it is cleared away here without a word.
adopt_orphans()
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")
try:
    import torch  # noqa: F401

    from flows import alert_pictures, drawing, examining, judging, keeping, monitor  # noqa: F401

    alert_pictures.load()
except ImportError as error:
    # An ImportError would be passed over without a word, and with it all that is done here.
    raise RuntimeError(f"the runs of flows cannot be loaded: {error}") from error


def _begin() -> None:
    end_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    drawing.keep_ready()


os.register_at_fork(after_in_child=_begin)
# What runs get back; the process that they are forked from goes on to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
