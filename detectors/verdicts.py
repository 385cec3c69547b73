"""From findings to states: what an optical look, a person, or time makes of a landslide.

Pure: the caller brings the latest version and stores what comes back. Optical looks decide only
what is still open; a person's word, once there is one, is not theirs to change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from detectors.types import (
    Cause,
    Finding,
    Landslide,
    OpticalCheck,
    Review,
    State,
    Verdict,
)

#: States an optical look may still decide.
OPEN = frozenset({State.SUSPECTED, State.UNRESOLVED})

_MAKES = {
    Verdict.CONFIRM: State.CONFIRMED,
    Verdict.REFUTE: State.REFUTED,
    Verdict.CLOSE: State.CLOSED,
    Verdict.REOPEN: State.SUSPECTED,
}
_DONE = {
    Verdict.CONFIRM: "confirmed",
    Verdict.REFUTE: "refuted",
    Verdict.CLOSE: "closed",
    Verdict.REOPEN: "reopened",
}


def decide(landslide: Landslide, check: OpticalCheck) -> Landslide | None:
    """Return the version that one optical look makes, None where it decides nothing.

    Confirmed: the optical outline takes the place of the radar's, not of a person's. Refuted: only
    by a look that had the power to see (``detectors.optical``). A cloudy or undecided look changes
    nothing.
    """
    if landslide.state not in OPEN or landslide.reviewed_by is not None:
        return None
    day = f"{check.sensed_at:%Y-%m-%d}"
    decided = replace(
        landslide,
        revision=landslide.revision + 1,
        d_ndvi=check.d_ndvi,
        ensemble_score=check.ensemble_score,
        verdict_at=check.sensed_at,
        valid_from=check.sensed_at,
        cause_kind=Cause.OPTICAL_LOOK,
        acquisition_id=check.acquisition_id,
    )
    if check.finding is Finding.DISAGREES:
        return replace(
            decided, state=State.REFUTED, cause=f"refuted by the look of {day}: {check.reason}"
        )
    if check.finding is Finding.AGREES and check.outline and check.outline_area_m2:
        return replace(
            decided,
            state=State.CONFIRMED,
            geometry=check.outline if landslide.drawn_by is None else landslide.geometry,
            area_m2=check.outline_area_m2 if landslide.drawn_by is None else landslide.area_m2,
            cause=f"confirmed by the look of {day}: {check.reason}",
        )
    return None


def review(landslide: Landslide, said: Review) -> Landslide | None:
    """Return the version that a person's verdict makes; it stands until a person says otherwise.

    Reopening lets looks decide again, and gives them a whole window. What became part of another
    landslide has ended: the verdict belongs to that one, and None is returned.
    """
    if landslide.merged_into is not None:
        return None
    reopened = said.verdict is Verdict.REOPEN
    return replace(
        landslide,
        revision=landslide.revision + 1,
        state=_MAKES[said.verdict],
        d_ndvi=None if reopened else landslide.d_ndvi,
        ensemble_score=None if reopened else landslide.ensemble_score,
        verdict_at=said.said_at,
        valid_from=said.said_at,
        reviewed_by=None if reopened else said.reviewer,
        cause_kind=Cause.PERSON,
        acquisition_id=None,
        cause=f"{_DONE[said.verdict]} by {said.reviewer}: {said.reason}",
    )


def expire(landslide: Landslide, now: datetime, window: timedelta) -> Landslide | None:
    """Return the unresolved version of a landslide nobody could decide in time, None before."""
    until = max(landslide.not_after, landslide.verdict_at or landslide.not_after) + window
    if landslide.state is not State.SUSPECTED or now <= until:
        return None
    return replace(
        landslide,
        revision=landslide.revision + 1,
        state=State.UNRESOLVED,
        valid_from=until,
        cause_kind=Cause.WINDOW_OVER,
        acquisition_id=None,
        cause=f"no look decided it within {window.days} days",
    )


def close(landslide: Landslide, now: datetime, after: timedelta) -> Landslide | None:
    """Return the closed version of a confirmed landslide that has not changed, None before."""
    until = landslide.valid_from + after
    if landslide.state is not State.CONFIRMED or now <= until:
        return None
    return replace(
        landslide,
        revision=landslide.revision + 1,
        state=State.CLOSED,
        valid_from=until,
        cause_kind=Cause.CLOSURE,
        acquisition_id=None,
        cause=f"confirmed, and no change for {after.days} days",
    )
