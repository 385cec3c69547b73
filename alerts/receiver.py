"""A small real webhook receiver for demos, drills and tests. Loopback only.

``python -m alerts.receiver --port 0 --out FILE`` prints its URL as its first line. Every POST
becomes one JSON line; a repeated key is answered as the first time and marked ``repeated``. Every
path is an inbox of its own, so that several channels can share one receiver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from alerts import journal
from alerts.channels.signature import verify

_HOST = "127.0.0.1"
_MAX_BODY = 4 * 1024 * 1024
#: Longest a silent receiver keeps its answer back, seconds.
_SILENT_S = 60.0


def make_app(
    out: Path, secret: str | None = None, answers: threading.Event | None = None
) -> FastAPI:
    """Return the receiver as an ASGI application.

    Answers 200 with ``{"receipt", "received_at"}``; 400 for a body that is not JSON or a POST
    without a key; 401 for a wrong or missing signature; 413 for a body over 4 MiB; 503 when the
    line cannot be written, so that the sender tries again.

    Args:
        out: File of JSON lines; existing lines are honoured, so restarts keep the keys.
        secret: Signing secret; None takes unsigned messages too.
        answers: While it is not set, messages are taken and nobody is told so; None answers always.
    """
    app = FastAPI(title="Scarpwatch receiver", docs_url=None, redoc_url=None, openapi_url=None)

    async def take(request: Request) -> JSONResponse:
        body = await _body(request)
        if body is None:
            return JSONResponse({"error": "body too large"}, 413)
        if secret is not None and not verify(secret, request.headers, body, time.time()):
            return JSONResponse({"error": "signature missing or wrong"}, 401)
        key = request.headers.get("idempotency-key", "")
        try:
            content = json.loads(body, parse_constant=_refuse_constant)
        except ValueError:
            return JSONResponse({"error": "body is not JSON"}, 400)
        if not key:
            return JSONResponse({"error": "no Idempotency-Key header"}, 400)
        try:
            line, repeated = await asyncio.to_thread(
                journal.record,
                out,
                key,
                content,
                inbox=request.url.path,
                exercise=_exercise(content),
                keep_repeats=True,
            )
        except OSError:
            return JSONResponse({"error": "cannot store the message now"}, 503)
        if answers is not None:
            await asyncio.to_thread(answers.wait, _SILENT_S)
        answer = {"receipt": line["receipt"], "received_at": line["received_at"]}
        headers = {"Idempotency-Replayed": "true"} if repeated else {}
        return JSONResponse(answer, headers=headers)

    app.add_api_route("/{path:path}", take, methods=["POST"], response_model=None)
    return app


class Receiver:
    """The receiver in a thread of this process, as a context manager.

    ::

        with Receiver(Path("inbox.jsonl")) as receiver:
            ...  # receiver.url, receiver.received()
    """

    def __init__(self, out: Path, port: int = 0, secret: str | None = None) -> None:
        self.answers = threading.Event()
        """Cleared, it takes messages and does not say so: the line went dead after the message."""
        self.answers.set()
        self._out = out
        self._socket = _listen(port)
        self._server = _server(out, secret, self.answers)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="receiver", daemon=True
        )

    @property
    def url(self) -> str:
        """Where to POST to."""
        return _url(self._socket)

    def received(self) -> list[dict[str, Any]]:
        """Return everything received so far, oldest first; see ``alerts.journal``."""
        return journal.read(self._out)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.answers.set()
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()


def main(arguments: list[str] | None = None) -> None:
    """Run the receiver until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m alerts.receiver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines to append to")
    options = parser.parse_args(arguments)
    with _listen(options.port) as listening:
        sys.stdout.write(f"{_url(listening)}\n")
        sys.stdout.flush()
        _server(options.out, None).run([listening])


def _listen(port: int) -> socket.socket:
    """Return a socket that already queues callers, so that the URL works once it is printed."""
    # Named as TCP, or asyncio leaves Nagle on and an answer may wait 40 ms for an ACK.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((_HOST, port))
    listening.listen(128)
    return listening


def _url(listening: socket.socket) -> str:
    return f"http://{_HOST}:{listening.getsockname()[1]}/alerts"


def _server(
    out: Path, secret: str | None, answers: threading.Event | None = None
) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            make_app(out, secret, answers),
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=2,
        )
    )


async def _body(request: Request) -> bytes | None:
    """Return the body, None when it is too large to be an alert."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            return None
    return bytes(body)


def _exercise(content: Any) -> bool:
    """Tell whether a message is marked: by its field, or by its title when it came by Apprise."""
    if not isinstance(content, dict):
        return False
    flag = content.get("exercise")
    return flag if isinstance(flag, bool) else str(content.get("title", "")).startswith("EXERCISE")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


if __name__ == "__main__":
    main()
