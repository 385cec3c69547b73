"""What all tables share: naming, column types, and the checks that keep nonsense out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    Dialect,
    Index,
    MetaData,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, INTERVAL, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from detectors.types import require_utc

SCHEMA = "scarpwatch"


class UtcDateTime(TypeDecorator[datetime]):
    """timestamptz that refuses naive datetimes and always comes back in ``datetime.UTC``."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a datetime without a zone."""
        return None if value is None else require_utc(value, "a stored time")

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return UTC whatever zone the session has."""
        return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables of the schema, with predictable constraint names."""

    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        },
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own hook
        str: Text(),
        datetime: UtcDateTime(),
        timedelta: INTERVAL(),
        float: DOUBLE_PRECISION(),
        uuid.UUID: Uuid(),
        list[str]: ARRAY(Text()),
        list[uuid.UUID]: ARRAY(Uuid()),
        dict[str, Any]: JSONB(),
    }


def column(comment: str, **options: Any) -> Mapped[Any]:
    """Return a column with the comment that analysts see in the database."""
    return mapped_column(comment=comment, **options)


def one_of(name: str, values: Iterable[str]) -> CheckConstraint:
    """Return a check that a text column holds one of a closed list of words."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{name} IN ({words})", name=name)


def finite(*columns: str) -> CheckConstraint:
    """Return a check that numbers are neither NaN nor infinite."""
    # NaN sorts above infinity in PostgreSQL, so one pair of comparisons refuses both.
    all_of = f"ALL (ARRAY[{', '.join(columns)}])"
    return CheckConstraint(f"'-Infinity' < {all_of} AND 'Infinity' > {all_of}", name="finite")


def bracket() -> CheckConstraint:
    """Return a check that the time bracket of an event is not empty."""
    return CheckConstraint("not_before < not_after", name="bracket")


def outline(name: str) -> CheckConstraint:
    """Return a check that a geometry is valid and holds something."""
    return CheckConstraint(f"ST_IsValid({name}) AND NOT ST_IsEmpty({name})", name=name)


def gist(table: str, *names: str) -> Index:
    """Return the one spatial index of a column, or of a column and what is asked for with it."""
    return Index("_".join(["idx", table, *names]), *names, postgresql_using="gist")


def geometry(kind: str, comment: str, *, nullable: bool = False) -> Mapped[Any]:
    """Return a geometry column, EPSG:4326."""
    spatial = Geometry(kind, srid=4326, spatial_index=False)
    return mapped_column(spatial, nullable=nullable, comment=comment)


def recorded(comment: str = "When this row was written.") -> Mapped[datetime]:
    """Return a system-time column filled by the database."""
    return mapped_column(server_default=func.clock_timestamp(), comment=comment)
