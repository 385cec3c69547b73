"""From detections to landslides: what overlaps an open landslide joins it, the rest is new.

Pure: the caller brings the open landslides of the region and stores what comes back.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from detectors.fusion import sighting, vote, weighed
from detectors.lineage import Body, absorb, bodies, divide, origin, seen_as_one
from detectors.types import (
    SAME_PASS,
    Cause,
    Detection,
    Landslide,
    RadarCheck,
    Sensor,
    State,
    Tier,
    derive_id,
)

#: How long a radar change shows up again: until half of a stack of ten looks has it, at 12 days.
REPEATS = timedelta(days=60)
#: How long after its verdict a landslide still takes detections in: until a stack of ten looks, at
#: 12 days, holds nothing from before it. A change after that is another failure on the same slope.
SETTLED = timedelta(days=120)


def track(
    detections: Sequence[Detection],
    open_landslides: Sequence[Landslide],
    earlier: Iterable[Detection] = (),
    ended: Sequence[Landslide] = (),
    heard: Mapping[uuid.UUID, Sequence[RadarCheck]] | None = None,
    names: Mapping[uuid.UUID, uuid.UUID] | None = None,
) -> list[Landslide]:
    """Return the new versions that these detections make, in the order they arise.

    A detection joins the open landslide it shares most area with, else it starts one. A detection
    that any landslide already holds changes nothing, so that a repeated run is silent even where
    the outline has moved since. Two detections may join the same landslide; each makes a version,
    so that each has its own cause, but two of the same pass count as one look: neighbouring bursts,
    a reprocessed product and a second judgement are no second witness. An optical detection only
    starts landslides: what optical looks say about open ones is for ``detectors.verdicts``. What is
    of different kinds never merges: a pond and the landslide that made it stay two. When landslides
    become one, and one several, ``detectors.lineage`` says.

    The tier of what radar suspects follows from all radar looks together (``detectors.fusion``).

    A landslide nobody decided in time holds what it has and takes nothing more, and neither does
    one that was confirmed ``SETTLED`` ago, nor one that is closed: what is seen there later
    happened later, starts a landslide that *follows* the old one, and somebody must be told. Where
    a landslide was refuted or closed, radar goes on seeing the same change for a while: that is
    watched, not alerted, until optical looks agree. Where a person refuted it, it starts nothing.

    Args:
        detections: of one region; several looks are taken in order of sensing.
        open_landslides: latest versions that are neither closed nor refuted.
        earlier: the detections that those hold already, as far as they may be joined.
        ended: latest versions of refuted and closed landslides of the region.
        heard: what radar looks have said so far, by landslide; ``earlier`` speaks where it is mute.
        names: identities that are to be used instead of those derived from the first detection.
    """
    work = Tracking(open_landslides, earlier, ended, heard or {}, names or {})
    for detection in sorted(detections, key=lambda d: (d.not_after, d.id)):
        work.take(detection)
    return work.versions


class Tracking:
    """Landslides while detections are worked into them."""

    def __init__(
        self,
        open_landslides: Sequence[Landslide],
        earlier: Iterable[Detection],
        ended: Sequence[Landslide],
        heard: Mapping[uuid.UUID, Sequence[RadarCheck]],
        names: Mapping[uuid.UUID, uuid.UUID],
    ) -> None:
        self.versions: list[Landslide] = []
        self.names = names
        self.ended = [one for one in ended if one.merged_into is None]
        self.found = {detection.id: detection for detection in earlier}
        self.current = {one.id: one for one in open_landslides if one.merged_into is None}
        self.held = {one for held in (*open_landslides, *ended) for one in held.detections}
        self.said: defaultdict[uuid.UUID, list[RadarCheck]] = defaultdict(list)
        for one in open_landslides:
            own = (self.found[d] for d in one.detections if d in self.found)
            known = heard.get(one.id) or [sighting(one, d) for d in own if d.source is Sensor.SAR]
            self.said[one.id] = list(known)

    def take(self, detection: Detection) -> None:
        """Let one detection join a landslide, or start one."""
        if detection.id in self.held:
            return
        repeated = detection.source is Sensor.SAR and repeats(
            detection.not_after, detection.polygon, self.ended
        )
        if repeated:
            detection = replace(detection, tier=Tier.WATCH)
        takers = [one for one in self.current.values() if _takes(one, detection.not_after)]
        together = seen_as_one(detection, takers)
        best = together[0] if together else _best_overlap(detection, takers)
        if best is None:
            if not answered(detection, self.ended):
                self._begin(detection, repeated=repeated)
            return
        if detection.source is Sensor.OPTICAL:
            return
        gone = together[1:]
        version = _join(best, detection, looks=self._looks([best, *gone], detection))
        ends: list[Landslide] = []
        if gone:
            version, *ends = absorb(version, gone, detection)
        self._hold(detection)
        if weighed(best) and self.said[best.id]:
            witness = sighting(best, detection, repeats=repeated)
            for one in gone:
                self.said[best.id] += [replace(c, landslide_id=best.id) for c in self.said[one.id]]
            version = _weighed(best, version, [*self.said[best.id], witness])
        self.said[version.id].append(sighting(version, detection, repeats=repeated))
        self._put(version)
        for end in ends:
            self._put(end)
            del self.current[end.id]
        apart = bodies(version, self.found)
        if apart:
            self._divide(version, apart)

    def _begin(self, detection: Detection, *, repeated: bool) -> None:
        """Start a landslide."""
        over = [*self.ended, *self.current.values()]
        before = _best_overlap(detection, over)
        natural = derive_id("landslide", detection.id)
        version = replace(
            _start(detection),
            id=self.names.get(natural, natural),
            follows=None if before is None else before.id,
        )
        self._hold(detection)
        if detection.source is Sensor.SAR:
            self.said[version.id].append(sighting(version, detection, repeats=repeated))
        self._put(version)

    def _divide(self, whole: Landslide, apart: Sequence[Body]) -> None:
        """Let each body be a landslide of its own."""
        kept, *children = divide(whole, apart, self.names)
        moved = {d.acquisition_id for body in apart[1:] for d in body.detections}
        own = (self.found[one] for one in kept.detections if one in self.found)
        self.said[kept.id] = [
            *(c for c in self.said[kept.id] if c.tier is None or c.acquisition_id not in moved),
            *(sighting(kept, d) for d in own if d.acquisition_id in moved),
        ]
        self._put(replace(kept, tier=vote(self.said[kept.id]).tier))
        for child, body in zip(children, apart[1:], strict=True):
            self.said[child.id] = [sighting(child, d) for d in body.detections]
            self._put(replace(child, tier=vote(self.said[child.id]).tier))

    def _hold(self, detection: Detection) -> None:
        self.held.add(detection.id)
        self.found[detection.id] = detection

    def _put(self, version: Landslide) -> None:
        self.current[version.id] = version
        self.versions.append(version)

    def _looks(self, whole: Sequence[Landslide], joins: Detection) -> int:
        """Return how many distinct looks landslides are made of, with the one that joins."""
        held = [self.found[d].not_after for o in whole for d in o.detections if d in self.found]
        began: list[datetime] = []
        for at in sorted(held):
            if not began or at - began[-1] >= SAME_PASS:
                began.append(at)
        # Detections that nobody brought along count as they were counted.
        known = max(len(began), whole[0].looks)
        again = any(abs(joins.not_after - at) < SAME_PASS for at in held)
        return known if again else known + 1


def answered(detection: Detection, ended: Iterable[Landslide]) -> bool:
    """Tell whether a person has said of what a detection shows that it is no landslide.

    For ``SETTLED`` after the verdict, where most of the detection lies on that ground: a failure
    that reaches well beyond it is another one, and so is one that comes later.
    """
    return any(
        one.state is State.REFUTED
        and one.reviewed_by is not None
        and one.verdict_at is not None
        and detection.not_after - one.verdict_at <= SETTLED
        and one.kind is detection.kind
        and one.geometry.intersection(detection.polygon).area > detection.polygon.area / 2
        for one in ended
    )


def kept_out(
    landslides: Iterable[Landslide], ended: Sequence[Landslide], sensed_at: datetime
) -> list[Landslide]:
    """Return the landslides whose changed ground is no history for a look at ``sensed_at``.

    A landslide that went into its own ground's history would hide from every look but the first.
    What takes no more detections in, and what was refuted or closed, becomes history.
    """
    return [
        one
        for one in landslides
        if one.state in (State.SUSPECTED, State.CONFIRMED)
        and one.not_before < sensed_at
        and _takes(one, sensed_at)
        and not repeats(one.not_after, one.geometry, ended)
    ]


def _takes(landslide: Landslide, sensed_at: datetime) -> bool:
    """Tell whether a landslide takes in what a look saw that overlaps it."""
    if landslide.state in (State.UNRESOLVED, State.CLOSED, State.REFUTED):
        return False
    return landslide.verdict_at is None or sensed_at - landslide.verdict_at <= SETTLED


def repeats(seen_at: datetime, ground: BaseGeometry, ended: Iterable[Landslide]) -> bool:
    """Tell whether what radar saw may be a change that was refuted or closed."""
    return any(
        seen_at - landslide.not_after <= REPEATS and landslide.geometry.intersects(ground)
        for landslide in ended
        if landslide.merged_into is None
    )


def _best_overlap(detection: Detection, landslides: Iterable[Landslide]) -> Landslide | None:
    """Return the one of its kind that shares most area with the detection, None if none does."""
    shared = [
        (landslide.geometry.intersection(detection.polygon).area, origin(landslide), landslide)
        for landslide in landslides
        if landslide.kind is detection.kind and landslide.geometry.intersects(detection.polygon)
    ]
    best = max(shared, default=None, key=lambda s: s[:2])
    return best[2] if best is not None and best[0] > 0 else None


def _start(detection: Detection) -> Landslide:
    """Suspect a landslide that nobody knew."""
    return Landslide(
        id=derive_id("landslide", detection.id),
        region_id=detection.region_id,
        revision=1,
        state=State.SUSPECTED,
        tier=detection.tier,
        geometry=MultiPolygon([detection.polygon]),
        area_m2=detection.area_m2,
        not_before=detection.not_before,
        not_after=detection.not_after,
        detections=(detection.id,),
        looks=1,
        score_max=detection.score_max,
        evidence=detection.evidence,
        change_db=detection.change_db,
        cause=f"first seen by {detection.detector} on {detection.not_after:%Y-%m-%d}",
        source=detection.source,
        d_ndvi=detection.d_ndvi,
        ensemble_score=detection.ensemble_score,
        advisory=detection.advisory,
        simulated=detection.simulated,
        kind=detection.kind,
        cause_kind=Cause.RADAR_LOOK if detection.source is Sensor.SAR else Cause.OPTICAL_LOOK,
        acquisition_id=detection.acquisition_id,
    )


def _weighed(before: Landslide, joined: Landslide, said: Sequence[RadarCheck]) -> Landslide:
    """Give a joined version the tier that all radar looks together make."""
    found = vote(said)
    if found.tier is before.tier:
        return replace(joined, tier=found.tier)
    verb = "raised" if found.tier is Tier.LIKELY else "lowered"
    cause = f"{joined.cause}; {verb} to {found.tier}: {found.words}"
    return replace(joined, tier=found.tier, cause=cause)


def _join(landslide: Landslide, detection: Detection, looks: int) -> Landslide:
    """Add a detection: the strongest one gives the outline, the earliest one the bracket.

    Once confirmed, the outline is the optical one and stays; so does one that a person drew.
    """
    stronger = detection.evidence > landslide.evidence
    earlier = detection.not_after < landslide.not_after
    joined = replace(
        landslide,
        revision=landslide.revision + 1,
        tier=Tier.LIKELY if Tier.LIKELY in (landslide.tier, detection.tier) else Tier.WATCH,
        detections=(*landslide.detections, detection.id),
        looks=looks,
        score_max=max(landslide.score_max, detection.score_max),
        cause=f"seen again by {detection.detector} on {detection.not_after:%Y-%m-%d}",
        simulated=landslide.simulated or detection.simulated,
        change_db=detection.change_db if landslide.change_db is None else landslide.change_db,
        valid_from=detection.not_after,
        cause_kind=Cause.RADAR_LOOK,
        acquisition_id=detection.acquisition_id,
    )
    if stronger:
        joined = replace(
            joined,
            evidence=detection.evidence,
            change_db=joined.change_db if detection.change_db is None else detection.change_db,
            advisory=detection.advisory,
        )
    if stronger and landslide.state is not State.CONFIRMED and landslide.drawn_by is None:
        joined = replace(
            joined, geometry=MultiPolygon([detection.polygon]), area_m2=detection.area_m2
        )
    if earlier:
        # Of the two looks without it the later one, unless that is no longer before.
        without = max(
            (one for one in (landslide.not_before, detection.not_before)
             if one < detection.not_after),
        )  # fmt: skip
        joined = replace(joined, not_before=without, not_after=detection.not_after)
    return joined
