"""Scheduling: cron, windows, sensors and levels of regions; alerts kept for a summary; triggers."""

from __future__ import annotations

from typing import Any

import geoalchemy2
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

TIME = sa.DateTime(timezone=True)
LENGTH = postgresql.INTERVAL()

CANDIDATES = """
CREATE VIEW analysts.candidate_triggers AS
SELECT believed.id AS landslide_id, believed.region_id, believed.exercise, believed.simulated,
    event."trigger", event.event_id, event.title, event.begins_at, event.ends_at, event.magnitude,
    event.severity, believed.not_before, believed.not_after,
    ST_Distance(event.place::geography, believed.geometry::geography) / 1000 AS distance_km
FROM analysts.landslides_current AS believed
JOIN (
    SELECT DISTINCT ON (held."trigger", held.event_id) held.* FROM scarpwatch.trigger_events AS held
    ORDER BY held."trigger", held.event_id, held.version DESC
) AS event ON NOT event.cancelled
    AND event.begins_at <= believed.not_after AND event.ends_at >= believed.not_before
    AND ST_DWithin(event.place::geography, believed.geometry::geography, event.reach_m);
COMMENT ON VIEW analysts.candidate_triggers IS
    'Earthquakes and warnings that may have set off a landslide: within reach, and within the time'
    ' in which it happened. Candidates, no causes.';
"""
CANDIDATE_COLUMNS = {
    "landslide_id": "Landslide.",
    "region_id": "Watched region.",
    "exercise": "EXERCISE: the landslide is part of a drill or replay.",
    "simulated": "SIMULATED: the landslide never happened.",
    "trigger": "Name of the feed in the settings.",
    "event_id": "What the feed calls the event.",
    "title": "In the words of the feed.",
    "begins_at": "When the earth shook, or from when on it rained.",
    "ends_at": "Until when; of an earthquake the same moment.",
    "magnitude": "Of an earthquake; null: a warning.",
    "severity": "Of a warning, in the words of CAP; null: an earthquake.",
    "not_before": "The landslide had not happened yet.",
    "not_after": "The landslide had happened.",
    "distance_km": "From the epicentre, or from the warned area, km.",
}

CHECKS = {
    "poll_cron": "poll_cron <> ''",
    "sensors": "cardinality(sensors) > 0",
    "alert_from": "alert_from IN ('watch', 'likely', 'confirmed')",
}


#: Words of columns, before and from now on.
STATES = "'due', 'sending', 'delivered', 'abandoned'"
SORTS = "'digest', 'bulletin', 'silence', 'all-clear', 'quota'"
ALL_SORTS = "'digest', 'summary', 'bulletin', 'silence', 'all-clear', 'quota'"


def _words(table: str, column: str, words: str, comment: str) -> None:
    """Let a column hold these words."""
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, schema=SCHEMA)
    op.create_check_constraint(name, table, f"{column} IN ({words})", schema=SCHEMA)
    op.alter_column(table, column, comment=comment, existing_type=TEXT, schema=SCHEMA)


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


def _c(name: str, kind: Any, comment: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment)


def _recorded() -> sa.Column[Any]:
    return sa.Column(
        "recorded_at", TIME, nullable=False, server_default=sa.func.clock_timestamp(),
        comment="When this row was written.",
    )  # fmt: skip


def _triggers() -> None:
    op.create_table(
        "trigger_events",
        _c("trigger", TEXT, "Name of the trigger in the settings."),
        _c("event_id", TEXT, "What the feed calls it."),
        _c("version", TIME, "When the feed wrote this version."),
        _c("title", TEXT, "In the feed's words."),
        _c("begins_at", TIME, "When the earth shook, or from when on it rains."),
        _c("ends_at", TIME, "Until when; of an earthquake the same moment."),
        _c(
            "place", geoalchemy2.Geometry("GEOMETRY", srid=4326, spatial_index=False),
            "Epicentre, or the warned areas.",
        ),
        _c("reach_m", sa.DOUBLE_PRECISION(), "How far around it landslides are to be expected, m."),
        _c("magnitude", sa.DOUBLE_PRECISION(), "Of an earthquake.", True),
        _c("severity", TEXT, "Of a warning, in the words of CAP.", True),
        _c("cancelled", sa.Boolean(), "Deleted, cancelled, or weaker by now than asked for."),
        _c("poll_every", LENGTH, "Interval of polls it asks for."),
        _c("raised_until", TIME, "Until when it asks for them."),
        _recorded(),
        sa.CheckConstraint("begins_at <= ends_at", name=op.f("ck_trigger_events_times")),
        sa.CheckConstraint(
            "reach_m >= 0 AND reach_m < 'Infinity'", name=op.f("ck_trigger_events_reach_m")
        ),
        sa.CheckConstraint("poll_every > interval '0'", name=op.f("ck_trigger_events_poll_every")),
        sa.PrimaryKeyConstraint("trigger", "event_id", "version", name="pk_trigger_events"),
        schema=SCHEMA,
        comment="Append-only: earthquakes and warnings of feeds, every version of each.",
    )  # fmt: skip
    op.create_index(
        "idx_trigger_events_place", "trigger_events", ["place"], schema=SCHEMA,
        postgresql_using="gist",
    )  # fmt: skip
    op.create_table(
        "trigger_feeds",
        _c("trigger", TEXT, "Name of the trigger in the settings."),
        _c("read_at", TIME, "Last attempt."),
        _c("succeeded_at", TIME, "Last attempt that worked.", True),
        _c("failures", sa.Integer(), "Attempts that failed since then."),
        _c("error", TEXT, "Why the last attempt failed, null where it worked.", True),
        _c("left_out", WORDS, "Entries that could not be read, and why."),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_trigger_feeds_failures")),
        sa.PrimaryKeyConstraint("trigger", name="pk_trigger_feeds"),
        schema=SCHEMA,
        comment="How reading each feed of triggers went.",
    )
    for event, each in (("UPDATE OR DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        name = "append_only" if each == "ROW" else "no_truncate"
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON scarpwatch.trigger_events FOR EACH {each}"
            " EXECUTE FUNCTION scarpwatch.refuse_change()"
        )
    op.execute(CANDIDATES)
    for name, says in CANDIDATE_COLUMNS.items():
        op.execute(f"""COMMENT ON COLUMN analysts.candidate_triggers."{name}" IS '{says}'""")


def upgrade() -> None:
    for table in ("regions", "region_versions"):
        for column in _columns():
            op.add_column(table, column, schema=SCHEMA)
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_regions_{name}"), "regions", condition, schema=SCHEMA)
    _keep_region(*(column.name for column in _columns()))
    _words(
        "deliveries", "state", f"{STATES}, 'kept', 'listed'",
        "due, sending, delivered, abandoned, kept (for a summary) or listed (in one).",
    )  # fmt: skip
    _words(
        "bulletins", "sort", ALL_SORTS,
        "digest, summary, bulletin, silence, all-clear or quota.",
    )  # fmt: skip
    _triggers()


def downgrade() -> None:
    """Undo; when and how regions are watched goes back to intervals all the year round.

    What was kept for a summary is sent one by one; summaries that were sent are forgotten.
    """
    op.execute("DROP VIEW analysts.candidate_triggers")
    for table in ("trigger_feeds", "trigger_events"):
        op.drop_table(table, schema=SCHEMA)
    for statement in (
        "UPDATE scarpwatch.deliveries SET state = 'due' WHERE state = 'kept'",
        "UPDATE scarpwatch.deliveries SET state = 'delivered' WHERE state = 'listed'",
        "DELETE FROM scarpwatch.receipts WHERE delivery_id IN (SELECT id FROM"
        " scarpwatch.deliveries WHERE bulletin_id IN (SELECT id FROM scarpwatch.bulletins"
        " WHERE sort = 'summary'))",
        "DELETE FROM scarpwatch.deliveries WHERE bulletin_id IN (SELECT id FROM"
        " scarpwatch.bulletins WHERE sort = 'summary')",
        "DELETE FROM scarpwatch.bulletins WHERE sort = 'summary'",
    ):
        op.execute(statement)
    _words("deliveries", "state", STATES, "due, sending, delivered or abandoned.")
    _words("bulletins", "sort", SORTS, "digest, bulletin, silence, all-clear or quota.")
    _keep_region()
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_regions_{name}"), "regions", schema=SCHEMA)
    for table in ("region_versions", "regions"):
        for column in _columns():
            op.drop_column(table, column.name, schema=SCHEMA)
