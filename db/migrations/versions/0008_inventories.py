"""Inventories of mapped landslides."""
# The geospatial operations are added to alembic.op when geoalchemy2 is loaded.
# mypy: disable-error-code="attr-defined"

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from detectors.errors import ConfigurationError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
FLOAT: Any = sa.DOUBLE_PRECISION()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()
SAYS = "Landslides that people mapped, each with the words of its inventory."


def _c(name: str, kind: Any, comment: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment)


def _recorded() -> sa.Column[Any]:
    return sa.Column(
        "recorded_at",
        TIME,
        nullable=False,
        comment="When this row was written.",
        server_default=sa.func.clock_timestamp(),
    )


def _check(name: str, condition: str) -> sa.CheckConstraint:
    # op.f: this is the whole name, the naming convention has nothing to add.
    return sa.CheckConstraint(condition, name=op.f(name))


def upgrade() -> None:
    op.create_table(
        "inventories",
        _c("id", TEXT, "Its name."),
        _c("file", TEXT, "Name of the file it was read from, and its layer."),
        _c("sha256", TEXT, "Checksum of the file that was read last."),
        _c("source", TEXT, "What it was mapped from, or where it was published."),
        _c("licence", TEXT, "Its terms of use, as they were given."),
        _c("author", TEXT, "Who mapped it, and is to be credited."),
        _c("simulated", sa.Boolean(), "Nothing of it ever happened."),
        _recorded(),
        _check("ck_inventories_id", "id <> ''"),
        _check("ck_inventories_terms", "licence <> '' AND author <> ''"),
        sa.PrimaryKeyConstraint("id", name="pk_inventories"),
        schema=SCHEMA,
        comment="Inventories of mapped landslides: truth, never alerted.",
    )
    op.create_geospatial_table(
        "inventory_landslides",
        _c("id", UUID, "Derived from inventory, key, place and time."),
        _c("inventory_id", TEXT, "The inventory it is of."),
        _c("file_row", sa.Integer(), "Its row in the file, the first is 1."),
        _c(
            "geometry",
            Geometry("GEOMETRY", srid=4326, spatial_index=False),
            "Outline (MULTIPOLYGON), or a point.",
        ),
        _c("area_m2", FLOAT, "Area on the ellipsoid, m2; null for a point.", nullable=True),
        _c("not_before", TIME, "It had not happened yet; null: unknown.", nullable=True),
        _c("not_after", TIME, "It had happened; null: unknown.", nullable=True),
        _c("key", TEXT, "What the inventory itself calls it, may be empty."),
        _c("name", TEXT, "What people call it, may be empty."),
        _c("category", TEXT, "Kind of movement, in the original wording."),
        _c("trigger", TEXT, "Rain, earthquake and so on, in the original wording."),
        _c("mapped_by", TEXT, "Image or person that this one was mapped by."),
        _c("accuracy_m", FLOAT, "How far off it may be, m; null: unknown.", nullable=True),
        _c(
            "duplicate_of",
            UUID,
            "Mapped landslide that this is again, of any inventory: each counts once.",
            nullable=True,
        ),
        _c("attributes", postgresql.JSONB(), "All columns of the file as they came."),
        _recorded(),
        _check("ck_inventory_landslides_file_row", "file_row >= 1"),
        _check(
            "ck_inventory_landslides_shape", "ST_Dimension(geometry) IN (0, 2)"
        ),
        _check(
            "ck_inventory_landslides_area_m2",
            "(ST_Dimension(geometry) = 0) = (area_m2 IS NULL) AND (area_m2 > 0) IS NOT FALSE",
        ),
        _check("ck_inventory_landslides_bracket", "not_before < not_after"),
        _check("ck_inventory_landslides_accuracy_m", "accuracy_m >= 0"),
        _check("ck_inventory_landslides_duplicate_of", "duplicate_of <> id"),
        _check(
            "ck_inventory_landslides_geometry", "ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)"
        ),
        sa.ForeignKeyConstraint(
            ["inventory_id"],
            ["scarpwatch.inventories.id"],
            name="fk_inventory_landslides_inventory_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["duplicate_of"],
            ["scarpwatch.inventory_landslides.id"],
            name="fk_inventory_landslides_duplicate_of",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_inventory_landslides"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_inventory_landslides_geometry",
        "inventory_landslides",
        ["geometry"],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    for name, columns in (
        ("ix_inventory_landslides_inventory_id_file_row", ["inventory_id", "file_row"]),
        ("ix_inventory_landslides_duplicate_of", ["duplicate_of"]),
    ):
        op.create_index(op.f(name), "inventory_landslides", columns, schema=SCHEMA)
    # The geospatial helper leaves a table's comment out.
    op.execute(f"COMMENT ON TABLE {SCHEMA}.inventory_landslides IS '{SAYS}'")


def downgrade() -> None:
    """Undo.

    Raises:
        ConfigurationError: inventories are stored; 0006 has no place for them.
    """
    held = op.get_bind().scalar(sa.text(f"SELECT count(*) FROM {SCHEMA}.inventories"))
    if held and context.get_revision_argument() is not None:
        raise ConfigurationError(
            f"{held} inventories are stored, and the earlier version cannot hold them; export them "
            "and remove each with: scarpwatch inventories remove NAME"
        )
    op.drop_geospatial_table("inventory_landslides", schema=SCHEMA)
    op.drop_table("inventories", schema=SCHEMA)
