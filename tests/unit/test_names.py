"""User names and folders."""

import pytest
from kubespawner.slugs import escape_slug

from jhaws.errors import ConfigError, UsernameError
from jhaws.names import check_username, folder_path


@pytest.mark.parametrize("name", ["a", "Ada", "müller", "ada.lovelace", "ada@example.org", "x" * 255, "ü" * 127, "-"])
def test_names_that_people_have_are_let_in(name: str) -> None:
    """Whatever people are really called is a user name."""
    check_username(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " ada",
        "ada ",
        "a/b",
        "../ada",
        "a\nb",
        "a\0b",
        "a\tb",
        "x" * 256,
        "ü" * 128,
        "x" * 300,
        "a\u202eb",
        "a\u2028b",
    ],
)
def test_names_that_could_do_harm_are_refused_in_a_sentence(name: str) -> None:
    """Empty, padded, invisible, too long or slashed names are refused."""
    with pytest.raises(UsernameError, match=r"^A user name .*\.$"):
        check_username(name)


def test_a_short_path_stays_as_it_is() -> None:
    """A folder that fits keeps the very name that the template gave it."""
    assert folder_path("home/m-c3-bcller") == "home/m-c3-bcller"


@pytest.mark.parametrize("path", ["", "/home", "home//x", "home/", "../x", "home/../x", "home/.", "a\0b"])
def test_a_path_that_leaves_its_volume_is_refused(path: str) -> None:
    """Absolute paths, empty parts and dots never reach a volume."""
    with pytest.raises(ConfigError, match="relative path"):
        folder_path(path)


def test_a_long_name_gets_a_folder_that_a_file_system_takes_and_nobody_else_has() -> None:
    """43 umlauts escape to 258 bytes; the folder is cut, ends in a hash, and differs from its neighbour's."""
    first, second = (folder_path("home/" + escape_slug(name)) for name in ("ü" * 43, "ü" * 42 + "ö"))

    assert len(escape_slug("ü" * 43)) == 258
    assert len(first.split("/")[1]) == 255
    assert first != second
    assert "---" in first


def test_no_user_can_choose_a_name_that_is_the_folder_of_a_long_name() -> None:
    """The three dashes before the hash never come out of an escaped name, whatever the name is."""
    long = folder_path("home/" + escape_slug("ü" * 43)).split("/")[1]

    assert folder_path("home/" + escape_slug(long)).split("/")[1] != long
