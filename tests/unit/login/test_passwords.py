"""What opens an account, and what is said about configured passwords."""

import dataclasses
import itertools
from dataclasses import replace

import pytest
from traitlets.config import Config, Configurable

from jhaws.errors import ConfigError, PasswordError
from jhaws.login import passwords
from jhaws.login.hashing import make_hash
from jhaws.login.passwords import OFF, OPTIONAL, REQUIRED, Login, Match, Passwords

USER = "shared-password"
ADMIN = "the-admins-own-password-of-40-characters"
TUTORS = "tutors-password"
KNOWN = Passwords(user=USER, admin=ADMIN, groups={TUTORS: ["tutors", "staff"]})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"username": "ann", "password": USER}, Login("ann", USER)),
        ({"username": "ann"}, Login("ann", None)),
        ({"password": USER}, Login(None, USER)),
        ({"username": 5, "password": 12345678}, Login(None, None)),
        ({"username": ["ann"], "password": {"a": 1}}, Login(None, None)),
        ({"username": None, "password": True}, Login(None, None)),
        ({}, Login(None, None)),
        (None, Login(None, None)),
        ("ann", Login(None, None)),
        ([["username", "ann"]], Login(None, None)),
        (7, Login(None, None)),
    ],
)
def test_whatever_was_sent_is_read(data: object, expected: Login) -> None:
    """Form fields and any JSON value become name and password, None where text is missing."""
    assert passwords.make_login(data) == expected


@pytest.mark.parametrize(
    ("match", "admin", "opens"),
    [
        (Match(), False, False),
        (Match(user=True), False, True),
        (Match(groups=("tutors",)), False, True),
        (Match(groups=()), False, True),
        (Match(admin=True), False, False),
        (Match(), True, False),
        (Match(user=True), True, False),
        (Match(groups=("tutors",)), True, False),
        (Match(admin=True), True, True),
        # The same password twice, of which the hub had only hashes with different salts.
        (Match(admin=True, user=True), True, False),
        (Match(admin=True, groups=("tutors",)), True, False),
        (Match(is_short=True), True, False),
        (Match(is_short=True), False, False),
    ],
)
@pytest.mark.parametrize("personal", [OFF, OPTIONAL, REQUIRED])
def test_which_password_opens_which_account(match: Match, admin: bool, opens: bool, personal: str) -> None:
    """Admins' accounts open with the admins' password only, all others with a shared one only."""
    assert (passwords.find_refusal(match, admin=admin, known=KNOWN, personal=personal) is None) is opens


EVERY = Match(user=True, admin=True, groups=("tutors",), has_own=True)


@pytest.mark.parametrize(
    ("match", "admin", "personal", "opens"),
    [
        (EVERY, False, OFF, True),
        (EVERY, False, OPTIONAL, False),
        (EVERY, False, REQUIRED, False),
        (replace(EVERY, own_is_admins=True), True, OFF, False),
        (Match(own=True, has_own=True), False, OFF, False),
        (Match(own=True, has_own=True), False, OPTIONAL, True),
        (Match(own=True, has_own=True, own_is_admins=True), False, REQUIRED, True),
        (Match(own=True, has_own=True, own_is_admins=True), True, OFF, True),
        (Match(admin=True, has_own=True, own_is_admins=True), True, OFF, False),
        (Match(own=True, has_own=True), True, OPTIONAL, False),
        (Match(admin=True, has_own=True), True, OPTIONAL, True),
        (Match(has_own=True), False, OPTIONAL, False),
    ],
)
def test_an_own_password_takes_the_place_of_all_others(match: Match, admin: bool, personal: str, opens: bool) -> None:
    """For admins always, for users unless the option is off; what was set as a user opens no admin's account."""
    assert (passwords.find_refusal(match, admin=admin, known=KNOWN, personal=personal) is None) is opens


@pytest.mark.parametrize(
    ("personal", "admin", "has_own", "must"),
    [
        (REQUIRED, False, False, True),
        (REQUIRED, False, True, False),
        (REQUIRED, True, False, False),
        (OPTIONAL, False, False, False),
        (OFF, False, False, False),
    ],
)
def test_who_must_choose_an_own_password(personal: str, admin: bool, has_own: bool, must: bool) -> None:
    """Only users who have none, where the option requires it."""
    assert passwords.must_choose(Match(user=True, has_own=has_own), admin=admin, personal=personal) is must


def test_a_missing_admin_password_is_the_reason() -> None:
    """The log says that admin_password is not set when an admin could not be let in at all."""
    known = dataclasses.replace(KNOWN, admin=None)
    assert "admin_password is not set" in str(
        passwords.find_refusal(Match(user=True), admin=True, known=known, personal=OFF)
    )


@pytest.mark.parametrize(
    ("match", "admin", "groups"),
    [
        (Match(groups=("tutors",)), False, ["tutors"]),
        (Match(user=True, groups=("tutors",)), False, []),
        (Match(user=True), False, []),
        (Match(admin=True, groups=("tutors",)), True, []),
        (Match(own=True, has_own=True), False, None),
        (Match(own=True, has_own=True), True, None),
    ],
)
def test_groups_come_from_a_group_password_only(match: Match, admin: bool, groups: list[str] | None) -> None:
    """As in JupyterHub's own class the shared password and the admins' bring none; an own one leaves them alone."""
    assert passwords.make_groups(match, admin=admin) == groups


class Door(Configurable):
    """A class with the three traits."""

    user_password = passwords.Password(min_length=8, config=True, help="")
    password_groups = passwords.PasswordGroups(config=True, help="")


@pytest.mark.parametrize("value", [None, ""])
def test_none_and_empty_mean_not_set(value: str | None) -> None:
    """A value that Helm leaves empty is a password that is not set."""
    assert Door(config=Config({"Door": {"user_password": value}})).user_password is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (48151623, "got an int"),
        (4815.1623, "got a float"),
        (True, "got a bool"),
        (["s3cret-in-list"], "got a list"),
        (b"s3cret-bytes", "got bytes"),
        ("s3cret", "got 6"),
        ("s3cret-with-newline\n", "control characters"),
        ("s3cret\0with-nul", "control characters"),
        ("s3cret-half-a-pair-\ud800", "control characters"),
        ("s3cret" * 200, "at most 1024 bytes"),
        ("$argon2id$s3cret", "whole argon2id hash"),
        (make_hash("s3cret").replace("t=2", "t=1"), "a weaker one"),
    ],
    ids=itertools.count(),
)
def test_a_bad_password_is_refused_without_showing_it(value: object, said: str) -> None:
    """The error names the option, the rule and what was got, and no part of the value."""
    with pytest.raises(ConfigError) as caught:
        Door(config=Config({"Door": {"user_password": value}}))
    text = str(caught.value)
    assert text.startswith("Door.user_password must ")
    assert said.replace("got bytes", "got a bytes") in text
    assert "s3cret" not in text
    assert "4815" not in text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("s3cret-text", "got a str"),
        (["s3cret-list"], "got a list"),
        ({48151623: ["tutors"]}, "password number 1 must be text"),
        ({"": ["tutors"]}, "password number 1 must have at least 8 characters, got 0"),
        ({"s3cret-long-enough": ["a"], "s3cret": ["b"]}, "password number 2 must have"),
        ({"s3cret-long-enough": "tutors"}, "got a str"),
        ({"s3cret-long-enough": [1]}, "must be a list of group names"),
        ({"s3cret-long-enough": [""]}, "must be a list of group names"),
        ({"s3cret-long-enough": None}, "got a NoneType"),
    ],
)
def test_bad_group_passwords_are_refused_without_showing_them(value: object, said: str) -> None:
    """An empty, short or non-text key never becomes a password, and none stands in the error."""
    with pytest.raises(ConfigError) as caught:
        Door(config=Config({"Door": {"password_groups": value}}))
    text = str(caught.value)
    assert text.startswith("Door.password_groups")
    assert said in text
    assert "s3cret" not in text
    assert "4815" not in text


@pytest.mark.parametrize(
    ("known", "clash"),
    [
        (KNOWN, None),
        (Passwords(user=None, admin=None, groups={TUTORS: []}), None),
        (Passwords(user=ADMIN, admin=ADMIN), ("user_password", "admin_password")),
        (Passwords(user=USER, admin=None, groups={USER: []}), ("password_groups", "user_password")),
        (Passwords(user=USER, admin=ADMIN, groups={ADMIN: []}), ("password_groups", "admin_password")),
        (Passwords(user=make_hash(ADMIN), admin=ADMIN), ("user_password", "admin_password")),
        (Passwords(user=ADMIN, admin=make_hash(ADMIN)), ("user_password", "admin_password")),
        (Passwords(user=make_hash(USER), admin=make_hash(ADMIN), groups={TUTORS: []}), None),
    ],
)
def test_equal_passwords_are_found(known: Passwords, clash: tuple[str, str] | None) -> None:
    """A password that two options hold is named by its options; nothing set is no clash."""
    assert passwords.find_clash(known) == clash


def test_no_record_shows_a_password() -> None:
    """The repr of what carries passwords through the code has none of them."""
    shown = repr(KNOWN) + repr(Login("ann", USER))
    assert not any(secret in shown for secret in (USER, ADMIN, TUTORS))


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Kirschbaum im Mai", ""),
        ("漢字かな交じり文", ""),
        ("with NBSP\u00a0inside", ""),
        (None, "text"),
        (12345678, "text"),
        (["password-of-mine"], "text"),
        ("", "short"),
        ("1234567", "short"),
        ("x" * 1025, "long"),
        ("ü" * 600, "long"),
        ("nul\0inside-it", "characters"),
        ("line\nbreak-in-it", "characters"),
        ("half a pair \ud800", "characters"),
        ("Ann-Marie", "name_used"),
        (" ANN-MARIE ", "name_used"),
        ("aaaaaaaaaaaa", "silly"),
        ("1212121212", "silly"),
        ("        ", "silly"),
        ("Passwort123", "silly"),
    ],
)
def test_a_new_password_is_checked(password: object, reason: str) -> None:
    """Long enough, no control characters, not the name, not the first one anybody tries; and never in the answer."""
    if not reason:
        assert passwords.check_new(password, min_length=8, name="ann-marie") == password
        return
    with pytest.raises(PasswordError) as caught:
        passwords.check_new(password, min_length=8, name="ann-marie")
    assert caught.value.reason == reason
    assert not password or str(password) not in str(caught.value)


def test_a_made_password_is_good_and_another_each_time() -> None:
    """It passes the check of a new one, and can be read out: no 0 or O, no 1, I or l."""
    made = {passwords.make_password() for _ in range(100)}

    assert len(made) == 100
    for each in made:
        assert passwords.check_new(each, min_length=8) == each
        assert len(each) == 14
        assert not set(each) & set("0Oo1Iil")
