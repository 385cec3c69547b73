"""Many looks: kinds of findings, what could be seen, and what radar looks say of landslides."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from detectors.errors import ConfigurationError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
BOOL = sa.Boolean()
FLOAT: Any = sa.DOUBLE_PRECISION()
JSON = postgresql.JSONB()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()

KINDS = {
    "detections": "landslide or ponding: what it is taken for.",
    "landslide_versions": "landslide or ponding: what it is taken for.",
}

# (table, column, what it said, what it says).
COMMENTS = (
    (
        "landslide_versions",
        "tier",
        "watch or likely: highest tier reached so far.",
        "watch or likely: what all radar looks together make of it.",
    ),
)

CURRENT = """
CREATE OR REPLACE VIEW scarpwatch.landslides_current AS
SELECT DISTINCT ON (version.landslide_id)
    version.landslide_id AS id, landslide.region_id, region.name AS region_name, version.revision,
    version.state, version.tier, version.geometry, version.area_m2, version.not_before,
    version.not_after, version.looks, version.score_max, version.evidence, version.change_db,
    version.cause, version.advisory, version.simulated,
    landslide.recorded_at AS first_recorded_at, version.recorded_at,
    version.source, version.d_ndvi, version.ensemble_score, version.verdict_at, version.kind
FROM scarpwatch.landslide_versions AS version
JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
JOIN scarpwatch.regions AS region ON region.id = landslide.region_id
ORDER BY version.landslide_id, version.revision DESC;
"""

VIEWS = """
-- One Sentinel-1 satellite repeats its orbit after 12 days, whatever the fleet: within that time
-- every track that is acquired at all has come by.
CREATE VIEW scarpwatch.region_observability AS
SELECT DISTINCT ON (seen.region_id, look.track)
    seen.region_id, look.track, look.relative_orbit, look.orbit_state, seen.acquisition_id,
    look.item_id, look.sensed_at, seen.km2, seen.share_seen, seen.unseen, seen.simulated
FROM scarpwatch.observability AS seen
JOIN scarpwatch.acquisitions AS look ON look.id = seen.acquisition_id
JOIN (
    SELECT other.region_id, max(theirs.sensed_at) AS sensed_at
    FROM scarpwatch.observability AS other
    JOIN scarpwatch.acquisitions AS theirs ON theirs.id = other.acquisition_id
    WHERE theirs.sensor = 'sar'
    GROUP BY other.region_id
) AS newest ON newest.region_id = seen.region_id
WHERE look.sensor = 'sar' AND look.sensed_at > newest.sensed_at - interval '12 days'
ORDER BY seen.region_id, look.track, seen.km2 * seen.share_seen DESC, look.sensed_at DESC;
COMMENT ON VIEW scarpwatch.region_observability IS
    'What radar could see of each region over the last repeat cycle: the best look of each track.';

CREATE VIEW scarpwatch.landslide_support AS
SELECT said.landslide_id, look.track,
    count(*) FILTER (WHERE said.finding = 'agrees') AS saw,
    count(*) FILTER (WHERE said.finding = 'disagrees') AS missed,
    count(*) FILTER (WHERE said.finding = 'undecided') AS undecided,
    count(*) FILTER (WHERE said.finding = 'not seen') AS not_seen,
    max(said.sensed_at) AS last_look
FROM scarpwatch.radar_checks AS said
JOIN scarpwatch.acquisitions AS look ON look.id = said.acquisition_id
GROUP BY said.landslide_id, look.track;
COMMENT ON VIEW scarpwatch.landslide_support IS
    'What the radar looks of each track say of each landslide, counted.';
"""

VIEW_COMMENTS = {
    "landslides_current": {
        "tier": "watch or likely: what all radar looks together make of it.",
        "kind": "landslide or ponding: what it is taken for.",
    },
    "region_observability": {
        "region_id": "Watched region.",
        "track": "Viewing geometry.",
        "relative_orbit": "1 to 175.",
        "orbit_state": "Flight direction.",
        "acquisition_id": "The look of this track that could see most.",
        "item_id": "Its STAC item id.",
        "sensed_at": "When it was taken.",
        "km2": "Ground of the region inside the look, km2.",
        "share_seen": "Share of that ground that could be judged, 0 to 1.",
        "unseen": "Share of that ground that could not, by reason.",
        "simulated": "A drill.",
    },
    "landslide_support": {
        "landslide_id": "Landslide.",
        "track": "Viewing geometry.",
        "saw": "Looks that saw it.",
        "missed": "Looks that could have seen it and saw nothing.",
        "undecided": "Looks that say neither, or may not speak: wet scene, one polarisation.",
        "not_seen": "Looks that could not judge enough of its ground.",
        "last_look": "When the last of them was taken.",
    },
}

#: What detections say of the landslides they belong to; the rest nobody has asked yet.
HEARD = """
INSERT INTO scarpwatch.radar_checks (landslide_id, acquisition_id, sensed_at, finding, reason,
    share_seen, unseen, score_mean, evidence, tier)
SELECT DISTINCT ON (link.landslide_id, found.acquisition_id)
    link.landslide_id, found.acquisition_id, found.not_after,
    CASE WHEN found.advisory IS NULL THEN 'agrees' ELSE 'undecided' END,
    'found by ' || found.detector, 1, '{}', found.score_mean, found.evidence, found.tier
FROM scarpwatch.landslide_detections AS link
JOIN scarpwatch.detections AS found ON found.id = link.detection_id
WHERE found.source = 'sar'
ORDER BY link.landslide_id, found.acquisition_id, found.tier, found.evidence DESC
"""


def _c(
    name: str, kind: Any, comment: str, nullable: bool = False, **options: Any
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment, **options)


def _check(name: str, condition: str) -> sa.CheckConstraint:
    # op.f: this is the whole name, the naming convention has nothing to add.
    return sa.CheckConstraint(condition, name=op.f(name))


def _recorded(comment: str) -> sa.Column[Any]:
    return _c("recorded_at", TIME, comment, server_default=sa.func.clock_timestamp())


def _comment(which: int) -> None:
    for table, column, *says in COMMENTS:
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.{table}.{column} IS '{says[which]}'")


def _comment_view(view: str, comments: dict[str, str]) -> None:
    for column, comment in comments.items():
        op.execute(f"COMMENT ON COLUMN {SCHEMA}.{view}.{column} IS '{comment}'")


def upgrade() -> None:
    for table, comment in KINDS.items():
        op.add_column(
            table, _c("kind", TEXT, comment, server_default="landslide"), schema=SCHEMA
        )
        op.alter_column(table, "kind", schema=SCHEMA, server_default=None)
        op.create_check_constraint(
            op.f(f"ck_{table}_kind"), table, "kind IN ('landslide', 'ponding')", schema=SCHEMA
        )
    op.create_table(
        "observability",
        _c("region_id", TEXT, "Watched region."),
        _c("acquisition_id", UUID, "The look."),
        _c("km2", FLOAT, "Ground of the region inside the look, km2."),
        _c("share_seen", FLOAT, "Share of that ground that could be judged, 0 to 1."),
        _c(
            "unseen",
            JSON,
            "Share of that ground that could not be judged, 0 to 1, by reason: no_data, too_few_looks, water, layover, radar_shadow; optical: cloud, cloud_shadow, snow, saturated.",
        ),
        _c("simulated", BOOL, "A drill."),
        _recorded("When the look was judged last."),
        _check("ck_observability_km2", "km2 >= 0 AND km2 < 'Infinity'"),
        _check("ck_observability_share_seen", "share_seen BETWEEN 0 AND 1"),
        _check("ck_observability_unseen", "jsonb_typeof(unseen) = 'object'"),
        sa.ForeignKeyConstraint(
            ["region_id", "acquisition_id"],
            ["scarpwatch.looks.region_id", "scarpwatch.looks.acquisition_id"],
            name="fk_observability_region_id_acquisition_id",
        ),
        sa.PrimaryKeyConstraint("region_id", "acquisition_id", name="pk_observability"),
        schema=SCHEMA,
        comment="What each look could see of a region, and why not the rest.",
    )
    op.create_table(
        "radar_checks",
        _c("landslide_id", UUID, "Landslide that was looked at."),
        _c("acquisition_id", UUID, "The radar look."),
        _c("sensed_at", TIME, "When the look was taken."),
        _c("finding", TEXT, "agrees, disagrees, undecided or not seen."),
        _c("reason", TEXT, "Why, in words."),
        _c(
            "share_seen",
            FLOAT,
            "Share of the landslide's own pixels that could be judged, 0 to 1.",
        ),
        _c("unseen", JSON, "Share of its pixels that could not be judged, by reason."),
        _c(
            "score_mean",
            FLOAT,
            "Mean absolute score of its pixels, sigma of quiet ground.",
            nullable=True,
        ),
        _c(
            "evidence",
            FLOAT,
            "Evidence of the landslide in this look; not a probability.",
            nullable=True,
        ),
        _c(
            "tier",
            TEXT,
            "watch or likely: what this look alone found here; null where no detection joined.",
            nullable=True,
        ),
        _recorded("When the look was judged last."),
        _check(
            "ck_radar_checks_finding",
            "finding IN ('agrees', 'disagrees', 'undecided', 'not seen')",
        ),
        _check("ck_radar_checks_tier", "tier IN ('watch', 'likely')"),
        _check("ck_radar_checks_share_seen", "share_seen BETWEEN 0 AND 1"),
        _check("ck_radar_checks_evidence", "evidence >= 0"),
        _check(
            "ck_radar_checks_finite",
            "'-Infinity' < ALL (ARRAY[score_mean, evidence]) AND 'Infinity' > ALL (ARRAY[score_mean, evidence])",
        ),
        sa.ForeignKeyConstraint(
            ["landslide_id"], ["scarpwatch.landslides.id"], name="fk_radar_checks_landslide_id"
        ),
        sa.ForeignKeyConstraint(
            ["acquisition_id"],
            ["scarpwatch.acquisitions.id"],
            name="fk_radar_checks_acquisition_id",
        ),
        sa.PrimaryKeyConstraint("landslide_id", "acquisition_id", name="pk_radar_checks"),
        schema=SCHEMA,
        comment="What each radar look says of each landslide: the evidence behind its tier.",
    )
    op.execute(HEARD)
    _comment(1)
    op.execute(CURRENT)
    op.execute(VIEWS)
    for view, comments in VIEW_COMMENTS.items():
        _comment_view(view, comments)


def downgrade() -> None:
    """Undo.

    Raises:
        ConfigurationError: looks have told what 0002 has no place for.
    """
    to_base = context.get_revision_argument() is None
    if not to_base:
        _refuse_to_forget()
    for view in ("landslide_support", "region_observability"):
        op.execute(f"DROP VIEW {SCHEMA}.{view}")
    op.drop_table("radar_checks", schema=SCHEMA)
    op.drop_table("observability", schema=SCHEMA)
    if to_base:
        return  # 0001 drops all the rest, whatever it holds
    op.execute(f"DROP VIEW {SCHEMA}.landslides_current")
    for table in KINDS:
        # A check goes with its column.
        op.drop_column(table, "kind", schema=SCHEMA)
    _comment(0)
    first, second = (context.script.get_revision(r).module for r in ("0001", "0002"))
    for earlier in (first, second):
        op.execute(earlier.CURRENT)
        _comment_view("landslides_current", earlier.CURRENT_COMMENTS)


def _refuse_to_forget() -> None:
    told = sa.text(
        f"SELECT (SELECT count(*) FROM {SCHEMA}.observability)"
        f" + (SELECT count(*) FROM {SCHEMA}.radar_checks WHERE tier IS NULL)"
        f" + (SELECT count(*) FROM {SCHEMA}.detections WHERE kind <> 'landslide')"
    )
    held = op.get_bind().scalar(told)
    if held:
        raise ConfigurationError(
            f"{held} rows tell what looks could see and what they said of landslides, and version "
            "0002 cannot hold them; go back to a copy of the database from before the upgrade"
        )
