"""From findings to states: what an optical look, or the end of waiting, makes of a landslide.

Pure: the caller brings the latest version and stores what comes back. Optical looks decide only
what is still open; a person's word, once there is one, is not theirs to change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from detectors.types import Finding, Landslide, OpticalCheck, State

#: States an optical look may still decide.
OPEN = frozenset({State.SUSPECTED, State.UNRESOLVED})


def decide(landslide: Landslide, check: OpticalCheck) -> Landslide | None:
    """Return the version that one optical look makes, None where it decides nothing.

    Confirmed: the optical outline takes the place of the radar's. Refuted: only by a look that had
    the power to see (``detectors.optical``). A cloudy or undecided look changes nothing.
    """
    if landslide.state not in OPEN:
        return None
    day = f"{check.sensed_at:%Y-%m-%d}"
    decided = replace(
        landslide,
        revision=landslide.revision + 1,
        d_ndvi=check.d_ndvi,
        ensemble_score=check.ensemble_score,
        verdict_at=check.sensed_at,
    )
    if check.finding is Finding.DISAGREES:
        return replace(
            decided, state=State.REFUTED, cause=f"refuted by the look of {day}: {check.reason}"
        )
    if check.finding is Finding.AGREES and check.outline and check.outline_area_m2:
        return replace(
            decided,
            state=State.CONFIRMED,
            geometry=check.outline,
            area_m2=check.outline_area_m2,
            cause=f"confirmed by the look of {day}: {check.reason}",
        )
    return None


def expire(landslide: Landslide, now: datetime, window: timedelta) -> Landslide | None:
    """Return the unresolved version of a landslide nobody could decide in time, None before."""
    if landslide.state is not State.SUSPECTED or now <= landslide.not_after + window:
        return None
    return replace(
        landslide,
        revision=landslide.revision + 1,
        state=State.UNRESOLVED,
        cause=f"no look decided it within {window.days} days",
    )
