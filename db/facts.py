"""What the server says of itself, and ids by the first digits that people type."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from db import tables
from db.engine import connection
from detectors.errors import ConfigurationError

_DIGITS = 32


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What answers on the other end."""

    version: str
    """PostgreSQL's version, for instance ``15.9``."""
    postgis: str | None
    """PostGIS's version in this database, None before ``scarpwatch db upgrade``."""
    size_bytes: int
    """Size of this database, bytes."""
    clock: datetime
    """The server's time, UTC."""


def server_facts(engine: Engine) -> ServerFacts:
    """Ask the server what it is.

    Raises:
        DatabaseUnavailable: it does not answer.
    """
    question = text(
        "SELECT current_setting('server_version'), pg_database_size(current_database()),"
        " clock_timestamp(), (SELECT extversion FROM pg_extension WHERE extname = 'postgis')"
    )
    with connection(engine) as opened:
        version, size, clock, postgis = opened.execute(question).one()
    return ServerFacts(version.split()[0], postgis, size, clock)


def landslide_ids(s: Session, digits: str) -> list[uuid.UUID]:
    """Return the landslides whose id begins with these digits.

    Raises:
        ConfigurationError: they are no digits of an id.
    """
    return _beginning(s, tables.Landslide.id, digits)


def alert_ids(s: Session, digits: str) -> list[uuid.UUID]:
    """Return the alerts whose id begins with these digits.

    Raises:
        ConfigurationError: they are no digits of an id.
    """
    return _beginning(s, tables.Alert.id, digits)


def exclusion_ids(s: Session, digits: str) -> list[uuid.UUID]:
    """Return the exclusions whose id begins with these digits.

    Raises:
        ConfigurationError: they are no digits of an id.
    """
    return _beginning(s, tables.Exclusion.id, digits)


def _beginning(
    s: Session, column: InstrumentedAttribute[uuid.UUID], digits: str
) -> list[uuid.UUID]:
    known = digits.strip().replace("-", "").lower()
    if not known or len(known) > _DIGITS or set(known) - set("0123456789abcdef"):
        raise ConfigurationError(f"{digits!r} is no id: ids are made of the digits 0-9 and a-f")
    # Between the lowest and the highest id that begins so: the primary key finds them.
    first, last = (uuid.UUID(known.ljust(_DIGITS, filling)) for filling in "0f")
    return list(s.scalars(select(column).where(column.between(first, last)).order_by(column)))
