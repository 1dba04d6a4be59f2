"""Until when users were made while jhaws's login decided who may enter."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Bring the tables up to this revision."""
    op.add_column("jhaws_hub", sa.Column("users_until", sa.DateTime(), nullable=True))
