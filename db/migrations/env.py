"""Run by Alembic: migrations on the connection that ``db.schema`` hands over."""

from alembic import context
from geoalchemy2 import alembic_helpers
from sqlalchemy import text

from db import tables
from db.base import SCHEMA

connection = context.config.attributes["connection"]
# IF NOT EXISTS would still ask for the right to create.
if connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA}) is None:
    connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))

context.configure(
    connection=connection,
    target_metadata=tables.Region.metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_name=lambda name, kind, _parents: kind != "schema" or name == SCHEMA,
    include_object=alembic_helpers.include_object,
    process_revision_directives=alembic_helpers.writer,
    render_item=alembic_helpers.render_item,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
