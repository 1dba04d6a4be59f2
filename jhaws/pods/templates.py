"""KubeSpawner's templates in our options: which fields they may use.

KubeSpawner expands `{username}` and its kin. The ones listed here come escaped; a raw name could hold a slash or turn
into another role's, and the number of a deleted user is given to the next one by SQLite. A format such as
`{username:.3}` is refused: it would make two users one.
"""

from __future__ import annotations

import string

from ..errors import ConfigError

# Fields that differ for every two users.
USER_FIELDS = frozenset(
    {"username", "escaped_username", "safe_username", "user_server", "safe_user_server", "escaped_user_server"}
)
OTHER_FIELDS = frozenset({"servername", "safe_servername", "escaped_servername", "hubnamespace", "namespace"})


def template_fields(place: str, template: str, *, example: str) -> set[str]:
    """Return the fields that a template uses, all of them escaped ones.

    Args:
        place: Where it stands, `JhawsSpawner.nfs_home`.
        template: What the operator wrote.
        example: What to write instead.

    Raises:
        ConfigError: It is no template, or has a field that is unknown, unsafe or formatted.
    """
    try:
        parsed = [each for each in string.Formatter().parse(template) if each[1] is not None]
    except ValueError as error:
        raise ConfigError(f"{place} must be a template such as '{example}', got {template!r}: {error}.") from error
    if any(spec or conversion for _, _, spec, conversion in parsed):
        raise ConfigError(f"{place} must use its fields as they are, without ':' or '!', got {template!r}.")
    fields = {str(field) for _, field, _, _ in parsed}
    if unsafe := fields - USER_FIELDS - OTHER_FIELDS:
        known = ", ".join(sorted(USER_FIELDS | OTHER_FIELDS))
        raise ConfigError(
            f"{place} may use the fields {known}, got {{{min(unsafe)}}}. Write {example}: its field is escaped."
        )
    return fields
