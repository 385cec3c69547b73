"""Run by Alembic: migrations on the connection that ``db.schema`` hands over."""

from alembic import context
from geoalchemy2 import alembic_helpers
from sqlalchemy import text

from db import tables
from db.base import SCHEMA

# The schema of PostGIS too, where an administrator has put it elsewhere.
SEARCH_PATH = """
SELECT set_config('search_path', concat_ws(', ', 'public', (
    SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace
    WHERE extname = 'postgis' AND nspname <> 'public')), true)
"""

connection = context.config.attributes["connection"]
# "$user" leads PostgreSQL's search path: a user called like our schema would get PostGIS in there,
# and Alembic would take our schema for the default one and see every table twice.
connection.execute(text(SEARCH_PATH))
connection.dialect.default_schema_name = "public"
# IF NOT EXISTS would still ask for the right to create.
if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}) is None:
    connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))

# Parts of a table are no tables of their own; PostgreSQL keeps a reference to each beside the one.
PARTS = """
SELECT relname FROM pg_class WHERE relispartition UNION ALL
SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
WHERE conparentid <> 0 AND NOT relispartition
"""
parts = set(connection.scalars(text(PARTS)))

context.configure(
    connection=connection,
    target_metadata=tables.Base.metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, _parents: (
        name == SCHEMA if kind == "schema" else name not in parts
    ),
    include_object=alembic_helpers.include_object,
    process_revision_directives=alembic_helpers.writer,
    render_item=alembic_helpers.render_item,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
