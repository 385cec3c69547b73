"""What single looks say of ground that stays: a small row a look, never pixels."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.orm import Mapped

from db.base import Base, column, finite, recorded
from db.tables.watched import Look


class LookScores(Base):
    """What the radar detectors say of stable ground in one look."""

    __tablename__ = "look_scores"
    __table_args__ = (
        ForeignKeyConstraint(
            ["region_id", "acquisition_id"], [Look.region_id, Look.acquisition_id]
        ),
        CheckConstraint("pixels > 0", name="pixels"),
        CheckConstraint("0 <= median AND median <= p90 AND p90 <= p99", name="quantiles"),
        finite("median", "p90", "p99"),
        {"comment": "Absolute scores over stable ground of each judged radar look, as quantiles."},
    )
    region_id: Mapped[str] = column("Watched region.", primary_key=True)
    acquisition_id: Mapped[uuid.UUID] = column("The look.", primary_key=True)
    median: Mapped[float] = column("Half of the pixels lie below, sigma of quiet ground.")
    p90: Mapped[float] = column("Nine tenths lie below, sigma.")
    p99: Mapped[float] = column("99 in 100 lie below, sigma.")
    pixels: Mapped[int] = column("Pixels of stable ground it was measured on.")
    recorded_at: Mapped[datetime] = recorded("When the look was judged last.")


class OpticalBias(Base):
    """How far one optical look departs on stable ground from earlier clear looks, by band."""

    __tablename__ = "optical_biases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["region_id", "acquisition_id"], [Look.region_id, Look.acquisition_id]
        ),
        CheckConstraint("pixels > 0", name="pixels"),
        CheckConstraint("spread >= 0", name="spread"),
        finite("median", "spread"),
        {
            "comment": "How far each searched optical look departs on stable, clear ground from"
            " known platforms."
        },
    )
    region_id: Mapped[str] = column("Watched region.", primary_key=True)
    acquisition_id: Mapped[uuid.UUID] = column("The look.", primary_key=True)
    band: Mapped[str] = column("STAC common name: blue, green, red, nir.", primary_key=True)
    median: Mapped[float] = column(
        "Median over stable ground of the look against known platforms, reflectance."
    )
    spread: Mapped[float] = column(
        "Spread of the same, 1.4826 x median absolute deviation, reflectance."
    )
    pixels: Mapped[int] = column("Pixels of stable, clear ground it was measured on.")
    recorded_at: Mapped[datetime] = recorded("When the look was searched last.")
