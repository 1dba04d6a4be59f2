"""JhawsAuthenticator inside a real JupyterHub application object with a real database, without its web server."""

import asyncio
import itertools
import logging
import time
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.app import JupyterHub, NewToken
from tornado import web
from traitlets.config import Config

from jhaws import store
from jhaws.errors import ConfigError, PasswordError
from jhaws.login import keyring
from jhaws.login.authenticator import JhawsAuthenticator
from jhaws.login.hashing import make_hash

USER = "shared-password"
ADMIN = "the-admins-own-password-of-40-characters"
TUTORS = "tutors-password"

Start = Callable[..., Awaitable[JupyterHub]]


class Log(logging.Handler):
    """What the hub logs; caplog sees nothing once Alembic has set up logging anew."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep level and text."""
        self.lines.append((record.levelname, record.getMessage()))

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(line for _, line in self.lines)

    def clear(self) -> None:
        """Forget what was logged so far."""
        self.lines.clear()


@pytest.fixture
def hub_log() -> Log:
    """The log of the hubs of one test."""
    return Log()


@pytest.fixture
async def start(tmp_path: Path, hub_log: Log) -> AsyncIterator[Start]:
    """Start hubs one after the other on the same database, as far as users, groups and roles go."""
    apps = []

    async def start_hub(*, hub: dict[str, Any] | None = None, **options: Any) -> JupyterHub:
        config = Config({"JhawsAuthenticator": {"admin_users": {"root"}, "user_password": USER, **options}})
        config.JhawsAuthenticator.setdefault("admin_password", ADMIN)
        config.JupyterHub = Config({"authenticator_class": JhawsAuthenticator, **(hub or {})})
        logger = logging.getLogger("hub-of-a-test")
        logger.setLevel(logging.INFO)
        logger.handlers.clear()
        logger.addHandler(hub_log)
        app = JupyterHub(config=config, log=logger)
        app.db = orm.new_session_factory(f"sqlite:///{tmp_path / 'hub.sqlite'}")()
        apps.append(app)
        await app.init_role_creation()
        await app.init_users()
        await app.init_groups()
        await app.init_role_assignment()
        # Each attempt is made long after the one before, so that none has to wait; test_gate.py is about those that do.
        app.authenticator.door.gate.clock = itertools.count(time.time(), 3 * 86400.0).__next__
        return app

    yield start_hub
    for app in apps:
        app.db.close()
        app.db.get_bind().dispose()


async def log_in(app: JupyterHub, name: Any, password: Any) -> dict[str, Any] | None:
    """Do what JupyterHub does with a submitted form before it writes to the database."""
    model = await app.authenticator.get_authenticated_user(None, {"username": name, "password": password})
    assert model is None or isinstance(model, dict)
    return model


async def may_enter(app: JupyterHub, name: Any, password: Any = USER) -> bool:
    """Tell whether name and password are accepted."""
    return await log_in(app, name, password) is not None


def add(app: JupyterHub, name: str, *, admin: bool = False) -> orm.User:
    """Add a user as the admin panel does."""
    user = orm.User(name=name, admin=admin)
    app.db.add(user)
    app.db.commit()
    app.authenticator.add_user(user)
    return user


def delete(app: JupyterHub, name: str) -> None:
    """Delete a user as the admin panel does."""
    user = orm.User.find(app.db, name)
    app.authenticator.delete_user(user)
    app.db.delete(user)
    app.db.commit()


def rename(app: JupyterHub, name: str, to: str) -> None:
    """Rename a user as the admin panel does: no hook of the authenticator is called."""
    orm.User.find(app.db, name).name = to
    app.db.commit()


async def test_only_admins_are_allowed_at_first(start: Start) -> None:
    """Without any allow option nobody but the configured admin enters, whatever password is typed."""
    app = await start()
    assert await may_enter(app, "root", ADMIN)
    for name in ("ann", "test-admin", "", "None"):
        assert not await may_enter(app, name)
        assert not await may_enter(app, name, ADMIN)


async def test_the_users_table_is_the_allow_list(start: Start) -> None:
    """Added users enter at once, deleted ones do not, and a restart changes neither."""
    app = await start()
    for name in ("ann", "bob"):
        add(app, name)
    assert await may_enter(app, "ann")
    delete(app, "ann")
    for hub in (app, await start()):
        assert not await may_enter(hub, "ann")
        assert await may_enter(hub, "bob")


async def test_renaming_works_at_once(start: Start) -> None:
    """The new name enters, the old one does not, also when the old one came from the configuration."""
    app = await start(allowed_users={"ann"})
    add(app, "bob")
    rename(app, "ann", "anna")
    rename(app, "bob", "robert")
    for hub in (app, await start(allowed_users={"ann"})):
        assert [await may_enter(hub, name) for name in ("ann", "anna", "bob", "robert")] == [
            False,
            True,
            False,
            True,
        ]


async def test_a_configured_name_counts_once(start: Start, hub_log: Log) -> None:
    """Deleted in the panel it stays out over restarts, until it was out of the configuration for one start."""
    app = await start(allowed_users={"Ann", "bob"})
    assert await may_enter(app, "ann")
    delete(app, "ann")
    assert not await may_enter(app, "ann")
    for _ in range(2):
        hub_log.clear()
        app = await start(allowed_users={"Ann", "bob"})
        assert not await may_enter(app, "ann")
        assert orm.User.find(app.db, "ann") is None
        assert await may_enter(app, "bob")
        assert "deleted or renamed in the hub (ann)" in hub_log.text
    await start(allowed_users={"bob"})
    app = await start(allowed_users={"Ann", "bob"})
    assert await may_enter(app, "ann")


async def test_a_configured_name_added_again_in_the_panel_enters(start: Start) -> None:
    """The panel's last word holds in both directions."""
    app = await start(allowed_users={"ann"})
    delete(app, "ann")
    app = await start(allowed_users={"ann"})
    add(app, "ann")
    assert await may_enter(app, "ann")
    assert await may_enter(await start(allowed_users={"ann"}), "ann")


async def test_groups_and_roles_of_the_configuration_bring_nobody_back(start: Start) -> None:
    """Users whom load_groups and load_roles name count once too, and the others keep their groups."""
    hub = {
        "load_groups": {"staff": {"users": ["Ann", "bob"]}, "old": ["ann"]},
        "load_roles": [{"name": "helper", "scopes": ["list:users"], "users": ["ann", "eve"]}],
    }
    app = await start(hub=hub)
    assert await may_enter(app, "ann")
    assert await may_enter(app, "eve")
    delete(app, "ann")
    delete(app, "eve")
    app = await start(hub=hub)
    assert store.read_user_names(app.db) == {"root", "bob"}
    assert [group.name for group in orm.User.find(app.db, "bob").groups] == ["staff"]


async def test_a_start_that_fails_forgets_nobody(start: Start) -> None:
    """Names of a start that ended before its users were written are not taken for deleted ones."""
    hub = {"load_groups": {"staff": {"users": ["bob"]}}}
    with pytest.raises(ValueError, match="offloaded"):
        await start(allowed_users={"ann"}, hub=hub, manage_groups=True)
    app = await start(allowed_users={"ann"}, hub=hub)
    assert await may_enter(app, "ann")
    assert await may_enter(app, "bob")


async def test_without_existing_users_only_the_configuration_counts(start: Start) -> None:
    """With allow_existing_users off, users of the panel stay out, and deleted configured ones too."""
    app = await start(allowed_users={"ann", "carl"}, allow_existing_users=False)
    add(app, "bob")
    assert [await may_enter(app, name) for name in ("ann", "bob", "carl")] == [True, False, True]
    delete(app, "carl")
    app = await start(allowed_users={"ann", "carl"}, allow_existing_users=False)
    assert [await may_enter(app, name) for name in ("ann", "bob", "carl")] == [True, False, False]
    assert await may_enter(app, "root", ADMIN)


async def test_allow_all_lets_new_names_in(start: Start) -> None:
    """allow_all means what it means upstream, except for admins' accounts and impossible names."""
    app = await start(allow_all=True)
    assert await may_enter(app, "anybody")
    assert not await may_enter(app, "anybody", ADMIN)
    assert not await may_enter(app, "root")
    assert not await may_enter(app, "a/b")


async def test_blocked_users_stay_out(start: Start) -> None:
    """blocked_users beats the allow list."""
    app = await start(allowed_users={"ann"}, blocked_users={"ann"})
    assert not await may_enter(app, "ann")


async def test_admins_of_the_configuration_cannot_be_deleted(start: Start) -> None:
    """The hub refuses with a sentence that names the option; admins made in the panel may be deleted."""
    app = await start()
    with pytest.raises(web.HTTPError) as caught:
        delete(app, "root")
    assert caught.value.status_code == 409
    assert "JhawsAuthenticator.admin_users" in str(caught.value)
    add(app, "boss", admin=True)
    delete(app, "boss")
    assert store.read_user_names(app.db) == {"root"}


async def test_an_admin_also_in_allowed_users_always_comes_back(start: Start) -> None:
    """Even when their row was deleted behind the hub's back."""
    app = await start(allowed_users={"root"})
    app.db.delete(orm.User.find(app.db, "root"))
    app.db.commit()
    app = await start(allowed_users={"root"})
    assert await may_enter(app, "root", ADMIN)


ROOTS = [
    "root",
    "ROOT",
    "Root",
    "RooT",
    " root",
    "root ",
    "root\n",
    "\troot",
    "root\0",
    "\uff52\uff4f\uff4f\uff54",  # full width
    "root\u200b",
    "r\u0000oot",
]


@pytest.mark.parametrize("allow_all", [False, True])
@pytest.mark.parametrize("name", ROOTS)
async def test_no_shared_password_opens_an_admins_account(start: Start, name: str, allow_all: bool) -> None:
    """However the name of an admin is written, the shared and the group passwords never lead to it."""
    app = await start(allow_all=allow_all, manage_groups=True, password_groups={TUTORS: ["tutors"]})
    for password in (USER, TUTORS):
        model = await log_in(app, name, password)
        assert model is None or (model["name"] not in ("root",) and not model["admin"])


@pytest.mark.parametrize("name", ["İsmet", "i̇smet", "STRASSE", "ADMİN", "ΣΑΣ"])
async def test_admins_with_unicode_names_are_recognised(start: Start, name: str) -> None:
    """JupyterHub's own normal form decides whose account it is."""
    app = await start(admin_users={name})
    assert await may_enter(app, name, ADMIN)
    assert not await may_enter(app, name)
    assert not await may_enter(app, name.lower())


async def test_admins_of_the_panel_and_of_roles_need_the_admin_password(start: Start) -> None:
    """The admin flag, the admin role and a group with that role all close the account to shared passwords."""
    app = await start(allow_all=True)
    add(app, "flag", admin=True)
    group = orm.Group(name="owners")
    app.db.add(group)
    group.users.append(add(app, "grouped"))
    group.roles.append(orm.Role.find(app.db, "admin"))
    app.db.commit()
    for name in ("flag", "FLAG", "grouped", "Grouped"):
        assert not await may_enter(app, name)
        assert await may_enter(app, name, ADMIN)
    assert (await log_in(app, "flag", ADMIN) or {})["admin"] is True
    # The flag must not outlive the group that gives the role.
    assert (await log_in(app, "grouped", ADMIN) or {})["admin"] is None


async def test_a_username_map_leads_to_no_admin(start: Start) -> None:
    """Neither one step nor a chain of username_map opens an admin's account with the shared password."""
    app = await start(allow_all=True, username_map={"alias": "root", "first": "second", "second": "root"})
    for name in ("alias", "ALIAS", "second", "root"):
        assert not await may_enter(app, name)
        assert (await log_in(app, name, ADMIN) or {})["name"] == "root"
    assert (await log_in(app, "first", USER) or {})["name"] == "second"


async def test_logins_change_neither_flag_nor_groups(start: Start) -> None:
    """A user's login leaves the admin flag and groups alone, so that the panel's changes stay."""
    app = await start(allowed_users={"ann"})
    model = await log_in(app, "ann", USER)
    assert model is not None
    assert model["admin"] is None
    assert "groups" not in model


async def test_group_passwords_bring_groups(start: Start) -> None:
    """With manage_groups the password decides about the groups, as upstream."""
    app = await start(allow_all=True, manage_groups=True, password_groups={TUTORS: ["tutors"]})
    assert (await log_in(app, "ann", TUTORS) or {})["groups"] == ["tutors"]
    assert (await log_in(app, "ann", USER) or {})["groups"] == []
    assert (await log_in(app, "root", ADMIN) or {})["groups"] == []


BAD_DATA: list[Any] = [
    None,
    {},
    [],
    7,
    "ann",
    {"username": "ann"},
    {"password": USER},
    {"username": None, "password": USER},
    {"username": "ann", "password": None},
    {"username": "ann", "password": ""},
    {"username": "ann", "password": ["x"]},
    {"username": 1, "password": 12345678},
    {"username": {"$ne": 1}, "password": {"$ne": 1}},
    {"username": "ann", "password": "ü" * 12},
    {"username": "ann", "password": "\0"},
    {"username": "ann", "password": "\ud800"},
    {"username": "ann", "password": "x" * 10_000_000},
    {"username": "\ud800", "password": USER},
    {"username": "a\0b", "password": USER},
    {"username": "x" * 10_000_000, "password": USER},
    {"username": "x" * 300, "password": USER},
    {"username": "ü" * 200, "password": USER},
    {"username": "..", "password": USER},
    {"username": "../root", "password": USER},
    {"username": "ann' OR 1=1 --", "password": USER},
]


@pytest.mark.parametrize("data", BAD_DATA, ids=range(len(BAD_DATA)))
async def test_whatever_is_sent_is_just_wrong(start: Start, data: Any) -> None:
    """Bad shapes, types, lengths and characters are refused without an error."""
    app = await start(allowed_users={"ann"})
    assert await app.authenticator.get_authenticated_user(None, data) is None


@pytest.mark.parametrize("name", ["ü" * 43, "ann.b", "ann b", "ann@example.org", "漢字", "a" * 200])
async def test_unusual_names_are_fine(start: Start, name: str) -> None:
    """Names that JupyterHub accepts and a folder can hold may enter."""
    assert await may_enter(await start(allowed_users={name}), name)


async def test_refusals_are_logged_without_secrets(start: Start, hub_log: Log) -> None:
    """One line each with the reason; no password, and no typed name that is nobody's."""
    app = await start(allowed_users={"ann"})
    hub_log.clear()
    attempts = [
        ("ann", "typed-wrong-password", "'ann' from unknown: wrong password"),
        ("root", USER, "'root' from unknown: it is an admin's account, which opens with admin_password only"),
        ("ann", ADMIN, "'ann' from unknown: admin_password opens the accounts of admins only"),
        ("typed-into-wrong-field", "x", "an unknown name from unknown: the name is not on the allow list"),
        ("forged\nline", USER, "an unknown name from unknown: no user can have that name"),
    ]
    for name, password, said in attempts:
        hub_log.clear()
        assert not await may_enter(app, name, password)
        assert hub_log.lines == [("WARNING", f"Refused the login of {said}.")]


async def test_a_hostile_name_in_the_database_stays_on_one_short_line(start: Start, hub_log: Log) -> None:
    """A known name is shown quoted and cut."""
    app = await start(allowed_users={"a" * 200})
    assert not await may_enter(app, "a" * 200, "wrong")
    line = hub_log.lines[-1][1]
    assert "\n" not in line
    assert len(line) < 120


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user_password": None}, "user_password not set"),
        ({"user_password": None, "admin_password": None}, "Nobody will be able to login"),
        ({"admin_password": None}, "admin_password is not"),
    ],
)
async def test_missing_passwords_are_said_and_open_nothing(
    start: Start, hub_log: Log, options: dict[str, Any], said: str
) -> None:
    """A hub without a password starts, says which option to set and lets nobody in that way."""
    app = await start(allowed_users={"ann"}, **options)
    assert said in hub_log.text
    if app.authenticator.user_password is None:
        assert not any([await may_enter(app, "ann", password) for password in ("", None, "None", ADMIN)])
    if app.authenticator.admin_password is None:
        assert not any([await may_enter(app, "root", password) for password in ("", None, "None", USER)])


@pytest.fixture
def earlier_users(tmp_path: Path) -> None:
    """A database that another authenticator filled."""
    session = orm.new_session_factory(f"sqlite:///{tmp_path / 'hub.sqlite'}")()
    session.add_all([orm.User(name="guest-1"), orm.User(name="guest-2"), orm.User(name="ann"), orm.User(name="root")])
    session.commit()
    session.close()


@pytest.mark.usefixtures("earlier_users")
async def test_users_of_an_earlier_login_wait_for_an_admin(start: Start, hub_log: Log) -> None:
    """Those whom the configuration does not name; the log says so once, at the first start with jhaws."""
    app = await start(allowed_users={"Ann"})
    assert "has 2 users whom another login than JhawsAuthenticator has let in" in hub_log.text
    assert [await may_enter(app, name) for name in ("guest-1", "guest-2", "ann")] == [False, False, True]
    assert "'guest-1' from unknown: the name is from before jhaws's login" in hub_log.text
    assert await may_enter(app, "root", ADMIN)
    hub_log.clear()
    app = await start()
    assert "from before" not in hub_log.text
    store.let_everybody_in(app.db)
    assert await may_enter(app, "guest-1")


@pytest.mark.usefixtures("earlier_users")
async def test_whom_the_configuration_names_later_waits_no_more(start: Start) -> None:
    """An operator who writes a name down has looked at it."""
    assert not await may_enter(await start(), "guest-1")
    assert await may_enter(await start(allowed_users={"guest-1"}), "guest-1")


@pytest.mark.usefixtures("earlier_users")
async def test_nobody_waits_where_everybody_may_enter(start: Start, hub_log: Log) -> None:
    """With allow_all a name that is not taken yet enters too."""
    assert await may_enter(await start(allow_all=True), "guest-1")
    assert "from before" not in hub_log.text


async def test_blocked_and_ended_people_stay_out(start: Start, hub_log: Log) -> None:
    """Also with allow_all; check_allowed says the same as a login, and the log says why."""
    app = await start(allow_all=True)
    now = datetime.now(UTC)
    for name, values in {
        "ann": {"blocked": True},
        "bob": {"ends_at": now},
        "carl": {"ends_at": now + timedelta(hours=1)},
        "root": {"blocked": True},
    }.items():
        user = orm.User.find(app.db, name) or add(app, name)
        store.update_people(app.db, {user.id: values}, now=now)
    app.db.commit()

    assert [await may_enter(app, name) for name in ("ann", "bob", "carl")] == [False, False, True]
    assert [app.authenticator.check_allowed(name) for name in ("ann", "bob", "carl")] == [False, False, True]
    assert "Refused the login of 'ann' from unknown: an admin has blocked the person." in hub_log.text
    assert "Refused the login of 'bob' from unknown: the person's end has passed." in hub_log.text
    # An admin of the configuration always enters.
    assert await may_enter(app, "root", ADMIN)
    # Whoever comes after a deleted user is somebody else.
    delete(app, "ann")
    add(app, "ann")
    assert await may_enter(app, "ann")


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"user_password": 48151623}, "JhawsAuthenticator.user_password must be text of at least 8 characters, got an int"),
    ({"user_password": "s3cret"}, "JhawsAuthenticator.user_password must have at least 8 characters, got 6"),
    ({"admin_password": "s3cret" * 5}, "JhawsAuthenticator.admin_password must have at least 32 characters, got 30"),
    ({"user_password": "s3cret" * 6, "admin_password": "s3cret" * 6}, "must not hold the same password"),
    ({"password_groups": {"s3cret-group": ["a"]}}, "needs JhawsAuthenticator.manage_groups = True"),
    ({"password_groups": {"s3cret": ["a"]}, "manage_groups": True}, "password number 1 must have at least 8"),
    ({"password_groups": {USER: ["a"]}, "manage_groups": True}, "must not hold the same password"),
    ({"allowed_users": {2024001}}, "JhawsAuthenticator.allowed_users must hold user names, got 2024001, int"),
    ({"admin_users": {None}}, "JhawsAuthenticator.admin_users must hold user names, got None"),
    ({"allowed_users": {"a/b"}}, "JhawsAuthenticator.allowed_users holds 'a/b'. A user name must not contain"),
    ({"allowed_users": {"x" * 300}}, "255 bytes"),
    ({"allowed_users": {".."}}, "which JupyterHub does not accept"),
    ({"allowed_users": 5}, "allowed_users"),
    ({"time_zone": "Europe/Paderborn"}, "JhawsAuthenticator.time_zone must be the name of a time zone"),
    ({"time_zone": "../etc/passwd"}, "JhawsAuthenticator.time_zone must be the name of a time zone"),
    ({"blocked_users": [7]}, "JhawsAuthenticator.blocked_users must hold user names, got 7"),
    ({"hub": {"load_groups": {"g": {"users": [5]}}}}, "JupyterHub.load_groups must hold user names, got 5"),
]


@pytest.mark.parametrize(("options", "said"), BAD_OPTIONS, ids=range(len(BAD_OPTIONS)))
async def test_bad_options_end_the_hub_with_a_sentence(
    start: Start, hub_log: Log, options: dict[str, Any], said: str
) -> None:
    """The hub exits instead of starting; the log names the option, and no part of a password."""
    with pytest.raises(SystemExit) as caught:
        await start(**options)
    assert caught.value.code == 1
    assert [level for level, line in hub_log.lines if said in line] == ["CRITICAL"]
    assert "s3cret" not in hub_log.text
    assert "4815" not in hub_log.text
    assert caught.value.__cause__ is None


def test_without_a_hub_bad_options_are_raised() -> None:
    """A tool that makes an authenticator gets the sentence as an error."""
    with pytest.raises(ConfigError, match="user_password must have at least 8 characters, got 5"):
        JhawsAuthenticator(user_password="short")


@pytest.mark.parametrize("section", ["Authenticator", "SharedPasswordAuthenticator", "JhawsAuthenticator"])
def test_options_of_the_parents_count(section: str) -> None:
    """What an operator had set for SharedPasswordAuthenticator goes on."""
    authenticator = JhawsAuthenticator(config=Config({section: {"user_password": USER, "allowed_users": {"ann"}}}))
    assert authenticator.user_password == USER
    assert authenticator.allowed_users == {"ann"}
    assert authenticator.allow_existing_users is True


def test_passwords_are_in_no_text_about_the_authenticator() -> None:
    """Neither repr nor the help of the options shows a configured password."""
    authenticator = JhawsAuthenticator(
        user_password=USER, admin_password=ADMIN, password_groups={TUTORS: ["a"]}, manage_groups=True
    )
    text = repr(authenticator) + JhawsAuthenticator.class_get_help(authenticator)
    assert "user_password" in text
    assert not any(secret in text for secret in (USER, ADMIN, TUTORS))


def test_every_option_of_ours_has_help() -> None:
    """The reference of options is made from these texts."""
    for name, trait in JhawsAuthenticator.class_own_traits(config=True).items():
        assert len(trait.help.split()) > 10, name


NEW = "kirschbaum im mai"


async def change(app: JupyterHub, password: str, **options: Any) -> store.Version:
    """Set a shared password as an admin does."""
    options = {"groups": None, "made_by": "root", **options}
    return await app.authenticator.keyring.change_shared(app.db, password, **options)


async def test_a_shared_password_is_changed_while_the_hub_runs(start: Start) -> None:
    """The new one opens at once and after a restart, the old one no longer; admins' accounts open with neither."""
    app = await start(allowed_users={"ann"})
    await change(app, NEW)
    for hub in (app, await start(allowed_users={"ann"})):
        assert [await may_enter(hub, "ann", password) for password in (USER, NEW)] == [False, True]
        assert [await may_enter(hub, "root", password) for password in (USER, NEW, ADMIN)] == [False, False, True]


async def test_the_old_one_may_go_on_for_a_while(start: Start) -> None:
    """Until its end both open; a further change ends both earlier ones where it says so."""
    app = await start(allowed_users={"ann"})
    await change(app, NEW, old_ends_at=datetime.now(UTC) + timedelta(seconds=3))
    assert [await may_enter(app, "ann", password) for password in (USER, NEW)] == [True, True]
    await asyncio.sleep(3)
    assert [await may_enter(app, "ann", password) for password in (USER, NEW)] == [False, True]
    await change(app, NEW + "!", old_ends_at=datetime.now(UTC) + timedelta(days=1))
    await change(app, NEW + "?")
    assert [await may_enter(app, "ann", NEW + each) for each in ("", "!", "?")] == [False, False, True]


async def test_the_configuration_wins_when_it_has_changed(start: Start, hub_log: Log) -> None:
    """An unchanged value does not bring back what an admin replaced; another one does, and the log says which holds."""
    app = await start(allowed_users={"ann"})
    await change(app, NEW)
    for _ in range(2):
        hub_log.clear()
        app = await start(allowed_users={"ann"})
        assert "the password that root set on" in hub_log.text
        assert "goes on instead" in hub_log.text
    hub_log.clear()
    app = await start(allowed_users={"ann"}, user_password="from-the-new-values")
    assert "user_password was changed in the configuration" in hub_log.text
    accepted = [await may_enter(app, "ann", password) for password in (USER, NEW, "from-the-new-values")]
    assert accepted == [False, False, True]
    app = await start(allowed_users={"ann"}, user_password=None)
    assert not await may_enter(app, "ann", "from-the-new-values")
    for secret in (USER, NEW, "from-the-new-values"):
        assert secret not in hub_log.text


async def test_a_password_that_was_taken_out_leaves_an_admins(start: Start, hub_log: Log) -> None:
    """Without user_password what an admin has set goes on, and the log does not say that nobody can log in."""
    app = await start(allowed_users={"ann"})
    await change(app, NEW)
    hub_log.clear()
    app = await start(allowed_users={"ann"}, user_password=None)
    assert [await may_enter(app, "ann", password) for password in (USER, NEW)] == [False, True]
    assert "user_password not set" not in hub_log.text


async def test_a_groups_password_is_changed_alone(start: Start) -> None:
    """The other passwords go on, and the new one brings the same groups."""
    options = {"allow_all": True, "manage_groups": True, "password_groups": {TUTORS: ["tutors", "staff"]}}
    app = await start(**options)
    await change(app, NEW, groups=("staff", "tutors"))
    assert [await may_enter(app, "ann", password) for password in (USER, TUTORS, NEW)] == [True, False, True]
    assert sorted((await log_in(app, "ann", NEW) or {})["groups"]) == ["staff", "tutors"]
    app = await start(**options)
    assert [await may_enter(app, "ann", password) for password in (USER, TUTORS, NEW)] == [True, False, True]


async def test_no_groups_password_makes_an_admin(start: Start, hub_log: Log) -> None:
    """One whose groups' roles do opens nothing, at the first login neither; hub start and log say why."""
    options = {"manage_groups": True, "password_groups": {TUTORS: ["staff", "chiefs"], NEW: ["class-a"]}}
    helper = {"name": "helper", "scopes": ["list:users"], "groups": ["class-a"]}
    chief = {"name": "chief", "scopes": ["admin:users", "tokens"]}
    for groups, opens in (["chiefs"], False), ([], True):
        hub_log.clear()
        app = await start(hub={"load_roles": [{**chief, "groups": groups}, helper]}, allowed_users={"ann"}, **options)
        said = [line for level, line in hub_log.lines if level == "WARNING" and "password_groups" in line]
        assert ["roles of its groups (chiefs, staff) make admins" in line for line in said] == [True] * (not opens)
        assert await may_enter(app, "ann", TUTORS) is opens
        assert ("its password brings groups whose roles make admins" in hub_log.text) is not opens
        assert (await log_in(app, "ann", NEW) or {})["groups"] == ["class-a"]
        assert TUTORS not in hub_log.text


@pytest.mark.parametrize("password", [USER, ADMIN, TUTORS])
async def test_a_password_in_use_is_not_set_again(start: Start, password: str) -> None:
    """Neither the current one nor the admins' becomes a shared one, whatever groups it is for."""
    app = await start(manage_groups=True, password_groups={TUTORS: ["tutors"]})
    for groups in (None, ("tutors",), ("others",)):
        with pytest.raises(PasswordError, match="in use already"):
            await change(app, password, groups=groups)


async def test_hashes_in_the_configuration(start: Start) -> None:
    """All three options may hold hashes, and nothing then has the plain text."""
    app = await start(
        allowed_users={"ann"},
        manage_groups=True,
        user_password=make_hash(USER),
        admin_password=make_hash(ADMIN),
        password_groups={make_hash(TUTORS): ["tutors"]},
    )
    for _ in range(2):
        assert [await may_enter(app, "ann", each) for each in (USER, TUTORS, ADMIN)] == [True, True, False]
        assert [await may_enter(app, "root", each) for each in (USER, TUTORS, ADMIN)] == [False, False, True]
    assert (await log_in(app, "ann", TUTORS) or {})["groups"] == ["tutors"]
    # The hash itself opens nothing.
    assert not await may_enter(app, "ann", app.authenticator.user_password)


async def test_a_hash_opens_nothing_that_its_password_would_not(start: Start, hub_log: Log) -> None:
    """An admins' password that is short or a shared one, and a short shared one, are known when they are typed."""
    users = {"allowed_users": {"ann"}}
    app = await start(**users, admin_password=make_hash(ADMIN[:31]))
    assert not await may_enter(app, "root", ADMIN[:31])
    assert "the configuration has the hash of it, but it is too short" in hub_log.text
    assert await may_enter(app, "ann", USER)
    app = await start(**users, admin_password=make_hash(ADMIN[:32]))
    assert await may_enter(app, "root", ADMIN[:32])
    app = await start(**users, admin_password=make_hash(ADMIN), user_password=make_hash(ADMIN))
    assert [await may_enter(app, name, ADMIN) for name in ("root", "ann")] == [False, True]
    app = await start(**users, user_password=make_hash(USER[:7]))
    assert not await may_enter(app, "ann", USER[:7])


async def test_a_name_is_the_same_from_each_keyboard(start: Start) -> None:
    """An umlaut that a browser sends as two characters is that of the user, and nobody new."""
    app = await start(allowed_users={"j\u00f6rg", "o\u0308zil"})
    composed, apart = (unicodedata.normalize(form, "J\u00f6rg") for form in ("NFC", "NFD"))
    assert composed != apart
    for typed in (composed, apart):
        assert (await log_in(app, typed, USER) or {})["name"] == "j\u00f6rg"
    # Who is in the hub by two characters stays who they are.
    assert (await log_in(app, "o\u0308zil", USER) or {})["name"] == "o\u0308zil"
    assert await log_in(app, "i\u0308da", USER) is None


async def test_passwords_from_files_and_the_environment(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They open as if they stood in the options."""
    (tmp_path / "password").write_text(f"{USER}\n")
    monkeypatch.setenv("JHAWS_ADMIN_PASSWORD", ADMIN)
    app = await start(
        allowed_users={"ann"},
        user_password=None,
        user_password_file=str(tmp_path / "password"),
        admin_password=None,
    )
    assert await may_enter(app, "ann", USER)
    assert await may_enter(app, "root", ADMIN)


async def test_no_table_holds_a_plain_password(start: Start, tmp_path: Path) -> None:
    """The database's file has none of them, whether configured, set since, or typed wrongly."""
    app = await start(allowed_users={"ann"}, manage_groups=True, password_groups={TUTORS: ["tutors"]})
    await change(app, NEW, old_ends_at=datetime.now(UTC) + timedelta(days=1))
    await may_enter(app, "ann", "typed-wrong-password")
    app.db.commit()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("hub.sqlite*"))
    assert b"$argon2id$" in content
    for secret in (USER, ADMIN, TUTORS, NEW, "typed-wrong-password"):
        assert secret.encode() not in content


async def test_another_process_of_the_hub_changes_no_password(start: Start, tmp_path: Path) -> None:
    """`jupyterhub token`, perhaps called without the hub's environment, does not take its missing password for gone."""
    app = await start(allowed_users={"ann"})
    config = Config({"JhawsAuthenticator": {"admin_users": {"root"}}})
    config.JupyterHub = Config({"authenticator_class": JhawsAuthenticator})
    other = JupyterHub(config=config, parent=NewToken())
    other.db = orm.new_session_factory(f"sqlite:///{tmp_path / 'hub.sqlite'}")()
    await other.init_role_creation()
    await other.init_users()
    other.db.close()
    other.db.get_bind().dispose()
    assert await may_enter(app, "ann")
    assert await may_enter(await start(allowed_users={"ann"}), "ann")


async def test_passwords_of_groups_open_nothing_where_no_login_brings_groups(start: Start) -> None:
    """With manage_groups they are there again, also after a new one of all."""
    app = await start(allowed_users={"ann"}, manage_groups=True)
    await change(app, "only-for-tutors", groups=("tutors",), made_by="root")
    assert await may_enter(app, "ann", "only-for-tutors")
    await change(app, "a-new-one-of-all", groups=None, made_by="root")
    for manage_groups in (False, True):
        app = await start(allowed_users={"ann"}, manage_groups=manage_groups)
        assert await may_enter(app, "ann", "only-for-tutors") is manage_groups
        assert await may_enter(app, "ann", "a-new-one-of-all")


CHOSEN = "apfelbaum im juni"


async def reset(app: JupyterHub, name: str, code: str, new: str = CHOSEN) -> None:
    """Set an own password by a one-time code, as the page does."""
    admin = app.authenticator.is_admin_name(name)
    await app.authenticator.keyring.reset_own(app.db, name, code=code, new=new, admin=admin)
    app.db.commit()


def own_hash(app: JupyterHub, name: str) -> str | None:
    """The hash of a user's own password."""
    own = store.read_own(app.db, name)
    return own and own.password_hash


async def test_a_code_ends_after_its_time(start: Start) -> None:
    """A minute too late it is as wrong as any other."""
    app = await start(allowed_users={"ann"}, personal_password="optional")
    code, ends_at = keyring.give_code(app.db, "ann", whose="user", actor="root", lasts=timedelta(minutes=-1))
    assert ends_at < datetime.now(UTC)
    with pytest.raises(PasswordError, match="too old"):
        await reset(app, "ann", code)
    assert own_hash(app, "ann") is None


async def test_a_code_is_for_the_person_not_for_the_name_or_the_number(start: Start) -> None:
    """Who gets a deleted user's name or number inherits neither the password nor the code."""
    app = await start(personal_password="optional")
    add(app, "ann")
    await reset(app, "ann", keyring.give_code(app.db, "ann", whose="user", actor="root")[0])
    code, _ = keyring.give_code(app.db, "ann", whose="user", actor="root")
    assert await may_enter(app, "ann", CHOSEN)
    rename(app, "ann", "anna")
    assert [await may_enter(app, "anna", each) for each in (USER, CHOSEN)] == [False, True]
    delete(app, "anna")
    for name in ("anna", "ann"):
        assert add(app, name).id
        assert [await may_enter(app, name, each) for each in (USER, CHOSEN)] == [True, False]
        with pytest.raises(PasswordError):
            await reset(app, name, code)
        delete(app, name)


async def test_turning_the_option_off_lets_the_shared_password_in_again(start: Start) -> None:
    """Users' own passwords do not count then, but are not forgotten; admins' own go on."""
    app = await start(allowed_users={"ann"}, personal_password="optional")
    for name, whose in (("ann", "user"), ("root", "admin")):
        await reset(app, name, keyring.give_code(app.db, name, whose=whose, actor="root")[0])
    for option, opens in (("off", [True, False]), ("required", [False, True])):
        app = await start(allowed_users={"ann"}, personal_password=option)
        assert [await may_enter(app, "ann", each) for each in (USER, CHOSEN)] == opens
        assert [await may_enter(app, "root", each) for each in (ADMIN, CHOSEN)] == [False, True]


async def test_what_a_user_has_opens_no_admins_account(start: Start, hub_log: Log) -> None:
    """Neither a password nor a code from before, by flag or by role; after it another password is set as an admin's."""
    app = await start(allowed_users={"ann"}, personal_password="optional")
    await reset(app, "ann", keyring.give_code(app.db, "ann", whose="user", actor="tutor")[0])
    code, _ = keyring.give_code(app.db, "ann", whose="user", actor="tutor")
    ann = orm.User.find(app.db, "ann")
    for promoted in ({"admin": True}, {"admin": False, "roles": [orm.Role.find(app.db, "admin")]}):
        for field, value in promoted.items():
            setattr(ann, field, value)
        app.db.commit()
        assert [await may_enter(app, "ann", each) for each in (USER, CHOSEN, ADMIN)] == [False, False, True]
        with pytest.raises(PasswordError, match="wrong"):
            await reset(app, "ann", code, "another one of somebody")
    assert "from before it was an admin's" in hub_log.text
    await reset(app, "ann", keyring.give_code(app.db, "ann", whose="admin", actor="root")[0])
    assert [await may_enter(app, "ann", each) for each in (USER, CHOSEN, ADMIN)] == [False, True, False]


async def test_a_login_that_waits_does_not_open_with_what_was_replaced(start: Start) -> None:
    """While a login is being hashed its password may end, and the user may set another one."""
    app = await start(allowed_users={"ann"}, personal_password="optional")
    checker = app.authenticator.keyring._checker
    find_right = checker.find_right
    code, _ = keyring.give_code(app.db, "ann", whose="user", actor="root")

    async def slowly(typed: str, **options: Any) -> frozenset[str]:
        checker.find_right = find_right
        right = await find_right(typed, **options)
        await reset(app, "ann", code)
        return right

    checker.find_right = slowly
    assert not await may_enter(app, "ann", USER)
    assert await may_enter(app, "ann", CHOSEN)


async def test_nobody_learns_others_passwords_by_choosing_one(start: Start) -> None:
    """A user's own password is compared with what that user may know, an admin's with all; the others say nothing."""
    groups = {TUTORS: ["tutors"], "only-for-staff-1": ["staff"]}
    app = await start(allowed_users={"ann"}, manage_groups=True, password_groups=groups, personal_password="optional")
    app.db.add(orm.Group(name="tutors", users=[orm.User.find(app.db, "ann")]))
    app.db.commit()
    keyring = app.authenticator.keyring
    used = {}
    for name, admin in (("ann", False), ("root", True)):
        for password in (USER, TUTORS, "only-for-staff-1", ADMIN):
            try:
                await keyring.change_own(app.db, name, new=password, admin=admin, is_still_so=lambda: True)
            except PasswordError as error:
                used[name, password] = error.reason
    assert used == {
        ("ann", USER): "used",
        ("ann", TUTORS): "used",
        **{("root", each): "used" for each in (USER, TUTORS, "only-for-staff-1", ADMIN)},
    }


async def test_own_passwords_leave_groups_alone(start: Start) -> None:
    """With manage_groups the groups of the last group password stay."""
    app = await start(
        allow_all=True, manage_groups=True, password_groups={TUTORS: ["tutors"]}, personal_password="optional"
    )
    add(app, "ann")
    await reset(app, "ann", keyring.give_code(app.db, "ann", whose="user", actor="root")[0])
    assert (await log_in(app, "ann", CHOSEN) or {})["groups"] is None


async def test_without_a_form_a_required_password_keeps_out(start: Start, hub_log: Log) -> None:
    """A login that no form can follow is refused, and nobody gets a row in the users table by it."""
    app = await start(allow_all=True, personal_password="required")
    assert not await may_enter(app, "new-name")
    assert "a password of its own has to be chosen first" in hub_log.text
    assert store.read_user_names(app.db) == {"root"}


async def test_addresses_take_turns(start: Start) -> None:
    """Who comes from elsewhere is not behind the hundred logins that one address has just sent."""
    app = await start(allowed_users={"ann"})
    keyring, order = app.authenticator.keyring, list[str]()
    find_right = keyring._checker.find_right

    async def find_in_order(typed: str, **options: Any) -> frozenset[str]:
        order.append(typed)
        return await find_right(typed, **options)

    keyring._checker.find_right = find_in_order
    logins = [keyring.match(app.db, "ann", USER, address="203.0.113.9") for _ in range(100)]
    await asyncio.gather(*logins, keyring.match(app.db, "ann", ADMIN, address="198.51.100.1"))
    assert order.index(ADMIN) <= 8
    assert len(order) == 101


async def test_many_logins_at_once_take_turns(start: Start) -> None:
    """Of 30 at the same moment a few at a time are looked at, and all are answered."""
    app = await start(allowed_users={"ann"})
    ring, asked, now, most = app.authenticator.keyring, list[str](), list[str](), list[int]()
    match, find_right, everybody = ring.match, ring._checker.find_right, asyncio.Event()

    async def matched(*who: Any, **options: Any) -> Any:
        asked.append(who[-1])
        if len(asked) == 30:
            everybody.set()
        return await match(*who, **options)

    async def counted(typed: str, **options: Any) -> frozenset[str]:
        now.append(typed)
        # Nobody is done before all are there.
        await everybody.wait()
        most.append(len(now))
        found = await find_right(typed, **options)
        now.remove(typed)
        return found

    ring.match, ring._checker.find_right = matched, counted
    answers = await asyncio.gather(*(may_enter(app, "ann", USER if n % 2 else f"wrong-{n}") for n in range(30)))
    assert answers == [bool(n % 2) for n in range(30)]
    assert max(most) == 4
