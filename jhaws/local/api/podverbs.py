"""What only pods have: their log, being bound to a node, being evicted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from jhaws.local.api.encoding import Obj, format_time
from jhaws.local.api.options import parse_delete_options, parse_dry_run, read_object
from jhaws.local.api.resources import PODS
from jhaws.local.api.statuses import BadRequest, Conflict, FieldError, make_status
from jhaws.local.api.verbs import read_body, respond_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jhaws.local.api.paths import Target
    from jhaws.local.api.storage import Storage

# namespace, pod, container, number of lines from the end or None for all -> what the container wrote
LogReader = Callable[[str, str, str, int | None], Awaitable[bytes]]

# Seconds between two looks at a log that is followed.
_FOLLOW_SECONDS = 0.25


class PodVerbs:
    """Handlers of the paths below a pod.

    Args:
        storage: The objects.

    Attributes:
        log_reader: Reads what a container wrote; set by the kubelet, without it logs are empty.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.log_reader: LogReader | None = None

    async def bind(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Bind a pod to a node."""
        dry_run = parse_dry_run(request.query, "CreateOptions")
        binding = read_object(await read_body(request))
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
        eviction = read_object(await read_body(request))
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

    async def log(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer with what a container wrote."""
        pod = self._storage.get(PODS, target.namespace, target.name)
        container = _choose_container(pod, request.query.get("container", ""))
        tail = _parse_count(request.query, "tailLines")
        limit = _parse_count(request.query, "limitBytes")
        if not pod["spec"].get("nodeName"):
            return web.Response(status=204)
        if request.query.get("follow") in ("true", "1"):
            return await self._follow_log(request, pod, container, tail)
        text = await self._read_log(pod, container, tail)
        return web.Response(body=text[:limit], content_type="text/plain")

    async def _read_log(self, pod: Obj, container: str, tail: int | None) -> bytes:
        if self.log_reader is None:
            return b""
        meta = pod["metadata"]
        return await self.log_reader(meta["namespace"], meta["name"], container, tail)

    async def _follow_log(self, request: web.Request, pod: Obj, container: str, tail: int | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        sent = 0
        if tail is not None:
            sent = len(await self._read_log(pod, container, None))
            await response.write(await self._read_log(pod, container, tail))
        last = False
        while True:
            text = await self._read_log(pod, container, None)
            if len(text) > sent:
                await response.write(text[sent:])
                sent = len(text)
            if last:
                return response
            # One more look after the end, for what was written in between.
            last = not self._is_running(pod)
            await asyncio.sleep(0 if last else _FOLLOW_SECONDS)

    def _is_running(self, pod: Obj) -> bool:
        meta = pod["metadata"]
        found = self._storage.find(PODS, meta["namespace"], meta["name"])
        if found is None or found["metadata"]["uid"] != meta["uid"]:
            return False
        return found.get("status", {}).get("phase") not in ("Succeeded", "Failed")


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


def _iterate_names(pod: Obj) -> Iterator[str]:
    for group in ("initContainers", "containers"):
        for container in pod["spec"].get(group) or ():
            yield container["name"]


def _choose_container(pod: Obj, wanted: str) -> str:
    name = pod["metadata"]["name"]
    if wanted:
        if wanted not in _iterate_names(pod):
            raise BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    if len(names) > 1:
        raise BadRequest(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    return names[0]


def _parse_count(query: Any, key: str) -> int | None:
    text = query.get(key)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f'{key}: strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)
