"""The verbs of the API: get, list, create, update, patch, delete, on any resource.

Each handler reads the request to its end, then does its work in one go on the storage, so no other request comes
in between. Long answers are sent in pieces, with a turn for everybody else after each. Watches are `streaming`'s,
what only pods have is `podverbs`'.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import web

from jhaws.local.api import admission, options, schema, strategies
from jhaws.local.api.encoding import Obj, dump
from jhaws.local.api.listing import make_page
from jhaws.local.api.paths import Target
from jhaws.local.api.statuses import (
    BadRequest,
    TooLarge,
    UnsupportedMedia,
    make_details,
    make_status,
)
from jhaws.local.api.views import View, choose_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jhaws.local.api.storage import Storage

# As in kube-apiserver: a manifest has no more than three mebibytes.
MAX_BODY = 3 * 1024 * 1024

# Bytes sent before others get a turn.
_PIECE = 256 * 1024

_JSON_TYPES = ("", "application/json", "application/octet-stream")


def respond(view: View, obj: Obj, *, code: int = 200) -> web.Response:
    """Answer with one object."""
    return web.Response(body=view.encode(obj), status=code, content_type="application/json")


def respond_json(document: object, *, code: int = 200) -> web.Response:
    """Answer with a document that is no stored object, such as a Status."""
    return web.Response(body=dump(document) + b"\n", status=code, content_type="application/json")


async def read_body(request: web.Request) -> bytes:
    """Read the body of a request.

    Raises:
        TooLarge: It has more than `MAX_BODY` bytes.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"limit is {MAX_BODY}") from error


async def read_json_body(request: web.Request) -> bytes:
    """Read the body of a request that has to be JSON.

    Raises:
        TooLarge: It has more than `MAX_BODY` bytes.
        UnsupportedMedia: The client says that it is something else.
    """
    body = await read_body(request)
    if body and request.content_type not in _JSON_TYPES and request.headers.get("Content-Type"):
        # kubectl's own commands for single kinds write protobuf, whatever a server accepts; manifests go as JSON.
        hint = "; use a manifest and kubectl apply -f" if request.content_type.endswith("protobuf") else ""
        raise UnsupportedMedia(
            f"the body of the request was in an unknown format - accepted media types include: application/json{hint}"
        )
    return body


async def read_manifest(request: web.Request, target: Target) -> Obj:
    """Read an object of the target's kind from a request.

    Raises:
        BadRequest: There is none, or it has the wrong shape, or unknown fields where the client wants none.
        UnsupportedMedia: It is not JSON.
    """
    body = await read_json_body(request)
    unknown: list[str] = []
    made = schema.conform(target.resource, options.read_object(body), unknown=unknown)
    if unknown and is_strict(request):
        raise BadRequest(
            f'{target.resource.kind} in version "{target.resource.version}" cannot be handled as a '
            f"{target.resource.kind}: {strategies.describe_unknown(unknown)}"
        )
    return made


def is_strict(request: web.Request) -> bool:
    """Tell whether the client wants unknown fields to be refused."""
    return request.query.get("fieldValidation") == "Strict"


class Verbs:
    """Handlers of the verbs that every resource has.

    Args:
        storage: The objects.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def get(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer with one object."""
        found = self._storage.get(target.resource, target.namespace, target.name)
        return respond(self._choose_view(request, target), found)

    async def list(self, request: web.Request, target: Target, query: options.ListOptions) -> web.StreamResponse:
        """Answer with a page of objects."""
        page = make_page(self._storage, target.resource, target.namespace, query)
        return await _send_list(request, self._choose_view(request, target), page.items, page.metadata)

    async def create(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Add an object."""
        dry_run = options.parse_dry_run(request.query, "CreateOptions")
        manifest = await read_manifest(request, target)
        if manifest["metadata"].get("resourceVersion"):
            raise BadRequest("resourceVersion should not be set on objects to be created")
        made = self._storage.create(target.resource, manifest, namespace=target.namespace, dry_run=dry_run)
        return respond(self._choose_view(request, target), made, code=201)

    async def update(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Replace an object, or its status."""
        dry_run = options.parse_dry_run(request.query, "UpdateOptions")
        manifest = await read_manifest(request, target)
        old = self._storage.get(target.resource, target.namespace, target.name)
        return respond(self._choose_view(request, target), self._store(target, old, manifest, dry_run=dry_run))

    async def patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Change a part of an object, or of its status."""
        dry_run = options.parse_dry_run(request.query, "PatchOptions")
        body = await read_body(request)
        old = self._storage.get(target.resource, target.namespace, target.name)
        strict = is_strict(request)
        new = strategies.apply_patch(target.resource, old, body, content_type=request.content_type, strict=strict)
        return respond(self._choose_view(request, target), self._store(target, old, new, dry_run=dry_run))

    def _store(self, target: Target, old: Obj, new: Obj, *, dry_run: bool) -> Obj:
        # A write that lost against another one hears that first, whatever else is wrong with it.
        admission.check_update_preconditions(target.resource, old, new["metadata"])
        status = target.subresource == "status"
        new = strategies.prepare_update(target.resource, old, new, status=status, now=self._storage.now())
        return self._storage.update(target.resource, new, dry_run=dry_run)

    async def delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Delete an object: answers with it where Kubernetes does, or with a Status."""
        wanted = options.parse_delete_options(request.query, await read_json_body(request))
        gone = self._delete(target, target.name, wanted)
        held = self._storage.find(target.resource, target.namespace, target.name)
        if target.resource.returns_deleted or (held and "deletionTimestamp" in held["metadata"]):
            return respond(self._choose_view(request, target), gone)
        details = {**make_details(target.resource, target.name), "uid": gone["metadata"]["uid"]}
        return respond_json(make_status(code=200, reason="", message="", details=details, ok=True))

    async def delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Delete all objects that a selector matches; answers with them."""
        query = options.parse_list_options(target.resource, request.query)
        wanted = options.parse_delete_options(request.query, await read_json_body(request))
        page = make_page(self._storage, target.resource, target.namespace, query)
        gone = []
        for obj in page.items:
            # Owners take what they own along, so a later object of this list may be gone already.
            if self._storage.find(target.resource, target.namespace, obj["metadata"]["name"]):
                gone.append(self._delete(target, obj["metadata"]["name"], wanted))
        metadata = {"resourceVersion": str(self._storage.revision)}
        return await _send_list(request, self._choose_view(request, target), gone, metadata)

    def _choose_view(self, request: web.Request, target: Target) -> View:
        return choose_view(target.resource, request.headers, request.query, clock=self._storage.now)

    def _delete(self, target: Target, name: str, wanted: options.DeleteOptions) -> Obj:
        return self._storage.delete(
            target.resource,
            target.namespace,
            name,
            grace_period_seconds=wanted.grace_period_seconds,
            uid=wanted.uid,
            resource_version=wanted.resource_version,
            orphan=wanted.orphan,
            dry_run=wanted.dry_run,
        )


async def _send_list(
    request: web.Request, view: View, items: Sequence[Obj], metadata: dict[str, Any]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await send_pieces(response, _iterate_list(view, items, metadata))
    await response.write_eof()
    return response


def _iterate_list(view: View, items: Sequence[Obj], metadata: dict[str, Any]) -> Iterator[bytes]:
    yield view.encode_list_head(metadata)
    for index, obj in enumerate(items):
        yield (b"," if index else b"") + view.encode_item(obj)
    yield b"]}\n"


async def send_pieces(response: web.StreamResponse, parts: Iterable[bytes]) -> None:
    """Send many small parts as few large ones, and let others have a turn after each.

    Args:
        response: A prepared answer.
        parts: What to send, in order.
    """
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= _PIECE:
            await response.write(b"".join(waiting))
            await asyncio.sleep(0)
            waiting, size = [], 0
    if waiting:
        await response.write(b"".join(waiting))
