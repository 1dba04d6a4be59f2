"""The tables of version 0.1."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Bring the tables up to this revision."""
    op.create_table(
        "jhaws_audit",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("action", sa.Unicode(length=32), nullable=False),
        sa.Column("name", sa.Unicode(length=255), nullable=False),
        sa.Column("actor", sa.Unicode(length=255), nullable=False),
        sa.Column("address", sa.Unicode(length=64), nullable=False),
        sa.Column("detail", sa.Unicode(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jhaws_audit")),
    )
    op.create_index("ix_jhaws_audit_action", "jhaws_audit", ["action"])
    op.create_index("ix_jhaws_audit_at", "jhaws_audit", ["at"])
    op.create_index("ix_jhaws_audit_name", "jhaws_audit", ["name"])

    op.create_table(
        "jhaws_configured_password",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("groups", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("hash", sa.Unicode(length=255), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jhaws_configured_password")),
    )
    op.create_table(
        "jhaws_configured_user",
        sa.Column("name", sa.Unicode(length=255), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_jhaws_configured_user")),
    )
    op.create_table(
        "jhaws_hub",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("database_id", sa.Unicode(length=255), nullable=False),
        sa.Column("users_until", sa.DateTime(), nullable=True),
        sa.Column("knows_admins", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jhaws_hub")),
    )
    op.create_table(
        "jhaws_known_admin",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_created", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_jhaws_known_admin")),
    )
    op.create_table(
        "jhaws_login_tally",
        sa.Column("kind", sa.Unicode(length=16), nullable=False),
        sa.Column("value", sa.Unicode(length=255), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("credited_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "value", name=op.f("pk_jhaws_login_tally")),
    )
    op.create_index("ix_jhaws_login_tally_changed_at", "jhaws_login_tally", ["changed_at"])

    op.create_table(
        "jhaws_person",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_created", sa.DateTime(), nullable=False),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("ends_at", sa.DateTime(), nullable=True),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("note", sa.Unicode(length=1000), nullable=False),
        sa.Column("password_hash", sa.Unicode(length=255), nullable=True),
        sa.Column("password_set_at", sa.DateTime(), nullable=True),
        sa.Column("password_for_admin", sa.Boolean(), nullable=False),
        sa.Column("code_hash", sa.Unicode(length=255), nullable=True),
        sa.Column("code_ends_at", sa.DateTime(), nullable=True),
        sa.Column("code_for", sa.Unicode(length=16), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_jhaws_person")),
    )
    op.create_index("ix_jhaws_person_ends_at", "jhaws_person", ["ends_at"])

    op.create_table(
        "jhaws_roster_import",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("made_by", sa.Unicode(length=255), nullable=False),
        sa.Column("changes", sa.UnicodeText(), nullable=False),
        sa.Column("kept", sa.UnicodeText(), nullable=False),
        sa.Column("undone_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jhaws_roster_import")),
    )
    op.create_table(
        "jhaws_server_token",
        sa.Column("spawner_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_hash", sa.Unicode(length=255), nullable=False),
        sa.PrimaryKeyConstraint("spawner_id", name=op.f("pk_jhaws_server_token")),
    )
    op.create_table(
        "jhaws_shared_password",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("groups", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("hash", sa.Unicode(length=255), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("made_by", sa.Unicode(length=255), nullable=False),
        sa.Column("ends_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jhaws_shared_password")),
    )
    op.create_table(
        "jhaws_start",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("profile", sa.Unicode(length=255), nullable=False),
        sa.Column("nodegroup", sa.Unicode(length=255), nullable=False),
        sa.Column("new_node", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_jhaws_start")),
    )
    op.create_index("ix_jhaws_start_kind", "jhaws_start", ["profile", "nodegroup", "new_node", "number"])
