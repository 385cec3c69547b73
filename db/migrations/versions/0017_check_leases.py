"""Who asks which optical look about a landslide just now; what a backfill found says so in views.

The views gain a column at their end, whatever other columns they have by now.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"

#: Where a row of each view says which of its moments was the first look that shows it.
SEEN = {
    "landslides_current": "version.not_after",
    "landslides_confirmed": "version.not_after",
    "landslide_history": "version.not_after",
    "landslide_beliefs": "version.not_after",
    "detections": "found.not_after",
}
#: As PostgreSQL writes it, so that a downgrade finds it again.
FOUND_BY = """,
        CASE
            WHEN {seen} < region.watch_from THEN 'backfill'::text
            ELSE 'watch'::text
        END AS found_by"""
SAYS = (
    "watch, or backfill: first seen by a look from before its region was watched, in a backfill or"
    " an activation; nobody was told of it then."
)
_FROM = "\n   FROM "
_BELIEFS = "\nFROM analysts.landslide_beliefs AS held"
#: Made of rows of the views: to be made anew around views that lose a column.
CANDIDATES = "candidate_triggers"


def _leases() -> None:
    op.create_table(
        "optical_leases",
        sa.Column("landslide_id", sa.Uuid(), nullable=False, comment="Landslide."),
        sa.Column(
            "acquisition_id", sa.Uuid(), nullable=False, comment="The look that is being asked."
        ),
        sa.Column(
            "owner", sa.Text(), nullable=False, comment="Worker: machine, process and start."
        ),
        sa.Column(
            "lease_until", sa.DateTime(timezone=True), nullable=False,
            comment="Another worker may take over after this.",
        ),
        sa.CheckConstraint("owner <> ''", name=op.f("ck_optical_leases_owner")),
        sa.ForeignKeyConstraint(
            ["landslide_id"], [f"{SCHEMA}.landslides.id"], name="fk_optical_leases_landslide_id"
        ),
        sa.ForeignKeyConstraint(
            ["acquisition_id"], [f"{SCHEMA}.acquisitions.id"],
            name="fk_optical_leases_acquisition_id",
        ),
        sa.PrimaryKeyConstraint("landslide_id", name="pk_optical_leases"),
        schema=SCHEMA,
        comment="Landslides that a worker asks an optical look about just now.",
    )  # fmt: skip


def _scalar(query: str, **values: str) -> str:
    return str(op.get_bind().execute(sa.text(query), values).scalar_one())


def _query(view: str) -> str:
    """Return what a view asks, as PostgreSQL writes it."""
    asked = "SELECT pg_get_viewdef(CAST(:view AS regclass), true)"
    return _scalar(asked, view=f"analysts.{view}")


def _comments(view: str) -> list[tuple[str | None, str]]:
    """Return what is said of a view (without a name) and of its columns."""
    asked = sa.text(
        "SELECT NULL, obj_description(CAST(:view AS regclass), 'pg_class') UNION ALL"
        " SELECT attname, col_description(attrelid, attnum) FROM pg_attribute"
        " WHERE attrelid = CAST(:view AS regclass) AND attnum > 0"
    )
    found = op.get_bind().execute(asked, {"view": f"analysts.{view}"})
    return [(column, says) for column, says in found if says is not None]


def _say(view: str, column: str | None, says: str) -> None:
    quoted = says.replace("'", "''")
    if column is None:
        op.execute(f"COMMENT ON VIEW analysts.{view} IS '{quoted}'")
    else:
        op.execute(f"""COMMENT ON COLUMN analysts.{view}."{column}" IS '{quoted}'""")


def _function() -> str:
    return _scalar(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'landslides_as_of'"
        " AND pronamespace = CAST('analysts' AS regnamespace)"
    )


def _execute(statement: str) -> None:
    """Run SQL that may hold colons."""
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def upgrade() -> None:
    _leases()
    for view, seen in SEEN.items():
        columns, start, rest = _query(view).partition(_FROM)
        more = FOUND_BY.format(seen=seen)
        _execute(f"CREATE OR REPLACE VIEW analysts.{view} AS {columns}{more}{start}{rest}")
        _say(view, "found_by", SAYS)
    _execute(_function().replace(_BELIEFS, f",\n    held.found_by{_BELIEFS}"))


def downgrade() -> None:
    """Undo; checks that are being made are made again."""
    function = _function().replace(f",\n    held.found_by{_BELIEFS}", _BELIEFS)
    said = _scalar("SELECT obj_description(oid, 'pg_proc') FROM pg_proc WHERE proname ="
                   " 'landslides_as_of' AND pronamespace = CAST('analysts' AS regnamespace)")  # fmt: skip
    kept: dict[str, Any] = {view: (_query(view), _comments(view)) for view in (*SEEN, CANDIDATES)}
    _execute(f"DROP VIEW analysts.{CANDIDATES}")
    _execute("DROP FUNCTION analysts.landslides_as_of")
    for view in SEEN:
        _execute(f"DROP VIEW analysts.{view}")
    for view, (query, comments) in kept.items():
        if view in SEEN:
            query = query.replace(FOUND_BY.format(seen=SEEN[view]), "", 1)
        _execute(f"CREATE VIEW analysts.{view} AS {query}")
        for column, says in comments:
            if column != "found_by":
                _say(view, column, says)
    _execute(function)
    quoted = said.replace("'", "''")
    _execute(f"COMMENT ON FUNCTION analysts.landslides_as_of IS '{quoted}'")
    op.drop_table("optical_leases", schema=SCHEMA)
