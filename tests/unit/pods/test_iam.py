"""The table of IAM roles."""

import pytest

from jhaws.errors import ConfigError
from jhaws.pods.iam import check_service_account, read_roles, role_for


def read(*rows: object) -> tuple:
    return read_roles("JhawsSpawner.iam_roles", list(rows))


def test_the_first_row_that_applies_counts() -> None:
    """Staff get the staff's ServiceAccount, everybody else their own role."""
    rows = read({"groups": ["staff"], "service_account": "staff"}, {"role": "arn:aws:iam::1:role/{username}-role"})

    assert role_for(rows, frozenset({"staff"})).service_account == "staff"
    assert role_for(rows, frozenset()).role == "arn:aws:iam::1:role/{username}-role"
    assert role_for((), frozenset()) is None


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({}, r"iam_roles\[0\] must have either role or service_account"),
        ({"role": "a", "service_account": "b"}, "must have either role or service_account"),
        ({"role": "{unescaped_username}"}, r"role may use .* got \{unescaped_username\}. Write \{username\}-role"),
        ({"role": "{username"}, "must be a template"),
        ({"roles": "a"}, "has no field 'roles'. Did you mean 'role'"),
        ({"role": 5}, "role must be text, got int 5"),
        ({"role": "r-{username:.2}"}, "as they are, without ':'"),  # ann and anna would share a role
        ({"service_account": "UPPER-{username}"}, "must have lower-case letters"),
    ],
)
def test_a_wrong_row_is_refused_in_a_sentence(row: object, sentence: str) -> None:
    """A row has one role or one ServiceAccount, and only escaped fields of the user."""
    with pytest.raises(ConfigError, match=sentence):
        read(row)


def test_a_service_account_that_kubernetes_would_not_take_is_refused() -> None:
    """A name with capitals or a slash never reaches the API server."""
    assert check_service_account("ada-role") == "ada-role"
    with pytest.raises(ConfigError, match="lower-case letters"):
        check_service_account("Ada/role")
