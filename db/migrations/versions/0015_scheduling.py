"""Scheduling: cron, windows, sensors and levels of regions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
TEXT = sa.Text()
WORDS = postgresql.ARRAY(TEXT)

CHECKS = {
    "poll_cron": "poll_cron <> ''",
    "sensors": "cardinality(sensors) > 0",
    "alert_from": "alert_from IN ('watch', 'likely', 'confirmed')",
}


def _columns() -> list[sa.Column[Any]]:
    """Return what regions and their versions gain."""
    return [
        sa.Column(
            "poll_cron", TEXT, nullable=True,
            comment="Polled by cron instead; null: by poll_every.",
        ),
        sa.Column(
            "windows", WORDS, nullable=False, server_default="{}",
            comment="Times of the year in which it is watched; empty: always.",
        ),
        sa.Column(
            "sensors", WORDS, nullable=False, server_default="{sar,optical}",
            comment="Whose looks are judged.",
        ),
        sa.Column(
            "alert_from", TEXT, nullable=False, server_default="likely",
            comment="watch, likely or confirmed: how sure it must be to alert.",
        ),
    ]  # fmt: skip


def _keep_region(*more: str) -> None:
    """Let the trigger that keeps versions copy further columns."""
    first = context.script.get_revision("0013").module
    start = first.TRIGGERS.index("CREATE FUNCTION")
    function = first.TRIGGERS[start : first.TRIGGERS.index("CREATE TRIGGER")]
    function = function.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    for name in more:
        function = function.replace("removed_at", f"{name}, removed_at", 1)
        function = function.replace("NEW.removed_at", f"NEW.{name}, NEW.removed_at", 1)
    op.execute(function)


def upgrade() -> None:
    for table in ("regions", "region_versions"):
        for column in _columns():
            op.add_column(table, column, schema=SCHEMA)
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_regions_{name}"), "regions", condition, schema=SCHEMA)
    _keep_region(*(column.name for column in _columns()))


def downgrade() -> None:
    """Undo; when and how regions are watched goes back to intervals all the year round."""
    _keep_region()
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_regions_{name}"), "regions", schema=SCHEMA)
    for table in ("region_versions", "regions"):
        for column in _columns():
            op.drop_column(table, column.name, schema=SCHEMA)
