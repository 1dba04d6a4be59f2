"""The Kubernetes API of the embedded cluster: HTTPS on loopback, behind a token.

Whoever may create pods here starts processes as the user who runs the demo. So the server listens on loopback
only, wants a token on every request (other users of the machine can connect too), and refuses foreign Host headers
(a web page that rebinds its name to 127.0.0.1 reaches loopback as well). `ApiServer` owns the socket, its
`certificates` and the kubeconfig; requests go by their path (`paths`) to the handlers in `verbs`, `streaming`,
`podverbs` and `podlogs`.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import json
import logging
import os
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from jhaws.errors import LocalError
from jhaws.local.api import discovery, openapi, options
from jhaws.local.api.certificates import LOOPBACK_NAMES, make_certificates, make_server_context
from jhaws.local.api.paths import Target, parse_path
from jhaws.local.api.podlogs import LogFinder, PodLogs
from jhaws.local.api.podverbs import PodVerbs
from jhaws.local.api.reviews import REVIEWS, make_review
from jhaws.local.api.statuses import (
    Forbidden,
    MethodNotAllowed,
    StatusError,
    Unauthorized,
    make_status,
)
from jhaws.local.api.streaming import Streamer
from jhaws.local.api.verbs import MAX_BODY, Verbs, read_body, respond_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from jhaws.local.api.storage import Storage

log = logging.getLogger(__name__)

# Answered without a token: they tell nothing but that somebody is there.
_OPEN_PATHS = ("/healthz", "/livez", "/readyz")

# Seconds running requests get when the server stops.
_STOP_SECONDS = 2


def make_kubeconfig(url: str, token: str, *, authority: bytes, namespace: str = "default") -> dict[str, Any]:
    """Build a kubeconfig for the embedded cluster.

    Args:
        url: Where the server listens, for example `https://127.0.0.1:6443`.
        token: Its token.
        authority: The certificate, as PEM, that vouches for the server.
        namespace: What commands without a namespace are about.
    """
    name = "jhaws-local"
    trusted = base64.b64encode(authority).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": trusted}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
        "current-context": name,
    }


def write_kubeconfig(path: Path, config: dict[str, Any]) -> None:
    """Write a kubeconfig that only its owner can read; JSON, which is YAML too.

    The file is put in place whole: a reader never sees half of it, and the mode is right from the start.
    """
    waiting = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(config, file, indent=2)
    waiting.replace(path)


def is_loopback(host: str) -> bool:
    """Tell whether an address or name is this machine's own; names are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _require_method(request: web.Request, method: str) -> None:
    if request.method != method:
        raise MethodNotAllowed("the server does not allow this method on the requested resource")


class ApiServer:
    """Serves a storage as a Kubernetes API.

    Args:
        storage: The objects.
        token: What clients send as `Authorization: Bearer TOKEN`; made up if not given.

    Attributes:
        token: The token.
        url: Where the server listens; empty before `start`.
        authority: The certificate, as PEM, that clients have to trust; of the last `start`.
    """

    def __init__(self, storage: Storage, token: str = "") -> None:
        self.storage = storage
        self.token = token or secrets.token_urlsafe(32)
        self.url = ""
        self.authority = b""
        self._verbs = Verbs(storage)
        self._streamer = Streamer(storage)
        self._pods = PodVerbs(storage)
        self._logs = PodLogs(storage)
        self._runner: web.AppRunner | None = None

    @property
    def log_finder(self) -> LogFinder | None:
        """Tells where a container's log is; the kubelet sets it."""
        return self._logs.log_finder

    @log_finder.setter
    def log_finder(self, finder: LogFinder | None) -> None:
        self._logs.log_finder = finder

    def make_kubeconfig(self, *, namespace: str = "default") -> dict[str, Any]:
        """Build the kubeconfig of this server, once it is started."""
        return make_kubeconfig(self.url, self.token, authority=self.authority, namespace=namespace)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen.

        Args:
            host: A loopback address.
            port: 0 for any free one; `url` tells which.

        Raises:
            LocalError: The address is not loopback, or the port is taken.
        """
        if not is_loopback(host):
            raise LocalError(
                f"The embedded cluster listens on loopback only, because whoever reaches it starts processes "
                f"as you; host is {host!r}: use 127.0.0.1."
            )
        certificates = make_certificates({*LOOPBACK_NAMES, host})
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        # A watch whose client left must end, not wait for the next change.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=_STOP_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=make_server_context(certificates)).start()
        except OSError as error:
            await runner.cleanup()
            raise LocalError(
                f"The embedded cluster cannot listen on {host} port {port} ({error.strerror}): "
                "stop what uses the port, or choose another one."
            ) from error
        self._runner = runner
        bound = runner.addresses[0][1]
        self.authority = certificates.authority
        self.url = f"https://[{host}]:{bound}" if ":" in host else f"https://{host}:{bound}"

    async def stop(self) -> None:
        """End all watches and followed logs, and listen no more; safe to call twice."""
        self._streamer.close()
        self._logs.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_caller(request)
            return await self._dispatch(request)
        except StatusError as error:
            return respond_json(error.make_status(), code=error.code)
        except ConnectionError:
            # The client left in the middle of its answer.
            raise
        except Exception:
            log.exception("Request failed: %s %s", request.method, request.path)
            text = "Internal error occurred: see the log of the embedded cluster"
            status = make_status(code=500, reason="InternalError", message=text)
            return respond_json(status, code=500)

    def _check_caller(self, request: web.Request) -> None:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        if not is_loopback(host):
            raise Forbidden("the Host header must name a loopback address")
        if request.path in _OPEN_PATHS:
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, self.token.encode()):
            raise Unauthorized("Unauthorized")

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path in _OPEN_PATHS:
            return web.Response(text="ok")
        if path == openapi.ROOT_V2 and "protobuf" in request.headers.get("Accept", ""):
            return web.Response(body=openapi.PROTOBUF_V2, content_type=openapi.PROTOBUF_V2_TYPE)
        document = discovery.make_document(path)
        if document is not None:
            _require_method(request, "GET")
            return respond_json(document)
        if path in REVIEWS:
            _require_method(request, "POST")
            review = make_review(path, await read_body(request), content_type=request.content_type)
            return respond_json(review, code=201)
        if not path.startswith("/api/") and path.split("/")[1:3] not in discovery.GROUP_PATHS:
            return web.Response(text="404 page not found\n", status=404)
        target = parse_path(path)
        if not target.name:
            return await self._dispatch_collection(request, target)
        return await self._find_handler(request.method, target)(request, target)

    async def _dispatch_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        if request.method == "GET":
            query = options.parse_list_options(target.resource, request.query)
            if query.watch or target.watch:
                return await self._streamer.watch(request, target, query)
            return await self._verbs.list(request, target, query)
        handlers = {"POST": self._verbs.create, "DELETE": self._verbs.delete_collection}
        handler = handlers.get(request.method)
        verb = "create" if request.method == "POST" else "deletecollection"
        if handler is None or target.is_across_namespaces or verb not in target.resource.verbs:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return await handler(request, target)

    def _find_handler(
        self, method: str, target: Target
    ) -> Callable[[web.Request, Target], Awaitable[web.StreamResponse]]:
        verbs = self._verbs
        found = {
            ("", "GET"): verbs.get,
            ("", "PUT"): verbs.update,
            ("", "PATCH"): verbs.patch,
            ("", "DELETE"): verbs.delete,
            ("status", "GET"): verbs.get,
            ("status", "PUT"): verbs.update,
            ("status", "PATCH"): verbs.patch,
            ("binding", "POST"): self._pods.bind,
            ("eviction", "POST"): self._pods.evict,
            ("log", "GET"): self._logs.log,
        }.get((target.subresource, method))
        if found is None:
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return found
