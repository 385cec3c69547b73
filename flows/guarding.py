"""What every listening service keeps to: what it takes, how long, how often.

One ASGI layer around the application, so that what breaks inside goes out guarded too. The page has
stricter headers of its own (``flows.web.guards``) and the same limits.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

#: For answers to programs: nothing in them is to be run, framed or guessed at.
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
#: What uvicorn is told alike for every service.
OPTIONS: dict[str, Any] = {
    "ws": "none", "server_header": False, "timeout_keep_alive": 5, "limit_concurrency": 256,
    "http": "h11", "h11_max_incomplete_event_size": 32 * 1024,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """What one service takes."""

    body: int = 64 * 1024
    """Bytes of a request's body."""
    address: int = 8 * 1024
    """Bytes of path and question together; uvicorn bounds the headers."""
    seconds: float = 60.0
    """Until an answer has begun."""
    at_once: int = 64
    """Requests under way together; more are told to come again."""
    each: float = 50.0
    """Requests a second of one address, on average."""
    burst: int = 400
    """As many at once after a rest."""


class Guard:
    """ASGI middleware: limits, and headers on every answer."""

    def __init__(
        self, app: ASGIApp, limits: Limits | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.app = app
        self.limits = limits or Limits()
        self._headers = [
            (k.encode(), v.encode()) for k, v in (HEADERS if headers is None else headers).items()
        ]
        self._under_way = 0
        self._rates = Rates(self.limits.each, self.limits.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sending = _Sending(send, self._headers)
        answer: ASGIApp | None = self._refusal(scope)
        if answer is None:
            self._under_way += 1
            try:
                answer = await self._answer(scope, receive, sending)
            finally:
                self._under_way -= 1
        if answer is not None and not sending.begun:
            await answer(scope, receive, sending)

    async def _answer(self, scope: Scope, receive: Receive, sending: _Sending) -> ASGIApp | None:
        """Let the application answer; return what is to be said where it did not."""
        try:
            async with asyncio.timeout(self.limits.seconds) as patience:
                sending.patience = patience
                await self.app(scope, _bounded(receive, self.limits.body), sending)
        except _TooLong:
            return _said(413, "the request is too long")
        except TimeoutError:
            log.warning("a request took too long", path=scope["path"])
            return _said(503, "that took too long", 30)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody outside is to read it
            what = f"{type(error).__name__}: {str(error)[:500]}"
            log.warning("a request broke", path=scope["path"], reason=what)
            return _said(500, "something broke that nobody foresaw")
        return None

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        limits = self.limits
        address = (scope.get("raw_path") or b"") + b"?" + scope["query_string"]
        if len(address) > limits.address:
            return _said(414, "the address is too long")
        if b"%00" in address:
            # No text of a database holds one, and clients of databases stumble over it.
            return _said(400, "a zero byte in the address")
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > limits.body:
            return _said(413, "the request is too long")
        if self._under_way >= limits.at_once:
            return _said(503, "too much at once", 1)
        wait = self._rates.wait_s((scope["client"] or ("unknown",))[0])
        return _said(429, "too many requests", wait) if wait else None


class _Sending:
    """Sends an answer with the headers, and knows whether it has begun."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send, self._headers = send, headers
        self.begun = False
        self.patience: asyncio.Timeout | None = None

    async def __call__(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self.begun = True
            if self.patience is not None:
                # Time is for the answer to begin; how fast it is fetched is the caller's.
                self.patience.reschedule(None)
            there = {name.lower() for name, _ in message["headers"]}
            added = [(name, value) for name, value in self._headers if name not in there]
            message["headers"] = [*message["headers"], *added]
        await self._send(message)


class Rates:
    """How often each address may ask: a bucket that fills with time."""

    def __init__(self, each: float, burst: int, remembered: int = 10_000) -> None:
        self._each, self._burst, self._remembered = each, burst, remembered
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, who: str) -> int:
        """Count a request; return how many seconds it comes too early, 0 for none."""
        now = time.monotonic()
        left, last = self._left.pop(who, (float(self._burst), now))
        left = min(float(self._burst), left + (now - last) * self._each)
        allowed = left >= 1
        self._left[who] = (left - 1 if allowed else left, now)
        if len(self._left) > self._remembered:
            self._left.popitem(last=False)
        return 0 if allowed else int((1 - left) / self._each) + 1


class _TooLong(Exception):
    """The body is longer than was allowed."""


def _bounded(receive: Receive, most: int) -> Receive:
    """Return a receiver that ends when a body grows too long, whatever its header said."""
    taken = 0

    async def receiving() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise _TooLong
        return message

    return receiving


def _said(status: int, why: str, wait_s: int | None = None) -> JSONResponse:
    headers = {"cache-control": "no-store", "connection": "close"}
    if wait_s is not None:
        headers["retry-after"] = str(wait_s)
    return JSONResponse({"error": why}, status, headers)
