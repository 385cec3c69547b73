"""Webhooks: HTTP POST of the payload as JSON, with key, signature and a receipt.

Our own and not Apprise's ``json://``, because Apprise answers True or False only: the status and
the receiver's receipt would be lost, and so would the machine-readable payload. The standard
library's client, because it starts in a tenth of a second where others take five.
"""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from datetime import UTC, datetime
from email.message import Message as Headers
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import SplitResult, unquote, urlsplit

from alerts.channels.base import explain
from alerts.channels.signature import sign
from alerts.records import Channel, Message
from detectors.errors import ConfigurationError, DeliveryFailed

#: Receipts are small; a target that pours out more is not listened to.
_MAX_ANSWER = 64 * 1024
_MAX_FIELD = 200


class WebhookSender:
    """Sends to ``http://`` and ``https://`` URLs; user and password in the URL are Basic auth."""

    kind = "webhook"

    def handles(self, scheme: str) -> bool:
        """Take http and https."""
        return scheme in {"http", "https"}

    def check(self, channel: Channel) -> None:
        """Parse the URL and the signing secret."""
        _split(channel)
        if channel.secret is not None:
            sign(channel.secret.get_secret_value(), "check", 0, b"")

    def send(self, channel: Channel, message: Message) -> dict[str, Any]:
        """POST the payload; every 2xx is a success, everything else a failure.

        A redirect is a failure too: following it would turn the POST into a GET, or carry the
        alert to a place nobody chose. Proxies are taken from the environment as usual.
        """
        parts = _split(channel)
        body = json.dumps(_with_picture(message), allow_nan=False).encode()
        request = urllib.request.Request(  # noqa: S310 - `handles` lets http and https in only
            parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl(),
            data=body,
            method="POST",
            headers={
                "Content-Type": "application/json",
                "User-Agent": "scarpwatch",
                "Idempotency-Key": message.key,
                **_credentials(parts),
            },
        )
        if channel.secret is not None:
            secret = channel.secret.get_secret_value()
            for name, value in sign(secret, message.key, int(time.time()), body).items():
                request.add_header(name, value)
        try:
            # No time-out: the parent's kill is the only clock, and it covers slow trickles too.
            with urllib.request.build_opener(_StayHere).open(request, timeout=None) as answer:
                return _receipt(answer) | {"picture": message.picture is not None}
        except HTTPError as error:
            error.close()
            raise DeliveryFailed(f"answered {error.code}", _retry_after(error.headers)) from None
        except (OSError, HTTPException) as error:
            raise DeliveryFailed(f"no answer ({explain(error)})") from error


def _with_picture(message: Message) -> dict[str, Any]:
    """Return the payload with its picture in base64, where there is one."""
    if message.picture is None:
        return message.payload
    content = base64.b64encode(message.picture.content).decode()
    return message.payload | {"picture": message.picture.described() | {"base64": content}}


def _retry_after(headers: Headers) -> float | None:
    """Return how many seconds a target asks to be left alone, by number or date; None is not."""
    said = str(headers.get("Retry-After", "")).strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0.0)


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Leaves redirects alone, which makes them an HTTPError like any other status."""

    def redirect_request(
        self,
        req: urllib.request.Request,  # noqa: ARG002 - the library's signature
        fp: IO[bytes],  # noqa: ARG002
        code: int,  # noqa: ARG002
        msg: str,  # noqa: ARG002
        headers: Headers,  # noqa: ARG002
        newurl: str,  # noqa: ARG002
    ) -> None:
        return None


def _split(channel: Channel) -> SplitResult:
    """Return the parts of a URL that can work."""
    url = channel.url.get_secret_value().strip()
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError("the webhook URL cannot be read")
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise ConfigurationError("the webhook URL holds characters to be written as %XX")
    return parts


def _credentials(parts: SplitResult) -> dict[str, str]:
    """Return the header for a user and password written in the URL."""
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _receipt(answer: HTTPResponse) -> dict[str, Any]:
    """Return what is worth keeping of an answer; receivers need not answer JSON."""
    receipt: dict[str, Any] = {"status": answer.status}
    try:
        said = json.loads(answer.read(_MAX_ANSWER))
    except (ValueError, OSError, HTTPException, RecursionError):
        said = None  # the status stands, even when the body breaks off
    if isinstance(said, dict):
        for field in ("receipt", "received_at", "acknowledged_by"):
            if isinstance(value := said.get(field), str | int):
                receipt[field] = str(value).replace("\x00", "")[:_MAX_FIELD]
    receipt["repeated"] = answer.headers.get("Idempotency-Replayed", "").lower() == "true"
    return receipt
