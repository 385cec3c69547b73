"""The life cycle: causes, lineage, people's verdicts, and periods in valid and system time."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from detectors.errors import ConfigurationError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
INT = sa.Integer()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()
UUIDS = sa.ARRAY(sa.Uuid())
RANGE = postgresql.TSTZRANGE()

CAUSES = (
    "cause_kind IN ('radar look', 'optical look', 'person', 'window over', 'merge', 'split',"
    " 'closure')"
)
COMMENTS = (
    (
        "landslide_versions",
        "verdict_at",
        "When the optical look that decided was taken, null before one.",
        "When the optical look that decided was taken, or a person decided; null before.",
    ),
)
#: Landslides that a version points to.
POINTERS = {
    "merged_into": "Landslide it became part of, which ended it.",
    "split_from": "Landslide it was a part of before.",
    "follows": "Landslide that had ended on the same ground before.",
}
LISTS = {
    "merged_from": "Landslides that became part of it.",
    "split_into": "Landslides that were parts of it.",
}

# What made the versions that are there: a detection that joined, the look that decided, the look
# that the cause names by its day; the rest came about when it was written.
FILL = """
WITH told AS (
    SELECT version.landslide_id, version.revision, version.recorded_at, version.state,
        version.cause, version.verdict_at,
        lag(version.state) OVER history AS state_before,
        found.not_after AS found_at, found.acquisition_id AS found_in, found.source AS found_by,
        cardinality(version.detections)
            > coalesce(lag(cardinality(version.detections)) OVER history, 0) AS joined
    FROM scarpwatch.landslide_versions AS version
    LEFT JOIN scarpwatch.detections AS found
        ON found.id = version.detections[cardinality(version.detections)]
    WINDOW history AS (PARTITION BY version.landslide_id ORDER BY version.revision)
), known AS (
    SELECT told.*, decided.acquisition_id AS decided_in, heard.sensed_at AS heard_at,
        heard.acquisition_id AS heard_in,
        told.state IN ('confirmed', 'refuted')
            AND told.state IS DISTINCT FROM told.state_before AS verdict
    FROM told
    LEFT JOIN LATERAL (
        SELECT said.acquisition_id FROM scarpwatch.optical_checks AS said
        WHERE said.landslide_id = told.landslide_id AND said.sensed_at = told.verdict_at LIMIT 1
    ) AS decided ON true
    LEFT JOIN LATERAL (
        SELECT said.sensed_at, said.acquisition_id FROM scarpwatch.radar_checks AS said
        WHERE said.landslide_id = told.landslide_id
            AND to_char(said.sensed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                = substring(told.cause FROM 'by the look of ([0-9]{4}-[0-9]{2}-[0-9]{2})')
        ORDER BY said.sensed_at DESC, said.acquisition_id LIMIT 1
    ) AS heard ON true
)
UPDATE scarpwatch.landslide_versions AS version SET
    valid_from = CASE WHEN known.verdict THEN coalesce(known.verdict_at, known.recorded_at)
        WHEN known.joined THEN coalesce(known.found_at, known.recorded_at)
        ELSE coalesce(known.heard_at, known.recorded_at) END,
    cause_kind = CASE WHEN known.verdict THEN 'optical look'
        WHEN known.joined AND known.found_by = 'optical' THEN 'optical look'
        WHEN known.joined OR known.heard_at IS NOT NULL THEN 'radar look'
        WHEN known.state = 'unresolved' THEN 'window over'
        WHEN known.state = 'closed' THEN 'closure'
        ELSE 'radar look' END,
    acquisition_id = CASE WHEN known.verdict THEN known.decided_in
        WHEN known.joined THEN known.found_in ELSE known.heard_in END
FROM known
WHERE known.landslide_id = version.landslide_id AND known.revision = version.revision
"""

PERIODS = """
CREATE FUNCTION scarpwatch.keep_period(
    landslide uuid, version integer, since timestamptz, known timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held record;
    learnt timestamptz;
BEGIN
    -- A clock that was set back must not turn the order of what we learnt.
    SELECT greatest(known, max(lower(system_time)) + interval '1 microsecond') INTO learnt
    FROM scarpwatch.landslide_periods WHERE landslide_id = landslide;
    FOR held IN
        SELECT * FROM scarpwatch.landslide_periods
        WHERE landslide_id = landslide AND upper_inf(system_time)
            AND valid_time && tstzrange(since, NULL)
    LOOP
        UPDATE scarpwatch.landslide_periods
        SET system_time = tstzrange(lower(system_time), learnt)
        WHERE landslide_id = landslide AND revision = held.revision
            AND valid_time = held.valid_time AND system_time = held.system_time;
        IF lower(held.valid_time) < since THEN
            INSERT INTO scarpwatch.landslide_periods VALUES (landslide, held.revision,
                tstzrange(lower(held.valid_time), since), tstzrange(learnt, NULL));
        END IF;
    END LOOP;
    INSERT INTO scarpwatch.landslide_periods VALUES (landslide, version,
        tstzrange(since, NULL), tstzrange(learnt, NULL));
END $$;

CREATE FUNCTION scarpwatch.begin_period() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM scarpwatch.keep_period(
        NEW.landslide_id, NEW.revision, NEW.valid_from, NEW.recorded_at);
    RETURN NULL;
END $$;
CREATE TRIGGER keeps_periods AFTER INSERT ON scarpwatch.landslide_versions
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.begin_period();

CREATE FUNCTION scarpwatch.only_end_belief() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND upper_inf(OLD.system_time) AND NOT upper_inf(NEW.system_time)
        AND (NEW.landslide_id, NEW.revision, NEW.valid_time, lower(NEW.system_time))
            = (OLD.landslide_id, OLD.revision, OLD.valid_time, lower(OLD.system_time))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only, % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.landslide_periods
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.only_end_belief();
CREATE TRIGGER never_empty BEFORE TRUNCATE ON scarpwatch.landslide_periods
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.reviews
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER never_empty BEFORE TRUNCATE ON scarpwatch.reviews
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
"""

_COLUMNS = """
    version.landslide_id AS id, landslide.region_id, region.name AS region_name, version.revision,
    version.state, version.tier, version.geometry, version.area_m2, version.not_before,
    version.not_after, version.looks, version.score_max, version.evidence, version.change_db,
    version.cause, version.advisory, version.simulated,
    landslide.recorded_at AS first_recorded_at, version.recorded_at,
    version.source, version.d_ndvi, version.ensemble_score, version.verdict_at, version.kind,
    version.valid_from, version.cause_kind, version.acquisition_id, version.reviewed_by,
    version.merged_into, version.merged_from, version.split_from, version.split_into,
    version.follows
"""

VIEWS = f"""
CREATE OR REPLACE VIEW scarpwatch.landslides_current AS
SELECT DISTINCT ON (version.landslide_id) {_COLUMNS}
FROM scarpwatch.landslide_versions AS version
JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
JOIN scarpwatch.regions AS region ON region.id = landslide.region_id
ORDER BY version.landslide_id, version.revision DESC;

CREATE VIEW scarpwatch.landslide_transitions AS
SELECT * FROM (
    SELECT version.landslide_id, version.revision,
        lag(version.state) OVER history AS state_before, version.state,
        lag(version.tier) OVER history AS tier_before, version.tier,
        version.cause_kind, version.cause, version.acquisition_id, look.item_id,
        version.reviewed_by, version.valid_from, version.recorded_at
    FROM scarpwatch.landslide_versions AS version
    LEFT JOIN scarpwatch.acquisitions AS look ON look.id = version.acquisition_id
    WINDOW history AS (PARTITION BY version.landslide_id ORDER BY version.revision)
) AS step
WHERE (state, tier) IS DISTINCT FROM (state_before, tier_before);
COMMENT ON VIEW scarpwatch.landslide_transitions IS
    'Every step of state or tier of each landslide, with its cause, time and evidence.';

CREATE FUNCTION scarpwatch.landslides_as_of(
    at timestamptz, valid_at timestamptz DEFAULT 'infinity'
) RETURNS SETOF scarpwatch.landslides_current LANGUAGE sql STABLE AS $$
SELECT {_COLUMNS}
FROM scarpwatch.landslide_periods AS period
JOIN scarpwatch.landslide_versions AS version
    ON version.landslide_id = period.landslide_id AND version.revision = period.revision
JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
JOIN scarpwatch.regions AS region ON region.id = landslide.region_id
WHERE period.system_time @> at AND period.valid_time @> valid_at
ORDER BY version.not_after, version.landslide_id
$$;
COMMENT ON FUNCTION scarpwatch.landslides_as_of IS
    'What we believed at one moment, of one moment in the world (left out: until further notice).';
"""

VIEW_COMMENTS = {
    "landslides_current": {
        "verdict_at": COMMENTS[0][3],
        "valid_from": "Since when it holds in the world.",
        "cause_kind": "radar look, optical look, person, window over, merge, split or closure.",
        "acquisition_id": "The look that made it, null where none did.",
        "reviewed_by": "Person whose verdict stands: no look changes the state.",
        **POINTERS,
        **LISTS,
    },
    "landslide_transitions": {
        "landslide_id": "Landslide.",
        "revision": "Version that made the step.",
        "state_before": "State before, null at first.",
        "state": "State since.",
        "tier_before": "Tier before, null at first.",
        "tier": "Tier since.",
        "cause_kind": "radar look, optical look, person, window over, merge, split or closure.",
        "cause": "Why, in words.",
        "acquisition_id": "The look that made the step, null where none did.",
        "item_id": "Its STAC item id.",
        "reviewed_by": "Person whose verdict stands.",
        "valid_from": "When, in the world.",
        "recorded_at": "When we came to believe so.",
    },
}


def _c(
    name: str, kind: Any, comment: str, nullable: bool = False, **options: Any
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment, **options)


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(name))


def _comment(which: int) -> None:
    for table, column, *says in COMMENTS:
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.{table}.{column} IS '{says[which]}'")


def _comment_view(view: str, comments: dict[str, str]) -> None:
    for column, comment in comments.items():
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.{view}.{column} IS '{comment}'")


def _add_to_versions() -> None:
    table = "landslide_versions"
    for added in (
        _c(
            "valid_from",
            TIME,
            "Since when it holds in the world: when the look was taken, the window ended, or the person spoke.",
            nullable=True,
        ),
        _c(
            "cause_kind",
            TEXT,
            "radar look, optical look, person, window over, merge, split or closure.",
            nullable=True,
        ),
        _c("acquisition_id", UUID, "The look that made it, null where none did.", nullable=True),
        _c(
            "reviewed_by",
            TEXT,
            "Person whose verdict stands: no look changes the state.",
            nullable=True,
        ),
        *(_c(name, UUID, comment, nullable=True) for name, comment in POINTERS.items()),
        *(_c(name, UUIDS, comment, server_default="{}") for name, comment in LISTS.items()),
    ):
        op.add_column(table, added, schema=SCHEMA)
    for name in LISTS:
        op.alter_column(table, name, schema=SCHEMA, server_default=None)
    op.create_foreign_key(
        "fk_landslide_versions_acquisition_id", table, "acquisitions", ["acquisition_id"], ["id"],
        source_schema=SCHEMA, referent_schema=SCHEMA,
    )  # fmt: skip
    for name in POINTERS:
        op.create_foreign_key(
            f"fk_landslide_versions_{name}", table, "landslides", [name], ["id"],
            source_schema=SCHEMA, referent_schema=SCHEMA,
        )  # fmt: skip
    # What is believed stays as it is: only what made it is written beside.
    op.execute(f"ALTER TABLE {SCHEMA}.{table} DISABLE TRIGGER append_only")
    op.execute(FILL)
    op.execute(f"ALTER TABLE {SCHEMA}.{table} ENABLE TRIGGER append_only")
    for name in ("valid_from", "cause_kind"):
        op.alter_column(table, name, schema=SCHEMA, nullable=False)
    for name, condition in (
        ("cause_kind", CAUSES),
        ("reviewed_by", "reviewed_by <> ''"),
        ("merged_into", "merged_into IS NULL OR state = 'closed'"),
    ):
        op.create_check_constraint(
            op.f(f"ck_{table}_{name}"), table, condition, schema=SCHEMA
        )


def upgrade() -> None:
    known = "SELECT count(*) FROM pg_extension WHERE extname = 'btree_gist'"
    if not op.get_bind().scalar(sa.text(known)):
        op.execute("CREATE EXTENSION btree_gist")
    _add_to_versions()
    op.add_column(
        "detections",
        _c(
            "superseded_at",
            TIME,
            "When a later judgement of the same look no longer said this; null: it stands.",
            nullable=True,
        ),
        schema=SCHEMA,
    )
    op.create_table(
        "landslide_periods",
        _c("landslide_id", UUID, "Identity over time."),
        _c("revision", INT, "Its version."),
        _c("valid_time", RANGE, "When it holds in the world."),
        _c("system_time", RANGE, "When we believed so; open: still."),
        _check(
            "ck_landslide_periods_times", "NOT isempty(valid_time) AND NOT isempty(system_time)"
        ),
        postgresql.ExcludeConstraint(
            ("landslide_id", "="), ("valid_time", "&&"), ("system_time", "&&"),
            name="ex_landslide_periods_times", using="gist",
        ),
        sa.ForeignKeyConstraint(
            ["landslide_id", "revision"],
            [
                "scarpwatch.landslide_versions.landslide_id",
                "scarpwatch.landslide_versions.revision",
            ],
            name="fk_landslide_periods_landslide_id_revision",
        ),
        sa.PrimaryKeyConstraint(
            "landslide_id", "revision", "valid_time", "system_time", name="pk_landslide_periods"
        ),
        schema=SCHEMA,
        comment="Which version of a landslide held when, and when we believed so.",
    )  # fmt: skip
    op.create_table(
        "reviews",
        _c("id", UUID, "Derived from landslide, verdict, person and time."),
        _c("landslide_id", UUID, "Landslide that was reviewed."),
        _c("verdict", TEXT, "confirm, refute, close or reopen."),
        _c("reason", TEXT, "Why, in the person's words."),
        _c("reviewer", TEXT, "Who decided."),
        _c("said_at", TIME, "When it was decided."),
        _c(
            "recorded_at",
            TIME,
            "When this row was written.",
            server_default=sa.func.clock_timestamp(),
        ),
        _check("ck_reviews_verdict", "verdict IN ('confirm', 'refute', 'close', 'reopen')"),
        _check("ck_reviews_words", "reason <> '' AND reviewer <> ''"),
        sa.ForeignKeyConstraint(
            ["landslide_id"], ["scarpwatch.landslides.id"], name="fk_reviews_landslide_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
        schema=SCHEMA,
        comment="Append-only: what people decided about landslides.",
    )
    op.create_index("ix_reviews_landslide_id", "reviews", ["landslide_id"], schema=SCHEMA)
    op.execute(PERIODS)
    op.execute(
        f"SELECT {SCHEMA}.keep_period(landslide_id, revision, valid_from, recorded_at)"
        f" FROM (SELECT * FROM {SCHEMA}.landslide_versions ORDER BY landslide_id, revision) AS v"
    )
    _comment(1)
    op.execute(VIEWS)
    for view, comments in VIEW_COMMENTS.items():
        _comment_view(view, comments)


def downgrade() -> None:
    """Undo; the extension stays, since others may use it.

    Raises:
        ConfigurationError: people have decided, or landslides have a lineage, which 0003 has no
            place for.
    """
    to_base = context.get_revision_argument() is None
    if not to_base:
        _refuse_to_forget()
    op.execute(f"DROP FUNCTION {SCHEMA}.landslides_as_of")
    op.execute(f"DROP VIEW {SCHEMA}.landslide_transitions")
    op.execute(f"DROP TRIGGER keeps_periods ON {SCHEMA}.landslide_versions")
    op.drop_table("reviews", schema=SCHEMA)
    op.drop_table("landslide_periods", schema=SCHEMA)
    for function in ("begin_period()", "keep_period", "only_end_belief()"):
        op.execute(f"DROP FUNCTION {SCHEMA}.{function}")
    if to_base:
        return  # the earlier ones drop all the rest, whatever it holds
    op.execute(f"DROP VIEW {SCHEMA}.landslides_current")
    op.drop_column("detections", "superseded_at", schema=SCHEMA)
    for name in ("valid_from", "cause_kind", "acquisition_id", "reviewed_by", *POINTERS, *LISTS):
        # Checks and keys go with their column.
        op.drop_column("landslide_versions", name, schema=SCHEMA)
    _comment(0)
    first, second, third = (
        context.script.get_revision(number).module for number in ("0001", "0002", "0003")
    )
    op.execute(third.CURRENT)
    for comments in (
        first.CURRENT_COMMENTS,
        second.CURRENT_COMMENTS,
        third.VIEW_COMMENTS["landslides_current"],
    ):
        _comment_view("landslides_current", comments)


def _refuse_to_forget() -> None:
    told = sa.text(
        f"SELECT (SELECT count(*) FROM {SCHEMA}.reviews)"
        f" + (SELECT count(*) FROM {SCHEMA}.landslide_versions WHERE merged_into IS NOT NULL"
        " OR split_from IS NOT NULL OR follows IS NOT NULL)"
    )
    held = op.get_bind().scalar(told)
    if held:
        raise ConfigurationError(
            f"{held} rows tell what people decided and which landslide came of which, and version "
            "0003 cannot hold them; go back to a copy of the database from before the upgrade"
        )
