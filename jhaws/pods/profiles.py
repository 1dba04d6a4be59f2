"""Profiles: KubeSpawner's own list, in which an entry may name a nodegroup.

`nodegroup` in a profile is short for the same key in its `kubespawner_override`. A profile that names none leaves what
the option or a hook says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def with_nodegroups(profiles: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return KubeSpawner's initialised profiles with their nodegroups among the overrides.

    Args:
        profiles: As KubeSpawner hands them out, v7: each has `slug` and `display_name`.
    """
    return [_with_nodegroup(profile) for profile in profiles]


def _with_nodegroup(profile: Mapping[str, Any]) -> dict[str, Any]:
    if not profile.get("nodegroup"):
        return dict(profile)
    override = profile.get("kubespawner_override") or {}
    return {**profile, "kubespawner_override": {"nodegroup": profile["nodegroup"], **override}}


def named_nodegroups(profiles: Any) -> Iterator[tuple[str, Any]]:
    """Return the nodegroups that static profiles name, each with the profile's name; a callable's are not known.

    Args:
        profiles: The option `profile_list` as an operator wrote it: a list, a mapping of profiles, or a callable.
    """
    entries = profiles.values() if isinstance(profiles, Mapping) else profiles
    for profile in entries if isinstance(entries, Iterable) else ():
        if not isinstance(profile, Mapping):
            continue
        options = profile.get("profile_options") or {}
        choices = [choice for option in options.values() for choice in (option.get("choices") or {}).values()]
        for place in (profile, *choices):
            for source in (place, place.get("kubespawner_override") or {}):
                if source.get("nodegroup"):
                    yield str(profile.get("display_name", "?")), source["nodegroup"]
