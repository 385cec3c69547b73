"""What was found: detections, and the landslides we believe in because of them."""

from __future__ import annotations

import uuid
from datetime import datetime

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, bracket, column, finite, geometry, gist, one_of, outline, recorded
from db.tables.watched import Acquisition, Look, Region
from detectors.types import Cause, Kind, Sensor, State, Tier, Verdict


def by_sensor() -> tuple[CheckConstraint, ...]:
    """Return the checks on what a radar look must tell, and on what an optical look may."""
    return (
        one_of("source", Sensor),
        CheckConstraint("source <> 'sar' OR change_db IS NOT NULL", name="sar"),
        CheckConstraint("d_ndvi BETWEEN -2 AND 2", name="d_ndvi"),
        CheckConstraint("ensemble_score BETWEEN 0 AND 1", name="ensemble_score"),
    )


class Detection(Base):
    """What one look says about one place.

    In a part a year, so that a question about some time reads what is of that time. The time is
    that of the look, which the id is made of: one id has one time.
    """

    __tablename__ = "detections"
    __table_args__ = (
        ForeignKeyConstraint(
            ["region_id", "acquisition_id"], [Look.region_id, Look.acquisition_id]
        ),
        one_of("tier", Tier),
        one_of("kind", Kind),
        CheckConstraint("area_m2 > 0", name="area_m2"),
        CheckConstraint("evidence >= 0", name="evidence"),
        finite("area_m2", "score_max", "score_mean", "evidence", "change_db"),
        *by_sensor(),
        bracket(),
        outline("polygon"),
        gist("detections", "polygon", "not_after"),
        Index(None, "region_id", "acquisition_id"),
        Index(None, "not_after"),
        {
            "comment": "What one look says about one place.",
            "postgresql_partition_by": "RANGE (not_after)",
        },
    )
    id: Mapped[uuid.UUID] = column(
        "Derived from region, look, detector, weights, configuration and outline.", primary_key=True
    )
    region_id: Mapped[str] = column("Watched region.")
    acquisition_id: Mapped[uuid.UUID] = column("The look that was judged.")
    polygon: Mapped[WKBElement] = geometry("POLYGON", "Outline.")
    area_m2: Mapped[float] = column("Area on the projected grid, m2.")
    score_max: Mapped[float] = column(
        "Largest absolute score inside, sigma of quiet ground (optical: of the surroundings)."
    )
    score_mean: Mapped[float] = column("Mean absolute score inside, in the same sigma.")
    evidence: Mapped[float] = column("Evidence of the patch, decides the tier; not a probability.")
    source: Mapped[str] = column("sar or optical: which kind of look it was.")
    change_db: Mapped[float | None] = column(
        "Mean co-polarised change inside, dB; null for an optical look."
    )
    d_ndvi: Mapped[float | None] = column(
        "optical: mean NDVI change inside against the surroundings, -2 to 2."
    )
    ensemble_score: Mapped[float | None] = column("optical: mean of the ensemble inside, 0 to 1.")
    tier: Mapped[str] = column("watch or likely: how far the evidence of this look goes.")
    not_before: Mapped[datetime] = column("Last look of the pre stack: it had not happened yet.")
    not_after: Mapped[datetime] = column("The judged look: it had happened.", primary_key=True)
    item_ids: Mapped[list[str]] = column("Every catalogue item that went in, pre and post.")
    detector: Mapped[str] = column("Detectors that agreed, joined by +.")
    weights_version: Mapped[str] = column("Name and sha256 prefix of the weights, or none.")
    config_hash: Mapped[str] = column("Hash of detector and polygon parameters.")
    advisory: Mapped[str | None] = column("Why to be careful.")
    simulated: Mapped[bool] = column("A drill.")
    kind: Mapped[str] = column("landslide or ponding: what it is taken for.")
    superseded_at: Mapped[datetime | None] = column(
        "When a later judgement of the same look no longer said this; null: it stands."
    )
    recorded_at: Mapped[datetime] = recorded()


class Landslide(Base):
    """Identity over time; what we believe is in its versions."""

    __tablename__ = "landslides"
    __table_args__ = (
        Index(None, "region_id"),
        {"comment": "Identity of a landslide over time; see landslides_current."},
    )
    id: Mapped[uuid.UUID] = column("Derived from the first detection.", primary_key=True)
    region_id: Mapped[str] = mapped_column(ForeignKey(Region.id), comment="Watched region.")
    recorded_at: Mapped[datetime] = recorded()


class LandslideVersion(Base):
    """One version of what we believe; a trigger refuses to change or delete it."""

    __tablename__ = "landslide_versions"
    __table_args__ = (
        CheckConstraint("revision >= 1", name="revision"),
        one_of("state", State),
        one_of("tier", Tier),
        one_of("kind", Kind),
        one_of("cause_kind", Cause),
        CheckConstraint("reviewed_by <> ''", name="reviewed_by"),
        CheckConstraint("drawn_by <> ''", name="drawn_by"),
        CheckConstraint("merged_into IS NULL OR state = 'closed'", name="merged_into"),
        CheckConstraint("area_m2 > 0", name="area_m2"),
        CheckConstraint("evidence >= 0", name="evidence"),
        finite("area_m2", "score_max", "evidence", "change_db"),
        *by_sensor(),
        CheckConstraint("looks BETWEEN 1 AND cardinality(detections)", name="looks"),
        bracket(),
        outline("geometry"),
        gist("landslide_versions", "geometry"),
        Index(None, "not_after"),
        {"comment": "Append-only versions of what we believe about each landslide."},
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), primary_key=True, comment="Identity over time."
    )
    revision: Mapped[int] = column("1 for the first version, rising by one.", primary_key=True)
    state: Mapped[str] = column("suspected, confirmed, refuted, unresolved or closed.")
    tier: Mapped[str] = column("watch or likely: what all radar looks together make of it.")
    geometry: Mapped[WKBElement] = geometry("MULTIPOLYGON", "Outline.")
    area_m2: Mapped[float] = column("Area of the outline, m2.")
    not_before: Mapped[datetime] = column("Latest look known to be without it.")
    not_after: Mapped[datetime] = column("Earliest look known to be with it.")
    detections: Mapped[list[uuid.UUID]] = column(
        "Every detection that joined, in order of sensing."
    )
    looks: Mapped[int] = column("Number of distinct looks among the detections.")
    score_max: Mapped[float] = column(
        "Highest absolute score of any detection, sigma of quiet ground."
    )
    evidence: Mapped[float] = column("Highest evidence of any detection; not a probability.")
    source: Mapped[str] = column("sar or optical: which kind of look suspected it first.")
    change_db: Mapped[float | None] = column(
        "Mean co-polarised change of that detection, dB; null where only optical looks saw it."
    )
    d_ndvi: Mapped[float | None] = column(
        "NDVI change against the surroundings at the optical look that decided, -2 to 2."
    )
    ensemble_score: Mapped[float | None] = column(
        "Mean of the optical ensemble at that look, 0 to 1."
    )
    verdict_at: Mapped[datetime | None] = column(
        "When the optical look that decided was taken, or a person decided; null before."
    )
    cause: Mapped[str] = column("Why this version exists.")
    advisory: Mapped[str | None] = column("Why to be careful.")
    simulated: Mapped[bool] = column("A drill.")
    kind: Mapped[str] = column("landslide or ponding: what it is taken for.")
    recorded_at: Mapped[datetime] = recorded("When we came to believe this.")
    valid_from: Mapped[datetime] = column(
        "Since when it holds in the world: when the look was taken, the window ended, or the person"
        " spoke."
    )
    cause_kind: Mapped[str] = column(
        "radar look, optical look, person, window over, merge, split or closure."
    )
    acquisition_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Acquisition.id), comment="The look that made it, null where none did."
    )
    reviewed_by: Mapped[str | None] = column(
        "Person whose verdict stands: no look changes the state."
    )
    merged_into: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Landslide.id), comment="Landslide it became part of, which ended it."
    )
    merged_from: Mapped[list[uuid.UUID]] = column("Landslides that became part of it.")
    split_from: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Landslide.id), comment="Landslide it was a part of before."
    )
    split_into: Mapped[list[uuid.UUID]] = column("Landslides that were parts of it.")
    follows: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Landslide.id), comment="Landslide that had ended on the same ground before."
    )
    drawn_by: Mapped[str | None] = column("Person who drew the outline: no look changes it.")


class LandslideMark(Base):
    """The newest version of a landslide, small enough to go through all; a trigger alone writes it.

    Versions are a kilobyte each, outlines most of it: counting the newest of a hundred thousand
    landslides among them takes seconds.
    """

    __tablename__ = "landslide_marks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["landslide_id", "revision"], [LandslideVersion.landslide_id, LandslideVersion.revision]
        ),
        gist("landslide_marks", "place"),
        Index(None, "not_after", "landslide_id"),
        {"comment": "The newest version of each landslide, for maps; a trigger keeps it."},
    )
    landslide_id: Mapped[uuid.UUID] = column("Landslide.", primary_key=True)
    revision: Mapped[int] = column("Its newest version.")
    region_id: Mapped[str] = column("Watched region.")
    state: Mapped[str] = column("State of that version.")
    tier: Mapped[str] = column("Tier of that version.")
    kind: Mapped[str] = column("landslide or ponding: what it is taken for.")
    area_m2: Mapped[float] = column("Area of the outline, m2.")
    not_after: Mapped[datetime] = column("Earliest look known to be with it.")
    simulated: Mapped[bool] = column("A drill.")
    lon: Mapped[float] = column("Middle of the box, degrees.")
    lat: Mapped[float] = column("Middle of the box, degrees.")
    place: Mapped[WKBElement] = geometry("GEOMETRY", "Box around the outline.")


class LandslidePeriod(Base):
    """When which version held, in the world and in our books; a trigger alone writes it."""

    __tablename__ = "landslide_periods"
    __table_args__ = (
        ForeignKeyConstraint(
            ["landslide_id", "revision"], [LandslideVersion.landslide_id, LandslideVersion.revision]
        ),
        CheckConstraint("NOT isempty(valid_time) AND NOT isempty(system_time)", name="times"),
        ExcludeConstraint(
            ("landslide_id", "="), ("valid_time", "&&"), ("system_time", "&&"),
            name="ex_landslide_periods_times", using="gist",
        ),
        {"comment": "Which version of a landslide held when, and when we believed so."},
    )  # fmt: skip
    landslide_id: Mapped[uuid.UUID] = column("Identity over time.", primary_key=True)
    revision: Mapped[int] = column("Its version.", primary_key=True)
    valid_time: Mapped[Range[datetime]] = mapped_column(
        TSTZRANGE(), primary_key=True, comment="When it holds in the world."
    )
    system_time: Mapped[Range[datetime]] = mapped_column(
        TSTZRANGE(), primary_key=True, comment="When we believed so; open: still."
    )


class Review(Base):
    """A person's verdict; a trigger refuses to change or delete it."""

    __tablename__ = "reviews"
    __table_args__ = (
        one_of("verdict", Verdict),
        CheckConstraint("reason <> '' AND reviewer <> ''", name="words"),
        Index(None, "landslide_id"),
        {"comment": "Append-only: what people decided about landslides."},
    )
    id: Mapped[uuid.UUID] = column(
        "Derived from landslide, verdict, person and time.", primary_key=True
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), comment="Landslide that was reviewed."
    )
    verdict: Mapped[str] = column("confirm, refute, close or reopen.")
    reason: Mapped[str] = column("Why, in the person's words.")
    reviewer: Mapped[str] = column("Who decided.")
    said_at: Mapped[datetime] = column("When it was decided.")
    recorded_at: Mapped[datetime] = recorded()


class LandslideDetection(Base):
    """Which detections a landslide is made of."""

    __tablename__ = "landslide_detections"
    __table_args__ = (
        ForeignKeyConstraint(["detection_id", "not_after"], [Detection.id, Detection.not_after]),
        Index(None, "detection_id"),
        {"comment": "Which detections each landslide is made of."},
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), primary_key=True, comment="Landslide."
    )
    detection_id: Mapped[uuid.UUID] = column("Detection that joined.", primary_key=True)
    not_after: Mapped[datetime] = column(
        "When its look was taken: says in which part of detections it lies."
    )
