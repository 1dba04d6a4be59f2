"""What opens an account, and what is said about configured passwords."""

import dataclasses

import pytest
from traitlets.config import Config, Configurable

from jhaws.errors import ConfigError
from jhaws.login import passwords
from jhaws.login.passwords import Login, Match, Passwords

USER = "shared-password"
ADMIN = "the-admins-own-password-of-40-characters"
TUTORS = "tutors-password"
KNOWN = Passwords(user=USER, admin=ADMIN, groups={TUTORS: ["tutors", "staff"]})


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (USER, Match(user=True)),
        (ADMIN, Match(admin=True)),
        (TUTORS, Match(groups=("tutors", "staff"))),
        (USER + " ", Match()),
        (USER.upper(), Match()),
        ("", Match()),
        (None, Match()),
        ("pässwörd-ß-漢字", Match()),
        ("\0" * 12, Match()),
        (USER + "\0", Match()),
        ("\ud800 half a pair", Match()),
        ("x" * 10_000_000, Match()),
    ],
)
def test_only_the_exact_password_matches(typed: str | None, expected: Match) -> None:
    """Whatever is typed is compared without an error, and only an exact copy matches."""
    assert passwords.match_password(typed, known=KNOWN) == expected


@pytest.mark.parametrize("typed", [None, "", "None", USER])
def test_a_password_that_is_not_set_opens_nothing(typed: str | None) -> None:
    """With nothing configured no text is right, the empty one included."""
    assert passwords.match_password(typed, known=Passwords(user=None, admin=None)) == Match()


def test_non_ascii_passwords_work() -> None:
    """A configured password with umlauts is right when typed and wrong when not."""
    known = Passwords(user="Größenwahn-漢", admin=None)
    assert passwords.match_password("Größenwahn-漢", known=known).user
    assert not passwords.match_password("Grossenwahn-漢", known=known).user


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
    ],
)
def test_which_password_opens_which_account(match: Match, admin: bool, opens: bool) -> None:
    """Admins' accounts open with the admins' password only, all others with a shared one only."""
    assert (passwords.find_refusal(match, admin=admin, known=KNOWN) is None) is opens


def test_a_missing_admin_password_is_the_reason() -> None:
    """The log says that admin_password is not set when an admin could not be let in at all."""
    known = dataclasses.replace(KNOWN, admin=None)
    assert "admin_password is not set" in str(passwords.find_refusal(Match(user=True), admin=True, known=known))


@pytest.mark.parametrize(
    ("match", "admin", "groups"),
    [
        (Match(groups=("tutors",)), False, ["tutors"]),
        (Match(user=True, groups=("tutors",)), False, []),
        (Match(user=True), False, []),
        (Match(admin=True, groups=("tutors",)), True, []),
    ],
)
def test_groups_come_from_a_group_password_only(match: Match, admin: bool, groups: list[str]) -> None:
    """As in JupyterHub's own class: the shared password and the admins' bring no groups."""
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
    ],
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
    ],
)
def test_equal_passwords_are_found(known: Passwords, clash: tuple[str, str] | None) -> None:
    """A password that two options hold is named by its options; nothing set is no clash."""
    assert passwords.find_clash(known) == clash


def test_no_record_shows_a_password() -> None:
    """The repr of what carries passwords through the code has none of them."""
    shown = repr(KNOWN) + repr(Login("ann", USER))
    assert not any(secret in shown for secret in (USER, ADMIN, TUTORS))
