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
from detectors.types import (
    SAME_PASS,
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
    refuted: Sequence[Landslide] = (),
    heard: Mapping[uuid.UUID, Sequence[RadarCheck]] | None = None,
) -> list[Landslide]:
    """Return the new versions that these detections make, in the order they arise.

    A detection joins the open landslide it shares most area with, else it starts one. A detection
    that any landslide already holds changes nothing, so that a repeated run is silent even where
    the outline has moved since. Two detections may join the same landslide; each makes a version,
    so that each has its own cause, but two of the same pass count as one look: neighbouring bursts,
    a reprocessed product and a second judgement are no second witness. An optical detection only
    starts landslides: what optical looks say about open ones is for ``detectors.verdicts``. What is
    of different kinds never merges: a pond and the landslide that made it stay two.

    The tier of what radar suspects follows from all radar looks together (``detectors.fusion``).

    A landslide nobody decided in time holds what it has and takes nothing more, and neither does
    one that was confirmed ``SETTLED`` ago: what is seen there later happened later, and somebody
    must be told. Where optical looks have refuted a landslide,
    radar goes on seeing the same change for a while: that is watched, not alerted, until optical
    looks agree.

    Args:
        detections: of one region; several looks are taken in order of sensing.
        open_landslides: latest versions that are neither closed nor refuted.
        earlier: the detections that those hold already, as far as they may be joined.
        refuted: latest versions of refuted landslides of the region.
        heard: what radar looks have said so far, by landslide; ``earlier`` speaks where it is mute.
    """
    passes: defaultdict[uuid.UUID, list[datetime]] = defaultdict(list)
    by_id = {detection.id: detection for detection in earlier}
    said: defaultdict[uuid.UUID, list[RadarCheck]] = defaultdict(list)
    for landslide in open_landslides:
        found = [by_id[held] for held in landslide.detections if held in by_id]
        passes[landslide.id] = [detection.not_after for detection in found]
        known = (heard or {}).get(landslide.id) or [
            sighting(landslide, d) for d in found if d.source is Sensor.SAR
        ]
        said[landslide.id] = list(known)
    current = {landslide.id: landslide for landslide in open_landslides}
    held = {detection for landslide in open_landslides for detection in landslide.detections}
    versions = []
    for detection in sorted(detections, key=lambda d: (d.not_after, d.id)):
        if detection.id in held:
            continue
        repeated = detection.source is Sensor.SAR and repeats(
            detection.not_after, detection.polygon, refuted
        )
        if repeated:
            detection = replace(detection, tier=Tier.WATCH)
        best = _best_overlap(
            detection, (one for one in current.values() if _takes(one, detection.not_after))
        )
        if best is not None and detection.source is Sensor.OPTICAL:
            continue
        if best is None:
            version = _start(detection)
        else:
            again = any(abs(detection.not_after - at) < SAME_PASS for at in passes[best.id])
            version = _join(best, detection, looks=best.looks if again else best.looks + 1)
            if detection.source is Sensor.SAR and weighed(best) and said[best.id]:
                witness = sighting(best, detection, repeats=repeated)
                version = _weighed(best, version, [*said[best.id], witness])
        if detection.source is Sensor.SAR:
            said[version.id].append(sighting(version, detection, repeats=repeated))
        held.add(detection.id)
        passes[version.id].append(detection.not_after)
        current[version.id] = version
        versions.append(version)
    return versions


def kept_out(
    landslides: Iterable[Landslide], refuted: Sequence[Landslide], sensed_at: datetime
) -> list[Landslide]:
    """Return the landslides whose changed ground is no history for a look at ``sensed_at``.

    A landslide that went into its own ground's history would hide from every look but the first.
    What takes no more detections in, and what optical looks have refuted, becomes history.
    """
    return [
        one
        for one in landslides
        if one.state in (State.SUSPECTED, State.CONFIRMED)
        and one.not_before < sensed_at
        and _takes(one, sensed_at)
        and not repeats(one.not_after, one.geometry, refuted)
    ]


def _takes(landslide: Landslide, sensed_at: datetime) -> bool:
    """Tell whether a landslide takes in what a look saw that overlaps it."""
    if landslide.state is State.UNRESOLVED:
        return False
    return landslide.verdict_at is None or sensed_at - landslide.verdict_at <= SETTLED


def repeats(seen_at: datetime, ground: BaseGeometry, refuted: Iterable[Landslide]) -> bool:
    """Tell whether what radar saw may be a change that optical looks have refuted."""
    return any(
        seen_at - landslide.not_after <= REPEATS and landslide.geometry.intersects(ground)
        for landslide in refuted
    )


def _best_overlap(detection: Detection, landslides: Iterable[Landslide]) -> Landslide | None:
    """Return the one of its kind that shares most area with the detection, None if none does."""
    shared = [
        (landslide.geometry.intersection(detection.polygon).area, str(landslide.id), landslide)
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

    Once confirmed, the outline is the optical one and stays.
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
    )
    if stronger:
        joined = replace(
            joined,
            evidence=detection.evidence,
            change_db=joined.change_db if detection.change_db is None else detection.change_db,
            advisory=detection.advisory,
        )
    if stronger and landslide.state is not State.CONFIRMED:
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
