"""What jhaws keeps in the hub's own database, and what it reads there.

Owns the tables whose names begin with `jhaws_`; JupyterHub owns all the others, and this package reads them and, for
whole lists of people at once, writes users and groups. Everything runs on the session the hub gives us, on its event
loop: a second writer would block SQLite, and an in-memory database exists only once. What would hold the loop for too
long is written apart (`apart.py`), on another connection of the hub's engine, and is short.

Nothing here commits except what makes tables: what belongs together is committed together by the caller. `login/`
decides what the rows mean.
"""

from .accounts import (
    Account,
    add_configured_name,
    delete_configured_names,
    has_user,
    read_account,
    read_configured_names,
    read_user_names,
)
from .apart import can_write_apart, was_overtaken, write_apart
from .audit import add_audit, add_audit_of_members, make_audits, prune_audit, read_audit
from .forgetting import forget_changed, forget_deleted
from .logins import end_logins, keep_server_token
from .passwords import (
    CodeFor,
    Fingerprint,
    Groups,
    Own,
    Version,
    add_version,
    end_versions,
    read_fingerprints,
    read_own,
    read_versions,
    replace_fingerprints,
    set_code,
    set_own_password,
    use_code,
)
from .people import (
    ListedPerson,
    PeoplePage,
    PeopleQuery,
    Standing,
    State,
    count_waiting,
    has_server_at,
    read_due,
    read_named_people,
    read_next_end,
    read_next_people,
    read_people,
    read_standing,
)
from .people_statements import (
    NewPerson,
    make_additions,
    make_check,
    make_deletions,
    make_server_check,
    make_updates,
)
from .people_writing import (
    add_people,
    add_waiting,
    delete_person,
    let_everybody_in,
    update_people,
    write,
    write_moves,
)
from .promotions import settle_admins, watch_promotions
from .reach import find_reach, lead_groups_to_admins, read_mighty
from .roster_imports import PastImport, add_import, mark_undone, read_import, read_kept
from .schema import drop_tables, ensure_database_id, ensure_login, prepare_tables
from .starts import StartKind, add_start, prune_starts, read_start_seconds
from .tables import NAME_LENGTH, AuditEntry, Base, ConfiguredUser, PastStart, Person
from .tallies import (
    Kind,
    Tally,
    delete_all_tallies,
    delete_lanes,
    delete_tallies,
    list_tallies,
    read_next_tallies,
    read_tally,
    write_tallies,
)

__all__ = [
    "NAME_LENGTH",
    "Account",
    "AuditEntry",
    "Base",
    "CodeFor",
    "ConfiguredUser",
    "Fingerprint",
    "Groups",
    "Kind",
    "ListedPerson",
    "NewPerson",
    "Own",
    "PastImport",
    "PastStart",
    "PeoplePage",
    "PeopleQuery",
    "Person",
    "Standing",
    "StartKind",
    "State",
    "Tally",
    "Version",
    "add_audit",
    "add_audit_of_members",
    "add_configured_name",
    "add_import",
    "add_people",
    "add_start",
    "add_version",
    "add_waiting",
    "can_write_apart",
    "count_waiting",
    "delete_all_tallies",
    "delete_configured_names",
    "delete_lanes",
    "delete_person",
    "delete_tallies",
    "drop_tables",
    "end_logins",
    "end_versions",
    "ensure_database_id",
    "ensure_login",
    "find_reach",
    "forget_changed",
    "forget_deleted",
    "has_server_at",
    "has_user",
    "keep_server_token",
    "lead_groups_to_admins",
    "let_everybody_in",
    "list_tallies",
    "make_additions",
    "make_audits",
    "make_check",
    "make_deletions",
    "make_server_check",
    "make_updates",
    "mark_undone",
    "prepare_tables",
    "prune_audit",
    "prune_starts",
    "read_account",
    "read_audit",
    "read_configured_names",
    "read_due",
    "read_fingerprints",
    "read_import",
    "read_kept",
    "read_mighty",
    "read_named_people",
    "read_next_end",
    "read_next_people",
    "read_next_tallies",
    "read_own",
    "read_people",
    "read_standing",
    "read_start_seconds",
    "read_tally",
    "read_user_names",
    "read_versions",
    "replace_fingerprints",
    "set_code",
    "set_own_password",
    "settle_admins",
    "update_people",
    "use_code",
    "was_overtaken",
    "watch_promotions",
    "write",
    "write_apart",
    "write_moves",
    "write_tallies",
]
