"""For whom a person's own password and one-time code were made."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the tables up to this revision."""
    op.add_column(
        "jhaws_person", sa.Column("password_for_admin", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("jhaws_person", sa.Column("code_for", sa.Unicode(length=16), nullable=True))
    # Who is an admin now keeps the password; a code lives for a day, and another one can be made.
    people = sa.table("jhaws_person", sa.column("user_id"), sa.column("password_for_admin", sa.Boolean()))
    users = sa.table("users", sa.column("id"), sa.column("admin", sa.Boolean()))
    admins = sa.select(users.c.id).where(users.c.admin == sa.true())
    op.execute(people.update().where(people.c.user_id.in_(admins)).values(password_for_admin=True))
