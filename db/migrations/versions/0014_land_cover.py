"""Land cover out of a map, beside what people say; inventories as analysts see them.

The views of 0007 are made anew with columns at their end, so that whoever selects by name, or has
views on them, finds all that was there.
"""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"

#: What a trigger carries over to a new version with the same outline, before and from now on.
GROUND = ("elevation_min_m", "elevation_max_m", "slope_deg", "aspect_deg")
COVER = ("land_cover", "land_cover_share", "land_cover_map")
MEASURE = """
CREATE OR REPLACE FUNCTION scarpwatch.measure_outline() RETURNS trigger
LANGUAGE plpgsql SET search_path = {search_path} AS $$
BEGIN
    INSERT INTO scarpwatch.landslide_measures (landslide_id, revision, length_m, width_m)
    SELECT NEW.landslide_id, NEW.revision, size.length_m, size.width_m
    FROM scarpwatch.outline_size(NEW.geometry) AS size;
    -- What was read of the ground belongs to the outline: while that stays, it stays.
    UPDATE scarpwatch.landslide_measures AS now SET {columns}
    FROM scarpwatch.landslide_measures AS before
    JOIN scarpwatch.landslide_versions AS earlier
        ON earlier.landslide_id = before.landslide_id AND earlier.revision = before.revision
    WHERE now.landslide_id = NEW.landslide_id AND now.revision = NEW.revision
        AND before.landslide_id = NEW.landslide_id AND before.revision = NEW.revision - 1
        AND earlier.geometry = NEW.geometry AND ({known});
    RETURN NULL;
END $$;
"""

#: What views of landslides gain at their end, and where a person's word goes before the map's.
_SAID = "coalesce(given.land_cover, measured.land_cover) AS land_cover"
_OF_MAP = """,
    CASE WHEN given.land_cover IS NULL THEN measured.land_cover_share END AS land_cover_share,
    CASE WHEN given.land_cover IS NOT NULL THEN 'person' ELSE measured.land_cover_map END
        AS land_cover_source"""
_READ = """,
    measured.land_cover AS map_cover, measured.land_cover_share AS map_cover_share,
    measured.land_cover_map AS map_cover_source"""
CHANGED = {
    "landslides_current": _OF_MAP,
    "landslides_confirmed": _OF_MAP,
    "landslide_history": _READ,
    "landslide_beliefs": _READ,
}
MAPPED = """
CREATE FUNCTION scarpwatch.sees_all(who name) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {search_path} AS $$
SELECT pg_has_role(who, (SELECT nspowner FROM pg_namespace WHERE nspname = 'scarpwatch'), 'USAGE')
    OR EXISTS (SELECT FROM scarpwatch.readers WHERE login = who AND groups IS NULL)
$$;
COMMENT ON FUNCTION scarpwatch.sees_all IS 'Whether a login sees more than some regions.';
CREATE VIEW analysts.inventory_landslides AS
SELECT mapped.id, mapped.inventory_id AS inventory, held.simulated, mapped.file_row, mapped.key,
    mapped.name, mapped.category, mapped."trigger", mapped.not_before, mapped.not_after,
    mapped.area_m2, mapped.accuracy_m, mapped.mapped_by, mapped.duplicate_of, mapped.attributes,
    held.licence, held.author, held.source, held.file, mapped.recorded_at, mapped.geometry
FROM scarpwatch.inventory_landslides AS mapped
JOIN scarpwatch.inventories AS held ON held.id = mapped.inventory_id
WHERE (SELECT scarpwatch.sees_all(current_user)) OR EXISTS (
    SELECT FROM scarpwatch.regions AS region
    WHERE region.id = ANY (ARRAY(SELECT scarpwatch.visible_regions(current_user)))
        AND region.geometry && mapped.geometry AND ST_Intersects(region.geometry, mapped.geometry));
COMMENT ON VIEW analysts.inventory_landslides IS
    'What people mapped: landslides of imported inventories, as they came; never alerted.';
"""
COMMENTS = {
    "land_cover": "What covered the ground: as a person said, else the commonest class of the map"
    " inside the outline; null: unknown.",
    "land_cover_share": "Share of the outline in that class of the map, 0 to 1; null: a person said"
    " it, or unknown.",
    "land_cover_source": "person, or the map it was read from; null: unknown.",
    "map_cover": "Commonest class of the land-cover map inside the outline; null: not read.",
    "map_cover_share": "Share of the outline in that class, 0 to 1; null: not read.",
    "map_cover_source": "Land-cover map it was read from; null: not read.",
}
MAPPED_COMMENTS = {
    "id": "Derived from inventory, key, place and time.",
    "inventory": "Name of the inventory.",
    "simulated": "SIMULATED: nothing of the inventory ever happened.",
    "file_row": "Its row in the file, the first is 1.",
    "key": "What the inventory itself calls it, may be empty.",
    "name": "What people call it, may be empty.",
    "category": "Kind of movement, in the original wording.",
    "trigger": "Rain, earthquake and so on, in the original wording.",
    "not_before": "It had not happened yet; null: unknown.",
    "not_after": "It had happened; null: unknown.",
    "area_m2": "Area of the outline, m2; null for a point.",
    "accuracy_m": "How far off it may be, m; null: unknown.",
    "mapped_by": "Image or person that it was mapped by.",
    "duplicate_of": "Mapped landslide that this is again, of any inventory; null: none.",
    "attributes": "All columns of the file as they came.",
    "licence": "Terms of use of the inventory.",
    "author": "Who mapped it, and is to be credited.",
    "source": "What it was mapped from, or where it was published.",
    "file": "Name of the file it was read from.",
    "recorded_at": "When it was imported.",
    "geometry": "Outline, or a point, EPSG:4326.",
}


def _first() -> Any:
    """Return the migration that made the views."""
    return context.script.get_revision("0007").module


def _path() -> str:
    where = sa.text(
        "SELECT quote_ident(n.nspname) FROM pg_extension JOIN pg_namespace AS n ON n.oid ="
        " extnamespace WHERE extname = 'postgis'"
    )
    return f"pg_catalog, {op.get_bind().scalar(where)}, pg_temp"


def _measure(*columns: str, known: str) -> str:
    copied = ", ".join(f"{name} = before.{name}" for name in columns)
    return MEASURE.format(search_path=_path(), columns=copied, known=known)


def _comment(view: str, column: str, says: str) -> None:
    quoted = says.replace("'", "''")
    op.execute(f"""COMMENT ON COLUMN analysts.{view}."{column}" IS '{quoted}'""")


def _columns() -> Any:
    """Return view and column of the views that are made anew."""
    asked = sa.text(
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a"
        " ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'analysts'::regnamespace"
        " AND c.relname = ANY (:views)"
    )
    return op.get_bind().execute(asked, {"views": list(CHANGED)}).all()


def upgrade() -> None:
    for name, kind, says in (
        ("land_cover", sa.Text(), "Commonest class of the land-cover map inside; null: not read."),
        ("land_cover_share", sa.Double(), "Share of the outline in it, 0 to 1; null: not read."),
        ("land_cover_map", sa.Text(), "Map it was read from; null: not read."),
    ):
        op.add_column(
            "landslide_measures", sa.Column(name, kind, nullable=True, comment=says), schema=SCHEMA
        )
    op.create_check_constraint(
        op.f("ck_landslide_measures_land_cover"), "landslide_measures",
        "num_nulls(land_cover, land_cover_share, land_cover_map) IN (0, 3)"
        " AND land_cover <> '' AND land_cover_map <> ''"
        " AND land_cover_share > 0 AND land_cover_share <= 1",
        schema=SCHEMA,
    )  # fmt: skip
    op.execute(
        _measure(
            *GROUND, *COVER,
            known="before.elevation_min_m IS NOT NULL OR before.land_cover IS NOT NULL",
        )
    )  # fmt: skip
    first = _first()
    for view, more in CHANGED.items():
        query = first.VIEWS[view].replace("given.land_cover", _SAID)
        # A later column of the view stays where it was: what is new goes to the very end.
        head, end, tail = query.rpartition("\nFROM scarpwatch.landslide_versions AS version")
        op.execute(f"CREATE OR REPLACE VIEW analysts.{view} AS {head}{more}{end}{tail}")
        for column, says in COMMENTS.items():
            if column.startswith("land_cover") is (more == _OF_MAP):
                _comment(view, column, says)
    op.execute(_as_of(first))
    op.execute(MAPPED.format(search_path=_path()))
    for column, says in MAPPED_COMMENTS.items():
        _comment("inventory_landslides", column, says)


def _as_of(first: Any) -> str:
    """Return the function with the map's columns at the end of its rows."""
    made = first.AS_OF.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    made = made.replace("given.land_cover", "coalesce(given.land_cover, held.map_cover)")
    more = """held.geometry,
    CASE WHEN given.land_cover IS NULL THEN held.map_cover_share END,
    CASE WHEN given.land_cover IS NOT NULL THEN 'person' ELSE held.map_cover_source END
"""
    return str(made.replace("held.geometry\n", more))


def downgrade() -> None:
    """Undo; what was read of maps goes, and can be read again."""
    first = _first()
    op.execute("DROP VIEW analysts.inventory_landslides")
    op.execute("DROP FUNCTION scarpwatch.sees_all")
    op.execute("DROP FUNCTION analysts.landslides_as_of")
    for view in CHANGED:
        op.execute(f"DROP VIEW analysts.{view}")
    for view in CHANGED:
        op.execute(f"CREATE VIEW analysts.{view} AS {first.VIEWS[view]}")
    op.execute(first.AS_OF)
    for view, column in _columns():
        _comment(view, column, first.OWN.get(view, {}).get(column) or first.COLUMN_COMMENTS[column])
    op.execute(_measure(*GROUND, known="before.elevation_min_m IS NOT NULL"))
    op.drop_constraint(
        op.f("ck_landslide_measures_land_cover"), "landslide_measures", schema=SCHEMA
    )
    for column in COVER:
        op.drop_column("landslide_measures", column, schema=SCHEMA)
