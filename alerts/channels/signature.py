"""Signed webhooks as standardwebhooks.com describes them, so that receivers need no code of ours.

Signed is ``id.timestamp.body`` by HMAC-SHA256; the id is the alert's key, so a repeat verifies too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from detectors.errors import ConfigurationError

_PREFIX = "whsec_"


def sign(secret: str, key: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers that prove who sent a body, and when.

    Args:
        secret: ``whsec_`` and base64, or any other text taken as it is.
        key: The alert's id.
        timestamp: Seconds since 1970.
        body: Exactly the bytes sent.

    Raises:
        ConfigurationError: ``whsec_`` is not followed by base64.
    """
    digest = hmac.new(_key(secret), f"{key}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, now: float, tolerance_s: float = 300
) -> bool:
    """Tell whether headers (lower-case names) prove that ``body`` is ours and fresh."""
    key, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit()) or abs(now - int(stamp)) > tolerance_s:
        return False
    expected = sign(secret, key, int(stamp), body)["webhook-signature"].encode()
    given = headers.get("webhook-signature", "").encode(errors="replace").split()
    return any(hmac.compare_digest(expected, one) for one in given)


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ConfigurationError(f"a signing secret that starts {_PREFIX} must be base64") from None
