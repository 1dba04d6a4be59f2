"""What Alembic runs for each migration: on the hub's own connection, with a table of versions of our own."""

from alembic import context

from jhaws.store.schema import VERSION_TABLE
from jhaws.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    include_name=lambda name, kind, _: kind != "table" or str(name).startswith("jhaws_"),
    render_as_batch=True,  # SQLite cannot change a column
)
with context.begin_transaction():
    context.run_migrations()
