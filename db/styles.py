"""Styles for QGIS, stored where QGIS looks for them: the table ``public.layer_styles``."""

from __future__ import annotations

from sqlalchemy import Connection, text

from db.layers import LAYERS, Layer
from db.qml import qml

SCHEMA = "analysts"
GEOMETRY = "geometry"
#: Marks the rows that are ours; those of others are never touched.
OURS = "Scarpwatch"

_COLUMNS = text(
    "SELECT attname, coalesce(col_description(attrelid, attnum), '') FROM pg_attribute"
    " WHERE attrelid = to_regclass(:view) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
)
_MAY = text(
    "SELECT coalesce(has_table_privilege(to_regclass('public.layer_styles'), 'INSERT, DELETE'),"
    " false)"
)
_FORGET = text(
    # Those of a database that this one is a copy of, too: QGIS asks for the database by name.
    "DELETE FROM public.layer_styles WHERE stylename = :ours AND f_table_schema = :schema"
)
_KEEP = text("""
INSERT INTO public.layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column,
    stylename, styleqml, useasdefault, description)
SELECT current_database(), given.schema, given.view, given.geometry, given.name,
    XMLPARSE(DOCUMENT given.qml), NOT EXISTS (
        SELECT FROM public.layer_styles AS other
        WHERE other.f_table_catalog = current_database() AND other.f_table_schema = given.schema
            AND other.f_table_name = given.view AND other.useasdefault), given.title
FROM (VALUES (
    CAST(:schema AS text), CAST(:view AS text), CAST(:geometry AS text), CAST(:ours AS text),
    CAST(:qml AS text), CAST(:title AS text)
)) AS given (schema, view, geometry, name, qml, title)
""")


_EXTENT = text(
    "SELECT ST_XMin(b), ST_YMin(b), ST_XMax(b), ST_YMax(b)"
    " FROM (SELECT ST_Extent(geometry) AS b FROM (SELECT geometry FROM scarpwatch.regions UNION ALL"
    " SELECT geometry FROM scarpwatch.inventory_landslides) AS held) AS box WHERE b IS NOT NULL"
)
#: Where nothing is watched yet.
_WORLD = (-180.0, -90.0, 180.0, 90.0)


def extent(opened: Connection) -> tuple[float, float, float, float]:
    """Return the box around all regions and inventories, degrees; the world without any.

    Returns:
        West, south, east, north.
    """
    found = opened.execute(_EXTENT).one_or_none()
    return _WORLD if found is None else (found[0], found[1], found[2], found[3])


def columns(opened: Connection, view: str) -> dict[str, str]:
    """Return the columns of a view in their order, and what each says."""
    found = opened.execute(_COLUMNS, {"view": f"{SCHEMA}.{view}"})
    return {name: said for name, said in found if name != GEOMETRY}


def store_styles(opened: Connection) -> tuple[Layer, ...]:
    """Store the style of every layer; a style somebody else made the default stays the default.

    Returns:
        The layers; none where the table of styles is missing or is not ours to write.
    """
    if not opened.scalar(_MAY):
        return ()
    opened.execute(_FORGET, {"ours": OURS, "schema": SCHEMA})
    for layer in LAYERS:
        document = qml(layer, columns(opened, layer.view))
        opened.execute(
            _KEEP,
            {
                "schema": SCHEMA, "view": layer.view, "geometry": GEOMETRY, "ours": OURS,
                "qml": document, "title": layer.title,
            },
        )  # fmt: skip
    return LAYERS
