"""Which roles make an admin of a user, whatever their names."""

import pytest

from jhaws.store.accounts import is_mighty


@pytest.mark.parametrize(
    ("scopes", "mighty"),
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
def test_scopes_that_lead_to_any_account(scopes: set[str], mighty: bool) -> None:
    """Also those contained in others, and those for a group of which the same user changes the members."""
    assert is_mighty([("role", scopes)]) is mighty
    assert is_mighty([("one", {each}) for each in scopes]) is mighty


def test_the_admin_role_is_known_by_its_name() -> None:
    """Whatever the configuration makes of its scopes."""
    assert is_mighty([("user", {"self"}), ("admin", set())])
