"""What only pods have: being bound to a node, being evicted. Their logs are in `podlogs`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from jhaws.local.api.encoding import Obj, format_time
from jhaws.local.api.options import parse_delete_options, parse_dry_run, read_object
from jhaws.local.api.resources import PODS
from jhaws.local.api.statuses import BadRequest, Conflict, FieldError, make_status
from jhaws.local.api.verbs import read_json_body, respond_json

if TYPE_CHECKING:
    from jhaws.local.api.paths import Target
    from jhaws.local.api.storage import Storage


class PodVerbs:
    """Handlers of the paths below a pod.

    Args:
        storage: The objects.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def bind(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Bind a pod to a node."""
        dry_run = parse_dry_run(request.query, "CreateOptions")
        binding = read_object(await read_json_body(request))
        stated = (binding.get("metadata") or {}).get("name")
        if stated != target.name:
            raise BadRequest("name in URL does not match name in Binding object")
        node = (binding.get("target") or {}).get("name")
        if not node or not isinstance(node, str):
            raise BadRequest(f"target.name: {FieldError.required('target.name').message}")
        pod = self._storage.get(PODS, target.namespace, target.name)
        _check_bindable(pod)
        if not dry_run:
            at = format_time(self._storage.now())
            change = _make_binding_change(node, at)
            self._storage.modify(PODS, target.namespace, target.name, change)
        done = make_status(code=201, reason="", message="", ok=True)
        return respond_json({**done, "code": 201}, code=201)

    async def evict(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Delete a pod on behalf of who empties a node; there are no disruption budgets here."""
        eviction = read_object(await read_json_body(request))
        wanted = parse_delete_options(_only_dry_run(eviction, request), b"")
        options = eviction.get("deleteOptions") or {}
        self._storage.delete(
            PODS,
            target.namespace,
            target.name,
            grace_period_seconds=options.get("gracePeriodSeconds"),
            uid=(options.get("preconditions") or {}).get("uid"),
            dry_run=wanted.dry_run,
        )
        done = make_status(code=201, reason="", message="", ok=True)
        return respond_json({**done, "code": 201}, code=201)


def _only_dry_run(eviction: dict[str, Any], request: web.Request) -> dict[str, str]:
    stated = (eviction.get("deleteOptions") or {}).get("dryRun") or [request.query.get("dryRun", "")]
    return {"dryRun": str(stated[0])}


def _check_bindable(pod: Obj) -> None:
    name, node = pod["metadata"]["name"], pod["spec"].get("nodeName")
    why = f'pod {name} is already assigned to node "{node}"' if node else ""
    if "deletionTimestamp" in pod["metadata"]:
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    if why:
        raise Conflict(
            f'Operation cannot be fulfilled on pods/binding "{name}": {why}',
            details={"name": name, "kind": "pods/binding"},
        )


def _make_binding_change(node: str, at: str) -> Callable[[Obj], None]:
    def change(pod: Obj) -> None:
        pod["spec"]["nodeName"] = node
        conditions = pod["status"].setdefault("conditions", [])
        others = [found for found in conditions if found["type"] != "PodScheduled"]
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at}
        pod["status"]["conditions"] = [*others, scheduled]

    return change
