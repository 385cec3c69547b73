"""Where QGIS keeps the styles of layers; QGIS makes the same table where there is none.

Whoever may not make a table in ``public`` does without styles in the database: a project file has
them as well.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: As QGIS makes it. It belongs to everybody who uses the database, and so outlives a downgrade.
CREATE = """
DO $$ BEGIN
IF to_regclass('public.layer_styles') IS NULL
    AND has_schema_privilege(current_user, 'public', 'CREATE') THEN
CREATE TABLE public.layer_styles (
    id serial PRIMARY KEY,
    f_table_catalog varchar,
    f_table_schema varchar,
    f_table_name varchar,
    f_geometry_column varchar,
    stylename text,
    styleqml xml,
    stylesld xml,
    useasdefault boolean,
    description text,
    owner varchar(63) DEFAULT CURRENT_USER,
    ui xml,
    update_time timestamp DEFAULT CURRENT_TIMESTAMP,
    type varchar
);
GRANT SELECT ON public.layer_styles TO PUBLIC;
END IF;
END $$
"""
FORGET = """
DO $$ BEGIN
IF to_regclass('public.layer_styles') IS NOT NULL THEN
DELETE FROM public.layer_styles WHERE stylename = 'Scarpwatch' AND f_table_schema = 'analysts';
END IF;
END $$
"""


def upgrade() -> None:
    """Make the table; ``db.styles`` fills it after every upgrade."""
    op.execute(CREATE)


def downgrade() -> None:
    """Forget our styles."""
    op.execute(FORGET)
