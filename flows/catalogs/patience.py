"""Asking servers again, with a bound on everything."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from detectors.errors import CatalogueUnavailable, ConfigurationError
from flows.catalogs.base import CatalogueSettings
from flows.meter import count

if TYPE_CHECKING:
    import requests

#: Answers that may be different in a moment.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
#: An answer may take so many time-outs as a whole: bytes may drip without end.
WHOLE = 4
#: Largest answer, unpacked, bytes: a page of items takes a tenth, a tile of imagery a quarter.
_MOST_BYTES = 64 * 2**20
_CHUNK = 1 << 18


class TryAgain(CatalogueUnavailable):
    """An answer that may be different in a moment, and what the server asked us to wait."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller is ready to wait."""

    attempts: int
    """Calls at most."""
    timeout_s: float
    """Per call, seconds."""
    backoff_s: float
    """First wait, seconds; doubles each time."""
    longest_wait_s: float
    """Bound for one wait, seconds."""

    @classmethod
    def of(cls, settings: CatalogueSettings) -> Patience:
        """Take the numbers out of a catalogue's settings."""
        return cls(
            settings.attempts, settings.timeout_s, settings.backoff_s, settings.longest_wait_s
        )

    def persist[T](self, call: Callable[[], T]) -> T:
        """Call until it works or the attempts are used up.

        Raises:
            CatalogueUnavailable: the last attempt failed as well.
        """
        retrying = Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            retry=retry_if_exception_type(TryAgain),
            reraise=True,
        )
        try:
            return retrying(call)
        except TryAgain as error:
            raise CatalogueUnavailable(f"{error} ({self.attempts} attempts)") from error

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        wait = self.backoff_s * 2.0 ** (state.attempt_number - 1)
        if isinstance(error, TryAgain) and error.wait_s is not None:
            wait = max(wait, error.wait_s)
        return min(wait, self.longest_wait_s)


def retry_after(value: str | None) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date. Nonsense is no demand.

    Some services (CDSE) are said to send milliseconds; the caller's bound on waits covers that.
    """
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


@dataclass(frozen=True, slots=True)
class Told:
    """A whole answer."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str]
    """Whatever their case."""
    content: bytes
    """Unpacked."""


def receive(send: Callable[..., requests.Response], place: str, timeout_s: float) -> Told:
    """Send one request and read the whole answer, within bounds of time and size.

    Args:
        send: a function of ``requests``; it is given ``timeout`` and ``stream``.
        place: what messages call the server.
        timeout_s: per wait for the server; the whole may take ``WHOLE`` times as long.

    Raises:
        TryAgain: no answer, a broken one, or one without end.
    """
    import requests
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    deadline = time.monotonic() + timeout_s * WHOLE
    body = bytearray()
    count(requests=1)
    try:
        with send(timeout=timeout_s, stream=True) as response:
            # What has come, not what was wished for: a full chunk of a drip takes for ever.
            try:
                while chunk := response.raw.read1(_CHUNK, decode_content=True):
                    body += chunk
                    if time.monotonic() > deadline or len(body) > _MOST_BYTES:
                        raise TryAgain(f"{place} does not come to an end")
            finally:
                # As it came over the wire, compressed or not.
                count(size=response.raw.tell())
            return Told(response.status_code, response.headers, bytes(body))
    except (requests.Timeout, ReadTimeoutError) as error:
        raise TryAgain(f"{place} timed out") from error
    except (requests.RequestException, HTTPError, OSError) as error:
        raise TryAgain(f"{place} cannot be reached: {type(error).__name__}") from error


def ask(send: Callable[..., requests.Response], url: str, timeout_s: float) -> dict[str, Any]:
    """Send one request and insist on a JSON object; raises like ``answer`` and ``as_object``."""
    return as_object(answer(send, url, timeout_s), url)


def answer(send: Callable[..., requests.Response], url: str, timeout_s: float) -> Told:
    """Send one request and judge its status; see ``receive``.

    Messages name the host and path only: queries and headers may carry secrets.

    Raises:
        TryAgain: time-out, cut connection, 429, 5xx.
        ConfigurationError: the server understood and refuses (other 4xx).
    """
    place = _place(url)
    told = receive(send, place, timeout_s)
    if told.status in _PASSING:
        wait = retry_after(told.headers.get("Retry-After"))
        raise TryAgain(f"{place} answered {told.status}", wait)
    if told.status >= 400:
        excerpt = " ".join(told.content[:2000].decode(errors="replace").split())[:200]
        raise ConfigurationError(f"{place} refuses: {told.status} {excerpt}")
    return told


def as_object(told: Told, url: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        TryAgain: it is HTML, broken or something else; busy gateways answer like that.
    """
    place = _place(url)
    kind = told.headers.get("Content-Type", "")
    if "html" in kind.lower() or told.content.lstrip()[:1] == b"<":
        raise TryAgain(f"{place} answered HTML instead of JSON")
    try:
        found = json.loads(told.content)
    except (ValueError, RecursionError) as error:
        raise TryAgain(f"{place} answered broken JSON") from error
    if not isinstance(found, dict):
        raise TryAgain(f"{place} answered no JSON object")
    return found


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
