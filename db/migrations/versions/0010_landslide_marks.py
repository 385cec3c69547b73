"""The newest version of each landslide as maps and lists need it: narrow, and indexed by place."""

from typing import Any

import geoalchemy2
import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
TEXT = sa.Text()

_COLUMNS = (
    "landslide_id, revision, region_id, state, tier, kind, area_m2, not_after, simulated, lon,"
    " lat, place"
)

TRIGGER = f"""
CREATE FUNCTION scarpwatch.keep_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO scarpwatch.landslide_marks AS mark ({_COLUMNS})
    SELECT NEW.landslide_id, NEW.revision, landslide.region_id, NEW.state, NEW.tier, NEW.kind,
        NEW.area_m2, NEW.not_after, NEW.simulated,
        (ST_XMin(NEW.geometry) + ST_XMax(NEW.geometry)) / 2,
        (ST_YMin(NEW.geometry) + ST_YMax(NEW.geometry)) / 2, ST_Envelope(NEW.geometry)
    FROM scarpwatch.landslides AS landslide WHERE landslide.id = NEW.landslide_id
    ON CONFLICT (landslide_id) DO UPDATE
    SET revision = EXCLUDED.revision, state = EXCLUDED.state, tier = EXCLUDED.tier,
        kind = EXCLUDED.kind, area_m2 = EXCLUDED.area_m2, not_after = EXCLUDED.not_after,
        simulated = EXCLUDED.simulated, lon = EXCLUDED.lon, lat = EXCLUDED.lat,
        place = EXCLUDED.place
    WHERE mark.revision < EXCLUDED.revision;
    RETURN NULL;
END $$;
CREATE TRIGGER keeps_mark AFTER INSERT ON scarpwatch.landslide_versions
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.keep_mark();
"""

FILL = f"""
INSERT INTO scarpwatch.landslide_marks ({_COLUMNS})
SELECT DISTINCT ON (version.landslide_id) version.landslide_id, version.revision,
    landslide.region_id, version.state, version.tier, version.kind, version.area_m2,
    version.not_after, version.simulated,
    (ST_XMin(version.geometry) + ST_XMax(version.geometry)) / 2,
    (ST_YMin(version.geometry) + ST_YMax(version.geometry)) / 2, ST_Envelope(version.geometry)
FROM scarpwatch.landslide_versions AS version
JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
ORDER BY version.landslide_id, version.revision DESC;
"""


def _c(name: str, kind: Any, comment: str) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "landslide_marks",
        _c("landslide_id", sa.Uuid(), "Landslide."),
        _c("revision", sa.Integer(), "Its newest version."),
        _c("region_id", TEXT, "Watched region."),
        _c("state", TEXT, "State of that version."),
        _c("tier", TEXT, "Tier of that version."),
        _c("kind", TEXT, "landslide or ponding: what it is taken for."),
        _c("area_m2", sa.Double(), "Area of the outline, m2."),
        _c("not_after", sa.DateTime(timezone=True), "Earliest look known to be with it."),
        _c("simulated", sa.Boolean(), "A drill."),
        _c("lon", sa.Double(), "Middle of the box, degrees."),
        _c("lat", sa.Double(), "Middle of the box, degrees."),
        _c(
            "place",
            geoalchemy2.Geometry("GEOMETRY", srid=4326, spatial_index=False),
            "Box around the outline.",
        ),
        sa.ForeignKeyConstraint(
            ["landslide_id", "revision"],
            [
                "scarpwatch.landslide_versions.landslide_id",
                "scarpwatch.landslide_versions.revision",
            ],
            name="fk_landslide_marks_landslide_id_revision",
        ),
        sa.PrimaryKeyConstraint("landslide_id", name="pk_landslide_marks"),
        schema=SCHEMA,
        comment="The newest version of each landslide, for maps; a trigger keeps it.",
    )
    op.create_index(
        "idx_landslide_marks_place", "landslide_marks", ["place"],
        schema=SCHEMA, postgresql_using="gist",
    )  # fmt: skip
    op.create_index(
        "ix_landslide_marks_not_after_landslide_id", "landslide_marks",
        ["not_after", "landslide_id"], schema=SCHEMA,
    )  # fmt: skip
    op.execute(FILL)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER keeps_mark ON scarpwatch.landslide_versions")
    op.execute("DROP FUNCTION scarpwatch.keep_mark()")
    op.drop_table("landslide_marks", schema=SCHEMA)
