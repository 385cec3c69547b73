"""The landslides of a place as a fold over what looks and people said, in the order of the world.

``Life`` takes one piece of evidence after the other; ``fold`` begins with nothing and takes all of
it, sorted by when it was sensed or said, so that the order in which products arrive cannot matter.
Time is a witness too: before each piece, windows end and confirmed landslides close.

A late piece of evidence is judged as of its own time: the caller folds anew and stores what differs
from what is stored (``differing``) as new versions. Pure.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from detectors.drawing import made_one, made_two, redrawn
from detectors.fusion import merged, weigh
from detectors.lineage import origin
from detectors.tracking import Tracking
from detectors.types import (
    SAME_PASS,
    Cause,
    Detection,
    Drawn,
    Landslide,
    OpticalCheck,
    OutlineEdit,
    RadarCheck,
    Review,
    Sensor,
    State,
    derive_id,
)
from detectors.verdicts import close, decide, expire, review

#: States of landslides that take no detections in any more.
ENDED = frozenset({State.CLOSED, State.REFUTED})


@dataclass(frozen=True, slots=True)
class Waits:
    """How long things take that only time decides."""

    window: timedelta
    """From the first look on, or from reopening, until nobody can decide any more."""
    close_after: timedelta
    """From the last change of a confirmed landslide until it closes."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What looks and people said of one place."""

    detections: tuple[Detection, ...] = ()
    """As each look was judged last."""
    radar: tuple[RadarCheck, ...] = ()
    """What radar looks said that no detection came of."""
    optical: tuple[OpticalCheck, ...] = ()
    """What optical looks said."""
    reviews: tuple[Review, ...] = ()
    """What people said."""
    drawn: tuple[OutlineEdit, ...] = ()
    """What people drew."""

    @property
    def last(self) -> datetime | None:
        """When the last of it was sensed or said, None without any."""
        return max((_order(one)[0] for one in self.pieces()), default=None)

    def pieces(self) -> list[Piece]:
        """Return all of it in the order of the world, which is total."""
        looks: list[Piece] = [*self.detections, *self.radar, *self.optical]
        return sorted([*looks, *self.reviews, *self.drawn], key=_order)


Piece = Detection | RadarCheck | OpticalCheck | Review | OutlineEdit


def _order(piece: Piece) -> tuple[datetime, int, str]:
    """Return when a piece counts; of one time radar first, then verdicts, then what they left."""
    match piece:
        case Detection():
            late = 3 if piece.source is Sensor.OPTICAL else 0
            return piece.not_after, late, str(piece.id)
        case RadarCheck():
            return piece.sensed_at, 1, f"{piece.landslide_id} {piece.acquisition_id}"
        case OpticalCheck():
            return piece.sensed_at, 2, str(piece.id)
        case Review():
            return piece.said_at, 4, str(piece.id)
        case OutlineEdit():
            return piece.said_at, 5, str(piece.id)


@dataclass(slots=True)
class Life:
    """Landslides of a place while evidence is worked into them."""

    waits: Waits
    """How long to wait."""
    current: dict[uuid.UUID, Landslide] = field(default_factory=dict)
    """Latest version of each, ended ones too."""
    found: dict[uuid.UUID, Detection] = field(default_factory=dict)
    """Every detection that was worked in."""
    said: dict[uuid.UUID, list[RadarCheck]] = field(default_factory=dict)
    """What radar looks said of each, detections too."""
    names: Mapping[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    """Identities that are to be used instead of those derived from the first detection."""
    origins: Mapping[uuid.UUID, Detection] = field(default_factory=dict)
    """By identity the detection it was derived from, also where its look no longer says so."""
    versions: list[Landslide] = field(default_factory=list)
    """What has come about, in order."""

    def take(self, detections: Sequence[Detection]) -> None:
        """Let detections join landslides or start them."""
        if not detections:
            return
        self.wait(min(one.not_after for one in detections))
        takers = [one for one in self.current.values() if one.state not in ENDED]
        ended = [one for one in self.current.values() if one.state in ENDED]
        work = Tracking(takers, self.found.values(), ended, self.said, self.names)
        for detection in sorted(detections, key=lambda d: (d.not_after, d.id)):
            work.take(detection)
        self.found |= {one.id: one for one in detections}
        self.said |= work.said
        for version in work.versions:
            self._put(version)

    def hear(self, checks: Iterable[RadarCheck]) -> None:
        """Let what a radar look said without a detection raise or lower tiers."""
        touched: dict[uuid.UUID, datetime] = {}
        for check in checks:
            landslide = self.holder(check.landslide_id)
            if landslide is None or check.sensed_at - landslide.not_after <= SAME_PASS:
                continue
            own = replace(check, landslide_id=landslide.id)
            before = self.said.get(landslide.id, [])
            again = [c for c in before if c.tier or c.acquisition_id != check.acquisition_id]
            self.said[landslide.id] = [*again, own]
            touched[landslide.id] = max(touched.get(landslide.id, check.sensed_at), check.sensed_at)
        for landslide_id, at in touched.items():
            self.wait(at, landslide_id)
            version = weigh(self.current[landslide_id], merged(self.said[landslide_id]))
            if version is not None:
                self._put(version)

    def see(self, check: OpticalCheck) -> None:
        """Let an optical look decide."""
        landslide = self.holder(check.landslide_id)
        if landslide is None:
            return
        found_by = SAME_PASS if landslide.source is Sensor.OPTICAL else timedelta(0)
        own = check.sensed_at - landslide.not_after
        if own < found_by or (found_by and own == found_by):
            return  # what found it is no second witness, and what came before it no first one
        self.wait(check.sensed_at, landslide.id)
        version = decide(self.current[landslide.id], check)
        if version is not None:
            self._put(version)

    def review(self, said: Review) -> None:
        """Let a person decide."""
        landslide = self.holder(said.landslide_id)
        if landslide is None:
            return
        self.wait(said.said_at, landslide.id)
        version = review(self.current[landslide.id], said)
        if version is not None:
            self._put(version)

    def draw(self, edit: OutlineEdit) -> None:
        """Let a person's outline take the place of what looks saw."""
        of = edit.other_id if edit.kind is Drawn.SPLIT and edit.other_id else edit.landslide_id
        landslide = self.holder(of)
        if landslide is None:
            return
        self.wait(edit.said_at, landslide.id)
        landslide = self.current[landslide.id]
        if edit.kind is Drawn.SPLIT:
            kept, part = made_two(landslide, edit)
            self.said[part.id] = [replace(c, landslide_id=part.id) for c in self._said(kept.id)]
            self._put(kept)
            self._put(part)
            return
        other = self.holder(edit.other_id) if edit.other_id else None
        if other is None or other.id == landslide.id:
            self._put(redrawn(landslide, edit))
            return
        whole, part = made_one(landslide, other, edit)
        own = (replace(c, landslide_id=whole.id) for c in self._said(part.id))
        self.said[whole.id] = [*self._said(whole.id), *own]
        self._put(whole)
        self._put(part)

    def _said(self, landslide_id: uuid.UUID) -> list[RadarCheck]:
        return self.said.get(landslide_id, [])

    def wait(self, now: datetime, only: uuid.UUID | None = None) -> None:
        """Let windows end, and confirmed landslides close."""
        due = []
        for landslide in self.current.values() if only is None else [self.current[only]]:
            version = expire(landslide, now, self.waits.window) or close(
                landslide, now, self.waits.close_after
            )
            if version is not None:
                due.append(version)
        for version in sorted(due, key=lambda one: (one.valid_from, str(one.id))):
            self._put(version)

    def add(self, piece: Piece) -> None:
        """Take one piece of evidence."""
        match piece:
            case Detection():
                self.take([piece])
            case RadarCheck():
                self.hear([piece])
            case OpticalCheck():
                self.see(piece)
            case Review():
                self.review(piece)
            case OutlineEdit():
                self.draw(piece)

    def holder(self, landslide_id: uuid.UUID) -> Landslide | None:
        """Return the landslide that an identity stands for by now, None where there is none yet.

        One that became part of another stands for that; one that never came about in this order
        for the one that holds, or lies on, its first detection.
        """
        known = self.current.get(landslide_id)
        if known is not None:
            while known is not None and known.merged_into is not None:
                known = self.current.get(known.merged_into)
            return known
        first = self.origins.get(landslide_id)
        return None if first is None else self._at(first)

    def _at(self, detection: Detection) -> Landslide | None:
        here = [
            (
                detection.id in one.detections,
                one.geometry.intersection(detection.polygon).area,
                origin(one),
                one,
            )
            for one in self.current.values()
            if one.merged_into is None and one.kind is detection.kind
        ]
        best = max(here, key=lambda h: h[:3], default=None)
        return best[3] if best is not None and (best[0] or best[1] > 0) else None

    def _put(self, version: Landslide) -> None:
        self.current[version.id] = version
        self.versions.append(version)


def fold(
    evidence: Evidence,
    waits: Waits,
    now: datetime,
    names: Mapping[uuid.UUID, uuid.UUID] | None = None,
    superseded: Iterable[Detection] = (),
) -> Life:
    """Return the landslides that all evidence together makes, as of now.

    Args:
        evidence: of one place.
        waits: how long to wait.
        now: up to when windows end, UTC.
        names: identities that are to be used instead of those derived from first detections.
        superseded: what looks no longer say, but landslides are named after.
    """
    named_after = (*evidence.detections, *superseded)
    origins = {derive_id("landslide", one.id): one for one in named_after}
    life = Life(waits, names=names or {}, origins=origins)
    for piece in evidence.pieces():
        life.add(piece)
    life.wait(now)
    return life


def refold(
    evidence: Evidence,
    waits: Waits,
    now: datetime,
    stored: Sequence[Landslide],
    superseded: Sequence[Detection] = (),
) -> tuple[Life, dict[uuid.UUID, uuid.UUID]]:
    """Fold all evidence, and let what comes out keep the identities that are stored.

    Args:
        evidence: of one place.
        waits: how long to wait.
        now: up to when windows end, UTC.
        stored: latest versions of the landslides of this place, those told of first in front.
        superseded: what looks no longer say, but landslides are named after.

    Returns:
        The landslides, and which stored ones never were landslides of their own: into which others
        they go.
    """
    known = {one.id: one for one in stored if one.merged_into is None}
    natural = fold(evidence, waits, now, superseded=superseded)
    heirs: defaultdict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for identity in known:
        heir = natural.holder(identity)
        if heir is not None:
            heirs[heir.id].append(identity)
    names = {heir: _eldest(claims, known) for heir, claims in heirs.items()}
    taken = set(names.values())
    life = fold(evidence, waits, now, names, superseded)
    gone = {
        identity: names[heir]
        for heir, claims in heirs.items()
        for identity in claims
        if identity not in taken and identity not in life.current
    }
    return life, gone


def _eldest(claims: Sequence[uuid.UUID], known: Mapping[uuid.UUID, Landslide]) -> uuid.UUID:
    """Return the identity that lives on: one a person reviewed, then the one told of first."""
    return min(claims, key=lambda one: (known[one].reviewed_by is None, claims.index(one)))


def differing(timeline: Sequence[Landslide], stands: Sequence[Landslide]) -> list[Landslide]:
    """Return the versions that make what stands what the fold says, without their revisions.

    Args:
        timeline: versions of one landslide, as a fold made them.
        stands: the versions that stand, in the order in which they hold in the world.

    Returns:
        Versions to append, in order; each holds from its ``valid_from`` on, until the next.
    """
    told: dict[datetime, Landslide] = {}
    for version in timeline:
        # Of one moment the last counts, and nothing holds before its landslide was first seen.
        told = {at: one for at, one in told.items() if at < version.valid_from}
        told[version.valid_from] = version
    wanted = list(told.values())
    same = 0
    for ours, theirs in zip(wanted, stands, strict=False):
        if belief(ours) != belief(theirs):
            break
        same += 1
    rest = wanted[same:]
    if same < len(stands) and same > 0:
        since = stands[same].valid_from
        if not rest or rest[0].valid_from > since:
            again = replace(wanted[same - 1], valid_from=since)
            rest = [again, *rest]
    return rest


def belief(landslide: Landslide) -> tuple[object, ...]:
    """Return what a version says of the world: all but its number, its identity and its words."""
    return (
        landslide.valid_from, landslide.state, landslide.tier, landslide.geometry.wkb,
        landslide.not_before, landslide.not_after, frozenset(landslide.detections),
        landslide.looks, landslide.evidence, landslide.kind, landslide.source,
        landslide.verdict_at, landslide.reviewed_by, landslide.simulated,
        landslide.merged_into, landslide.split_from, landslide.split_into, landslide.follows,
        landslide.drawn_by,
    )  # fmt: skip


def retired(landslide: Landslide, into: uuid.UUID, since: datetime) -> Landslide:
    """Return the last version of what a late look shows never to have been one of its own."""
    return replace(
        landslide,
        revision=landslide.revision + 1,
        state=State.CLOSED,
        merged_into=into,
        valid_from=since,
        cause_kind=Cause.MERGE,
        acquisition_id=None,
        cause=f"the same as {str(into)[:8]}, as a look shows that came late",
    )
