"""IAM roles: which AWS role a server works with.

The first row that applies to the user counts. A row gives a role by annotation, which kiam and kube2iam read, or a
Kubernetes ServiceAccount, to which EKS ties a role (IRSA or Pod Identity). Fields of the user in a role come escaped,
so nobody can choose a name that turns into another role's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .records import Reader, applies_to, describe, entries
from .templates import template_fields

ROLE_ANNOTATION = "iam.amazonaws.com/role"
SERVICE_ACCOUNT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class RoleRow:
    """One row of the table of roles; exactly one of `role` and `service_account` is set.

    Attributes:
        role: ARN or name of an IAM role, with fields of KubeSpawner's templates such as `{username}`.
        service_account: Name of a Kubernetes ServiceAccount of the pod's namespace, with the same fields.
        groups: JupyterHub groups whose members it is for; None is everybody.
    """

    role: str
    service_account: str
    groups: frozenset[str] | None


def read_roles(option: str, value: Any) -> tuple[RoleRow, ...]:
    """Return the table that an operator wrote as `[{groups, role}, {service_account}, …]`.

    Raises:
        ConfigError: A row is wrong, has both or neither of `role` and `service_account`, or an unsafe field.
    """
    return tuple(_read_row(place, entry) for place, entry in entries(option, value))


def _read_row(place: str, entry: Any) -> RoleRow:
    reader = Reader(place, entry, ("groups", "role", "service_account"))
    role, account = reader.text("role", ""), reader.text("service_account", "")
    if bool(role) == bool(account):
        raise ConfigError(f"{place} must have either role or service_account, got {describe(entry)}.")
    template_fields(f"{place}.{'role' if role else 'service_account'}", role or account, example="{username}-role")
    if account:
        check_service_account(re.sub(r"\{\w+\}", "x", account))
    return RoleRow(role=role, service_account=account, groups=reader.names("groups"))


def role_for(rows: tuple[RoleRow, ...], member_of: frozenset[str]) -> RoleRow | None:
    """Return the first row for a user in the groups `member_of`, None where no row applies."""
    return next((row for row in rows if applies_to(row.groups, member_of)), None)


def check_service_account(name: str) -> str:
    """Return an expanded ServiceAccount name.

    Raises:
        ConfigError: Kubernetes would not take it.
    """
    if not SERVICE_ACCOUNT.fullmatch(name):
        raise ConfigError(
            "JhawsSpawner.iam_roles: a service_account must have lower-case letters, digits, dots and dashes, "
            f"got {name!r}."
        )
    return name
