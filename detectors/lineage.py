"""Bodies that become one, and one that proves to be several. Pure.

*Merge*: one radar detection covers more than half of two landslides of its kind. One of them lives
on: the confirmed one, else the one seen first. *Split*: the last two passes that found a landslide
show separate bodies, each of them in both. The largest keeps the identity; the bracket stays that
of the whole, since the ground is the same. What people drew, and what they or optical looks
decided, is neither merged away nor split.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from detectors.types import (
    SAME_PASS,
    Cause,
    Detection,
    Landslide,
    Sensor,
    State,
    derive_id,
)

#: Share of a landslide that a detection must cover to have seen it as part of one body.
COVERED = 0.5


@dataclass(frozen=True, slots=True)
class Body:
    """Detections of two passes that belong together and to nothing else."""

    ground: BaseGeometry
    """Union of their outlines, EPSG:4326."""
    detections: tuple[Detection, ...]
    """In order of sensing."""

    @property
    def strongest(self) -> Detection:
        """The detection that gives the outline."""
        return max(self.detections, key=lambda d: (d.evidence, str(d.id)))


def seen_as_one(detection: Detection, takers: Iterable[Landslide]) -> list[Landslide]:
    """Return the landslides that one detection shows as one body, the one that lives on first.

    Returns:
        Two or more; empty where the detection joins one at most.
    """
    if detection.source is not Sensor.SAR:
        return []
    covered = [
        one
        for one in takers
        if one.kind is detection.kind
        and one.geometry.intersects(detection.polygon)
        and one.geometry.intersection(detection.polygon).area > COVERED * one.geometry.area
    ]
    covered.sort(key=_seniority)
    gone = [one for one in covered[1:] if _undecided(one)]
    return [covered[0], *gone] if gone else []


def _seniority(landslide: Landslide) -> tuple[bool, bool, bool, bool, float, str]:
    return (
        landslide.reviewed_by is None,
        landslide.drawn_by is None,
        landslide.state is not State.CONFIRMED,
        landslide.split_from is not None,
        landslide.not_after.timestamp(),
        origin(landslide),
    )


def origin(landslide: Landslide) -> str:
    """Return what decides between equals: of its detections, not of its identity.

    Identities depend on what came first; what becomes of equals must not.
    """
    return min(map(str, landslide.detections))


def _undecided(landslide: Landslide) -> bool:
    by_people = landslide.reviewed_by is not None or landslide.drawn_by is not None
    return landslide.state is State.SUSPECTED and not by_people


def absorb(survivor: Landslide, gone: Sequence[Landslide], detection: Detection) -> list[Landslide]:
    """Return the version of a survivor that others became part of, then their last versions.

    Args:
        survivor: with the detection joined already.
        gone: latest versions of those that end.
        detection: what saw them as one.
    """
    whole = (survivor, *gone)
    first = min(whole, key=lambda one: (one.not_after, origin(one)))
    best = max(whole, key=lambda one: (one.evidence, origin(one)))
    held = dict.fromkeys(d for one in whole for d in one.detections)
    day = f"{detection.not_after:%Y-%m-%d}"
    grown = replace(
        survivor,
        detections=tuple(held),
        score_max=max(one.score_max for one in whole),
        evidence=best.evidence,
        change_db=best.change_db if survivor.change_db is None else survivor.change_db,
        not_before=first.not_before,
        not_after=first.not_after,
        simulated=any(one.simulated for one in whole),
        merged_from=(*survivor.merged_from, *(one.id for one in gone)),
        cause_kind=Cause.MERGE,
        cause=f"one body with {', '.join(str(one.id)[:8] for one in gone)} by the look of {day}",
    )
    if survivor.state is not State.CONFIRMED and survivor.drawn_by is None:
        ground = shapely.union_all([detection.polygon, *(one.geometry for one in whole)])
        alone = detection.evidence >= best.evidence
        outline = MultiPolygon([detection.polygon]) if alone else as_multi(ground)
        area = detection.area_m2 if alone else _area(outline, detection)
        grown = replace(grown, geometry=outline, area_m2=area)
    ends = [
        replace(
            one,
            revision=one.revision + 1,
            state=State.CLOSED,
            merged_into=survivor.id,
            cause_kind=Cause.MERGE,
            cause=f"part of {str(survivor.id)[:8]} by the look of {day}",
            valid_from=detection.not_after,
            acquisition_id=detection.acquisition_id,
        )
        for one in gone
    ]
    return [grown, *ends]


def bodies(landslide: Landslide, found: Mapping[uuid.UUID, Detection]) -> list[Body]:
    """Return the separate bodies that the last two passes show, the largest first.

    Args:
        landslide: latest version.
        found: its detections by id, as far as they are known.

    Returns:
        Two or more; empty where it is one body.
    """
    if not _undecided(landslide):
        return []
    own = [found[one] for one in landslide.detections if one in found]
    own = sorted((d for d in own if d.source is Sensor.SAR), key=lambda d: (d.not_after, d.id))
    passes: list[list[Detection]] = []
    for detection in own:
        if passes and detection.not_after - passes[-1][0].not_after < SAME_PASS:
            passes[-1].append(detection)
        else:
            passes.append([detection])
    last = passes[-2:]
    if len(last) < 2 or any(len(one) < 2 for one in last):
        return []
    ground = shapely.union_all([d.polygon for one in last for d in one])
    parts = ground.geoms if isinstance(ground, MultiPolygon) else [ground]
    apart = []
    for part in parts:
        inside = [[d for d in one if d.polygon.intersects(part)] for one in last]
        if all(inside):
            apart.append(Body(part, tuple(d for one in inside for d in one)))
    # What meets in a point is two parts of a union, and one body.
    if any(len([b for b in apart if d in b.detections]) > 1 for one in last for d in one):
        return []
    apart.sort(key=lambda body: (-body.ground.area, str(body.detections[0].id)))
    return apart if len(apart) > 1 else []


def divide(
    landslide: Landslide, apart: Sequence[Body], names: Mapping[uuid.UUID, uuid.UUID]
) -> list[Landslide]:
    """Return the version that keeps the identity, then the landslides that were parts of it.

    Args:
        landslide: latest version.
        apart: its bodies, the largest first.
        names: identities that are to be used instead of the derived ones.
    """
    last = apart[0].detections[-1]
    day = f"{last.not_after:%Y-%m-%d}"
    children = []
    for body in apart[1:]:
        natural = derive_id("landslide", body.detections[0].id)
        best = body.strongest
        children.append(
            replace(
                landslide,
                id=names.get(natural, natural),
                revision=1,
                geometry=MultiPolygon([best.polygon]),
                area_m2=best.area_m2,
                detections=tuple(d.id for d in body.detections),
                looks=2,
                score_max=max(d.score_max for d in body.detections),
                evidence=best.evidence,
                change_db=best.change_db,
                advisory=best.advisory,
                simulated=landslide.simulated,
                cause_kind=Cause.SPLIT,
                cause=f"a body of its own in two passes, the last on {day}",
                valid_from=last.not_after,
                acquisition_id=last.acquisition_id,
                merged_from=(),
                split_from=landslide.id,
                split_into=(),
                follows=None,
            )
        )
    moved = {one for child in children for one in child.detections}
    best = apart[0].strongest
    kept = replace(
        landslide,
        revision=landslide.revision + 1,
        geometry=MultiPolygon([best.polygon]),
        area_m2=best.area_m2,
        detections=tuple(one for one in landslide.detections if one not in moved),
        cause_kind=Cause.SPLIT,
        cause=f"{len(apart)} separate bodies in two passes, the last on {day}",
        valid_from=last.not_after,
        acquisition_id=last.acquisition_id,
        split_into=(*landslide.split_into, *(child.id for child in children)),
    )
    return [kept, *children]


def as_multi(ground: BaseGeometry) -> MultiPolygon:
    """Return the surfaces of a geometry as one multipolygon."""
    parts = getattr(ground, "geoms", [ground])
    return MultiPolygon([part for part in parts if isinstance(part, Polygon)])


def _area(outline: MultiPolygon, beside: Detection) -> float:
    """Return the area of an outline, m2, by the scale of a detection on the same ground."""
    return float(beside.area_m2 * outline.area / beside.polygon.area)
