"""Several looks at one landslide: how later radar looks raise or lower its tier.

Tracks are scored apart, each against its own history, and meet only here: every later look, of the
same track or another, is asked what it says of a landslide's own pixels. What comes out depends on
the set of looks alone, not on the order in which they came:

- *seen again*: the mean absolute score of its pixels, each cut at the ceiling, is 2.2 sigma or
  more, or a detection joined. *Not seen*: it is under 1.3 sigma with 60 % of the pixels judged. In
  between: undecided. On the California series, changes of 3 to 4.5 dB over 1 to 6 ha, SIMULATED,
  gave over 2.2 sigma in 98 % of 830 outlines at the next pass, and under 1.3 in 99 % of the same
  outlines without the change, never over 2.0 (``tests/data/test_later_looks.py``; in-sample,
  before the log ratio averaged speckle). No pixel was chosen by the look that is asked, so that the
  test may be milder than a detection's.
- A look that is wet, under snow, or not complete says nothing, either way. Neighbouring bursts and
  reprocessed products of one pass count once.
- *Likely*: one steady pass found it likely, or the first that saw it did, or two passes saw it with
  the evidence of *watch* each. *Watch*: otherwise, and whenever as many passes looked and saw
  nothing as saw it.

Radar never confirms and never refutes: harvested fields and wet soil are seen again too.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detectors.levels import Levels, evidence_of
from detectors.types import (
    SAME_PASS,
    BoolArray,
    Cause,
    Detection,
    Finding,
    Kind,
    Landslide,
    Observability,
    RadarCheck,
    ScoreMap,
    Sensor,
    State,
    Tier,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """When a later look counts, and what it takes."""

    share_seen: float = 0.6
    """Least share of a landslide's pixels that must be judged, 0 to 1."""
    again: float = 2.2
    """Mean absolute score from which a landslide is seen again, sigma."""
    gone: float = 1.3
    """Mean absolute score under which a look sees nothing, sigma."""
    together: float = Levels().watch
    """Evidence, that of *watch*, which each of two passes needs to make *likely* together. What is
    weaker never adds up: a new roof is seen for years."""


RULE = Rule()


@dataclass(frozen=True, slots=True)
class Vote:
    """What all looks together make of a landslide."""

    tier: Tier
    """Tier."""
    saw: int
    """Steady passes that saw it."""
    missed: int
    """Steady passes that looked and saw nothing."""
    joint_evidence: float
    """Root of the summed squares of the evidence of those that saw it."""

    @property
    def words(self) -> str:
        """Return why, in words."""
        passes = "pass" if self.saw == 1 else "passes"
        seen = f"seen by {self.saw} {passes}, joint evidence {self.joint_evidence:.1f}"
        return f"{seen}; {self.missed} looked and saw nothing" if self.missed else seen


def weighed(landslide: Landslide) -> bool:
    """Tell whether radar looks decide the tier: suspected by radar, and not decided since."""
    return landslide.state is State.SUSPECTED and landslide.source is Sensor.SAR


def look_again(
    landslide: Landslide,
    acquisition_id: uuid.UUID,
    scores: ScoreMap,
    own: BoolArray,
    levels: Levels,
    *,
    steady: bool,
    rule: Rule = RULE,
) -> RadarCheck | None:
    """Ask one look about one landslide; None where radar scores say nothing of its kind.

    Args:
        landslide: the landslide, first seen before this look.
        acquisition_id: the look.
        scores: the look, scored against a stack that does not hold the landslide.
        own: (y, x), the landslide's pixels.
        levels: what evidence is made with.
        steady: the look may speak: neither wet nor under snow.
        rule: what counts.

    Returns:
        The check, with ``sensed_at`` of the landslide's first look, which the caller replaces.
    """
    if landslide.kind is not Kind.LANDSLIDE or not own.any():
        return None
    expected = max(int(own.sum()), round(landslide.area_m2 / scores.grid.pixel_area_m2))
    seen = own & np.isfinite(scores.score)
    share = int(seen.sum()) / expected
    strength = np.abs(scores.score[seen])
    mean = evidence = None
    if strength.size:
        mean = float(np.minimum(strength, levels.ceiling).mean())
        evidence = evidence_of(strength, landslide.area_m2, levels.ceiling)
    finding, reason = _finding(share, mean, scores, rule, steady=steady)
    return RadarCheck(
        landslide_id=landslide.id,
        acquisition_id=acquisition_id,
        sensed_at=landslide.not_after,
        finding=finding,
        reason=reason,
        share_seen=share,
        unseen=_reasons(scores.observability, own, expected),
        score_mean=mean,
        evidence=evidence,
    )


def _finding(
    share: float, mean: float | None, scores: ScoreMap, rule: Rule, *, steady: bool
) -> tuple[Finding, str]:
    if mean is None or share < rule.share_seen:
        return Finding.NOT_SEEN, f"{share:.0%} of its pixels could be judged"
    if not steady:
        return Finding.UNDECIDED, "wet scene or snow: the look neither raises nor lowers"
    if not scores.complete:
        return Finding.UNDECIDED, "one polarisation, or a detector stood back"
    said = f"mean absolute score {mean:.1f} sigma"
    if mean >= rule.again:
        return Finding.AGREES, f"seen again: {said}"
    if mean < rule.gone:
        return Finding.DISAGREES, f"looked and saw nothing: {said}"
    return Finding.UNDECIDED, f"neither seen nor gone: {said}"


def _reasons(seen: Observability, own: BoolArray, expected: int) -> dict[str, float]:
    """Return why pixels of a landslide were not judged; what lies off the grid is no data."""
    inside = int(own.sum())
    shares = {name: share * inside / expected for name, share in seen.by_reason(own).items()}
    if inside < expected:
        shares["no_data"] = shares.get("no_data", 0.0) + (expected - inside) / expected
    return shares


def sighting(landslide: Landslide, detection: Detection, *, repeats: bool = False) -> RadarCheck:
    """Return what a radar detection that joined says; one with an advisory does not count.

    Args:
        landslide: what it joined.
        detection: of a radar look.
        repeats: this change was refuted or closed: it is watched, and counts for nothing.
    """
    spoilt = "this change was refuted or closed" if repeats else detection.advisory
    return RadarCheck(
        landslide_id=landslide.id,
        acquisition_id=detection.acquisition_id,
        sensed_at=detection.not_after,
        finding=Finding.UNDECIDED if spoilt else Finding.AGREES,
        reason=f"found by {detection.detector}" + (f", but: {spoilt}" if spoilt else ""),
        share_seen=1.0,
        unseen={},
        score_mean=detection.score_mean,
        evidence=detection.evidence,
        tier=Tier.WATCH if repeats else detection.tier,
    )


def merged(checks: Iterable[RadarCheck]) -> list[RadarCheck]:
    """Return one check for each landslide and look: a detection counts more than a mean."""
    best: dict[tuple[uuid.UUID, uuid.UUID], RadarCheck] = {}
    for check in sorted(checks, key=_weight):
        key = check.landslide_id, check.acquisition_id
        evidence = max(best[key].evidence or 0.0, check.evidence or 0.0) if key in best else None
        best[key] = check if evidence is None else replace(check, evidence=evidence)
    return sorted(best.values(), key=lambda c: (c.sensed_at, c.landslide_id, c.acquisition_id))


def _weight(check: RadarCheck) -> tuple[bool, bool, float, bool, bool, str]:
    """Return what a check outweighs others of its look with: total, so that order means nothing."""
    return (
        check.tier is not None,
        check.tier is Tier.LIKELY,
        check.evidence or 0.0,
        check.finding is Finding.AGREES,
        check.finding is Finding.DISAGREES,
        check.reason,
    )


def vote(checks: Iterable[RadarCheck], rule: Rule = RULE) -> Vote:
    """Return what all radar looks together make of a landslide; their order means nothing.

    Args:
        checks: of one landslide, at least one of them by a detection.
        rule: what counts.
    """
    passes = _passes(merged(checks))
    saw = [one for one in passes if any(c.finding is Finding.AGREES for c in one)]
    missed = [
        one for one in passes if one not in saw and any(c.finding is Finding.DISAGREES for c in one)
    ]
    strongest = [max(_evidence(c) for c in one) for one in saw]
    joint = math.sqrt(sum(evidence**2 for evidence in strongest))
    founding = next((one for one in passes if any(c.tier is not None for c in one)), [])
    alone = any(c.tier is Tier.LIKELY for one in (*saw, founding) for c in one)
    doubted = len(missed) >= max(1, len(saw))
    together = sum(evidence >= rule.together for evidence in strongest) >= 2
    likely = (alone or together) and not doubted
    return Vote(Tier.LIKELY if likely else Tier.WATCH, len(saw), len(missed), joint)


def _evidence(check: RadarCheck) -> float:
    return (check.evidence or 0.0) if check.finding is Finding.AGREES else 0.0


def _passes(checks: Sequence[RadarCheck]) -> list[list[RadarCheck]]:
    """Group checks, in order of sensing, by pass."""
    passes: list[list[RadarCheck]] = []
    for check in checks:
        if passes and check.sensed_at - passes[-1][0].sensed_at < SAME_PASS:
            passes[-1].append(check)
        else:
            passes.append([check])
    return passes


def weigh(landslide: Landslide, checks: Sequence[RadarCheck]) -> Landslide | None:
    """Return the version that looks without a detection make: another tier; None for the same.

    Args:
        landslide: latest version.
        checks: all that radar looks said of it, stored and new.
    """
    if not weighed(landslide) or not checks:
        return None
    found = vote(checks)
    if found.tier is landslide.tier:
        return None
    last = max(checks, key=lambda check: (check.sensed_at, check.acquisition_id))
    verb = "raised" if found.tier is Tier.LIKELY else "lowered"
    return replace(
        landslide,
        revision=landslide.revision + 1,
        tier=found.tier,
        cause=f"{verb} to {found.tier} by the look of {last.sensed_at:%Y-%m-%d}: {found.words}",
        valid_from=last.sensed_at,
        cause_kind=Cause.RADAR_LOOK,
        acquisition_id=last.acquisition_id,
    )
