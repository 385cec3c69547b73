"""Exporting landslides, and inventories: what is asked, streamed from PostGIS into one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from alerts.rules import marks
from db import exporting, inventories
from db.engine import transaction
from db.exporting import Wanted
from detectors.errors import ConfigurationError
from detectors.types import State
from flows.export_files import Written, write
from flows.export_rows import ACTUAL, LANDSLIDE, MAPPED, Terms, landslide_rows, mapped_row

Rows = Iterator[Sequence[Mapping[str, Any]]]
COPERNICUS = "Contains modified Copernicus Sentinel data"


def export_landslides(
    engine: Engine, form: str, out: Path, wanted: Wanted, *, licence: str, exercise: bool,
    overwrite: bool, begin: Callable[[int], Callable[[], None]],
) -> Written:  # fmt: skip
    """Write what the monitoring believes.

    COOLR lists events: without a state of their own choice only confirmed and closed ones go there,
    and no part of another landslide.

    Args:
        engine: PostGIS.
        form: See ``flows.export_files.FORMATS``.
        out: The file.
        wanted: Which landslides.
        licence: Terms of use.
        exercise: The whole system is on exercise.
        overwrite: Replace what is there.
        begin: Called with the number of landslides; what it returns is called after each.

    Raises:
        ConfigurationError: as ``write``.
    """
    if form == "coolr-csv" and not wanted.states:
        wanted = replace(wanted, states=(State.CONFIRMED, State.CLOSED))
    with transaction(engine) as s:
        _one_moment(s)
        step = begin(exporting.count_landslides(s, wanted))
        drills = exporting.count_landslides(s, replace(wanted, simulated=True))
        drill = drills > 0 and wanted.simulated is not False
        status = marks(exercise=exercise, simulated=drill) or ACTUAL
        told = f"Landslides of Scarpwatch, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        if wanted.as_of is not None:
            told += f", as believed on {wanted.as_of:%Y-%m-%d %H:%M} UTC"
        terms = Terms(told, licence, f"{COPERNICUS}; years and products in each row", status)
        return write(
            form, out, LANDSLIDE, _landslides(s, wanted, licence, step, exercise=exercise), terms,
            geometry="MultiPolygon", overwrite=overwrite,
        )  # fmt: skip


def _one_moment(s: Session) -> None:
    """Let all of an export be of one moment, whatever is stored while it runs."""
    s.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _landslides(
    s: Session, wanted: Wanted, licence: str, step: Callable[[], None], *, exercise: bool
) -> Rows:
    for batch in exporting.read_landslides(s, wanted):
        yield landslide_rows(batch, licence, exercise=exercise)
        for _ in batch:
            step()


def export_inventory(
    engine: Engine, form: str, out: Path, name: str, *, exercise: bool, overwrite: bool,
    begin: Callable[[int], Callable[[], None]],
) -> Written:  # fmt: skip
    """Write an inventory with its own terms; repetitions go along, marked.

    Raises:
        ConfigurationError: no such inventory, or one of points and outlines into a Shapefile.
    """
    with transaction(engine) as s:
        _one_moment(s)
        held = inventories.get_inventory(s, name)
        geometry = "MultiPolygon" if not held.points else "Unknown"
        if held.points and held.points == held.landslides:
            geometry = "Point"
        if geometry == "Unknown" and form == "shapefile":
            raise ConfigurationError(
                f"{name} holds outlines and points, a Shapefile one of them; take a GeoPackage"
            )
        about = held.inventory
        terms = Terms(
            f"Inventory {name}", about.licence, about.author,
            marks(exercise=exercise, simulated=about.simulated) or ACTUAL,
        )  # fmt: skip
        step = begin(held.landslides)

        def rows() -> Rows:
            for batch in inventories.read_mapped(s, name, duplicates=True):
                made = []
                for one in batch:
                    made.append(mapped_row(one, held, exercise=exercise))
                    step()
                yield made

        return write(
            form, out, MAPPED, rows(), terms, geometry=geometry, overwrite=overwrite
        )  # fmt: skip
