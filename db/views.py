"""The views that analysts query, as the database explains them, and the page made of that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, text

from db.engine import connection

#: Schema of the views; the tables behind them are in ``db.base.SCHEMA``.
ANALYSTS = "analysts"

_COLUMNS = text("""
SELECT view.relname, obj_description(view.oid, 'pg_class'), held.attname,
    format_type(held.atttypid, held.atttypmod), col_description(view.oid, held.attnum)
FROM pg_class AS view
JOIN pg_attribute AS held ON held.attrelid = view.oid AND held.attnum > 0
WHERE view.relnamespace = to_regnamespace(:schema) AND view.relkind = 'v'
ORDER BY view.relname, held.attnum
""")
_FUNCTIONS = text("""
SELECT format('%s(%s)', proname, replace(pg_get_function_identity_arguments(oid),
        ' with time zone', 'tz')), obj_description(oid, 'pg_proc')
FROM pg_proc WHERE pronamespace = to_regnamespace(:schema) ORDER BY 1
""")


@dataclass(frozen=True, slots=True)
class ColumnRecord:
    """A column of a view."""

    name: str
    """Its name."""
    kind: str
    """Its type, in PostgreSQL's words."""
    says: str
    """What it means, with unit."""


@dataclass(frozen=True, slots=True)
class ViewRecord:
    """A view, or a function that returns rows of one."""

    name: str
    """Its name; of a function with its arguments."""
    says: str
    """What it holds."""
    columns: tuple[ColumnRecord, ...]
    """In order; of a function none: it returns rows of ``landslides_current``."""


def list_views(engine: Engine) -> list[ViewRecord]:
    """Return the views by name, then the functions.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
    """
    columns: dict[tuple[str, str], list[ColumnRecord]] = {}
    with connection(engine) as opened:
        for view, says, *column in opened.execute(_COLUMNS, {"schema": ANALYSTS}):
            columns.setdefault((view, says), []).append(ColumnRecord(*column))
        functions = opened.execute(_FUNCTIONS, {"schema": ANALYSTS}).all()
    views = [ViewRecord(*names, tuple(held)) for names, held in columns.items()]
    return [*views, *(ViewRecord(name, says, ()) for name, says in functions)]


def page(views: Iterable[ViewRecord]) -> str:
    """Return the views as Markdown."""
    parts = [
        "# Views for analysts",
        f"All in schema `{ANALYSTS}`, as the database says: `scarpwatch db views --markdown`.",
    ]
    for view in views:
        parts += [f"## `{view.name}`", view.says]
        rows = [
            f"| `{one.name}` | {one.kind.replace(' with time zone', 'tz')} | {one.says} |"
            for one in view.columns
        ]
        if rows:
            parts.append("\n".join(["| column | type | |", "|---|---|---|", *rows]))
        else:
            parts.append("Returns rows of `landslides_current`.")
    return "\n\n".join(parts) + "\n"
