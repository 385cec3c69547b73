"""What every answer carries, what every mistake looks like, and who asks too often."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Nothing but our own files: no inline script, no frame, no form to elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
#: Largest body of a request, bytes: a reason is a few sentences.
LARGEST_BODY = 20_000
#: Fields of a form; that of a region has two dozen.
MOST_FIELDS = 60


class Problem(Exception):
    """What is answered instead of the page: named, and with a way on."""

    def __init__(
        self, status: int, title: str, advice: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{title}: {advice}")
        self.status = status
        self.title = title
        self.advice = advice
        self.retry_after_s = retry_after_s


class Headers:
    """ASGI middleware that puts ``HEADERS`` on every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, adding the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                added = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                if b"cache-control" not in there:
                    added.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self.app(scope, receive, sending)


class Failures:
    """How often somebody failed lately; the oldest of too many somebodies are forgotten."""

    def __init__(self, most: int, within_s: float, remembered: int = 10_000) -> None:
        self._most, self._within, self._remembered = most, within_s, remembered
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, who: str) -> int:
        """Return how many seconds somebody has to wait, 0 for none."""
        now = time.monotonic()
        with self._lock:
            times = self._seen.get(who, deque())
            while times and times[0] <= now - self._within:
                times.popleft()
            return 0 if len(times) < self._most else int(times[0] + self._within - now) + 1

    def add(self, who: str) -> None:
        """Remember a failure."""
        with self._lock:
            self._seen.setdefault(who, deque(maxlen=self._most)).append(time.monotonic())
            self._seen.move_to_end(who)
            while len(self._seen) > self._remembered:
                self._seen.popitem(last=False)

    def forget(self, who: str) -> None:
        """Forget somebody's failures."""
        with self._lock:
            self._seen.pop(who, None)
