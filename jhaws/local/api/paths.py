"""From the path of a request to the object it is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote

from jhaws.local.api.resources import PODS, RESOURCES, Resource
from jhaws.local.api.statuses import NotFound

_BY_PATH = {(resource.base_path, resource.plural): resource for resource in RESOURCES}
_POD_SUBRESOURCES = frozenset({"binding", "eviction", "log"})
_STREAMS = frozenset({"attach", "exec", "portforward"})


@dataclass(frozen=True)
class Target:
    """What a request is about.

    Attributes:
        resource: The kind of object.
        namespace: Where; empty for cluster-wide objects and for lists over all namespaces.
        name: Which; empty for the whole collection.
        subresource: `status`, `log`, `binding`, `eviction`, or empty.
        watch: Whether the path itself asks for a watch, in the old form `/api/v1/watch/…`.
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    watch: bool = False

    @property
    def is_across_namespaces(self) -> bool:
        """Whether this is a namespaced resource without its namespace: it can only be listed."""
        return self.resource.namespaced and not self.namespace


def parse_path(path: str) -> Target:
    """Find what a path is about.

    Args:
        path: The raw path: `%2F` in a name does not separate.

    Raises:
        NotFound: Nothing is served there.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    length = 2 if parts[0] == "api" else 3
    base, rest = "/" + "/".join(parts[:length]), parts[length:]
    watch = rest[:1] == ["watch"]
    if base == PODS.base_path and rest[0:1] + rest[2:3] == ["namespaces", "pods"] and rest[4:] and rest[4] in _STREAMS:
        raise NotFound(
            f"the embedded cluster has no {rest[4]}: its containers are processes of this machine, "
            "use a terminal on it instead"
        )
    target = _parse_rest(base, rest[1:] if watch else rest)
    if target is None or "" in rest:
        raise NotFound("the server could not find the requested resource")
    return replace(target, watch=watch)


def _parse_rest(base: str, rest: list[str]) -> Target | None:
    namespace = ""
    # `/namespaces/x/pods` is about pods, `/namespaces/x/status` about the namespace.
    if rest[:1] == ["namespaces"] and len(rest) > 2 and (base, rest[2]) in _BY_PATH:
        namespace, rest = rest[1], rest[2:]
    resource = _BY_PATH.get((base, rest[0])) if rest else None
    if resource is None or (namespace and not resource.namespaced) or len(rest) > 3:
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if name and resource.namespaced and not namespace:
        return None
    known = (resource.has_status and subresource == "status") or (resource is PODS and subresource in _POD_SUBRESOURCES)
    if subresource and not known:
        return None
    return Target(resource, namespace, name, subresource)
