"""Keys of which nobody knows whether they are passwords."""

from pathlib import Path

import pytest

from jhaws.values.explaining import choose, explain
from jhaws.values.strangers import find_near, is_stranger, shown
from tests.unit.values.test_checking import SCHEMA, check_text
from tests.unit.values.test_merging import merge_texts


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("hub", "config", "JhawsAuthenticator", "hunter2hunter2"), "hub.config.JhawsAuthenticator.******"),
        (("hub", "config", "hunter2hunter2", "a"), "hub.config.******.******"),
        (("hub", "config", "Hunter2Hunter2"), "hub.config.******"),
        (("hunter2hunter2", "a", 0), "******.******[0]"),
        (("hub", "config", "JhawsSpawner", "nfs_sever"), "hub.config.JhawsSpawner.nfs_sever"),
        (("hub", "config", "JhawsSpawner", "nodegroups", "gpu"), "hub.config.JhawsSpawner.nodegroups.gpu"),
        (("hub", "config", "loadRoles"), "hub.config.loadRoles"),
        (("hub", "config", "GitHubOAuthenticator", "client_id"), "hub.config.GitHubOAuthenticator.client_id"),
        (("hub", "config", "SharedPasswordAuthenticator", "x"), "hub.config.SharedPasswordAuthenticator.x"),
        (("singelsuer",), "singelsuer"),
        (("Hub",), "Hub"),
        (("hub", "hunter2hunter2"), "hub.******"),
        (("hub", "baseURL"), "hub.baseURL"),
        (("hub", "JhawsCuller", "timeout"), "hub.JhawsCuller.timeout"),
        (("auth", "admin"), "auth.admin"),
        (("custom", "anything"), "custom.anything"),
        ((), ""),
    ],
)
def test_a_key_is_shown_where_it_can_be_no_password(path: tuple[str | int, ...], text: str) -> None:
    """Known names, slips of them and names that operators choose are shown, a stranger among known ones is not."""
    assert shown(path) == text
    assert is_stranger(path) is (text.endswith("******") and text.count("*") == 6)


def test_capitals_do_not_matter_for_what_was_meant() -> None:
    """`Hub` is `hub`, and what is like nothing is nothing."""
    assert find_near("HUB", ["hub", "proxy"]) == "hub"
    assert find_near("hunter2hunter2", ["hub", "proxy"]) == ""


@pytest.mark.parametrize("indent", [0, 2, 4, 6, 8])
@pytest.mark.parametrize("name", ["password_groups", "password_grups", "pasword_groups"])
def test_a_group_password_is_nowhere_whatever_its_indentation(tmp_path: Path, indent: int, name: str) -> None:
    """The same keys of password_groups, indented right and wrong, are in no problem and in no explanation."""
    text = f"hub:\n  config:\n    JhawsAuthenticator:\n      {name}:\n{' ' * indent}hunter2hunter2: [tutors]\n"
    settings = choose(merge_texts(tmp_path, text), "")
    problems = check_text(tmp_path, text) + check_text(tmp_path, text, schema=SCHEMA)

    assert problems
    assert "hunter2" not in str(problems)
    assert "hunter2" not in "".join(explain(settings, whole=True))
    assert [each.place.line for each in problems if "not shown" in each.sentence] == [5, 5] * (indent == 6)
