"""What jhaws keeps in the hub's own database, and what it reads there.

Owns the tables whose names begin with `jhaws_`; JupyterHub owns all the others, and this package reads them and, for
whole lists of people at once, writes users and groups. Everything runs on the session the hub gives us, never on an
engine of our own: a second writer would block SQLite, and an in-memory database exists only once.

Nothing here commits except what makes tables: what belongs together is committed together by the caller. `login/`
decides what the rows mean.
"""

from .accounts import (
    Account,
    add_configured_name,
    delete_configured_names,
    read_account,
    read_configured_names,
    read_user_names,
)
from .audit import add_audit
from .passwords import (
    Fingerprint,
    Groups,
    Own,
    Version,
    add_version,
    end_logins,
    end_versions,
    read_fingerprints,
    read_own,
    read_versions,
    replace_fingerprints,
    set_code,
    set_own_password,
    use_code,
)
from .schema import drop_tables, ensure_database_id, ensure_login, prepare_tables
from .starts import StartKind, add_start, prune_starts, read_start_seconds
from .tables import NAME_LENGTH, Base, ConfiguredUser, PastStart

__all__ = [
    "NAME_LENGTH",
    "Account",
    "Base",
    "ConfiguredUser",
    "Fingerprint",
    "Groups",
    "Own",
    "PastStart",
    "StartKind",
    "Version",
    "add_audit",
    "add_configured_name",
    "add_start",
    "add_version",
    "delete_configured_names",
    "drop_tables",
    "end_logins",
    "end_versions",
    "ensure_database_id",
    "ensure_login",
    "prepare_tables",
    "prune_starts",
    "read_account",
    "read_configured_names",
    "read_fingerprints",
    "read_own",
    "read_start_seconds",
    "read_user_names",
    "read_versions",
    "replace_fingerprints",
    "set_code",
    "set_own_password",
    "use_code",
]
