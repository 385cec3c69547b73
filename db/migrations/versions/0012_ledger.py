"""The ledger of expected looks, what reading costs, and platforms that are checked first."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

from detectors.errors import ConfigurationError

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
FLOAT: Any = sa.DOUBLE_PRECISION()
BIG = sa.BigInteger()
INT = sa.Integer()
UUID = sa.Uuid()

QUOTAS = (
    ("requests_a_month", BIG, "Requests in a calendar month, UTC; null: no limit."),
    ("bytes_a_month", BIG, "Bytes fetched in a calendar month, UTC; null: no limit."),
    ("units_a_month", FLOAT, "Processing units in a calendar month, UTC; null: no limit."),
)

LEDGER = """
CREATE VIEW analysts.ledger AS
SELECT expected.region_id, region.name AS region_name, region.simulated AS exercise,
    region.simulated, expected.track, expected.expected_at, expected.outcome, expected.reason,
    expected.sensed_at, expected.published_at, expected.finished_at, expected.recorded_at
FROM scarpwatch.expected_looks AS expected
JOIN scarpwatch.regions AS region ON region.id = expected.region_id
WHERE expected.region_id = ANY (ARRAY(SELECT scarpwatch.visible_regions(current_user)));
COMMENT ON VIEW analysts.ledger IS
    'Passes that were expected of each track, by the cycle learned of it, and what became of each,'
    ' as of the last poll.';
"""
LEDGER_COLUMNS = {
    "region_id": "Watched region.",
    "region_name": "What people call the region.",
    "exercise": "EXERCISE: the region is a drill, and whatever is told of it is marked so.",
    "simulated": "SIMULATED: the region is a drill.",
    "track": "Relative orbit and direction, or tile.",
    "expected_at": "When the pass was taken, or should have been.",
    "outcome": "processed, waiting, skipped, expected, late, missing (upstream) or failed (here).",
    "reason": "Why, where it was not processed.",
    "sensed_at": "When the pass was taken; null: none came.",
    "published_at": "When the last of its products became available; null: none came.",
    "finished_at": "When the last of its looks was judged; null: none is.",
    "recorded_at": "When this was found to be so.",
}

# What judged looks before there was a check goes on alerting.
KNOWN = """
INSERT INTO scarpwatch.platform_decisions
    (platform, processing_version, region_id, track, decision, reason, decided_by)
SELECT DISTINCT seen.platform, coalesce(seen.processing_version, ''), look.region_id,
    lpad(seen.relative_orbit::text, 3, '0') || '-' || seen.orbit_state, 'approved',
    'judged looks before platforms were checked', 'scarpwatch db upgrade'
FROM scarpwatch.looks AS look
JOIN scarpwatch.acquisitions AS seen ON seen.id = look.acquisition_id
WHERE look.state = 'processed' AND seen.sensor = 'sar'
ORDER BY 1, 2, 3, 4
"""
APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.platform_decisions
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER never_empty BEFORE TRUNCATE ON scarpwatch.platform_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
"""


def _c(
    name: str, kind: Any, comment: str, nullable: bool = False, **options: Any
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment, **options)


def _recorded(comment: str = "When this row was written.") -> sa.Column[Any]:
    return _c("recorded_at", TIME, comment, server_default=sa.func.clock_timestamp())


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(name))


def _of_region(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["region_id"], ["scarpwatch.regions.id"], name=f"fk_{table}_region_id"
    )


def upgrade() -> None:
    for name, kind, comment in QUOTAS:
        op.add_column("regions", _c(name, kind, comment, True), schema=SCHEMA)
        op.create_check_constraint(
            op.f(f"ck_regions_{name}"), "regions", f"{name} > 0", schema=SCHEMA
        )
    _sorts(
        "'digest', 'bulletin', 'silence', 'all-clear', 'quota'",
        "digest, bulletin, silence, all-clear or quota.",
    )
    _expected_looks()
    _costs()
    _platforms()
    op.execute(APPEND_ONLY)
    op.execute(KNOWN)
    op.execute(LEDGER)
    for name, says in LEDGER_COLUMNS.items():
        op.execute(f"COMMENT ON COLUMN analysts.ledger.{name} IS '{says}'")


def _sorts(sorts: str, said: str) -> None:
    op.drop_constraint(op.f("ck_bulletins_sort"), "bulletins", schema=SCHEMA)
    op.create_check_constraint(
        op.f("ck_bulletins_sort"), "bulletins", f"sort IN ({sorts})", schema=SCHEMA
    )
    op.execute(f"COMMENT ON COLUMN {SCHEMA}.bulletins.sort IS '{said}'")


def _expected_looks() -> None:
    op.create_table(
        "expected_looks",
        _c("region_id", TEXT, "Watched region."),
        _c("track", TEXT, "Relative orbit and direction, or tile."),
        _c("expected_at", TIME, "When the pass was taken, or should have been."),
        _c("outcome", TEXT,
           "processed, waiting, skipped, expected, late, missing (upstream) or failed (here)."),
        _c("reason", TEXT, "Why, where it was not processed.", True),
        _c("sensed_at", TIME, "When the pass was taken; null: none came.", True),
        _c("published_at", TIME, "When the last of its products became available.", True),
        _c("finished_at", TIME, "When the last of its looks was judged.", True),
        _recorded("When this was found to be so."),
        _check(
            "ck_expected_looks_outcome",
            "outcome IN ('processed', 'waiting', 'skipped', 'expected', 'late', 'missing',"
            " 'failed')",
        ),
        _of_region("expected_looks"),
        sa.PrimaryKeyConstraint("region_id", "track", "expected_at", name="pk_expected_looks"),
        schema=SCHEMA,
        comment="Passes that were expected, and what became of each; written anew by each poll.",
    )  # fmt: skip


def _costs() -> None:
    op.create_table(
        "costs",
        _c("region_id", TEXT, "Watched region."),
        _c("day", sa.Date(), "Day it was spent on, UTC, by the clock of the machine."),
        _c("source", TEXT, "Catalogue/collection that was asked."),
        _c("work", TEXT, "poll, judge, confirm or measure."),
        _c("item_id", TEXT, "Look it was spent on; empty where on none alone."),
        _c("requests", BIG, "Requests made, those that failed included."),
        _c("bytes", BIG, "Bytes of the answers as they came over the network, without headers."),
        _c("seconds", FLOAT, "Time the work took, with whatever was computed meanwhile."),
        _c("units", FLOAT, "Processing units as the service says, or else as estimated."),
        _recorded("When something was added last."),
        _check(
            "ck_costs_amounts",
            "requests >= 0 AND bytes >= 0 AND seconds >= 0 AND seconds < 'Infinity'"
            " AND units >= 0 AND units < 'Infinity'",
        ),
        _check("ck_costs_work", "work IN ('poll', 'judge', 'confirm', 'measure')"),
        _of_region("costs"),
        sa.PrimaryKeyConstraint("region_id", "day", "source", "work", "item_id", name="pk_costs"),
        schema=SCHEMA,
        comment="What reading cost, by region, day, work and look: spent is spent, whatever came"
        " of it.",
    )


def _platforms() -> None:
    op.create_table(
        "look_biases",
        _c("region_id", TEXT, "Watched region."),
        _c("acquisition_id", UUID, "The look."),
        _c("polarisation", TEXT, "VV, VH, HH or HV."),
        _c("median_db", FLOAT, "Median over stable ground of the look against known platforms, dB."),
        _c("spread_db", FLOAT, "Spread of the same, 1.4826 x median absolute deviation, dB."),
        _c("pixels", INT, "Pixels of stable ground it was measured on."),
        _recorded("When the look was judged last."),
        _check("ck_look_biases_pixels", "pixels > 0"),
        _check("ck_look_biases_spread_db", "spread_db >= 0"),
        _check(
            "ck_look_biases_finite",
            "'-Infinity' < ALL (ARRAY[median_db, spread_db])"
            " AND 'Infinity' > ALL (ARRAY[median_db, spread_db])",
        ),
        sa.ForeignKeyConstraint(
            ["region_id", "acquisition_id"],
            ["scarpwatch.looks.region_id", "scarpwatch.looks.acquisition_id"],
            name="fk_look_biases_region_id_acquisition_id",
        ),
        sa.PrimaryKeyConstraint(
            "region_id", "acquisition_id", "polarisation", name="pk_look_biases"
        ),
        schema=SCHEMA,
        comment="How far each judged radar look departs on stable ground from known platforms.",
    )
    op.create_table(
        "platform_decisions",
        sa.Column(
            "number", BIG, sa.Identity(always=True), nullable=False,
            comment="Rises with each decision.",
        ),
        _c("platform", TEXT, "Satellite."),
        _c("processing_version", TEXT, "Of the producer's processor; empty: any.",
           server_default=""),
        _c("region_id", TEXT, "Only in this region; null: everywhere.", True),
        _c("track", TEXT, "Only on this track; null: on all.", True),
        _c("decision", TEXT, "approved: its looks may alert. rejected: never."),
        _c("reason", TEXT, "Why, in the person's words."),
        _c("decided_by", TEXT, "Who said so."),
        _recorded("When it was said."),
        _check("ck_platform_decisions_decision", "decision IN ('approved', 'rejected')"),
        _check("ck_platform_decisions_words",
               "platform <> '' AND reason <> '' AND decided_by <> ''"),
        _check("ck_platform_decisions_track", "track IS NULL OR region_id IS NOT NULL"),
        _of_region("platform_decisions"),
        sa.PrimaryKeyConstraint("number", name="pk_platform_decisions"),
        schema=SCHEMA,
        comment="Append-only: which platforms people approved or rejected; the last one counts.",
    )  # fmt: skip
    op.create_table(
        "held_alerts",
        _c("landslide_id", UUID, "Landslide."),
        _c("revision", INT, "Its version that would have been told."),
        _c("kind", TEXT, "The kind of alert it would have been."),
        _c("acquisition_id", UUID, "The look of a platform that is not approved."),
        _c("advisory", TEXT, "Why it was held."),
        _c("released_at", TIME, "When it was decided anew; null: it is held.", True),
        _recorded(),
        sa.ForeignKeyConstraint(
            ["landslide_id", "revision"],
            [
                "scarpwatch.landslide_versions.landslide_id",
                "scarpwatch.landslide_versions.revision",
            ],
            name="fk_held_alerts_landslide_id_revision",
        ),
        sa.ForeignKeyConstraint(
            ["acquisition_id"], ["scarpwatch.acquisitions.id"],
            name="fk_held_alerts_acquisition_id",
        ),
        sa.PrimaryKeyConstraint("landslide_id", "revision", name="pk_held_alerts"),
        schema=SCHEMA,
        comment="Alerts that wait until the platform of their look is approved.",
    )  # fmt: skip
    op.create_index(
        "ix_held_alerts_acquisition_id", "held_alerts", ["acquisition_id"], schema=SCHEMA
    )


def downgrade() -> None:
    """Undo.

    Raises:
        ConfigurationError: people have approved or rejected platforms, which 0010 cannot hold.
    """
    if context.get_revision_argument() is not None:
        said = sa.text(
            f"SELECT (SELECT count(*) FROM {SCHEMA}.platform_decisions"
            "  WHERE decided_by <> 'scarpwatch db upgrade')"
            f" + (SELECT count(*) FROM {SCHEMA}.bulletins WHERE sort = 'quota')"
        )
        if held := op.get_bind().scalar(said):
            raise ConfigurationError(
                f"{held} rows tell which platforms people approved or rejected, or that a quota "
                "was spent, and earlier versions cannot hold them; go back to a copy of the "
                "database from before the upgrade"
            )
    # Going down to base nothing is asked, since every table goes: they take another word so long.
    op.execute(f"UPDATE {SCHEMA}.bulletins SET sort = 'bulletin' WHERE sort = 'quota'")
    _sorts(
        "'digest', 'bulletin', 'silence', 'all-clear'",
        "digest, bulletin, silence or all-clear.",
    )
    op.execute("DROP VIEW analysts.ledger")
    for table in ("held_alerts", "platform_decisions", "look_biases", "costs", "expected_looks"):
        op.drop_table(table, schema=SCHEMA)
    for name, _, _ in QUOTAS:
        op.drop_constraint(op.f(f"ck_regions_{name}"), "regions", schema=SCHEMA)
        op.drop_column("regions", name, schema=SCHEMA)
