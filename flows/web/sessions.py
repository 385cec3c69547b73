"""Who is logged in. Sessions live in this process; a cookie holds nothing but a random word."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from flows.web.accounts import Accounts, Role
from flows.web.guards import LARGEST_BODY, MOST_FIELDS, Failures, Problem

COOKIE = "scarpwatch-session"
LASTS_S = 8 * 3600.0
IDLE_S = 3600.0
_MOST = 1000
_WORD = re.compile(r"[A-Za-z0-9_-]{43}")
#: Failed logins of one name, and from one address, before one has to wait.
_BY_NAME, _BY_ADDRESS, _WITHIN_S = 5, 20, 900.0


@dataclass(slots=True)
class _Session:
    name: str
    stamp: str
    began: float
    seen: float


class Sessions:
    """Logins, logouts, and the tokens that forms carry."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self._secret = secrets.token_bytes(32)
        self._open: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()
        # One hash at a time: each takes 32 MiB and a tenth of a second.
        self._hashing = threading.Lock()
        self._by_name = Failures(_BY_NAME, _WITHIN_S)
        self._by_address = Failures(_BY_ADDRESS, _WITHIN_S)

    def who(self, request: Request, role: Role | None = None) -> str | None:
        """Return who asks, None where nobody is logged in, or they may not do what ``role`` may."""
        word, now = _word(request), time.monotonic()
        with self._lock:
            found = self._open.get(word)
            if found is None:
                return None
            if now - found.began > LASTS_S or now - found.seen > IDLE_S:
                del self._open[word]
                return None
            found.seen = now
        # A password that changed, or a reviewer who was removed, ends what it opened.
        if self.accounts.stamp(found.name) != found.stamp:
            self.close(request)
            return None
        if role is not None and role not in self.accounts.roles(found.name):
            return None
        return found.name

    def log_in(self, request: Request, name: str, password: str) -> str:
        """Open a session.

        Returns:
            Its word, for the cookie.

        Raises:
            Problem: wrong, or too often wrong.
        """
        address = request.client.host if request.client else "unknown"
        wait = max(self._by_name.wait_s(name), self._by_address.wait_s(address))
        if wait:
            raise Problem(
                429, "Too many failed logins", f"Try again in {wait // 60 + 1} minutes.", wait
            )
        with self._hashing:
            stamp = self.accounts.matches(name, password)
        if stamp is None:
            self._by_name.add(name)
            self._by_address.add(address)
            raise Problem(403, "Name or password is wrong", "Go back and try again.")
        self._by_name.forget(name)
        word, now = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            self._open[word] = _Session(name, stamp, now, now)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return word

    def close(self, request: Request) -> None:
        """End a session."""
        with self._lock:
            self._open.pop(_word(request), None)

    def token(self, word: str) -> str:
        """Return what a form must carry that belongs to a cookie."""
        return hmac.new(self._secret, word.encode(), hashlib.sha256).hexdigest()

    def token_of(self, request: Request) -> str:
        """Return the token of whoever asks."""
        return self.token(_word(request))

    async def form(self, request: Request, largest: int = LARGEST_BODY) -> dict[str, str]:
        """Read a form that this site sent to this visitor, of at most ``largest`` bytes.

        Raises:
            Problem: it came from elsewhere, is too long, or lost its cookie.
        """
        origin = request.headers.get("origin")
        elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
        if elsewhere or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise _foreign()
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > largest:
                raise Problem(413, "That is too long", f"A form holds {largest // 1000} kB.")
        try:
            given = dict(
                parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
            )
        except ValueError:
            given = {"": "\x00"}
        # No text of the database holds a zero byte.
        if any("\x00" in value for value in given.values()):
            raise Problem(400, "That is no form", "Go back and send it again.")
        word = _word(request)
        told = given.get("token", "").encode(errors="replace")
        if not word or not hmac.compare_digest(told, self.token(word).encode()):
            raise _foreign()
        return given


def visitor(request: Request) -> str:
    """Return the word of a visitor's cookie, a new one where there is none."""
    return _word(request) or secrets.token_urlsafe(32)


def remember(response: Response, request: Request, word: str) -> None:
    """Send the cookie."""
    response.set_cookie(
        COOKIE, word, httponly=True, samesite="lax", path="/",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def _word(request: Request) -> str:
    word = request.cookies.get(COOKIE, "")
    return word if _WORD.fullmatch(word) else ""


def _foreign() -> Problem:
    return Problem(
        403, "This form did not come from here", "Open the page again, and send it from there."
    )
