"""One index finds detections by place and time together; that of places alone goes.

Asked for a place and a month, PostgreSQL went through the whole month to save itself outlines to
compare: the more regions, the slower each tile.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX idx_detections_polygon_not_after ON scarpwatch.detections"
        " USING gist (polygon, not_after)"
    )
    op.execute("DROP INDEX scarpwatch.idx_detections_polygon")


def downgrade() -> None:
    op.execute("CREATE INDEX idx_detections_polygon ON scarpwatch.detections USING gist (polygon)")
    op.execute("DROP INDEX scarpwatch.idx_detections_polygon_not_after")
