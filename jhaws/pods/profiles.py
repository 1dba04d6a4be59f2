"""Profiles: KubeSpawner's own list, in which an entry may name a nodegroup.

`nodegroup` in a profile is short for the same key in its `kubespawner_override`. Every profile gets one, so that a
choice made for an earlier start does not stay.
"""

from __future__ import annotations

from typing import Any


def with_nodegroups(profiles: list[dict[str, Any]], default: str) -> list[dict[str, Any]]:
    """Return KubeSpawner's initialised profiles, each with its nodegroup among the overrides.

    Args:
        profiles: As KubeSpawner hands them out, v7: each has `slug` and `display_name`.
        default: The option `nodegroup`, for profiles that name none.
    """
    return [
        {
            **profile,
            "kubespawner_override": {
                "nodegroup": profile.get("nodegroup", default),
                **(profile.get("kubespawner_override") or {}),
            },
        }
        for profile in profiles
    ]
