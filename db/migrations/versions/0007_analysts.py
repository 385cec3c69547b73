"""Analysts: views by their published names, outlines drawn by people, attributes, who sees what."""
# The geospatial operations are added to alembic.op when geoalchemy2 is loaded.
# mypy: disable-error-code="attr-defined"

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import context, op
from geoalchemy2 import Geometry

from detectors.errors import ConfigurationError

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
SQL = Path(__file__).parents[1] / "sql"
FLOAT: Any = sa.DOUBLE_PRECISION()
INT = sa.Integer()
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
UUID = sa.Uuid()

TYPES = (
    "unknown", "rock/ice fall", "boulder/debris/silt fall", "rock block topple",
    "rock flexural topple", "gravel/sand/silt topple", "rock rotational slide",
    "rock planar slide", "rock wedge slide", "rock compound slide", "rock irregular slide",
    "clay/silt rotational slide", "clay/silt planar slide", "gravel/sand/debris slide",
    "clay/silt compound slide", "rock slope spread", "sand/silt liquefaction spread",
    "sensitive clay spread", "rock/ice avalanche", "dry sand/silt/debris flow",
    "sand/silt/debris flowslide", "sensitive clay flowslide", "debris flow", "mud flow",
    "debris flood", "debris avalanche", "earthflow", "peat flow", "mountain slope deformation",
    "rock slope deformation", "soil slope deformation", "soil creep", "solifluction",
)  # fmt: skip
TRIGGERS = (
    "rainfall", "snowmelt", "earthquake", "volcanic activity", "permafrost thaw", "erosion",
    "human activity", "other",
)  # fmt: skip

INDEXES = (
    ("landslide_versions", "not_after"),
    ("detections", "not_after"),
    ("acquisitions", "sensed_at"),
)

APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.{table}
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER never_empty BEFORE TRUNCATE ON scarpwatch.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
"""

# Views read with their owner's rights, so that readers need none on the tables; which regions
# somebody sees is asked once per query. The latest version is the one that none follows: unlike
# DISTINCT ON this lets a box or a time reach the indexes.
_VISIBLE = "= ANY (ARRAY(SELECT scarpwatch.visible_regions(current_user)))"
_LATEST = """NOT EXISTS (
        SELECT FROM scarpwatch.landslide_versions AS later
        WHERE later.landslide_id = version.landslide_id AND later.revision > version.revision)"""

_SOURCE = """CASE WHEN version.drawn_by IS NOT NULL THEN 'person'
        WHEN version.source = 'optical' OR EXISTS (
            SELECT FROM scarpwatch.optical_checks AS agreed
            WHERE agreed.landslide_id = version.landslide_id AND agreed.outline = version.geometry
        ) THEN 'optical look' ELSE 'radar look' END"""

_WHAT = f"""
    version.landslide_id AS id, landslide.region_id, region.name AS region_name,
    region.simulated AS exercise, version.simulated, version.revision, version.kind,
    version.state, version.tier, version.not_before, version.not_after, version.verdict_at,
    version.area_m2, measured.length_m, measured.width_m, measured.elevation_min_m,
    measured.elevation_max_m, measured.slope_deg, measured.aspect_deg"""
_WHY = """
    version.source, version.looks, version.score_max, version.evidence, version.change_db,
    version.d_ndvi, version.ensemble_score, version.cause, version.cause_kind, version.advisory,
    version.acquisition_id, version.reviewed_by, version.drawn_by, version.merged_into,
    version.merged_from, version.split_from, version.split_into, version.follows,
    version.valid_from, landslide.recorded_at AS first_recorded_at, version.recorded_at,
    version.geometry"""
_GIVEN = f"""
    given.land_cover, coalesce(given.mapping_source, {_SOURCE}) AS mapping_source,
    given."trigger", coalesce(given.type, 'unknown') AS type"""
_VERSIONS = """
FROM scarpwatch.landslide_versions AS version
JOIN scarpwatch.landslides AS landslide ON landslide.id = version.landslide_id
JOIN scarpwatch.regions AS region ON region.id = landslide.region_id
LEFT JOIN scarpwatch.landslide_measures AS measured
    ON measured.landslide_id = version.landslide_id AND measured.revision = version.revision"""
_SAID = """
LEFT JOIN LATERAL (
    SELECT said.* FROM scarpwatch.landslide_attributes AS said
    WHERE said.landslide_id = version.landslide_id ORDER BY said.number DESC LIMIT 1
) AS given ON true"""

VIEWS = {
    "landslides_current": f"""
SELECT {_WHAT}, {_GIVEN}, {_WHY} {_VERSIONS} {_SAID}
WHERE {_LATEST} AND landslide.region_id {_VISIBLE}""",
    "landslides_confirmed": f"""
SELECT {_WHAT}, {_GIVEN}, {_WHY} {_VERSIONS} {_SAID}
WHERE {_LATEST} AND landslide.region_id {_VISIBLE}
    AND version.kind = 'landslide' AND version.state IN ('confirmed', 'closed')
    AND version.merged_into IS NULL AND (
        SELECT before.state FROM scarpwatch.landslide_versions AS before
        WHERE before.landslide_id = version.landslide_id AND before.state <> 'closed'
        ORDER BY before.revision DESC LIMIT 1) = 'confirmed'""",
    "landslide_history": f"""
SELECT {_WHAT}, {_SOURCE} AS mapping_source, {_WHY},
    (SELECT CASE WHEN NOT bool_or(upper_inf(held.system_time)) THEN max(upper(held.system_time)) END
     FROM scarpwatch.landslide_periods AS held
     WHERE held.landslide_id = version.landslide_id AND held.revision = version.revision
    ) AS known_until {_VERSIONS}
WHERE landslide.region_id {_VISIBLE}""",
    "landslide_beliefs": f"""
SELECT {_WHAT}, {_SOURCE} AS mapping_source, {_WHY}, period.valid_time, period.system_time
{_VERSIONS}
JOIN scarpwatch.landslide_periods AS period
    ON period.landslide_id = version.landslide_id AND period.revision = version.revision
WHERE landslide.region_id {_VISIBLE}""",
    "landslide_attributes": f"""
SELECT said.number, said.landslide_id, landslide.region_id, region.simulated AS exercise,
    said.land_cover, said.mapping_source, said."trigger", said.type, said.note, said.author,
    said.recorded_at
FROM scarpwatch.landslide_attributes AS said
JOIN scarpwatch.landslides AS landslide ON landslide.id = said.landslide_id
JOIN scarpwatch.regions AS region ON region.id = landslide.region_id
WHERE landslide.region_id {_VISIBLE}""",
    "detections": f"""
SELECT found.id, found.region_id, region.name AS region_name, region.simulated AS exercise,
    found.simulated, found.kind, found.tier, found.source, look.item_id, look.platform, look.track,
    look.sensed_at, found.not_before, found.not_after, found.area_m2, found.score_max,
    found.score_mean, found.evidence, found.change_db, found.d_ndvi, found.ensemble_score,
    found.detector, found.weights_version, found.config_hash, found.item_ids, found.advisory,
    found.acquisition_id, found.superseded_at, found.recorded_at, found.polygon AS geometry
FROM scarpwatch.detections AS found
JOIN scarpwatch.regions AS region ON region.id = found.region_id
JOIN scarpwatch.acquisitions AS look ON look.id = found.acquisition_id
WHERE found.region_id {_VISIBLE}""",
    "observability": f"""
SELECT seen.region_id, region.name AS region_name, region.simulated AS exercise, seen.simulated,
    seen.acquisition_id, look.source, look.item_id, look.sensor, look.platform, look.track,
    look.relative_orbit, look.orbit_state, look.sensed_at, seen.km2, seen.share_seen,
    seen.km2 * seen.share_seen AS km2_seen, seen.unseen, seen.recorded_at,
    look.footprint AS geometry
FROM scarpwatch.observability AS seen
JOIN scarpwatch.regions AS region ON region.id = seen.region_id
JOIN scarpwatch.acquisitions AS look ON look.id = seen.acquisition_id
WHERE seen.region_id {_VISIBLE}""",
    "negative_reports": f"""
SELECT seen.region_id, region.name AS region_name, region.simulated AS exercise, seen.simulated,
    seen.acquisition_id, look.source, look.item_id, look.sensor, look.platform, look.track,
    look.sensed_at, seen.km2 * seen.share_seen AS km2_seen, seen.share_seen, seen.unseen,
    judged.advisory, judged.finished_at, look.footprint AS geometry
FROM scarpwatch.observability AS seen
JOIN scarpwatch.regions AS region ON region.id = seen.region_id
JOIN scarpwatch.acquisitions AS look ON look.id = seen.acquisition_id
JOIN scarpwatch.looks AS judged
    ON judged.region_id = seen.region_id AND judged.acquisition_id = seen.acquisition_id
WHERE seen.region_id {_VISIBLE} AND judged.state = 'processed' AND seen.share_seen > 0
    AND NOT EXISTS (
        SELECT FROM scarpwatch.detections AS found
        WHERE found.region_id = seen.region_id AND found.acquisition_id = seen.acquisition_id
            AND found.superseded_at IS NULL)""",
    "landslides_edit": f"""
SELECT version.landslide_id AS id, landslide.region_id, region.name AS region_name,
    region.simulated AS exercise, version.simulated, version.revision, version.kind,
    version.state, version.tier, version.not_before, version.not_after, version.area_m2,
    measured.length_m, measured.width_m, {_GIVEN}, version.reviewed_by, version.drawn_by,
    version.split_from, version.merged_into, NULL::text AS note, version.geometry
{_VERSIONS} {_SAID}
WHERE {_LATEST} AND landslide.region_id {_VISIBLE} AND version.merged_into IS NULL""",
}

VIEW_COMMENTS = {
    "landslides_current": "What we believe now: the latest version of each landslide.",
    "landslides_confirmed": "The inventory: landslides that optical looks or people confirmed, and"
    " that were since closed as such; no ponds, no parts of others.",
    "landslide_history": "Every version of each landslide, in the order in which we came to believe"
    " it.",
    "landslide_beliefs": "Which version held when, in the world and in our books: what"
    " landslides_as_of reads.",
    "landslide_attributes": "What people said of each landslide, statement by statement; the last"
    " one counts.",
    "detections": "What one look says about one place.",
    "observability": "What each look could see of a region, and why not the rest.",
    "negative_reports": "Looks at a region that were judged and found nothing: this ground was"
    " seen, and nothing had changed.",
    "landslides_edit": "To be edited: UPDATE redraws and describes, INSERT splits, DELETE or"
    " merged_into merges. Each edit is a new version with its author.",
}

#: By column, for all views that have it; what a view says differently stands in OWN.
COLUMN_COMMENTS = {
    "id": "Identity over time.",
    "landslide_id": "Landslide.",
    "region_id": "Watched region.",
    "region_name": "What people call the region.",
    "exercise": "EXERCISE: the region is a drill, and whatever is told of it is marked so.",
    "simulated": "SIMULATED: a drill, or pixels that hold something that never happened.",
    "revision": "Which version this is, 1 for the first.",
    "kind": "landslide or ponding: what it is taken for.",
    "state": "suspected, confirmed, refuted, unresolved or closed.",
    "tier": "watch or likely: what all radar looks together make of it.",
    "not_before": "Latest look known to be without it.",
    "not_after": "Earliest look known to be with it.",
    "verdict_at": "When the optical look that decided was taken, or a person decided; null before.",
    "area_m2": "Area of the outline, m2.",
    "length_m": "Longer side of the narrowest rectangle around the outline, m.",
    "width_m": "Shorter side of that rectangle, m.",
    "elevation_min_m": "Lowest ground inside the outline, m; null where no elevation was read.",
    "elevation_max_m": "Highest ground inside the outline, m; null where no elevation was read.",
    "slope_deg": "Mean slope inside the outline, degrees; null where no elevation was read.",
    "aspect_deg": "Mean direction the ground falls in, degrees clockwise from north; null where"
    " flat or where no elevation was read.",
    "land_cover": "What covered the ground before, as a person said; null: nobody has said.",
    "mapping_source": "What the outline was drawn from, as a person said; else radar look, optical"
    " look or person.",
    "trigger": "What set it off, as a person said: rainfall, snowmelt, earthquake, volcanic"
    " activity, permafrost thaw, erosion, human activity or other; null: nobody has said.",
    "type": "Type of movement after Hungr, Leroueil and Picarelli (2014), as a person said; else"
    " unknown.",
    "source": "sar or optical: which kind of look suspected it first.",
    "looks": "Number of distinct looks among its detections.",
    "score_max": "Highest absolute score of any detection, sigma of quiet ground.",
    "evidence": "Highest evidence of any detection; not a probability.",
    "change_db": "Mean co-polarised change, dB; null where only optical looks saw it.",
    "d_ndvi": "NDVI change against the surroundings at the optical look that decided, -2 to 2.",
    "ensemble_score": "Mean of the optical ensemble at that look, 0 to 1.",
    "cause": "Why this version exists.",
    "cause_kind": "radar look, optical look, person, window over, merge, split or closure.",
    "advisory": "Why to be careful.",
    "acquisition_id": "The look that made it, null where none did.",
    "reviewed_by": "Person whose verdict stands: no look changes the state.",
    "drawn_by": "Person who drew the outline: no look changes it.",
    "merged_into": "Landslide it became part of, which ended it.",
    "merged_from": "Landslides that became part of it.",
    "split_from": "Landslide it was a part of before.",
    "split_into": "Landslides that were parts of it.",
    "follows": "Landslide that had ended on the same ground before.",
    "valid_from": "Since when it holds in the world.",
    "first_recorded_at": "When the landslide was first stored.",
    "recorded_at": "When we came to believe this version.",
    "geometry": "Outline, EPSG:4326.",
    "known_until": "Until when we believed any of it; null: we still do.",
    "valid_time": "When it holds in the world.",
    "system_time": "When we believed so; open: still.",
    "note": "Why, in the person's words.",
    "author": "Who said so: the database login.",
    "item_id": "STAC item id of the look.",
    "item_ids": "Every catalogue item that went in, pre and post.",
    "platform": "Satellite.",
    "sensor": "sar or optical.",
    "track": "sar: viewing geometry. optical: tile.",
    "relative_orbit": "1 to 175; null where an optical item does not tell.",
    "orbit_state": "Flight direction; null where an optical item does not tell.",
    "sensed_at": "When the look was taken.",
    "score_mean": "Mean absolute score inside, sigma of quiet ground.",
    "detector": "Detectors that agreed, joined by +.",
    "weights_version": "Name and sha256 prefix of the weights, or none.",
    "config_hash": "Hash of detector and polygon parameters.",
    "superseded_at": "When a later judgement of the same look no longer said this; null: it stands.",
    "km2": "Ground of the region inside the look, km2.",
    "share_seen": "Share of that ground that could be judged, 0 to 1.",
    "km2_seen": "Ground of the region that could be judged, km2.",
    "unseen": "Share of that ground that could not be judged, 0 to 1, by reason.",
    "finished_at": "When the look was judged.",
    "number": "Rises with each statement.",
}
_LOOK = {
    "acquisition_id": "The look.",
    "source": "Catalogue/collection the look came from.",
    "geometry": "Outline of the image, EPSG:4326, as the catalogue has it.",
}
OWN = {
    "detections": {
        "id": "Derived from region, look, detector, weights, configuration and outline.",
        "tier": "watch or likely: how far the evidence of this look goes.",
        "not_before": "Last look of the pre stack: it had not happened yet.",
        "not_after": "The judged look: it had happened.",
        "source": "sar or optical: which kind of look it was.",
        "score_max": "Largest absolute score inside, sigma of quiet ground.",
        "evidence": "Evidence of the patch, decides the tier; not a probability.",
        "change_db": "Mean co-polarised change inside, dB; null for an optical look.",
        "d_ndvi": "optical: mean NDVI change inside against the surroundings, -2 to 2.",
        "ensemble_score": "optical: mean of the ensemble inside, 0 to 1.",
        "acquisition_id": "The look that was judged.",
        "recorded_at": "When this row was written.",
    },
    "observability": {**_LOOK, "recorded_at": "When the look was judged last."},
    "negative_reports": {
        **_LOOK, "advisory": "Why to be careful with the look as a whole.",
    },
    "landslide_history": {
        "mapping_source": "What the outline came from: radar look, optical look or person.",
    },
    "landslide_beliefs": {
        "mapping_source": "What the outline came from: radar look, optical look or person.",
    },
    "landslide_attributes": {
        "mapping_source": "What the outline was drawn from; null: not said.",
        "trigger": "What set it off; null: not said.",
        "type": "Type of movement after Hungr, Leroueil and Picarelli (2014); unknown: not said.",
        "land_cover": "What covered the ground before; null: not said.",
        "recorded_at": "When it was said.",
    },
    "landslides_edit": {
        "split_from": "On INSERT: the landslide that this is a part of.",
        "merged_into": "Set it to the landslide that this one is a part of, which ends this one.",
        "note": "Why you edit it; kept with the edit. Always null when read.",
    },
}  # fmt: skip

AS_OF_COLUMNS = """
    held.id, held.region_id, held.region_name, held.exercise, held.simulated, held.revision,
    held.kind, held.state, held.tier, held.not_before, held.not_after, held.verdict_at,
    held.area_m2, held.length_m, held.width_m, held.elevation_min_m, held.elevation_max_m,
    held.slope_deg, held.aspect_deg, given.land_cover,
    coalesce(given.mapping_source, held.mapping_source), given."trigger",
    coalesce(given.type, 'unknown'), held.source, held.looks, held.score_max, held.evidence,
    held.change_db, held.d_ndvi, held.ensemble_score, held.cause, held.cause_kind, held.advisory,
    held.acquisition_id, held.reviewed_by, held.drawn_by, held.merged_into, held.merged_from,
    held.split_from, held.split_into, held.follows, held.valid_from, held.first_recorded_at,
    held.recorded_at, held.geometry
"""
# One statement and no rights of its own: PostgreSQL writes it into the query around it, so that a
# box reaches the index, and readers see through it what they see through the views.
AS_OF = f"""
CREATE FUNCTION analysts.landslides_as_of(
    at timestamptz, valid_at timestamptz DEFAULT 'infinity'
) RETURNS SETOF analysts.landslides_current LANGUAGE sql STABLE AS $$
SELECT {AS_OF_COLUMNS}
FROM analysts.landslide_beliefs AS held
LEFT JOIN LATERAL (
    SELECT said.* FROM analysts.landslide_attributes AS said
    WHERE said.landslide_id = held.id AND said.recorded_at <= at
    ORDER BY said.number DESC LIMIT 1
) AS given ON true
WHERE held.system_time @> at AND held.valid_time @> valid_at
$$;
COMMENT ON FUNCTION analysts.landslides_as_of IS
    'What we believed at one moment, of one moment in the world (left out: until further notice).';
"""


def _c(
    name: str, kind: Any, comment: str, nullable: bool = False, **options: Any
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment, **options)


def _recorded(comment: str = "When this row was written.") -> sa.Column[Any]:
    return _c("recorded_at", TIME, comment, server_default=sa.func.clock_timestamp())


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(name))


def _one_of(name: str, words: tuple[str, ...]) -> str:
    return f"{name} IN ({', '.join(repr(word) for word in words)})"


def _points_to(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["scarpwatch.landslides.id"], name=f"fk_{table}_{column}"
    )


def _tables() -> None:
    op.create_geospatial_table(
        "outline_edits",
        _c("id", UUID, "Identity of the edit.", server_default=sa.func.gen_random_uuid()),
        _c("kind", TEXT, "redraw, merge or split."),
        _c("landslide_id", UUID, "Landslide whose outline it is; split: the new one."),
        _c("other_id", UUID, "merge: what became part of it. split: what it was a part of.", True),
        _c("geometry", Geometry("MULTIPOLYGON", srid=4326, spatial_index=False), "Its outline."),
        _c("area_m2", FLOAT, "Area of that outline, m2."),
        _c("author", TEXT, "Who drew it: the database login."),
        _c("reason", TEXT, "Why, in the person's words; may be empty."),
        _c("said_at", TIME, "When it was drawn."),
        _recorded(),
        _check("ck_outline_edits_kind", "kind IN ('redraw', 'merge', 'split')"),
        _check("ck_outline_edits_other_id", "(kind = 'redraw') = (other_id IS NULL)"),
        _check("ck_outline_edits_author", "author <> ''"),
        _check("ck_outline_edits_area_m2", "area_m2 > 0 AND area_m2 < 'Infinity'"),
        _check("ck_outline_edits_geometry", "ST_IsValid(geometry) AND NOT ST_IsEmpty(geometry)"),
        _points_to("outline_edits", "landslide_id"),
        _points_to("outline_edits", "other_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outline_edits"),
        schema=SCHEMA,
    )
    op.create_table_comment(
        "outline_edits", "Append-only: outlines as people drew, merged and split them.",
        schema=SCHEMA,
    )  # fmt: skip
    op.create_geospatial_index(
        "idx_outline_edits_geometry", "outline_edits", ["geometry"], schema=SCHEMA,
        postgresql_using="gist",
    )  # fmt: skip
    op.create_index(
        "ix_outline_edits_landslide_id", "outline_edits", ["landslide_id"], schema=SCHEMA
    )
    op.create_index("ix_outline_edits_other_id", "outline_edits", ["other_id"], schema=SCHEMA)
    op.create_table(
        "landslide_attributes",
        sa.Column(
            "number", sa.BigInteger(), sa.Identity(always=True), nullable=False,
            comment="Rises with each statement.",
        ),
        _c("landslide_id", UUID, "Landslide."),
        _c("land_cover", TEXT, "What covered the ground before; null: not said.", True),
        _c("mapping_source", TEXT, "What the outline was drawn from; null: not said.", True),
        _c("trigger", TEXT, "What set it off; null: not said.", True),
        _c("type", TEXT, "Type of movement after Hungr, Leroueil and Picarelli (2014).",
           server_default="unknown"),
        _c("note", TEXT, "Why, in the person's words; may be empty.", server_default=""),
        _c("author", TEXT, "Who said so: the database login."),
        _recorded("When it was said."),
        _check("ck_landslide_attributes_trigger", _one_of("trigger", TRIGGERS)),
        _check("ck_landslide_attributes_type", _one_of("type", TYPES)),
        _check("ck_landslide_attributes_words",
               "land_cover <> '' AND mapping_source <> '' AND author <> ''"),
        _points_to("landslide_attributes", "landslide_id"),
        sa.PrimaryKeyConstraint("number", name="pk_landslide_attributes"),
        schema=SCHEMA,
        comment="Append-only: what people said of landslides; the last statement counts.",
    )  # fmt: skip
    op.create_index(
        "ix_landslide_attributes_landslide_id_number", "landslide_attributes",
        ["landslide_id", "number"], schema=SCHEMA,
    )  # fmt: skip
    op.create_table(
        "landslide_measures",
        _c("landslide_id", UUID, "Landslide."),
        _c("revision", INT, "Its version whose outline was measured."),
        _c("length_m", FLOAT, "Longer side of the narrowest rectangle around the outline, m.", True),
        _c("width_m", FLOAT, "Shorter side of that rectangle, m.", True),
        _c("elevation_min_m", FLOAT, "Lowest ground inside, m; null: not read.", True),
        _c("elevation_max_m", FLOAT, "Highest ground inside, m; null: not read.", True),
        _c("slope_deg", FLOAT, "Mean slope inside, degrees; null: not read.", True),
        _c("aspect_deg", FLOAT,
           "Mean direction the ground falls in, degrees clockwise from north; null: flat, or not"
           " read.", True),
        _recorded(),
        _check("ck_landslide_measures_rectangle", "width_m > 0 AND length_m >= width_m"),
        _check("ck_landslide_measures_elevation", "elevation_min_m <= elevation_max_m"),
        _check("ck_landslide_measures_slope_deg", "slope_deg >= 0 AND slope_deg < 90"),
        _check("ck_landslide_measures_aspect_deg", "aspect_deg >= 0 AND aspect_deg < 360"),
        sa.ForeignKeyConstraint(
            ["landslide_id", "revision"],
            [
                "scarpwatch.landslide_versions.landslide_id",
                "scarpwatch.landslide_versions.revision",
            ],
            name="fk_landslide_measures_landslide_id_revision",
        ),
        sa.PrimaryKeyConstraint("landslide_id", "revision", name="pk_landslide_measures"),
        schema=SCHEMA,
        comment="What is measured on the outline of each version; can be measured anew.",
    )  # fmt: skip
    op.create_table(
        "readers",
        _c("login", TEXT, "Database login of a person or a program."),
        _c("groups", sa.ARRAY(TEXT), "Tags of the regions it sees; null: all regions.", True),
        _recorded(),
        _check("ck_readers_groups", "cardinality(groups) > 0"),
        sa.PrimaryKeyConstraint("login", name="pk_readers"),
        schema=SCHEMA,
        comment="Who sees which regions through the views in schema analysts.",
    )


def upgrade() -> None:
    op.add_column(
        "landslide_versions",
        _c("drawn_by", TEXT, COLUMN_COMMENTS["drawn_by"], True),
        schema=SCHEMA,
    )
    op.create_check_constraint(
        op.f("ck_landslide_versions_drawn_by"), "landslide_versions", "drawn_by <> ''",
        schema=SCHEMA,
    )  # fmt: skip
    for table, column in INDEXES:
        op.create_index(f"ix_{table}_{column}", table, [column], schema=SCHEMA)
    _tables()
    for table in ("outline_edits", "landslide_attributes"):
        op.execute(APPEND_ONLY.format(table=table))
    where = sa.text(
        "SELECT quote_ident(n.nspname) FROM pg_extension JOIN pg_namespace AS n ON n.oid ="
        " extnamespace WHERE extname = 'postgis'"
    )
    path = f"pg_catalog, {op.get_bind().scalar(where)}, pg_temp"
    op.execute("CREATE SCHEMA analysts")
    op.execute("COMMENT ON SCHEMA analysts IS 'What analysts query: views, no tables.'")
    for name in ("measuring", "visibility"):
        op.execute(_sql(name, path))
    for view, query in VIEWS.items():
        op.execute(f"CREATE VIEW analysts.{view} AS {query}")
    op.execute(AS_OF)
    op.execute(_sql("editing", path))
    op.execute(
        f"INSERT INTO {SCHEMA}.landslide_measures (landslide_id, revision, length_m, width_m)"
        f" SELECT landslide_id, revision, size.length_m, size.width_m"
        f" FROM {SCHEMA}.landslide_versions, {SCHEMA}.outline_size(geometry) AS size"
    )
    _comment_views()


def _sql(name: str, path: str) -> str:
    text = (SQL / f"0007_{name}.sql").read_text(encoding="utf-8")
    return text.replace("{search_path}", path)


def _comment_views() -> None:
    columns = sa.text(
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a"
        " ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'analysts'::regnamespace"
        " AND c.relkind = 'v'"
    )
    for view, column in op.get_bind().execute(columns).all():
        says = OWN.get(view, {}).get(column) or COLUMN_COMMENTS[column]
        said = says.replace("'", "''")
        op.execute(f"""COMMENT ON COLUMN analysts.{view}."{column}" IS '{said}'""")
    for view, says in VIEW_COMMENTS.items():
        op.execute(f"COMMENT ON VIEW analysts.{view} IS '{says}'")


def downgrade() -> None:
    """Undo; roles belong to the whole server and stay.

    Raises:
        ConfigurationError: people have drawn or said something, which 0006 has no place for.
    """
    if context.get_revision_argument() is not None:
        _refuse_to_forget()
    op.execute("DROP SCHEMA analysts CASCADE")  # with the functions that take rows of its views
    op.execute(f"DROP TRIGGER keeps_measures ON {SCHEMA}.landslide_versions")
    for function in ("edit_landslide", "redraw", "merge_into", "split_off", "latest_version",
                     "outline_drawn", "measure_outline", "outline_size", "visible_regions"):  # fmt: skip
        op.execute(f"DROP FUNCTION {SCHEMA}.{function}")
    for table in ("readers", "landslide_measures", "landslide_attributes", "outline_edits"):
        op.drop_table(table, schema=SCHEMA)
    for table, column in INDEXES:
        op.drop_index(f"ix_{table}_{column}", table, schema=SCHEMA)
    op.drop_column("landslide_versions", "drawn_by", schema=SCHEMA)


def _refuse_to_forget() -> None:
    told = sa.text(
        f"SELECT (SELECT count(*) FROM {SCHEMA}.outline_edits)"
        f" + (SELECT count(*) FROM {SCHEMA}.landslide_attributes)"
    )
    held = op.get_bind().scalar(told)
    if held:
        raise ConfigurationError(
            f"{held} rows tell what people drew and said of landslides, and version 0006 cannot "
            "hold them; go back to a copy of the database from before the upgrade"
        )
