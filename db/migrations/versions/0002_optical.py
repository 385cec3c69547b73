"""Optical looks: reflectance items, what they say about landslides, and the checks still owed."""
# The geospatial operations are added to alembic.op when geoalchemy2 is loaded.
# mypy: disable-error-code="attr-defined"

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

from detectors.errors import ConfigurationError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
FLOAT: Any = sa.DOUBLE_PRECISION()
INT = sa.Integer()
JSON = postgresql.JSONB()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()

# (table, column, what it said, what it says).
COMMENTS = (
    (
        "acquisitions",
        "orbit_state",
        "Flight direction.",
        "Flight direction; sar always has one.",
    ),
    (
        "acquisitions",
        "relative_orbit",
        "1 to 175.",
        "1 to 175; sar always has one.",
    ),
    (
        "acquisitions",
        "track",
        "Viewing geometry; looks of different tracks are never mixed.",
        "sar: viewing geometry, looks of different tracks are never mixed. optical: tile.",
    ),
    (
        "acquisitions",
        "polarisations",
        "Co-polarised first.",
        "sar: co-polarised first. optical: none.",
    ),
    (
        "acquisitions",
        "assets",
        "Unsigned href by polarisation, as last seen.",
        "Unsigned href by polarisation (sar) or by band (optical), as last seen.",
    ),
    (
        "acquisitions",
        "checksums",
        "Multihash or e-tag by polarisation, as last seen.",
        "Multihash or e-tag by asset, as last seen.",
    ),
    (
        "detections",
        "score_max",
        "Largest absolute score inside, sigma of quiet ground.",
        "Largest absolute score inside, sigma of quiet ground (optical: of the surroundings).",
    ),
    (
        "detections",
        "score_mean",
        "Mean absolute score inside, sigma of quiet ground.",
        "Mean absolute score inside, in the same sigma.",
    ),
    (
        "detections",
        "change_db",
        "Mean co-polarised change inside, dB.",
        "Mean co-polarised change inside, dB; null for an optical look.",
    ),
    (
        "landslide_versions",
        "change_db",
        "Mean co-polarised change of that detection, dB.",
        "Mean co-polarised change of that detection, dB; null where only optical looks saw it.",
    ),
    (
        "alerts",
        "kind",
        "suspected.",
        "suspected, confirmed or withdrawn.",
    ),
)

ACQUISITIONS = (
    "Catalogue items we can use: one burst or scene of one pass each.",
    "Catalogue items we can use: one burst, scene or tile of a pass each.",
)

SOURCES = {
    "detections": "sar or optical: which kind of look it was.",
    "landslide_versions": "sar or optical: which kind of look suspected it first.",
}
D_NDVI = {
    "detections": "optical: mean NDVI change inside against the surroundings, -2 to 2.",
    "landslide_versions": "NDVI change against the surroundings at the optical look that decided, -2 to 2.",
}
ENSEMBLE = {
    "detections": "optical: mean of the ensemble inside, 0 to 1.",
    "landslide_versions": "Mean of the optical ensemble at that look, 0 to 1.",
}

APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.optical_checks
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER never_empty BEFORE TRUNCATE ON scarpwatch.optical_checks
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
"""

# New columns come last, so that the view need not be dropped and what others built on it stays.
CURRENT = """
CREATE OR REPLACE VIEW scarpwatch.landslides_current AS
SELECT DISTINCT ON (version.landslide_id)
    version.landslide_id AS id, landslide.region_id, region.name AS region_name, version.revision,
    version.state, version.tier, version.geometry, version.area_m2, version.not_before,
    version.not_after, version.looks, version.score_max, version.evidence, version.change_db,
    version.cause, version.advisory, version.simulated,
    landslide.recorded_at AS first_recorded_at, version.recorded_at,
    version.source, version.d_ndvi, version.ensemble_score, version.verdict_at
FROM scarpwatch.landslide_versions AS version
JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
JOIN scarpwatch.regions AS region ON region.id = landslide.region_id
ORDER BY version.landslide_id, version.revision DESC;
"""

CURRENT_COMMENTS = {
    "change_db": "Mean co-polarised change, dB; null where only optical looks saw it.",
    "source": "sar or optical: which kind of look suspected it first.",
    "d_ndvi": "NDVI change against the surroundings at the optical look that decided.",
    "ensemble_score": "Mean of the optical ensemble at that look, 0 to 1.",
    "verdict_at": "When the optical look that decided was taken, null before one.",
}


def _c(
    name: str, kind: Any, comment: str, nullable: bool = False, **options: Any
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment, **options)


def _check(name: str, condition: str) -> sa.CheckConstraint:
    # op.f: this is the whole name, the naming convention has nothing to add.
    return sa.CheckConstraint(condition, name=op.f(name))


def _add(table: str, *columns: sa.Column[Any]) -> None:
    for column in columns:
        op.add_column(table, column, schema=SCHEMA)


def _add_check(table: str, name: str, condition: str) -> None:
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition, schema=SCHEMA)


def _drop_check(table: str, name: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, schema=SCHEMA, type_="check")


def _nullable(table: str, column: str, nullable: bool) -> None:
    op.alter_column(table, column, schema=SCHEMA, nullable=nullable)


def _add_word(table: str, name: str, comment: str) -> None:
    """Add a column that says what kind of look it was: radar, so far."""
    _add(table, _c(name, TEXT, comment, server_default="sar"))
    op.alter_column(table, name, schema=SCHEMA, server_default=None)
    _add_check(table, name, f"{name} IN ('sar', 'optical')")


def _comment(which: int) -> None:
    for table, column, *says in COMMENTS:
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.{table}.{column} IS '{says[which]}'")
    op.create_table_comment("acquisitions", ACQUISITIONS[which], schema=SCHEMA)


def upgrade() -> None:
    _add_word(
        "acquisitions", "sensor", "sar (terrain-corrected gamma0) or optical (reflectance)."
    )
    _add(
        "acquisitions",
        _c("tile", TEXT, "MGRS tile of an optical item, leading zero included.", nullable=True),
        _c("cloud_cover", FLOAT, "Per cent of the whole tile; decides nothing.", nullable=True),
        _c(
            "scale",
            JSON,
            "optical, by band: reflectance = stored number x scale + offset; as last seen.",
            server_default="{}",
        ),
        _c(
            "offset",
            JSON,
            "optical, by band: see scale; 0 where the producer has applied it; as last seen.",
            server_default="{}",
        ),
    )
    _drop_check("acquisitions", "polarisations")
    _nullable("acquisitions", "orbit_state", True)
    _nullable("acquisitions", "relative_orbit", True)
    _add_check(
        "acquisitions",
        "sar",
        "sensor <> 'sar' OR (orbit_state IS NOT NULL AND relative_orbit IS NOT NULL AND cardinality(polarisations) > 0)",
    )
    _add_check("acquisitions", "cloud_cover", "cloud_cover BETWEEN 0 AND 100")
    for table in ("detections", "landslide_versions"):
        _add_word(table, "source", SOURCES[table])
        _add(
            table,
            _c("d_ndvi", FLOAT, D_NDVI[table], nullable=True),
            _c("ensemble_score", FLOAT, ENSEMBLE[table], nullable=True),
        )
        _nullable(table, "change_db", True)
        _add_check(table, "sar", "source <> 'sar' OR change_db IS NOT NULL")
        _add_check(table, "d_ndvi", "d_ndvi BETWEEN -2 AND 2")
        _add_check(table, "ensemble_score", "ensemble_score BETWEEN 0 AND 1")
    _add(
        "landslide_versions",
        _c(
            "verdict_at",
            TIME,
            "When the optical look that decided was taken, null before one.",
            nullable=True,
        ),
    )
    op.create_geospatial_table(
        "optical_checks",
        _c("id", UUID, "Derived from landslide and look."),
        _c("landslide_id", UUID, "Landslide that was looked at."),
        _c("revision", INT, "Its version whose outline was judged."),
        _c("acquisition_id", UUID, "The optical look."),
        _c("sensed_at", TIME, "When the look was taken."),
        _c("finding", TEXT, "agrees, disagrees, undecided or not seen."),
        _c("reason", TEXT, "Why, in words."),
        _c(
            "share_clear",
            FLOAT,
            "Share of the landslide's own pixels clear in this look and before, 0 to 1.",
        ),
        _c("unseen", JSON, "Share of its pixels that could not be seen, by reason."),
        _c("ndvi_before", FLOAT, "Median NDVI of its pixels before.", nullable=True),
        _c(
            "d_ndvi",
            FLOAT,
            "Median NDVI change of its pixels against the surroundings, -2 to 2.",
            nullable=True,
        ),
        _c(
            "share_changed",
            FLOAT,
            "Share of its clear pixels that lost vegetation, 0 to 1.",
            nullable=True,
        ),
        _c(
            "ensemble_score",
            FLOAT,
            "Mean of the ensemble over the changed pixels, 0 to 1; not a probability.",
            nullable=True,
        ),
        _c("ensemble_spread", FLOAT, "Mean spread of the members there.", nullable=True),
        _c(
            "outline",
            Geometry("MULTIPOLYGON", srid=4326, spatial_index=False),
            "Optical outline, where the look agrees.",
            nullable=True,
        ),
        _c("outline_area_m2", FLOAT, "Area of that outline, m2.", nullable=True),
        _c("item_ids", sa.ARRAY(TEXT), "Every catalogue item that went in, pre and post."),
        _c("weights_version", TEXT, "Weights of the ensemble."),
        _c("config_hash", TEXT, "Hash of every parameter of the rule."),
        _c(
            "recorded_at",
            TIME,
            "When this row was written.",
            server_default=sa.func.clock_timestamp(),
        ),
        _check(
            "ck_optical_checks_finite",
            "'-Infinity' < ALL (ARRAY[ndvi_before, ensemble_spread, outline_area_m2]) AND 'Infinity' > ALL (ARRAY[ndvi_before, ensemble_spread, outline_area_m2])",
        ),
        _check(
            "ck_optical_checks_finding",
            "finding IN ('agrees', 'disagrees', 'undecided', 'not seen')",
        ),
        _check("ck_optical_checks_share_clear", "share_clear BETWEEN 0 AND 1"),
        _check("ck_optical_checks_d_ndvi", "d_ndvi BETWEEN -2 AND 2"),
        _check("ck_optical_checks_share_changed", "share_changed BETWEEN 0 AND 1"),
        _check("ck_optical_checks_ensemble_score", "ensemble_score BETWEEN 0 AND 1"),
        _check("ck_optical_checks_outline", "ST_IsValid(outline) AND NOT ST_IsEmpty(outline)"),
        _check("ck_optical_checks_outline_area_m2", "outline_area_m2 > 0"),
        sa.ForeignKeyConstraint(
            ["landslide_id", "revision"],
            [
                "scarpwatch.landslide_versions.landslide_id",
                "scarpwatch.landslide_versions.revision",
            ],
            name="fk_optical_checks_landslide_id_revision",
        ),
        sa.ForeignKeyConstraint(
            ["acquisition_id"],
            ["scarpwatch.acquisitions.id"],
            name="fk_optical_checks_acquisition_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_optical_checks"),
        sa.UniqueConstraint(
            "landslide_id",
            "acquisition_id",
            name="uq_optical_checks_landslide_id_acquisition_id",
        ),
        schema=SCHEMA,
    )
    # The geospatial helper leaves a table's comment out.
    op.create_table_comment(
        "optical_checks",
        "Append-only: what each optical look says about each landslide.",
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_optical_checks_outline",
        "optical_checks",
        ["outline"],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    op.create_table(
        "optical_attempts",
        _c("landslide_id", UUID, "Landslide to be looked at."),
        _c("acquisition_id", UUID, "The optical look."),
        _c("attempts", INT, "How often it failed."),
        _c("retry_at", TIME, "Not to be tried again before; null: never.", nullable=True),
        _c("reason", TEXT, "Why the last attempt failed."),
        _c(
            "recorded_at",
            TIME,
            "When the last attempt failed.",
            server_default=sa.func.clock_timestamp(),
        ),
        _check("ck_optical_attempts_attempts", "attempts >= 1"),
        sa.ForeignKeyConstraint(
            ["landslide_id"], ["scarpwatch.landslides.id"], name="fk_optical_attempts_landslide_id"
        ),
        sa.ForeignKeyConstraint(
            ["acquisition_id"],
            ["scarpwatch.acquisitions.id"],
            name="fk_optical_attempts_acquisition_id",
        ),
        sa.PrimaryKeyConstraint("landslide_id", "acquisition_id", name="pk_optical_attempts"),
        schema=SCHEMA,
        comment="Optical checks that could not be made, to be tried again or parked.",
    )
    _comment(1)
    op.execute(APPEND_ONLY)
    op.execute(CURRENT)
    for column, comment in CURRENT_COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.landslides_current.{column} IS '{comment}'")


def downgrade() -> None:
    """Undo.

    Raises:
        ConfigurationError: optical looks are stored, and 0001 has no place for what they told.
    """
    to_base = context.get_revision_argument() is None
    if not to_base:
        _refuse_to_forget()
    op.drop_table("optical_attempts", schema=SCHEMA)
    op.drop_geospatial_table("optical_checks", schema=SCHEMA)
    if to_base:
        return  # 0001 drops all the rest, whatever it holds
    first = context.script.get_revision("0001").module
    op.execute(f"DROP VIEW {SCHEMA}.landslides_current")
    op.drop_column("landslide_versions", "verdict_at", schema=SCHEMA)
    for table in ("landslide_versions", "detections"):
        # A check goes with its columns.
        for column in ("ensemble_score", "d_ndvi", "source"):
            op.drop_column(table, column, schema=SCHEMA)
        _nullable(table, "change_db", False)
    for column in ("offset", "scale", "cloud_cover", "tile", "sensor"):
        op.drop_column("acquisitions", column, schema=SCHEMA)
    _nullable("acquisitions", "relative_orbit", False)
    _nullable("acquisitions", "orbit_state", False)
    _add_check("acquisitions", "polarisations", "cardinality(polarisations) > 0")
    _comment(0)
    op.execute(first.CURRENT)
    for column, comment in first.CURRENT_COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.landslides_current.{column} IS '{comment}'")


def _refuse_to_forget() -> None:
    optical = sa.text(f"SELECT count(*) FROM {SCHEMA}.acquisitions WHERE sensor = 'optical'")
    held = op.get_bind().scalar(optical)
    if held:
        raise ConfigurationError(
            f"{held} optical looks are stored, with what they told of landslides, and version 0001 "
            "cannot hold them; go back to a copy of the database from before the upgrade"
        )
