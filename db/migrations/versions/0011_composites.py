"""Rasters kept of judged looks, and the view on them."""

from typing import Any

import geoalchemy2
import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
TABLE = "composites"
FLOAT: Any = sa.DOUBLE_PRECISION()
INT = sa.Integer()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()

VIEW = """
SELECT kept.id, kept.stac_id, kept.kind, kept.sensor, kept.region_id, region.name AS region_name,
    region.simulated AS exercise, kept.simulated, kept.landslide_id, kept.acquisition_id,
    look.source, look.item_id, look.platform, look.track, look.relative_orbit, look.orbit_state,
    kept.sensed_at, kept.begins_at, kept.ends_at, kept.looks, kept.item_ids, kept.bands, kept.unit,
    kept.scale, kept.nodata, kept.data_type, kept.epsg, kept.transform, kept.height, kept.width,
    kept.detector, kept.weights_version, kept.config_hash, kept.software, kept.path, kept.bytes,
    kept.sha256, kept.version, kept.recorded_at, kept.geometry
FROM scarpwatch.composites AS kept
JOIN scarpwatch.regions AS region ON region.id = kept.region_id
JOIN scarpwatch.acquisitions AS look ON look.id = kept.acquisition_id
WHERE kept.region_id = ANY (ARRAY(SELECT scarpwatch.visible_regions(current_user)))
"""
VIEW_SAYS = (
    "Rasters that judged looks left: what was compared, what came out, what could be seen. One row"
    " a file."
)
#: What the view says of columns that are not the table's own.
JOINED = {
    "region_name": "What people call the region.",
    "exercise": "EXERCISE: the region is a drill, and whatever is told of it is marked so.",
    "simulated": "SIMULATED: a drill, or pixels that hold something that never happened.",
    "source": "Catalogue/collection the look came from.",
    "item_id": "STAC item id of the look.",
    "platform": "Satellite.",
    "track": "sar: viewing geometry. optical: tile.",
    "relative_orbit": "1 to 175; null where an optical item does not tell.",
    "orbit_state": "Flight direction; null where an optical item does not tell.",
    "geometry": "Outline of the raster, EPSG:4326.",
}


def _c(name: str, kind: Any, comment: str, nullable: bool = False, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment, **more)


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_composites_{name}"))


CHECKS = {
    "kind": "kind IN ('pre', 'post', 'score', 'unseen')",
    "sensor": "sensor IN ('sar', 'optical')",
    "landslide_id": "(sensor = 'optical') = (landslide_id IS NOT NULL)",
    "version": "version >= 1",
    "span": "begins_at <= ends_at",
    "bands": "cardinality(bands) > 0",
    "size": "height > 0 AND width > 0",
    "transform": "cardinality(transform) = 6",
    "path": "path ~ '^[a-z0-9][A-Za-z0-9_./-]*[.]tif$' AND path !~ '[.][.]'",
    "bytes": "bytes > 0",
    "sha256": "sha256 ~ '^[0-9a-f]{64}$'",
    "finite": "'-Infinity' < ALL (ARRAY[scale, nodata]) AND 'Infinity' > ALL (ARRAY[scale,"
    " nodata])",
    "geometry": "ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)",
}


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        _c("id", UUID, "Derived from the STAC item and the layer."),
        _c("stac_id", TEXT, "STAC item that the layers of one judgement share."),
        _c("kind", TEXT, "pre, post, score or unseen: which layer."),
        _c("sensor", TEXT, "sar: a look at a region. optical: a look at one landslide."),
        _c("region_id", TEXT, "Watched region."),
        _c("acquisition_id", UUID, "The look that was judged."),
        _c("landslide_id", UUID, "optical: the landslide that was examined.", True),
        _c("sensed_at", TIME, "When the judged look was taken."),
        _c("begins_at", TIME, "When the oldest look in this layer was taken."),
        _c("ends_at", TIME, "When the newest look in this layer was taken."),
        _c("looks", INT, "Number of looks in this layer."),
        _c("item_ids", sa.ARRAY(TEXT), "STAC item ids of the looks in this layer."),
        _c("bands", sa.ARRAY(TEXT), "Names of the bands, in order."),
        _c("unit", TEXT, "Unit of the values: number in the file times scale."),
        _c("scale", FLOAT, "What numbers in the file are multiplied by."),
        _c("nodata", FLOAT, "Number in the file that stands for no data."),
        _c("data_type", TEXT, "int16 or uint8."),
        _c("epsg", INT, "Coordinate system of the pixels, metres."),
        _c("transform", sa.ARRAY(FLOAT), "Pixel (column, row) to metres: a, b, c, d, e, f."),
        _c("height", INT, "Rows."),
        _c("width", INT, "Columns."),
        _c("detector", TEXT, "score: what scored it; null for other layers.", True),
        _c("weights_version", TEXT, "score: name and sha256 prefix of the weights.", True),
        _c("config_hash", TEXT, "score: hash of every parameter.", True),
        _c("software", TEXT, "Program and version that made it."),
        _c("path", TEXT, "File, below composites/ in the state folder."),
        _c("bytes", sa.BigInteger(), "Size of the file."),
        _c("sha256", TEXT, "Checksum of the file."),
        _c("version", INT, "Rises where a look that is judged again gives other pixels."),
        _c("simulated", sa.Boolean(), "A drill, or pixels that hold what never happened."),
        _c(
            "geometry", geoalchemy2.Geometry("GEOMETRY", srid=4326, spatial_index=False),
            "Outline of the raster.",
        ),
        _c(
            "recorded_at", TIME, "When this row was written.",
            server_default=sa.func.clock_timestamp(),
        ),
    )  # fmt: skip


def upgrade() -> None:
    op.create_table(
        TABLE,
        *_columns(),
        *(_check(name, condition) for name, condition in CHECKS.items()),
        *(
            sa.ForeignKeyConstraint([name], [f"scarpwatch.{to}.id"], name=f"fk_composites_{name}")
            for name, to in (
                ("region_id", "regions"),
                ("acquisition_id", "acquisitions"),
                ("landslide_id", "landslides"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name="pk_composites"),
        sa.UniqueConstraint("stac_id", "kind", name="uq_composites_stac_id_kind"),
        sa.UniqueConstraint("path", name="uq_composites_path"),
        schema=SCHEMA,
        comment="GeoTIFFs (COG) kept of judged looks; the files lie in the state folder.",
    )
    op.create_index(
        "idx_composites_geometry", TABLE, ["geometry"], schema=SCHEMA, postgresql_using="gist"
    )
    for names in (["sensed_at"], ["region_id", "acquisition_id"], ["landslide_id"]):
        op.create_index(f"ix_composites_{'_'.join(names)}", TABLE, names, schema=SCHEMA)
    op.execute(f"CREATE VIEW analysts.composites AS {VIEW}")
    op.execute(f"COMMENT ON VIEW analysts.composites IS '{VIEW_SAYS}'")
    for name, says in ({c.name: c.comment for c in _columns()} | JOINED).items():
        op.execute(f"""COMMENT ON COLUMN analysts.composites."{name}" IS '{says}'""")


def downgrade() -> None:
    """Forget the rows; the files stay, and judging again fills both."""
    op.execute("DROP VIEW analysts.composites")
    op.drop_table(TABLE, schema=SCHEMA)
