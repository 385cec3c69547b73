"""Serving over HTTP until somebody ends it, alike for every command that does."""

from __future__ import annotations

import signal
import socket
import sys
from typing import Any


def serve_until_told(application: Any, listener: socket.socket) -> None:
    """Answer requests until SIGINT or SIGTERM, which is no failure.

    Args:
        application: ASGI.
        listener: bound already; what has been printed of its address is flushed.
    """
    import uvicorn

    from flows.guarding import OPTIONS

    config = uvicorn.Config(
        application, log_config=None, access_log=False, timeout_graceful_shutdown=3, **OPTIONS
    )
    sys.stdout.flush()
    # uvicorn raises the signal again when it has finished; ending on request is no failure.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, _done)
    uvicorn.Server(config).run(sockets=[listener])


def _done(*_: Any) -> None:
    """Take the second signal, which would end the program as if it had failed."""
