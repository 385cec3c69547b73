"""What the service says beside pixels: types, waits, prices, refusals, pages; pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from flows.catalogs.patience import TryAgain, retry_after

_SPENT = "X-ProcessingUnits-Spent"
#: What the service says when the month is spent (403).
_QUOTA_CODE, _QUOTA_WORDS = "ACCESS_INSUFFICIENT_PROCESSING_UNITS", "insufficient processing units"


def like(kind: str) -> set[str]:
    """Return the names one type goes by."""
    return {kind, "application/tar"} if kind == "application/x-tar" else {kind}


def pause(value: str | None) -> float:
    """Read the Retry-After of a 429, s: the service writes milliseconds where HTTP means seconds.

    (CDSE's documentation of rate limits, and the package reads it so.) A gateway that means seconds
    is asked again too early, and again after the usual, doubling, waits.
    """
    try:
        return max(0.0, float(value or 0)) / 1000
    except ValueError:
        return retry_after(value) or 0.0


def charged(told: Mapping[str, str], estimate: float) -> float:
    """Return what a request was charged, as the service says, or else as estimated."""
    try:
        said = float(told[_SPENT])
    except (KeyError, ValueError):
        return estimate
    return said if math.isfinite(said) and said >= 0 else estimate


def says_quota(body: bytes) -> bool:
    """Tell whether a refusal means that the month is spent."""
    text = body.decode("utf-8", "replace")
    return _QUOTA_CODE in text or _QUOTA_WORDS in text.lower()


def excerpt(body: bytes) -> str:
    """Return the beginning of a message, on one line."""
    return " ".join(body.decode("utf-8", "replace").split())[:200]


def json_object(body: bytes) -> dict[str, Any]:
    """Insist on a JSON object."""
    try:
        found = json.loads(body)
    except ValueError as error:
        raise TryAgain("the catalogue answered no JSON") from error
    if not isinstance(found, dict):
        raise TryAgain("the catalogue answered no JSON object")
    return found


def search_page(body: bytes) -> dict[str, Any]:
    """Insist on a page: an error that comes with status 200 would look like nothing new."""
    found = json_object(body)
    if not isinstance(found.get("features"), list) or not isinstance(found.get("context"), dict):
        raise TryAgain("the catalogue answered a page without features")
    return found
