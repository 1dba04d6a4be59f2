"""Who is an admin by roles, whatever their names: also by what some scopes for a few users lead to."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import pytest
from jupyterhub import orm
from sqlalchemy.orm import Session

from jhaws import store
from jhaws.store.reach import find_admins, find_reach

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("scopes", "anybody"),
    [
        ({"admin:users"}, True),
        ({"groups"}, True),
        ({"admin:groups"}, True),
        ({"shares"}, True),
        ({"tokens"}, True),
        ({"groups!group=a", "tokens!group=a"}, True),
        ({"admin:groups!group=a", "shares!group=a"}, True),
        ({"groups!group=a", "admin:users!group=a"}, True),
        ({"groups!group=a", "tokens!group=b"}, False),
        ({"groups!group=a", "list:users"}, False),
        ({"tokens!group=a", "access:servers!group=a", "read:groups"}, False),
        ({"self", "inherit", "tokens!user", "access:servers!user", "shares!server=ann/"}, False),
        ({"admin-ui", "list:users", "servers", "custom:gone"}, False),
        (set(), False),
    ],
)
def test_scopes_that_lead_to_any_account(scopes: set[str], anybody: bool) -> None:
    """Also those contained in others, and those for a group of which the same user changes the members."""
    assert find_reach([("role", scopes)]).anybody is anybody
    assert find_reach([("one", {each}) for each in scopes]).anybody is anybody


def test_the_admin_role_is_known_by_its_name() -> None:
    """Whatever the configuration makes of its scopes."""
    assert find_reach([("user", {"self"}), ("admin", set())]).anybody


def give(db: Session, name: str, scopes: Collection[str], *, users: Collection[str] = (), group: str = "") -> None:
    """Make a role and give it to users and to a group."""
    role = orm.Role(name=name, scopes=list(scopes))
    db.add(role)
    role.users.extend(orm.User.find(db, user) for user in users)
    if group:
        role.groups.append(orm.Group.find(db, group))
    db.commit()


@pytest.mark.parametrize(
    ("roles", "admins"),
    [
        ({"ann": {"access:servers!group=b"}}, ""),
        ({"ann": {"access:servers!group=a"}}, "ann"),
        ({"ann": {"shares!group=a"}}, "ann"),
        ({"ann": {"read:users!group=a", "servers!group=a"}}, ""),
        ({"ann": {"tokens!user=root"}}, "ann"),
        ({"ann": {"access:servers!server=root/"}}, "ann"),
        ({"ann": {"access:servers!server=root/lab"}}, "ann"),
        ({"ann": {"tokens!user=ann", "access:servers!server=bob/"}}, ""),
        ({"ann": {"tokens!user=bob"}, "bob": {"tokens!user=root"}}, "ann bob"),
        ({"ann": {"tokens!user=bob"}, "bob": {"tokens!user=ann"}}, ""),
        ({"ann": {"groups!group=chiefs"}}, "ann"),
        ({"ann": {"groups!group=b"}}, ""),
        ({"ann": {"groups!group=b"}, "bob": {"tokens!group=b"}}, "ann bob"),
        ({"ann": {"groups!group=c"}}, "ann"),
    ],
)
def test_some_users_lead_to_an_admin_among_them(db: Session, roles: Mapping[str, set[str]], admins: str) -> None:
    """A group with an admin in it, an admin's name or server; over others, and by joining a group that leads there."""
    groups = {"root": {"a"}, "bob": {"a", "b"}, "ann": {"b"}}
    people = [store.NewPerson(name, admin=name == "root", groups=frozenset(its)) for name, its in groups.items()]
    store.add_people(db, people, created=NOON)
    db.add_all([orm.Group(name="chiefs"), orm.Group(name="c")])
    db.commit()
    give(db, "chief", {"tokens"}, group="chiefs")
    give(db, "step", {"access:servers!user=root"}, group="c")
    for name, scopes in roles.items():
        give(db, f"role of {name}", scopes, users=[name])

    ids = {person.name: person.user_id for person in store.read_next_people(db, after=0, limit=9)}
    found = find_admins(db)
    assert sorted(name for name, number in ids.items() if number in found) == sorted([*admins.split(), "root"])
    assert store.read_mighty(db, list(ids.values())) - {ids["root"]} == found - {ids["root"]}


def test_who_became_an_admin_unseen_is_found_once(db: Session) -> None:
    """By a role that a group was given; not who was one at the first look, and again only after not being one."""
    store.ensure_login(db, now=NOON)
    people = [store.NewPerson("root", admin=True), store.NewPerson("ann", groups=frozenset({"chiefs"}))]
    store.add_people(db, [*people, store.NewPerson("bob")], created=NOON)
    give(db, "lord", {"tokens"}, users=["bob"])
    assert (store.settle_admins(db), store.settle_admins(db)) == ([], [])

    cookies = {user.name: user.cookie_id for user in db.query(orm.User)}
    give(db, "chief", {"tokens"}, group="chiefs")
    assert (store.settle_admins(db), store.settle_admins(db)) == (["ann"], [])
    fresh = {user.name for user in db.query(orm.User) if user.cookie_id != cookies[user.name]}
    orm.Role.find(db, "chief").scopes = []
    assert store.settle_admins(db) == []
    orm.Role.find(db, "chief").scopes = ["tokens"]
    assert (fresh, store.settle_admins(db)) == ({"ann"}, ["ann"])
