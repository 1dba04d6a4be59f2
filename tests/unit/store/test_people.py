"""The list of people in a real database: what is read page by page, and what is written in bulk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.utils import new_token
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from jhaws import store
from jhaws.store import NewPerson, PeopleQuery, Person, Standing
from jhaws.store.tables import RosterImport

NOON = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


def add(db: Session, *people: NewPerson) -> dict[str, int]:
    """Add people and return their numbers."""
    store.add_people(db, people, created=NOON)
    db.commit()
    return {name: person.user_id for name, person in store.read_named_people(db, [p.name for p in people]).items()}


def change(db: Session, user_id: int, **values: Any) -> None:
    """Change one person."""
    store.update_people(db, {user_id: values}, now=NOON)
    db.commit()


def delete(db: Session, user_ids: Collection[int]) -> None:
    """Delete people."""
    store.write(db, store.make_deletions(user_ids))
    store.forget_deleted(db, user_ids)


def names(db: Session, **query: Any) -> list[str]:
    """Return the names on a page."""
    return [person.name for person in store.read_people(db, PeopleQuery(**query), now=NOON).people]


def roles(db: Session, user_id: int) -> set[str]:
    """Return a user's roles as JupyterHub sees them."""
    user = db.get(orm.User, user_id)
    assert user is not None
    return {role.name for role in user.roles}


def test_who_is_added_is_a_user_as_jupyterhub_makes_them(db: Session) -> None:
    """With roles, groups that did not exist, a cookie of their own, an end and a note."""
    db.add(orm.Group(name="old"))
    db.commit()
    ids = add(db, NewPerson("ann", True, frozenset({"old", "new"}), NOON + HOUR, "from Kiel"), NewPerson("bob"))
    ann, bob = db.get(orm.User, ids["ann"]), db.get(orm.User, ids["bob"])
    assert ann is not None
    assert bob is not None

    assert (ann.admin, roles(db, ann.id), {group.name for group in ann.groups}) == (
        True,
        {"user", "admin"},
        {"old", "new"},
    )
    assert (bob.admin, roles(db, bob.id), bob.groups) == (False, {"user"}, [])
    assert ann.cookie_id != bob.cookie_id
    assert orm.Group.find(db, "new").properties == {}
    assert store.read_standing(db, "ann") == Standing(ends_at=NOON + HOUR)
    assert store.read_standing(db, "bob") is None
    assert store.read_standing(db, "nobody") is None


def test_objects_that_jupyterhub_keeps_see_what_changed(db: Session) -> None:
    """JupyterHub never reads its objects anew by itself, so a change in bulk makes it do so."""
    ids = add(db, NewPerson("ann", groups=frozenset({"a"})), NewPerson("bob", True))
    ann, bob = db.get(orm.User, ids["ann"]), db.get(orm.User, ids["bob"])
    group = orm.Group.find(db, "a")
    assert ann is not None
    assert bob is not None
    before = [each.name for each in group.users], [each.name for each in ann.groups], roles(db, bob.id)
    store.update_people(
        db, {ann.id: {"groups": {"b", "c"}, "admin": True}, bob.id: {"groups": {"a"}, "admin": False}}, now=NOON
    )
    db.commit()

    assert before == (["ann"], ["a"], {"user", "admin"})
    assert ({each.name for each in ann.groups}, ann.admin, roles(db, ann.id)) == ({"b", "c"}, True, {"user", "admin"})
    assert (bob.admin, roles(db, bob.id)) == (False, {"user"})
    assert [each.name for each in group.users] == ["bob"]


def test_a_row_belongs_to_one_user_only(db: Session) -> None:
    """Who gets the number of a deleted user inherits neither block nor end nor note; a renamed user keeps all."""
    ann = add(db, NewPerson("ann"))["ann"]
    change(db, ann, blocked=True, note="old", ends_at=NOON)
    db.get(orm.User, ann).name = "anna"
    db.commit()
    assert store.read_standing(db, "anna") == Standing(blocked=True, ends_at=NOON)
    db.delete(db.get(orm.User, ann))
    db.commit()
    db.add(orm.User(id=ann, name="eve"))
    db.commit()
    assert store.read_standing(db, "eve") is None
    assert names(db, state="allowed") == ["eve"]
    assert store.read_due(db, now=NOON, limit=10) == []
    change(db, ann, note="new")

    assert store.read_standing(db, "eve") == Standing()
    assert store.read_named_people(db, ["eve"])["eve"].note == "new"


def test_who_is_added_with_the_number_of_somebody_before_has_only_what_is_new(db: Session) -> None:
    """SQLite gives the number again, and JupyterHub leaves our row."""
    ann = add(db, NewPerson("ann", note="of ann", ends_at=NOON))["ann"]
    db.delete(db.get(orm.User, ann))
    db.commit()
    eve = add(db, NewPerson("eve", note="of eve"))["eve"]

    assert (eve == ann) is (db.get_bind().dialect.name == "sqlite")
    assert store.read_named_people(db, ["eve"])["eve"].note == "of eve"
    assert store.read_standing(db, "eve") == Standing()


def test_a_user_without_a_time_of_making_can_be_blocked(db: Session) -> None:
    """Old databases have such users; they get one with the first thing that is kept of them."""
    user = orm.User(name="old")
    db.add(user)
    db.commit()
    user.created = None
    db.commit()
    change(db, user.id, blocked=True)

    assert store.read_standing(db, "old") == Standing(blocked=True)
    assert user.created is not None


def test_what_is_not_changed_stays(db: Session) -> None:
    """A password that somebody else's code has written there, for example."""
    ann = add(db, NewPerson("ann", note="kept"))["ann"]
    row = db.get(Person, ann)
    assert row is not None
    row.password_hash = "a hash"
    db.commit()
    change(db, ann, blocked=True)

    assert (row.password_hash, row.note, row.blocked) == ("a hash", "kept", True)


def test_search_finds_names_notes_and_groups(db: Session) -> None:
    """Whatever the case of letters; a percent sign is a percent sign."""
    add(
        db,
        NewPerson("ann.müller"),
        NewPerson("bob", note="From ÜBERSEE, 100%"),
        NewPerson("carl", groups=frozenset({"Tutors", "x"})),
        NewPerson("dora", groups=frozenset({"tutors-2", "x"})),
    )

    assert names(db, search="MÜLL") == ["ann.müller"]
    assert names(db, search="übersee") == ["bob"]
    assert names(db, search="100%") == ["bob"]
    assert names(db, search="%") == ["bob"]
    assert names(db, search="tutors") == ["carl", "dora"]
    assert names(db, search="_") == []
    assert names(db, search="'; DROP TABLE users; --") == []


def test_pages_are_sorted_and_counted(db: Session) -> None:
    """The total is that of all pages; beyond the last one there is nobody."""
    ids = add(db, *(NewPerson(f"user-{n}") for n in range(7)))
    change(db, ids["user-3"], ends_at=NOON + HOUR)
    page = store.read_people(db, PeopleQuery(offset=2, limit=3), now=NOON)

    assert ([person.name for person in page.people], page.total) == (["user-2", "user-3", "user-4"], 7)
    assert names(db, descending=True, limit=2) == ["user-6", "user-5"]
    assert names(db, offset=7) == []
    assert set(names(db, order="ends_at")) == set(ids)
    assert len(names(db, order="last_activity")) == 7


def test_each_person_is_in_one_state(db: Session) -> None:
    """Blocked comes before ended, ended before waiting."""
    ids = add(db, *(NewPerson(name) for name in ("none", "later", "waiting", "ended", "blocked")))
    change(db, ids["later"], ends_at=NOON + HOUR)
    change(db, ids["waiting"], waiting=True)
    change(db, ids["ended"], ends_at=NOON, waiting=True)
    change(db, ids["blocked"], ends_at=NOON - HOUR, blocked=True, waiting=True)

    assert {state: names(db, state=state) for state in ("allowed", "waiting", "ended", "blocked")} == {
        "allowed": ["later", "none"],
        "waiting": ["waiting"],
        "ended": ["ended"],
        "blocked": ["blocked"],
    }


def test_who_has_to_be_closed_is_due_once_for_each_end(db: Session) -> None:
    """Also an end that passed while nobody looked; a new end or block makes somebody due again."""
    ids = add(db, NewPerson("ann", ends_at=NOON), NewPerson("bob"), NewPerson("carl", ends_at=NOON + HOUR))

    def due(at: datetime = NOON) -> list[str]:
        return sorted(person.name for person in store.read_due(db, now=at, limit=10))

    assert due() == ["ann"]
    change(db, ids["bob"], blocked=True)
    assert due() == ["ann", "bob"]
    store.update_people(db, {ids[name]: {"closed_at": NOON} for name in ("ann", "bob")}, now=NOON)
    assert due() == []
    assert due(NOON + HOUR) == ["carl"]
    change(db, ids["bob"], note="still closed")
    assert due() == []
    change(db, ids["ann"], ends_at=NOON - HOUR)
    assert due() == ["ann"]


def test_sessions_and_tokens_end_for_those_alone(db: Session) -> None:
    """A new cookie id, and no tokens or codes; objects in JupyterHub's memory know."""
    ids = add(db, NewPerson("ann"), NewPerson("bob"))
    client = orm.OAuthClient(identifier="jupyterhub")
    db.add(client)
    users = {name: db.get(orm.User, number) for name, number in ids.items()}
    tokens = {}
    for name, user in users.items():
        assert user is not None
        tokens[name] = user.new_api_token(oauth_client=client)
        db.add(orm.OAuthCode(user_id=user.id, code=new_token()))
    db.commit()
    cookies = {name: user.cookie_id for name, user in users.items() if user}
    assert orm.APIToken.find(db, tokens["ann"])
    store.end_logins(db, [ids["ann"]], servers=True)
    db.commit()
    ann, bob = users["ann"], users["bob"]
    assert ann is not None
    assert bob is not None

    assert (ann.cookie_id != cookies["ann"], ann.api_tokens, ann.oauth_codes) == (True, [], [])
    assert (bob.cookie_id == cookies["bob"], len(bob.api_tokens), len(bob.oauth_codes)) == (True, 1, 1)
    assert orm.APIToken.find(db, tokens["ann"]) is None


def test_deleted_people_leave_nothing(db: Session) -> None:
    """Neither rows of ours nor tokens, servers or memberships, and JupyterHub can reuse their numbers."""
    ids = add(db, NewPerson("ann", True, frozenset({"a"}), NOON, "note"), NewPerson("bob"))
    ann = db.get(orm.User, ids["ann"])
    assert ann is not None
    group = orm.Group.find(db, "a")
    assert [each.name for each in group.users] == ["ann"]
    client = orm.OAuthClient(identifier="jupyterhub-user-ann")
    db.add_all([client, orm.Spawner(name="", user=ann, oauth_client=client)])
    db.commit()
    ann.new_api_token(oauth_client=client)
    delete(db, [ids["ann"]])
    db.commit()
    db.add(orm.User(id=ids["ann"], name="eve"))
    db.commit()

    assert [db.query(table).count() for table in (orm.APIToken, orm.Spawner, orm.OAuthClient, Person)] == [0] * 4
    assert group.users == []
    assert names(db) == ["bob", "eve"]
    assert store.read_standing(db, "eve") is None
    assert roles(db, ids["ann"]) == set()


def test_nothing_is_written_if_one_cannot_be(db: Session) -> None:
    """All or nothing: a name that exists leaves the others, their groups and their rows out as well."""
    add(db, NewPerson("ann"))
    with pytest.raises(IntegrityError):
        store.add_people(db, [NewPerson("bob", groups=frozenset({"g"}), note="x"), NewPerson("ann")], created=NOON)
    db.rollback()

    assert names(db) == ["ann"]
    assert orm.Group.find(db, "g") is None


def test_users_from_before_wait_and_are_let_in(db: Session) -> None:
    """Those whom the configuration names do not."""
    add(db, *(NewPerson(name) for name in ("ann", "bob", "root")))

    assert store.add_waiting(db, known={"root", "nobody"}, since=None, now=NOON) == 2
    assert (names(db, state="waiting"), store.count_waiting(db)) == (["ann", "bob"], 2)
    row = db.get(Person, store.read_named_people(db, ["ann"])["ann"].user_id)
    assert row is not None
    assert row.waiting
    assert store.let_everybody_in(db) == 2
    db.commit()
    assert (names(db, state="waiting"), store.count_waiting(db)) == ([], 0)
    assert not row.waiting


def test_the_last_import_is_kept(db: Session) -> None:
    """The one before goes; only the last one can be undone, once, and says when, and then what it changed goes too."""
    assert store.read_import(db) is None
    store.add_import(db, at=NOON, made_by="ann", changes="{}", kept={})
    store.add_import(db, at=NOON + HOUR, made_by="root", changes="[]", kept={})
    db.commit()
    past = store.read_import(db)
    assert past is not None
    marked = [store.mark_undone(db, number, at=NOON + 2 * HOUR) for number in (past.number - 1, past.number)]
    db.commit()

    assert (marked, store.mark_undone(db, past.number, at=NOON)) == ([False, True], False)
    assert store.read_import(db) == store.PastImport(2, NOON + HOUR, "root", "", NOON + 2 * HOUR)
    assert len(list(db.scalars(select(RosterImport)))) == 1


def crowd(size: int) -> Iterable[NewPerson]:
    """Make many people in some groups; half of them with a note and an end."""
    for number in range(size):
        known = bool(number % 2)
        yield NewPerson(
            f"student-{number:05}",
            groups=frozenset({f"class-{number % 50}", "students"}),
            ends_at=NOON + HOUR if known else None,
            note=f"matriculation {number}" if known else "",
        )


def test_thousands_are_written_and_read_in_a_few_statements(db: Session) -> None:
    """However many they are: a dozen for a change of 5,000 people, a handful for a page of 20,000."""
    people = list(crowd(20_000))
    store.add_people(db, people[:15_000], created=NOON)
    db.commit()
    counted: list[str] = []
    event.listen(db.get_bind(), "before_cursor_execute", lambda *arguments: counted.append(arguments[2]))

    def count(work: Callable[[], Any]) -> int:
        counted.clear()
        work()
        db.commit()
        return len(counted)

    added = count(lambda: store.add_people(db, people[15_000:], created=NOON))
    numbers = [person.user_id for person in store.read_next_people(db, after=0, limit=5_000)]
    values = {"groups": {"students"}, "admin": False, "ends_at": NOON, "note": "changed"}
    changed = count(lambda: store.update_people(db, dict.fromkeys(numbers, values), now=NOON))
    queries = [PeopleQuery(search=search, offset=19_900) for search in ("", "student-019", "class-7", "ü-nobody")]
    pages = [count(lambda query=query: store.read_people(db, query, now=NOON)) for query in queries]
    due = count(lambda: store.read_due(db, now=NOON, limit=200))
    deleted = count(lambda: delete(db, numbers))

    assert max(added, changed, deleted) < 15
    assert max(*pages, due) < 10


def test_the_addresses_of_users_servers_are_known(db: Session) -> None:
    """While they run; a service's address is another thing."""
    ids = add(db, NewPerson("ann"))
    server = orm.Server(ip="10.0.77.7")
    db.add(orm.Spawner(name="", user_id=ids["ann"], server=server))
    db.add(orm.Service(name="culler", server=orm.Server(ip="10.0.1.5")))
    db.commit()
    assert [store.has_server_at(db, f"10.0.{each}") for each in ("77.7", "1.5", "77.8")] == [True, False, False]
    db.delete(server)
    db.commit()
    assert not store.has_server_at(db, "10.0.77.7")


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "ann\udfff"])
def test_text_that_no_database_takes_is_nobodys_name(db: Session, text: str) -> None:
    """It is as unknown as any other name, and hides nobody who was asked for beside it."""
    add(db, NewPerson("ann"))

    assert list(store.read_named_people(db, ["ann", text])) == ["ann"]
    assert store.read_named_people(db, [text]) == {}
