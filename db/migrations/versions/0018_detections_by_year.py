"""Detections lie in a part a year, by the time of their look; what has no part lies in one apart."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

#: Sentinel-1 has looked since 2014. Whatever comes of other years is taken by the part without one,
#: so that nothing has to be made in time and nothing is ever refused.
YEARS = range(2014, 2036)

#: Made around the rows of ``whole``: a table with the same columns, defaults, checks and comments.
_LIKE = (
    "CREATE TABLE scarpwatch.detections (LIKE scarpwatch.whole INCLUDING DEFAULTS"
    " INCLUDING CONSTRAINTS INCLUDING COMMENTS INCLUDING STORAGE)"
)
_INDEXES = """
CREATE INDEX idx_detections_polygon ON scarpwatch.detections USING gist (polygon);
CREATE INDEX ix_detections_region_id_acquisition_id
    ON scarpwatch.detections (region_id, acquisition_id);
CREATE INDEX ix_detections_not_after ON scarpwatch.detections (not_after);
ALTER TABLE scarpwatch.detections ADD CONSTRAINT fk_detections_region_id_acquisition_id
    FOREIGN KEY (region_id, acquisition_id)
    REFERENCES scarpwatch.looks (region_id, acquisition_id);
COMMENT ON TABLE scarpwatch.detections IS 'What one look says about one place.';
"""
#: A reference says in which part the detection lies, so that a part is all that is searched.
_REFERENCES = """
ALTER TABLE scarpwatch.landslide_detections ADD COLUMN not_after timestamptz;
UPDATE scarpwatch.landslide_detections AS link SET not_after = found.not_after
FROM scarpwatch.detections AS found WHERE found.id = link.detection_id;
ALTER TABLE scarpwatch.landslide_detections ALTER COLUMN not_after SET NOT NULL,
    ADD CONSTRAINT fk_landslide_detections_detection_id_not_after
        FOREIGN KEY (detection_id, not_after) REFERENCES scarpwatch.detections (id, not_after);
COMMENT ON COLUMN scarpwatch.landslide_detections.not_after IS
    'When its look was taken: says in which part of detections it lies.';
"""
#: What merges and splits landslides copies references.
_COPIES = ("merge_into", "split_off")
_ALONE, _WITH_TIME = "detection_id FROM", "detection_id, not_after FROM"


def _execute(statement: str) -> None:
    """Run SQL that may hold colons."""
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def _parts() -> None:
    for year in YEARS:
        _execute(
            f"CREATE TABLE scarpwatch.detections_{year} PARTITION OF scarpwatch.detections"
            f" FOR VALUES FROM ('{year}-01-01Z') TO ('{year + 1}-01-01Z')"
        )
    _execute(
        "CREATE TABLE scarpwatch.detections_other PARTITION OF scarpwatch.detections DEFAULT"
    )


def _move(make: Callable[[], None], key: str) -> None:
    """Make the table of detections anew, with all it holds; views and rights come along."""
    views = [
        (name, query, options)
        for name, query, options in op.get_bind().execute(
            sa.text(
                "SELECT DISTINCT v.oid::regclass::text, pg_get_viewdef(v.oid),"
                " array_to_string(v.reloptions, ', ') FROM pg_depend AS d"
                " JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS v ON v.oid = r.ev_class"
                " WHERE v.relkind = 'v' AND d.refclassid = 'pg_class'::regclass"
                " AND d.refobjid = 'scarpwatch.detections'::regclass"
            )
        )
    ]
    rights = op.get_bind().scalars(
        sa.text(
            "SELECT format('GRANT %s ON scarpwatch.detections TO %s', held.privilege_type,"
            " CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE held.grantee::regrole::text END)"
            " FROM pg_class, aclexplode(relacl) AS held"
            " WHERE pg_class.oid = 'scarpwatch.detections'::regclass"
        )
    )
    granted = list(rights)
    _execute("ALTER TABLE scarpwatch.detections RENAME TO whole")
    make()
    _execute("INSERT INTO scarpwatch.detections SELECT * FROM scarpwatch.whole")
    for name, query, options in views:
        told = f" WITH ({options})" if options else ""
        _execute(f"CREATE OR REPLACE VIEW {name}{told} AS {query}")
    _execute("DROP TABLE scarpwatch.whole")
    _execute(
        f"ALTER TABLE scarpwatch.detections ADD CONSTRAINT pk_detections PRIMARY KEY ({key})"
    )
    _execute(_INDEXES)
    for one in granted:
        _execute(one)
    # PostgreSQL keeps statistics of the parts by itself, of the whole only when it is told to.
    _execute("ANALYZE scarpwatch.detections")


def _copying(old: str, new: str) -> None:
    """Let functions that copy references copy other columns."""
    functions = sa.text(
        "SELECT pg_get_functiondef(oid) FROM pg_proc"
        " WHERE pronamespace = 'scarpwatch'::regnamespace AND proname = ANY (:names)"
    )
    for function in op.get_bind().scalars(functions, {"names": list(_COPIES)}).all():
        _execute(function.replace(old, new))


def upgrade() -> None:
    _execute(
        "ALTER TABLE scarpwatch.landslide_detections"
        " DROP CONSTRAINT fk_landslide_detections_detection_id"
    )

    def in_parts() -> None:
        _execute(f"{_LIKE} PARTITION BY RANGE (not_after)")
        _parts()

    _move(in_parts, "id, not_after")
    _execute(_REFERENCES)
    _copying(_ALONE, _WITH_TIME)


def downgrade() -> None:
    _copying(_WITH_TIME, _ALONE)
    _execute("ALTER TABLE scarpwatch.landslide_detections DROP COLUMN not_after")
    _move(lambda: _execute(_LIKE), "id")
    _execute(
        "ALTER TABLE scarpwatch.landslide_detections"
        " ADD CONSTRAINT fk_landslide_detections_detection_id"
        " FOREIGN KEY (detection_id) REFERENCES scarpwatch.detections (id)"
    )
