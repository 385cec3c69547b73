"""Histories of one value in CSV files: a column of times and a column of numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from detectors.errors import InvalidSeries
from detectors.seasons import Values
from flows.hostile import plain_file

TIME = "time"


def read_history(path: Path, column: str) -> tuple[tuple[datetime, ...], Values]:
    """Read a history, sorted by time; an empty value was not seen.

    Args:
        path: CSV with the columns ``time`` (dates, or times with their zone) and ``column``.
        column: of the value.

    Raises:
        InvalidSeries: the file, a column, a time or a number cannot be read; names it.
    """
    try:
        table = pd.read_csv(plain_file(path), compression=None)
    except (OSError, ValueError) as error:
        raise InvalidSeries(f"{path}: cannot be read ({error})") from None
    for name in (TIME, column):
        if name not in table.columns:
            known = ", ".join(map(str, table.columns))
            raise InvalidSeries(f"{path}: no column {name!r}; it has {known}")
    looks = []
    for line, (text, value) in enumerate(
        zip(table[TIME].astype(str), table[column], strict=True), start=2
    ):
        try:
            moment, number = datetime.fromisoformat(text), float(value)
        except ValueError as error:
            raise InvalidSeries(f"{path}:{line}: {error}") from None
        if moment.tzinfo is None and len(text) > len("2022-11-01"):
            raise InvalidSeries(f"{path}:{line}: {text!r} has no time zone; write {text}Z")
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        looks.append((moment, number))
    looks.sort(key=lambda look: look[0])
    return tuple(moment for moment, _ in looks), np.array([number for _, number in looks])
