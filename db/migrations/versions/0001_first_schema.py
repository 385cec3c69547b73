"""First schema: regions, looks, detections, landslides, outbox."""
# The geospatial operations are added to alembic.op when geoalchemy2 is loaded.
# mypy: disable-error-code="attr-defined"

from typing import Any

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
BOOL = sa.Boolean()
FLOAT: Any = sa.DOUBLE_PRECISION()
INT = sa.Integer()
JSON = postgresql.JSONB()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()

# The geospatial helper leaves a table's comment out.
GEOSPATIAL_COMMENTS = {
    "acquisitions": "Catalogue items we can use: one burst or scene of one pass each.",
    "regions": "Areas somebody wants to be told about.",
    "detections": "What one look says about one place.",
    "landslide_versions": "Append-only versions of what we believe about each landslide.",
}

APPEND_ONLY = """
CREATE FUNCTION scarpwatch.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only, % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.landslide_versions
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER never_empty BEFORE TRUNCATE ON scarpwatch.landslide_versions
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
COMMENT ON FUNCTION scarpwatch.refuse_change() IS 'Keeps append-only tables append-only.';
"""

CURRENT = """
CREATE VIEW scarpwatch.landslides_current AS
SELECT DISTINCT ON (version.landslide_id)
    version.landslide_id AS id, landslide.region_id, region.name AS region_name, version.revision,
    version.state, version.tier, version.geometry, version.area_m2, version.not_before,
    version.not_after, version.looks, version.score_max, version.evidence, version.change_db,
    version.cause, version.advisory, version.simulated,
    landslide.recorded_at AS first_recorded_at, version.recorded_at
FROM scarpwatch.landslide_versions AS version
JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
JOIN scarpwatch.regions AS region ON region.id = landslide.region_id
ORDER BY version.landslide_id, version.revision DESC;
COMMENT ON VIEW scarpwatch.landslides_current IS
    'What we believe now: the latest version of each landslide.';
"""

CURRENT_COMMENTS = {
    "id": "Identity over time.",
    "region_id": "Watched region.",
    "region_name": "What people call the region.",
    "revision": "Which version this is.",
    "state": "suspected, confirmed, refuted, unresolved or closed.",
    "tier": "watch or likely: highest tier reached so far.",
    "geometry": "Outline, EPSG:4326.",
    "area_m2": "Area of the outline, m2.",
    "not_before": "Latest look known to be without it.",
    "not_after": "Earliest look known to be with it.",
    "looks": "Number of distinct looks that saw it.",
    "score_max": "Highest absolute score of any detection, sigma of quiet ground.",
    "evidence": "Highest evidence of any detection; not a probability.",
    "change_db": "Mean co-polarised change of that detection, dB.",
    "cause": "Why this version exists.",
    "advisory": "Why to be careful.",
    "simulated": "A drill.",
    "first_recorded_at": "When the landslide was first stored.",
    "recorded_at": "When we came to believe this version.",
}


def _c(
    name: str, kind: Any, comment: str, nullable: bool = False, **options: Any
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment, **options)


def _recorded(comment: str = "When this row was written.") -> sa.Column[Any]:
    return _c("recorded_at", TIME, comment, server_default=sa.func.clock_timestamp())


def _check(name: str, condition: str) -> sa.CheckConstraint:
    # op.f: this is the whole name, the naming convention has nothing to add.
    return sa.CheckConstraint(condition, name=op.f(name))


def upgrade() -> None:
    # Asking first, because CREATE EXTENSION needs rights that the owner of a database may lack.
    if op.get_bind().scalar(sa.text("SELECT to_regtype('geometry')")) is None:
        op.execute("CREATE EXTENSION postgis")
    op.create_geospatial_table(
        "acquisitions",
        _c("id", UUID, "Derived from source and item."),
        _c("source", TEXT, "Catalogue/collection the item came from."),
        _c("item_id", TEXT, "STAC item id."),
        _c("platform", TEXT, "For instance sentinel-1a."),
        _c("sensed_at", TIME, "Start of sensing."),
        _c("published_at", TIME, "When the product became available."),
        _c(
            "footprint",
            Geometry("GEOMETRY", srid=4326, spatial_index=False),
            "Outline of the image.",
        ),
        _c("orbit_state", TEXT, "Flight direction."),
        _c("relative_orbit", INT, "1 to 175."),
        _c("track", TEXT, "Viewing geometry; looks of different tracks are never mixed."),
        _c("polarisations", sa.ARRAY(TEXT), "Co-polarised first."),
        _c("assets", JSON, "Unsigned href by polarisation, as last seen."),
        _c("burst_id", TEXT, "Burst of the product, null for whole scenes.", nullable=True),
        _c("processing_version", TEXT, "Version of the producer's processor.", nullable=True),
        _c("checksums", JSON, "Multihash or e-tag by polarisation, as last seen."),
        _c("created_at", TIME, "When the catalogue took the item in.", nullable=True),
        _c("simulated", BOOL, "The pixels hold something that never happened."),
        _recorded(),
        _check(
            "ck_acquisitions_footprint",
            "GeometryType(footprint) IN ('POLYGON', 'MULTIPOLYGON') AND NOT ST_IsEmpty(footprint)",
        ),
        _check("ck_acquisitions_orbit_state", "orbit_state IN ('ascending', 'descending')"),
        _check("ck_acquisitions_polarisations", "cardinality(polarisations) > 0"),
        _check("ck_acquisitions_relative_orbit", "relative_orbit BETWEEN 1 AND 175"),
        sa.PrimaryKeyConstraint("id", name="pk_acquisitions"),
        sa.UniqueConstraint("source", "item_id", name="uq_acquisitions_source_item_id"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_acquisitions_footprint",
        "acquisitions",
        ["footprint"],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    op.create_index(
        "ix_acquisitions_source_track_sensed_at",
        "acquisitions",
        ["source", "track", "sensed_at"],
        schema=SCHEMA,
    )
    op.create_geospatial_table(
        "regions",
        _c("id", TEXT, "Short name for commands and routing."),
        _c("name", TEXT, "What people call it."),
        _c(
            "geometry",
            Geometry("MULTIPOLYGON", srid=4326, spatial_index=False),
            "Area of interest.",
        ),
        _c("sources", sa.ARRAY(TEXT), "Where looks come from: catalogue/collection."),
        _c("detectors", sa.ARRAY(TEXT), "Detectors that must all agree."),
        _c("watch_from", TIME, "Looks sensed before only feed pre stacks."),
        _c("min_area_m2", FLOAT, "Smallest polygon stored, m2."),
        _c("poll_every", postgresql.INTERVAL(), "Interval of the schedule."),
        _c("priority", INT, "Lower goes first."),
        _c("paused", BOOL, "Keeps its history and is not polled."),
        _c("simulated", BOOL, "A drill: what comes out goes out as Exercise."),
        _c("tags", sa.ARRAY(TEXT), "For routing alerts to channels."),
        _c("removed_at", TIME, "When people stopped watching it; history stays.", nullable=True),
        _recorded(),
        _check("ck_regions_id", "id ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"),
        _check("ck_regions_min_area_m2", "min_area_m2 >= 0 AND min_area_m2 < 'Infinity'"),
        _check("ck_regions_name", "name <> ''"),
        _check("ck_regions_poll_every", "poll_every > interval '0'"),
        _check("ck_regions_geometry", "ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)"),
        _check("ck_regions_detectors", "cardinality(detectors) > 0"),
        _check("ck_regions_sources", "cardinality(sources) > 0"),
        sa.PrimaryKeyConstraint("id", name="pk_regions"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_regions_geometry", "regions", ["geometry"], schema=SCHEMA, postgresql_using="gist"
    )
    op.create_table(
        "landslides",
        _c("id", UUID, "Derived from the first detection."),
        _c("region_id", TEXT, "Watched region."),
        _recorded(),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_landslides_region_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_landslides"),
        schema=SCHEMA,
        comment="Identity of a landslide over time; see landslides_current.",
    )
    op.create_index("ix_landslides_region_id", "landslides", ["region_id"], schema=SCHEMA)
    op.create_table(
        "looks",
        _c("id", UUID, "Derived from region and acquisition."),
        _c("region_id", TEXT, "Watched region."),
        _c("acquisition_id", UUID, "What is judged."),
        _c("state", TEXT, "due, processing, processed, failed, skipped or baseline."),
        _c("attempts", INT, "How often a worker has started on it.", server_default="0"),
        _c("owner", TEXT, "Worker that holds the lease.", nullable=True),
        _c("lease_until", TIME, "From then on another worker may take over.", nullable=True),
        _c("retry_at", TIME, "Not to be tried again before.", nullable=True),
        _c("reason", TEXT, "Why it failed, was skipped or waits.", nullable=True),
        _c("share_seen", FLOAT, "Share of the region that was observed, 0 to 1.", nullable=True),
        _c("advisory", TEXT, "Why to be careful with the look as a whole.", nullable=True),
        _c("finished_at", TIME, "When it was judged.", nullable=True),
        _recorded(),
        _check(
            "ck_looks_lease",
            "(state = 'processing') = (owner IS NOT NULL AND lease_until IS NOT NULL)",
        ),
        _check(
            "ck_looks_finished",
            "(state IN ('processed', 'failed', 'skipped')) = (finished_at IS NOT NULL)",
        ),
        _check(
            "ck_looks_state",
            "state IN ('due', 'processing', 'processed', 'failed', 'skipped', 'baseline')",
        ),
        _check("ck_looks_attempts", "attempts >= 0"),
        _check("ck_looks_share_seen", "share_seen BETWEEN 0 AND 1"),
        sa.ForeignKeyConstraint(
            ["acquisition_id"], ["scarpwatch.acquisitions.id"], name="fk_looks_acquisition_id"
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_looks_region_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_looks"),
        sa.UniqueConstraint(
            "region_id", "acquisition_id", name="uq_looks_region_id_acquisition_id"
        ),
        schema=SCHEMA,
        comment="One judgement of one acquisition for one region, and how far it has got.",
    )
    op.create_index("ix_looks_acquisition_id", "looks", ["acquisition_id"], schema=SCHEMA)
    op.create_index(
        "ix_looks_open",
        "looks",
        ["region_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state IN ('due', 'processing')"),
    )
    op.create_table(
        "poll_states",
        _c("region_id", TEXT, "Watched region."),
        _c("source", TEXT, "Catalogue/collection."),
        _c("watermark", TIME, "Everything published before has been seen.", nullable=True),
        _c("polled_at", TIME, "Last attempt."),
        _c("succeeded_at", TIME, "Last attempt that worked.", nullable=True),
        _c("failures", INT, "Attempts that failed since then."),
        _c("error", TEXT, "Why the last attempt failed, null where it worked.", nullable=True),
        _check("ck_poll_states_failures", "failures >= 0"),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_poll_states_region_id"
        ),
        sa.PrimaryKeyConstraint("region_id", "source", name="pk_poll_states"),
        schema=SCHEMA,
        comment="How far each region has read each source.",
    )
    op.create_table(
        "refused_items",
        _c("region_id", TEXT, "Watched region."),
        _c("source", TEXT, "Catalogue/collection."),
        _c("item_id", TEXT, "STAC item id."),
        _c("reason", TEXT, "Why it cannot be used."),
        _recorded(),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_refused_items_region_id"
        ),
        sa.PrimaryKeyConstraint("region_id", "source", "item_id", name="pk_refused_items"),
        schema=SCHEMA,
        comment="Catalogue items no detector can use, with the reason.",
    )
    op.create_geospatial_table(
        "detections",
        _c("id", UUID, "Derived from region, look, detector, weights, configuration and outline."),
        _c("region_id", TEXT, "Watched region."),
        _c("acquisition_id", UUID, "The look that was judged."),
        _c("polygon", Geometry("POLYGON", srid=4326, spatial_index=False), "Outline."),
        _c("area_m2", FLOAT, "Area on the projected grid, m2."),
        _c("score_max", FLOAT, "Largest absolute score inside, sigma of quiet ground."),
        _c("score_mean", FLOAT, "Mean absolute score inside, sigma of quiet ground."),
        _c("evidence", FLOAT, "Evidence of the patch, decides the tier; not a probability."),
        _c("change_db", FLOAT, "Mean co-polarised change inside, dB."),
        _c("tier", TEXT, "watch or likely: how far the evidence of this look goes."),
        _c("not_before", TIME, "Last look of the pre stack: it had not happened yet."),
        _c("not_after", TIME, "The judged look: it had happened."),
        _c("item_ids", sa.ARRAY(TEXT), "Every catalogue item that went in, pre and post."),
        _c("detector", TEXT, "Detectors that agreed, joined by +."),
        _c("weights_version", TEXT, "Name and sha256 prefix of the weights, or none."),
        _c("config_hash", TEXT, "Hash of detector and polygon parameters."),
        _c("advisory", TEXT, "Why to be careful.", nullable=True),
        _c("simulated", BOOL, "A drill."),
        _recorded(),
        _check(
            "ck_detections_finite",
            "'-Infinity' < ALL (ARRAY[area_m2, score_max, score_mean, evidence, change_db]) AND 'Infinity' > ALL (ARRAY[area_m2, score_max, score_mean, evidence, change_db])",
        ),
        _check("ck_detections_tier", "tier IN ('watch', 'likely')"),
        _check("ck_detections_polygon", "ST_IsValid(polygon) AND NOT ST_IsEmpty(polygon)"),
        _check("ck_detections_area_m2", "area_m2 > 0"),
        _check("ck_detections_evidence", "evidence >= 0"),
        _check("ck_detections_bracket", "not_before < not_after"),
        sa.ForeignKeyConstraint(
            ["region_id", "acquisition_id"],
            ["scarpwatch.looks.region_id", "scarpwatch.looks.acquisition_id"],
            name="fk_detections_region_id_acquisition_id",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_detections"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_detections_polygon", "detections", ["polygon"], schema=SCHEMA, postgresql_using="gist"
    )
    op.create_index(
        "ix_detections_region_id_acquisition_id",
        "detections",
        ["region_id", "acquisition_id"],
        schema=SCHEMA,
    )
    op.create_geospatial_table(
        "landslide_versions",
        _c("landslide_id", UUID, "Identity over time."),
        _c("revision", INT, "1 for the first version, rising by one."),
        _c("state", TEXT, "suspected, confirmed, refuted, unresolved or closed."),
        _c("tier", TEXT, "watch or likely: highest tier reached so far."),
        _c("geometry", Geometry("MULTIPOLYGON", srid=4326, spatial_index=False), "Outline."),
        _c("area_m2", FLOAT, "Area of the outline, m2."),
        _c("not_before", TIME, "Latest look known to be without it."),
        _c("not_after", TIME, "Earliest look known to be with it."),
        _c("detections", sa.ARRAY(UUID), "Every detection that joined, in order of sensing."),
        _c("looks", INT, "Number of distinct looks among the detections."),
        _c("score_max", FLOAT, "Highest absolute score of any detection, sigma of quiet ground."),
        _c("evidence", FLOAT, "Highest evidence of any detection; not a probability."),
        _c("change_db", FLOAT, "Mean co-polarised change of that detection, dB."),
        _c("cause", TEXT, "Why this version exists."),
        _c("advisory", TEXT, "Why to be careful.", nullable=True),
        _c("simulated", BOOL, "A drill."),
        _recorded("When we came to believe this."),
        _check(
            "ck_landslide_versions_finite",
            "'-Infinity' < ALL (ARRAY[area_m2, score_max, evidence, change_db]) AND 'Infinity' > ALL (ARRAY[area_m2, score_max, evidence, change_db])",
        ),
        _check(
            "ck_landslide_versions_state",
            "state IN ('suspected', 'confirmed', 'refuted', 'unresolved', 'closed')",
        ),
        _check("ck_landslide_versions_tier", "tier IN ('watch', 'likely')"),
        _check(
            "ck_landslide_versions_geometry", "ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)"
        ),
        _check("ck_landslide_versions_area_m2", "area_m2 > 0"),
        _check("ck_landslide_versions_evidence", "evidence >= 0"),
        _check("ck_landslide_versions_looks", "looks BETWEEN 1 AND cardinality(detections)"),
        _check("ck_landslide_versions_bracket", "not_before < not_after"),
        _check("ck_landslide_versions_revision", "revision >= 1"),
        sa.ForeignKeyConstraint(
            ["landslide_id"],
            ["scarpwatch.landslides.id"],
            name="fk_landslide_versions_landslide_id",
        ),
        sa.PrimaryKeyConstraint("landslide_id", "revision", name="pk_landslide_versions"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_landslide_versions_geometry",
        "landslide_versions",
        ["geometry"],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    op.create_table(
        "alerts",
        _c("id", UUID, "Idempotency key: landslide, kind and revision."),
        _c("landslide_id", UUID, "Landslide the message speaks of."),
        _c("revision", INT, "Version the message speaks of."),
        _c("region_id", TEXT, "Watched region."),
        _c("kind", TEXT, "suspected."),
        _c("exercise", BOOL, "Goes out as EXERCISE, to exercise channels only."),
        _c("simulated", BOOL, "The landslide is a drill."),
        _c("payload", JSON, "The alert as it was when it was decided."),
        _recorded(),
        _check("ck_alerts_exercise", "exercise OR NOT simulated"),
        sa.ForeignKeyConstraint(
            ["landslide_id", "revision"],
            [
                "scarpwatch.landslide_versions.landslide_id",
                "scarpwatch.landslide_versions.revision",
            ],
            name="fk_alerts_landslide_id_revision",
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_alerts_region_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sa.UniqueConstraint(
            "landslide_id", "kind", "revision", name="uq_alerts_landslide_id_kind_revision"
        ),
        schema=SCHEMA,
        comment="Messages to send; written in the transaction that stores the landslide.",
    )
    op.create_index("ix_alerts_region_id", "alerts", ["region_id"], schema=SCHEMA)
    op.create_table(
        "landslide_detections",
        _c("landslide_id", UUID, "Landslide."),
        _c("detection_id", UUID, "Detection that joined."),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["scarpwatch.detections.id"],
            name="fk_landslide_detections_detection_id",
        ),
        sa.ForeignKeyConstraint(
            ["landslide_id"],
            ["scarpwatch.landslides.id"],
            name="fk_landslide_detections_landslide_id",
        ),
        sa.PrimaryKeyConstraint("landslide_id", "detection_id", name="pk_landslide_detections"),
        schema=SCHEMA,
        comment="Which detections each landslide is made of.",
    )
    op.create_index(
        "ix_landslide_detections_detection_id",
        "landslide_detections",
        ["detection_id"],
        schema=SCHEMA,
    )
    op.create_table(
        "deliveries",
        _c("id", UUID, "Derived from alert and channel."),
        _c("alert_id", UUID, "What is sent."),
        _c("channel", TEXT, "Name of the channel in the settings; its address is not stored."),
        _c("state", TEXT, "due, sending, delivered or abandoned."),
        _c("attempts", INT, "How often a worker has started to send.", server_default="0"),
        _c("owner", TEXT, "Worker that holds the lease.", nullable=True),
        _c("lease_until", TIME, "From then on another worker may take over.", nullable=True),
        _c("retry_at", TIME, "Not to be tried again before.", nullable=True),
        _c("reason", TEXT, "Why the last attempt failed.", nullable=True),
        _recorded(),
        _check(
            "ck_deliveries_lease",
            "(state = 'sending') = (owner IS NOT NULL AND lease_until IS NOT NULL)",
        ),
        _check("ck_deliveries_state", "state IN ('due', 'sending', 'delivered', 'abandoned')"),
        _check("ck_deliveries_attempts", "attempts >= 0"),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["scarpwatch.alerts.id"], name="fk_deliveries_alert_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("alert_id", "channel", name="uq_deliveries_alert_id_channel"),
        schema=SCHEMA,
        comment="One alert on its way to one channel.",
    )
    op.create_index(
        "ix_deliveries_open",
        "deliveries",
        ["retry_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state IN ('due', 'sending')"),
    )
    op.create_table(
        "receipts",
        _c("delivery_id", UUID, "Delivery."),
        _c("attempt", INT, "Which attempt it answers."),
        _c("received_at", TIME, "When the answer came."),
        _c("content", JSON, "The answer."),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["scarpwatch.deliveries.id"], name="fk_receipts_delivery_id"
        ),
        sa.PrimaryKeyConstraint("delivery_id", "attempt", name="pk_receipts"),
        schema=SCHEMA,
        comment="What each channel answered, one row per message it took.",
    )
    for table, comment in GEOSPATIAL_COMMENTS.items():
        op.create_table_comment(table, comment, schema=SCHEMA)
    op.execute(APPEND_ONLY)
    op.execute(CURRENT)
    for column, comment in CURRENT_COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.landslides_current.{column} IS '{comment}'")


def downgrade() -> None:
    op.execute(f"DROP VIEW {SCHEMA}.landslides_current")
    op.drop_table("receipts", schema=SCHEMA)
    op.drop_table("deliveries", schema=SCHEMA)
    op.drop_table("landslide_detections", schema=SCHEMA)
    op.drop_table("alerts", schema=SCHEMA)
    op.drop_geospatial_table("landslide_versions", schema=SCHEMA)
    op.drop_geospatial_table("detections", schema=SCHEMA)
    op.drop_table("refused_items", schema=SCHEMA)
    op.drop_table("poll_states", schema=SCHEMA)
    op.drop_table("looks", schema=SCHEMA)
    op.drop_table("landslides", schema=SCHEMA)
    op.drop_geospatial_table("regions", schema=SCHEMA)
    op.drop_geospatial_table("acquisitions", schema=SCHEMA)
    op.execute(f"DROP FUNCTION {SCHEMA}.refuse_change()")
