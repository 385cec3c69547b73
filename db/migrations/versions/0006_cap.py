"""CAP messages, as they were sent."""

from typing import Any

import sqlalchemy as sa
from alembic import context, op

from detectors.errors import ConfigurationError

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "scarpwatch"
TEXT = sa.Text()

APPEND_ONLY = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON scarpwatch.cap_messages
    FOR EACH ROW EXECUTE FUNCTION scarpwatch.refuse_change();
CREATE TRIGGER never_empty BEFORE TRUNCATE ON scarpwatch.cap_messages
    FOR EACH STATEMENT EXECUTE FUNCTION scarpwatch.refuse_change();
"""


def _c(name: str, kind: Any, comment: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, comment=comment, **options)


def upgrade() -> None:
    op.create_table(
        "cap_messages",
        _c("alert_id", sa.Uuid(), "Alert that the message tells."),
        _c("sender", TEXT, "Who sent it."),
        _c("identifier", TEXT, "Idempotency key of the alert."),
        _c("sent", TEXT, "When, as it stands in the message: later ones copy it."),
        _c("msg_type", TEXT, "Alert, Update or Cancel."),
        _c("document", TEXT, "The message, XML."),
        _c(
            "recorded_at",
            sa.DateTime(timezone=True),
            "When this row was written.",
            server_default=sa.func.clock_timestamp(),
        ),
        sa.CheckConstraint(
            "msg_type IN ('Alert', 'Update', 'Cancel')", name=op.f("ck_cap_messages_msg_type")
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["scarpwatch.alerts.id"], name="fk_cap_messages_alert_id"
        ),
        sa.PrimaryKeyConstraint("alert_id", name="pk_cap_messages"),
        sa.UniqueConstraint("sender", "identifier", name="uq_cap_messages_sender_identifier"),
        schema=SCHEMA,
        comment="Append-only: each alert as a CAP 1.2 message, as it was sent.",
    )
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    """Undo.

    Raises:
        ConfigurationError: messages have been sent; later ones could no longer name them.
    """
    held = op.get_bind().scalar(sa.text(f"SELECT count(*) FROM {SCHEMA}.cap_messages"))
    if held and context.get_revision_argument() is not None:
        raise ConfigurationError(
            f"{held} CAP messages are stored, and the earlier version cannot hold them; go back "
            "to a copy of the database from before the upgrade"
        )
    op.drop_table("cap_messages", schema=SCHEMA)
