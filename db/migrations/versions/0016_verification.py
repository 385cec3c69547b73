"""What looks say of stable ground, for drift and for new optical platforms; verification is told."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

from detectors.errors import ConfigurationError

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
FLOAT: Any = sa.DOUBLE_PRECISION()

# What optical looks were judged by before there was a check goes on alerting.
KNOWN = """
INSERT INTO scarpwatch.platform_decisions
    (platform, processing_version, region_id, track, decision, reason, decided_by)
SELECT DISTINCT seen.platform, coalesce(seen.processing_version, ''), look.region_id,
    coalesce(seen.tile, 'optical'),
    'approved', 'judged looks before optical platforms were checked', 'scarpwatch db upgrade'
FROM scarpwatch.looks AS look
JOIN scarpwatch.acquisitions AS seen ON seen.id = look.acquisition_id
WHERE look.state = 'processed' AND seen.sensor = 'optical' AND NOT EXISTS (
    SELECT FROM scarpwatch.platform_decisions AS said
    WHERE said.decided_by = 'scarpwatch db upgrade' AND said.platform = seen.platform
        AND said.region_id = look.region_id
        AND said.processing_version = coalesce(seen.processing_version, '')
        AND said.reason = 'judged looks before optical platforms were checked')
ORDER BY 1, 2, 3, 4
"""


def _c(name: str, kind: Any, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, comment=comment, **options)


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(name))


def _finite(table: str, *columns: str) -> sa.CheckConstraint:
    listed = f"ALL (ARRAY[{', '.join(columns)}])"
    return _check(f"ck_{table}_finite", f"'-Infinity' < {listed} AND 'Infinity' > {listed}")


def _of_look(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["region_id", "acquisition_id"],
        [f"{SCHEMA}.looks.region_id", f"{SCHEMA}.looks.acquisition_id"],
        name=f"fk_{table}_region_id_acquisition_id",
    )


def _recorded(comment: str) -> sa.Column[Any]:
    return _c("recorded_at", TIME, comment, server_default=sa.func.clock_timestamp())


def upgrade() -> None:
    op.create_table(
        "look_scores",
        _c("region_id", TEXT, "Watched region."),
        _c("acquisition_id", sa.Uuid(), "The look."),
        _c("median", FLOAT, "Half of the pixels lie below, sigma of quiet ground."),
        _c("p90", FLOAT, "Nine tenths lie below, sigma."),
        _c("p99", FLOAT, "99 in 100 lie below, sigma."),
        _c("pixels", sa.Integer(), "Pixels of stable ground it was measured on."),
        _recorded("When the look was judged last."),
        _check("ck_look_scores_pixels", "pixels > 0"),
        _check("ck_look_scores_quantiles", "0 <= median AND median <= p90 AND p90 <= p99"),
        _finite("look_scores", "median", "p90", "p99"),
        _of_look("look_scores"),
        sa.PrimaryKeyConstraint("region_id", "acquisition_id", name="pk_look_scores"),
        schema=SCHEMA,
        comment="Absolute scores over stable ground of each judged radar look, as quantiles.",
    )
    op.create_table(
        "optical_biases",
        _c("region_id", TEXT, "Watched region."),
        _c("acquisition_id", sa.Uuid(), "The look."),
        _c("band", TEXT, "STAC common name: blue, green, red, nir."),
        _c("median", FLOAT,
           "Median over stable ground of the look against known platforms, reflectance."),
        _c("spread", FLOAT, "Spread of the same, 1.4826 x median absolute deviation, reflectance."),
        _c("pixels", sa.Integer(), "Pixels of stable, clear ground it was measured on."),
        _recorded("When the look was searched last."),
        _check("ck_optical_biases_pixels", "pixels > 0"),
        _check("ck_optical_biases_spread", "spread >= 0"),
        _finite("optical_biases", "median", "spread"),
        _of_look("optical_biases"),
        sa.PrimaryKeyConstraint("region_id", "acquisition_id", "band", name="pk_optical_biases"),
        schema=SCHEMA,
        comment="How far each searched optical look departs on stable, clear ground from known"
        " platforms.",
    )  # fmt: skip
    _sorts(
        "'digest', 'summary', 'bulletin', 'silence', 'all-clear', 'quota', 'verification'",
        "digest, summary, bulletin, silence, all-clear, quota or verification.",
    )
    op.execute(KNOWN)


def _sorts(sorts: str, said: str) -> None:
    op.drop_constraint(op.f("ck_bulletins_sort"), "bulletins", schema=SCHEMA)
    op.create_check_constraint(
        op.f("ck_bulletins_sort"), "bulletins", f"sort IN ({sorts})", schema=SCHEMA
    )
    op.execute(f"COMMENT ON COLUMN {SCHEMA}.bulletins.sort IS '{said}'")


def downgrade() -> None:
    """Undo.

    Raises:
        ConfigurationError: operators were told of a verification, which 0015 cannot hold.
    """
    if context.get_revision_argument() is not None:
        told = sa.text(f"SELECT count(*) FROM {SCHEMA}.bulletins WHERE sort = 'verification'")
        if held := op.get_bind().scalar(told):
            raise ConfigurationError(
                f"{held} bulletins tell operators of a month's verification, and earlier versions "
                "cannot hold them; go back to a copy of the database from before the upgrade"
            )
    # Going down to base nothing is asked, since every table goes: they take another word so long.
    op.execute(f"UPDATE {SCHEMA}.bulletins SET sort = 'bulletin' WHERE sort = 'verification'")
    _sorts(
        "'digest', 'summary', 'bulletin', 'silence', 'all-clear', 'quota'",
        "digest, summary, bulletin, silence, all-clear or quota.",
    )
    op.drop_table("optical_biases", schema=SCHEMA)
    op.drop_table("look_scores", schema=SCHEMA)
