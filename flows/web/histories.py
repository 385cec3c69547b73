"""A landslide's own ground through time: read once, apart from the server, and kept as JSON.

The page draws its chart from what is kept; no raster is opened for it again until new looks come.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.dating import TrackDate, date_landslide, plan_dating
from flows.services import Services

#: Shares of the posterior below this are not worth a bar.
_LEAST = 0.005


@dataclass(frozen=True, slots=True)
class Posterior:
    """When the history of one track says that it happened."""

    not_before: datetime
    """Start of the 90 % credible interval, UTC."""
    best: datetime
    """Median, UTC."""
    not_after: datetime
    """End of the interval, UTC."""
    step_db: tuple[float, float]
    """Expected change, VV and VH."""
    gaps: tuple[tuple[datetime, datetime, float], ...]
    """Between which looks, and how probable."""


@dataclass(frozen=True, slots=True)
class TrackHistory:
    """What one radar track saw of a landslide's own ground."""

    track: str
    """Viewing geometry."""
    looks: tuple[datetime, ...]
    """When, UTC, ascending."""
    series: Mapping[str, tuple[float | None, ...]]
    """By polarisation, dB, None = not seen."""
    left_out: int
    """Passes that could not be read."""
    unknown: str | None
    """Why the history tells no date; None where it does."""
    posterior: Posterior | None
    """None where it cannot be told, or not surely enough."""


def read_history(services: Services, landslide_id: uuid.UUID) -> bytes:
    """Read the backscatter inside a landslide's outline, look by look, track by track, and date it.

    Returns:
        JSON, for ``parsed``.

    Raises:
        ScarpwatchError: it cannot be read.
    """
    found = date_landslide(services, plan_dating(services, landslide_id))
    return json.dumps({"tracks": [_document(one) for one in found.tracks]}).encode()


def _document(found: TrackDate) -> dict[str, Any]:
    vv, vh = (
        [None if math.isnan(level) else round(float(level), 3) for level in band]
        for band in found.series.level_db().T
    )
    dated = found.dated
    posterior = None
    if dated is not None and dated.unknown is None:
        gaps = zip(dated.looks[:-1], dated.looks[1:], map(float, dated.probability), strict=True)
        posterior = {
            "not_before": dated.not_before.isoformat(),
            "best": dated.best.isoformat(),
            "not_after": dated.not_after.isoformat(),
            "step_db": list(dated.step_db),
            "gaps": [[a.isoformat(), b.isoformat(), p] for a, b, p in gaps if p >= _LEAST],
        }
    return {
        "track": found.track,
        "looks": [moment.isoformat() for moment in found.series.sensed_at],
        "vv": vv,
        "vh": vh,
        "left_out": found.left_out,
        "unknown": found.unknown,
        "posterior": posterior,
    }


def parsed(kept: bytes) -> tuple[TrackHistory, ...]:
    """Return what was kept.

    Raises:
        ValueError, KeyError, TypeError: it is damaged.
    """
    return tuple(_track(one) for one in json.loads(kept)["tracks"])


def _track(one: Mapping[str, Any]) -> TrackHistory:
    at, told = datetime.fromisoformat, one["posterior"]
    posterior = told and Posterior(
        at(told["not_before"]), at(told["best"]), at(told["not_after"]), tuple(told["step_db"]),
        tuple((at(a), at(b), float(p)) for a, b, p in told["gaps"]),
    )  # fmt: skip
    return TrackHistory(
        one["track"], tuple(map(at, one["looks"])),
        {"VV": tuple(one["vv"]), "VH": tuple(one["vh"])},
        int(one["left_out"]), one["unknown"], posterior,
    )  # fmt: skip
