"""Versions of regions: what was watched, since when, and who changed it."""

from typing import Any

import geoalchemy2
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
TEXT = sa.Text()
WORDS = postgresql.ARRAY(TEXT)
TIME = sa.DateTime(timezone=True)

_COLUMNS = (
    "name, geometry, sources, detectors, watch_from, min_area_m2, poll_every, priority, paused,"
    " simulated, tags, requests_a_month, bytes_a_month, units_a_month, removed_at"
)
_NEW = ", ".join(f"NEW.{name.strip()}" for name in _COLUMNS.split(","))

TRIGGERS = f"""
CREATE FUNCTION scarpwatch.keep_region() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
        RETURN NULL;
    END IF;
    INSERT INTO scarpwatch.region_versions (region_id, revision, {_COLUMNS}, changed_by)
    SELECT NEW.id, coalesce(max(revision), 0) + 1, {_NEW},
        nullif(current_setting('scarpwatch.changed_by', true), '')
    FROM scarpwatch.region_versions WHERE region_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER keeps_version AFTER INSERT OR UPDATE ON scarpwatch.regions
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.keep_region();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.region_versions
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON scarpwatch.region_versions
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
"""

FILL = f"""
INSERT INTO scarpwatch.region_versions (region_id, revision, {_COLUMNS}, recorded_at)
SELECT id, 1, {_COLUMNS}, recorded_at FROM scarpwatch.regions;
"""


def _c(name: str, kind: Any, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, **({"nullable": False} | options), comment=comment)


def upgrade() -> None:
    op.create_table(
        "region_versions",
        _c("region_id", TEXT, "Watched region."),
        _c("revision", sa.Integer(), "1 for the first version, rising by one."),
        _c("name", TEXT, "What people call it."),
        _c(
            "geometry",
            geoalchemy2.Geometry("MULTIPOLYGON", srid=4326, spatial_index=False),
            "Area of interest.",
        ),
        _c("sources", WORDS, "Where looks come from: catalogue/collection."),
        _c("detectors", WORDS, "Detectors that must all agree."),
        _c("watch_from", TIME, "Looks sensed before only feed pre stacks."),
        _c("min_area_m2", sa.Double(), "Smallest polygon stored, m2."),
        _c("poll_every", postgresql.INTERVAL(), "Interval of the schedule."),
        _c("priority", sa.Integer(), "Lower goes first."),
        _c("paused", sa.Boolean(), "Keeps its history and is not polled."),
        _c("simulated", sa.Boolean(), "A drill: what comes out goes out as Exercise."),
        _c("tags", WORDS, "For routing alerts to channels."),
        _c(
            "requests_a_month", sa.BigInteger(),
            "Requests in a calendar month, UTC; null: no limit.", nullable=True,
        ),
        _c(
            "bytes_a_month", sa.BigInteger(),
            "Bytes fetched in a calendar month, UTC; null: no limit.", nullable=True,
        ),
        _c(
            "units_a_month", sa.DOUBLE_PRECISION(),
            "Processing units in a calendar month, UTC; null: no limit.", nullable=True,
        ),
        _c(
            "removed_at", TIME, "When people stopped watching it; history stays.", nullable=True
        ),
        _c("changed_by", TEXT, "Login on the page; null for commands.", nullable=True),
        _c(
            "recorded_at", TIME, "When it was changed to this.",
            server_default=sa.func.clock_timestamp(),
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_region_versions_region_id"
        ),
        sa.PrimaryKeyConstraint("region_id", "revision", name="pk_region_versions"),
        schema=SCHEMA,
        comment="Every version of each watched region; a trigger keeps it.",
    )  # fmt: skip
    op.create_index(
        "idx_region_versions_geometry", "region_versions", ["geometry"],
        schema=SCHEMA, postgresql_using="gist",
    )  # fmt: skip
    op.execute(FILL)
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute("DROP TRIGGER keeps_version ON scarpwatch.regions")
    op.execute("DROP FUNCTION scarpwatch.keep_region()")
    op.drop_table("region_versions", schema=SCHEMA)
