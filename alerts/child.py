"""The process that sends one message: job in on stdin, answer out on stdout, then it ends.

Imports little, because every send waits for it: no numpy, no shapely, no templates.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alerts.channels.base import explain
from alerts.channels.registry import send
from alerts.records import Channel, Message
from detectors.errors import ConfigurationError, DeliveryFailed

#: Longer than the parent waits, so that it only fires when the parent is gone.
ORPHAN_GRACE_S = 2.0


def answer_for(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job and describe how it went; never raises.

    Returns:
        ``{"receipt": ..., "accepted_at": UTC}``, or
        ``{"error": class name, "reason": words free of secrets, "retry_after_s": or None}``.
    """
    try:
        receipt = send(Channel.from_job(job["channel"]), Message.from_job(job["message"]))
    except (ConfigurationError, DeliveryFailed) as error:
        later = error.retry_after_s if isinstance(error, DeliveryFailed) else None
        return {"error": type(error).__name__, "reason": str(error), "retry_after_s": later}
    except Exception as error:  # noqa: BLE001 - the process boundary: the parent must hear of it
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        return {"error": "DeliveryFailed", "reason": f"the sender broke: {explain(error)}, {place}"}
    return {"receipt": receipt, "accepted_at": datetime.now(UTC).isoformat().replace("+00:00", "Z")}


def main() -> None:
    """Read the job, obey the time limit, answer."""
    # Libraries that print must not spoil the answer: stdout is ours alone.
    private = os.dup(1)
    os.dup2(2, 1)
    job = json.loads(sys.stdin.buffer.read())
    # The default action of SIGALRM ends us, whatever hangs, when no parent is left to kill us.
    signal.setitimer(signal.ITIMER_REAL, job["timeout_s"] + ORPHAN_GRACE_S)
    answer = json.dumps(answer_for(job)).encode()
    with os.fdopen(private, "wb") as out:
        out.write(answer)
