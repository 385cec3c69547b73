"""Exposure, exclusions, subscribers' notices, bulletins, and silence."""
# The geospatial operations are added to alembic.op when geoalchemy2 is loaded.
# mypy: disable-error-code="attr-defined"

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from geoalchemy2 import Geography, Geometry
from sqlalchemy.dialects import postgresql

from detectors.errors import ConfigurationError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
BOOL = sa.Boolean()
FLOAT: Any = sa.DOUBLE_PRECISION()
GEOGRAPHY = Geography("GEOMETRY", srid=4326, spatial_index=False)
JSON = postgresql.JSONB()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()

# The geospatial helper leaves a table's comment out.
TABLE_COMMENTS = {
    "exclusions": "Areas of the operator where findings are stored and never alerted.",
    "exposure_maps": "Maps of what could be hit, as the operator loaded them.",
    "exposure_features": "Roads, rails, buildings, rivers and places that could be hit.",
}

#: What 0003 said of deliveries, and what they say now, by column; "" is the table itself.
COMMENTS = {
    "": (
        "One alert on its way to one channel.",
        "One alert or bulletin on its way to one channel.",
    ),
    ".id": ("Derived from alert and channel.", "Derived from what is sent and channel."),
    ".alert_id": ("What is sent.", "What is sent; null for a bulletin."),
}


def _c(name: str, kind: Any, comment: str, *parts: Any, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, *parts, nullable=nullable, comment=comment)


def _check(name: str, condition: str) -> sa.CheckConstraint:
    # op.f: this is the whole name, the naming convention has nothing to add.
    return sa.CheckConstraint(condition, name=op.f(name))


def _recorded(comment: str) -> sa.Column[Any]:
    return sa.Column(
        "recorded_at",
        TIME,
        nullable=False,
        comment=comment,
        server_default=sa.func.clock_timestamp(),
    )


def _geometry(kind: str) -> Geometry:
    return Geometry(kind, srid=4326, spatial_index=False)


def _comment(which: int) -> None:
    for column, says in COMMENTS.items():
        what = "COLUMN" if column else "TABLE"
        op.execute(f"COMMENT ON {what} {SCHEMA}.deliveries{column} IS '{says[which]}'")


def upgrade() -> None:
    op.create_geospatial_table(
        "exclusions",
        _c("id", UUID, "Derived from outline and reason."),
        _c("name", TEXT, "What people call it, empty where nobody said."),
        _c("reason", TEXT, "Why: quarry, reservoir, works, or any other word."),
        _c("geometry", _geometry("MULTIPOLYGON"), "The area."),
        _c("removed_at", TIME, "When it ended; null: it holds.", nullable=True),
        _recorded("When this row was written."),
        _check("ck_exclusions_reason", "reason <> ''"),
        _check("ck_exclusions_geometry", "ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)"),
        sa.PrimaryKeyConstraint("id", name="pk_exclusions"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_exclusions_geometry",
        "exclusions",
        ["geometry"],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    op.create_geospatial_table(
        "exposure_maps",
        _c("id", TEXT, "Name of the map; loading the same name replaces it."),
        _c("file", TEXT, "Name of the file it was read from, and its layer."),
        _c("sha256", TEXT, "Checksum of that file and of how it was read."),
        _c("credit", TEXT, "Whose data they are and under which licence."),
        _c("counts", JSON, "Features by kind."),
        _c(
            "extent",
            _geometry("POLYGON"),
            "Box around all of them: beyond it the map says nothing.",
        ),
        _recorded("When it was loaded."),
        _check("ck_exposure_maps_id", "id <> ''"),
        _check("ck_exposure_maps_counts", "jsonb_typeof(counts) = 'object'"),
        _check("ck_exposure_maps_extent", "ST_IsValid(extent) AND NOT ST_IsEmpty(extent)"),
        sa.PrimaryKeyConstraint("id", name="pk_exposure_maps"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_exposure_maps_extent",
        "exposure_maps",
        ["extent"],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    op.create_table(
        "bulletins",
        _c("id", UUID, "Idempotency key."),
        _c("sort", TEXT, "digest, bulletin, silence or all-clear."),
        _c("region_id", TEXT, "Watched region; null for a digest.", nullable=True),
        _c("exercise", BOOL, "Goes out as EXERCISE, to exercise channels only."),
        _c("simulated", BOOL, "Something in it never happened."),
        _c("payload", JSON, "The bulletin as it was when it was decided."),
        _recorded("When this row was written."),
        _check("ck_bulletins_sort", "sort IN ('digest', 'bulletin', 'silence', 'all-clear')"),
        _check("ck_bulletins_exercise", "exercise OR NOT simulated"),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_bulletins_region_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_bulletins"),
        schema=SCHEMA,
        comment="Digests, answers to a trigger, silence and its end, to be sent.",
    )
    op.create_index(op.f("ix_bulletins_region_id"), "bulletins", ["region_id"], schema=SCHEMA)
    op.create_geospatial_table(
        "exposure_features",
        _c("id", sa.BigInteger(), "Counts up; means nothing.", sa.Identity(always=True)),
        _c("map_id", TEXT, "The map it is of."),
        _c("kind", TEXT, "road, rail, building, river or place."),
        _c("name", TEXT, "What people call it, empty where the map has no name."),
        _c("what", TEXT, "The map's own class, empty where it has none."),
        _c("flows", BOOL, "river: its line runs the way the water does."),
        _c("place", GEOGRAPHY, "Where it is; lengths and distances of it are in metres."),
        _check(
            "ck_exposure_features_kind", "kind IN ('road', 'rail', 'building', 'river', 'place')"
        ),
        sa.ForeignKeyConstraint(
            ["map_id"],
            ["scarpwatch.exposure_maps.id"],
            name="fk_exposure_features_map_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_exposure_features"),
        schema=SCHEMA,
    )
    op.create_geospatial_index(
        "idx_exposure_features_place",
        "exposure_features",
        ["place"],
        schema=SCHEMA,
        postgresql_using="gist",
    )
    op.create_geospatial_index(
        "idx_exposure_features_towns",
        "exposure_features",
        ["place"],
        schema=SCHEMA,
        postgresql_using="gist",
        postgresql_where=sa.text("kind = 'place'"),
    )
    op.create_index(
        op.f("ix_exposure_features_map_id"), "exposure_features", ["map_id"], schema=SCHEMA
    )
    op.create_table(
        "silences",
        _c("region_id", TEXT, "Watched region."),
        _c("track", TEXT, "Relative orbit and direction, or tile."),
        _c("expected_at", TIME, "When it should have been taken."),
        _c("cycle_s", FLOAT, "The cycle learned of this track, seconds."),
        _c("alarm_id", UUID, "The alarm."),
        _c("cleared_by", UUID, "The all-clear; null while it is silent.", nullable=True),
        _recorded("When the alarm was raised."),
        sa.ForeignKeyConstraint(
            ["alarm_id"], ["scarpwatch.bulletins.id"], name="fk_silences_alarm_id"
        ),
        sa.ForeignKeyConstraint(
            ["cleared_by"], ["scarpwatch.bulletins.id"], name="fk_silences_cleared_by"
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["scarpwatch.regions.id"], name="fk_silences_region_id"
        ),
        sa.PrimaryKeyConstraint("region_id", "track", "expected_at", name="pk_silences"),
        schema=SCHEMA,
        comment="Looks that were expected of a track and did not come.",
    )
    op.create_table(
        "withheld",
        _c("landslide_id", UUID, "Landslide."),
        _c("revision", sa.Integer(), "Its version that would have been told."),
        _c("kind", TEXT, "The kind of alert it would have been."),
        _c("exclusion_id", UUID, "The exclusion that covers most of it."),
        _c("share", FLOAT, "Share of the outline inside exclusions, 0 to 1."),
        _recorded("When this row was written."),
        _check("ck_withheld_share", "share BETWEEN 0 AND 1"),
        sa.ForeignKeyConstraint(
            ["exclusion_id"], ["scarpwatch.exclusions.id"], name="fk_withheld_exclusion_id"
        ),
        sa.ForeignKeyConstraint(
            ["landslide_id", "revision"],
            [
                "scarpwatch.landslide_versions.landslide_id",
                "scarpwatch.landslide_versions.revision",
            ],
            name="fk_withheld_landslide_id_revision",
        ),
        sa.PrimaryKeyConstraint("landslide_id", "revision", name="pk_withheld"),
        schema=SCHEMA,
        comment="Alerts that were not sent, because the place is excluded.",
    )
    op.create_index(op.f("ix_withheld_exclusion_id"), "withheld", ["exclusion_id"], schema=SCHEMA)
    op.create_table(
        "acknowledgements",
        _c("id", UUID, "Derived from alert, person and channel."),
        _c("alert_id", UUID, "Alert."),
        _c("by_whom", TEXT, "Who."),
        _c("subscriber", TEXT, "For which subscriber; null: for all of them.", nullable=True),
        _c("channel", TEXT, "Channel whose receipt said so; null: a command.", nullable=True),
        _recorded("When this row was written."),
        _check("ck_acknowledgements_by_whom", "by_whom <> ''"),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["scarpwatch.alerts.id"], name="fk_acknowledgements_alert_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_acknowledgements"),
        schema=SCHEMA,
        comment="Who has taken an alert in hand; escalation ends with it.",
    )
    op.create_index(
        op.f("ix_acknowledgements_alert_id"), "acknowledgements", ["alert_id"], schema=SCHEMA
    )
    op.create_table(
        "notices",
        _c("alert_id", UUID, "Alert."),
        _c("subscriber", TEXT, "Name in the settings."),
        _c("state", TEXT, "waiting, sent (at once), kept (for a digest) or listed (in one)."),
        _c("follows", BOOL, "Follows an alert the subscriber was told: outside the budget."),
        _c("reason", TEXT, "Why it was not sent at once.", nullable=True),
        _c("decided_at", TIME, "When it was decided how; null while it waits.", nullable=True),
        _c("digest_id", UUID, "The digest it is listed in.", nullable=True),
        _c(
            "escalate_at",
            TIME,
            "When the second target is told, unless somebody acknowledges; null: never.",
            nullable=True,
        ),
        _c("escalated_at", TIME, "When the second target was told.", nullable=True),
        _recorded("When this row was written."),
        _check("ck_notices_digest", "(state = 'listed') = (digest_id IS NOT NULL)"),
        _check("ck_notices_decided", "(state = 'waiting') = (decided_at IS NULL)"),
        _check("ck_notices_state", "state IN ('waiting', 'sent', 'kept', 'listed')"),
        sa.ForeignKeyConstraint(["alert_id"], ["scarpwatch.alerts.id"], name="fk_notices_alert_id"),
        sa.ForeignKeyConstraint(
            ["digest_id"], ["scarpwatch.bulletins.id"], name="fk_notices_digest_id"
        ),
        sa.PrimaryKeyConstraint("alert_id", "subscriber", name="pk_notices"),
        schema=SCHEMA,
        comment="What each subscriber is to learn of each alert: at once, or in a digest.",
    )
    op.create_index(
        "ix_notices_open",
        "notices",
        ["subscriber"],
        schema=SCHEMA,
        postgresql_where=sa.text("state <> 'listed'"),
    )
    for column in (
        _c("bulletin_id", UUID, "What is sent; null for an alert.", nullable=True),
        _c("remark", TEXT, "Said above the message to this channel alone.", nullable=True),
    ):
        op.add_column("deliveries", column, schema=SCHEMA)
    op.alter_column("deliveries", "alert_id", nullable=True, schema=SCHEMA)
    op.create_unique_constraint(
        op.f("uq_deliveries_bulletin_id_channel"),
        "deliveries",
        ["bulletin_id", "channel"],
        schema=SCHEMA,
    )
    op.create_check_constraint(
        op.f("ck_deliveries_what"),
        "deliveries",
        "num_nonnulls(alert_id, bulletin_id) = 1",
        schema=SCHEMA,
    )
    op.create_foreign_key(
        op.f("fk_deliveries_bulletin_id"),
        "deliveries",
        "bulletins",
        ["bulletin_id"],
        ["id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
    )
    _comment(1)
    for table, comment in TABLE_COMMENTS.items():
        op.execute(f"COMMENT ON TABLE {SCHEMA}.{table} IS '{comment}'")


def downgrade() -> None:
    """Undo.

    Raises:
        ConfigurationError: somebody was told, or excluded, what 0003 has no place for.
    """
    if context.get_revision_argument() is not None:
        _refuse_to_forget()
    for table in ("silences", "notices", "acknowledgements", "withheld"):
        op.drop_table(table, schema=SCHEMA)
    # Going down to base nothing is asked: receipts of bulletins go with them.
    theirs = f"SELECT id FROM {SCHEMA}.deliveries WHERE bulletin_id IS NOT NULL"
    op.execute(f"DELETE FROM {SCHEMA}.receipts WHERE delivery_id IN ({theirs})")
    op.execute(f"DELETE FROM {SCHEMA}.deliveries WHERE bulletin_id IS NOT NULL")
    op.drop_column("deliveries", "remark", schema=SCHEMA)
    # Its constraints go with it.
    op.drop_column("deliveries", "bulletin_id", schema=SCHEMA)
    op.alter_column("deliveries", "alert_id", nullable=False, schema=SCHEMA)
    op.drop_table("bulletins", schema=SCHEMA)
    for table in ("exposure_features", "exposure_maps", "exclusions"):
        op.drop_geospatial_table(table, schema=SCHEMA)
    _comment(0)


def _refuse_to_forget() -> None:
    tables = ("bulletins", "notices", "acknowledgements", "exclusions")
    counts = " + ".join(f"(SELECT count(*) FROM {SCHEMA}.{table})" for table in tables)
    held = op.get_bind().scalar(sa.text(f"SELECT {counts}"))
    if held:
        raise ConfigurationError(
            f"{held} rows tell who was told in a digest or a bulletin, who answered, and what is "
            "excluded, and version 0003 cannot hold them; go back to a copy of the database from "
            "before the upgrade"
        )
