"""The placeholder's view of the Kubernetes API: list, watch, create and delete this hub's placeholder pods.

It owns the client and turns every refusal into one sentence with its next step (`explain`). What an operator has
to mend is asked again every 5 minutes, what mends itself after a back-off. It needs no more rights than z2jh's
Role gives the hub: get, list, watch, create and delete pods. Which pods there should be is decided in `seats`.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config

from jhaws.services.placeholder.seats import Pod, changes_seats
from jhaws.services.running import TryAgainError

# How long we wait before we ask again for what only an operator can mend.
OFF_SECONDS = 300.0
REQUEST_TIMEOUT_SECONDS = 30.0
NETWORK_ERRORS = (aiohttp.ClientError, OSError, TimeoutError)


@dataclass(frozen=True)
class Listing:
    """This hub's placeholder pods, and the version of the list from which a watch goes on."""

    pods: tuple[Pod, ...]
    resource_version: str


def explain(error: client.ApiException, doing: str, *, namespace: str, priority_class: str) -> TryAgainError:
    """Turn an answer of the API server into one sentence and the time of the next try.

    Args:
        error: The answer.
        doing: What was refused, for example "create pods".
        namespace: Where.
        priority_class: The PriorityClass that the pod asked for.
    """
    message = _read_message(error)
    status = int(error.status or 0)
    if status in (409, 429) or status >= 500 or status < 400:
        return TryAgainError(f"The Kubernetes API could not {doing} ({status}): {message}.")
    if status == 403 and "PriorityClass" in message:
        text = (
            f"No placeholders are kept, because there is no PriorityClass {priority_class!r} "
            "(JhawsPlaceholder.priority_class); set scheduling.podPriority.enabled: true in the Helm values, or "
            "create it."
        )
    elif status == 403 and "quota" in message:
        text = f"No more placeholders fit into the quota of namespace {namespace!r}: {message}."
    elif status in (401, 403):
        text = (
            f"No placeholders are kept, because the hub's ServiceAccount may not {doing} in namespace "
            f"{namespace!r} ({status}); give it a Role with get, list, watch, create and delete of pods."
        )
    else:
        text = (
            f"No placeholders are kept, because the Kubernetes API refused to {doing} in namespace {namespace!r} "
            f"({status}): {message}."
        )
    return TryAgainError(text, retry_seconds=OFF_SECONDS)


class PlaceholderPods:
    """Placeholder pods of one hub in one namespace.

    Args:
        api: A connected client.
        namespace: The namespace of the users' pods.
        selector: The label selector that keeps other hubs' pods out of reach.
        priority_class: For messages only.
    """

    def __init__(self, api: client.ApiClient, namespace: str, *, selector: str, priority_class: str) -> None:
        # Any: the client's types do not know `_preload_content=False`, which gives the plain response.
        self._core: Any = client.CoreV1Api(api)
        self._namespace = namespace
        self._selector = selector
        self._priority_class = priority_class

    async def fetch(self) -> Listing:
        """Fetch the pods as they are.

        Raises:
            TryAgainError: The API server does not answer, or refuses.
        """
        async with self._explained("list pods"):
            response = await self._core.list_namespaced_pod(
                self._namespace,
                label_selector=self._selector,
                _preload_content=False,
                _request_timeout=REQUEST_TIMEOUT_SECONDS,
            )
            listing = await _read_json(response)
        return Listing(tuple(listing["items"]), listing["metadata"]["resourceVersion"])

    async def fetch_owner(self, name: str) -> dict[str, Any] | None:
        """Fetch the reference that makes the hub's own pod the owner of its placeholders.

        Args:
            name: The hub's pod, "" where the hub runs in none.

        Returns:
            v1 OwnerReference, None where there is no such pod in this namespace.

        Raises:
            TryAgainError: The API server does not answer, or refuses.
        """
        if not name:
            return None
        async with self._explained("get pods"):
            try:
                response = await self._core.read_namespaced_pod(
                    name, self._namespace, _preload_content=False, _request_timeout=REQUEST_TIMEOUT_SECONDS
                )
                uid = (await _read_json(response))["metadata"]["uid"]
            except client.ApiException as error:
                if error.status == 404:
                    return None
                raise
        return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}

    async def create(self, manifest: Pod) -> None:
        """Create one pod.

        Raises:
            TryAgainError: The API server does not answer, or refuses.
        """
        async with self._explained("create pods"):
            await _read_json(
                await self._core.create_namespaced_pod(
                    self._namespace,
                    manifest,
                    _preload_content=False,
                    _request_timeout=REQUEST_TIMEOUT_SECONDS,
                )
            )

    async def delete(self, pod: Pod) -> None:
        """Delete one pod; one that is gone already counts as deleted.

        Raises:
            TryAgainError: The API server does not answer, or refuses.
        """
        metadata = pod["metadata"]
        async with self._explained("delete pods"):
            try:
                await _read_json(
                    await self._core.delete_namespaced_pod(
                        metadata["name"],
                        self._namespace,
                        # Never a pod that took the name since we looked.
                        body={
                            "apiVersion": "v1",
                            "kind": "DeleteOptions",
                            "preconditions": {"uid": metadata["uid"]},
                        },
                        _preload_content=False,
                        _request_timeout=REQUEST_TIMEOUT_SECONDS,
                    )
                )
            except client.ApiException as error:
                if error.status not in (404, 409):
                    raise

    async def wait_for_change(self, resource_version: str, *, seconds: int) -> bool:
        """Return as soon as a placeholder has left or ended, at the latest after `seconds`.

        Whatever else ends the watch (a broken connection, 410 because the version is too old) is a reason to
        look again too.

        Returns:
            False if the time is over and nothing has changed, True in all other cases.

        Raises:
            TryAgainError: The hub's ServiceAccount may not watch pods.
        """
        async with self._explained("watch pods", network_is_fine=True):
            response = await self._core.list_namespaced_pod(
                self._namespace,
                label_selector=self._selector,
                watch=True,
                resource_version=resource_version,
                timeout_seconds=seconds,
                _preload_content=False,
                # A dead connection says nothing, not even that the time is over.
                _request_timeout=seconds + REQUEST_TIMEOUT_SECONDS,
            )
            async with response:
                if response.status == 410:
                    return True
                await _check(response)
                async for line in response.content:
                    if line.strip() and changes_seats(json.loads(line)):
                        return True
            return False
        return True

    @asynccontextmanager
    async def _explained(self, doing: str, *, network_is_fine: bool = False) -> AsyncIterator[None]:
        try:
            yield
        except client.ApiException as error:
            raise explain(error, doing, namespace=self._namespace, priority_class=self._priority_class) from error
        except (*NETWORK_ERRORS, ValueError) as error:
            if not network_is_fine:
                raise TryAgainError(
                    f"The Kubernetes API does not answer when asked to {doing} ({type(error).__name__})."
                ) from error


@asynccontextmanager
async def connect(environ: Mapping[str, str]) -> AsyncIterator[client.ApiClient]:
    """Connect to the cluster that the environment names: KUBECONFIG, else the one this process runs in.

    A kubeconfig in the home folder is not used: it is somebody's own and may lead to any cluster.

    Raises:
        TryAgainError: The environment names no cluster, or one that cannot be used.
    """
    configuration = client.Configuration()
    load_incluster_config: Any = config.load_incluster_config
    try:
        if path := environ.get("KUBECONFIG"):
            await config.load_kube_config(config_file=path, client_configuration=configuration)
        else:
            load_incluster_config(client_configuration=configuration, environ=dict(environ))
    except Exception as error:
        # A broken file makes the client raise all sorts. Only its own sentences are shown: others quote the file,
        # and that holds tokens.
        reason = str(error).rstrip(".") if isinstance(error, config.ConfigException) else type(error).__name__
        raise TryAgainError(
            f"No placeholders are kept, because there is no way to Kubernetes ({reason}); run the hub in the "
            "cluster or set KUBECONFIG.",
            retry_seconds=OFF_SECONDS,
        ) from error
    async with client.ApiClient(configuration) as api:
        yield api


async def _read_json(response: aiohttp.ClientResponse) -> Any:
    async with response:
        await _check(response)
        return await response.json(content_type=None)


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what the client itself would have raised, had it read the answer."""
    if response.status >= 400:
        error = client.ApiException(status=response.status, reason=response.reason)
        error.body = await response.read()
        raise error


def _read_message(error: client.ApiException) -> str:
    try:
        message = json.loads(error.body or b"")["message"]
    except (TypeError, ValueError, KeyError):
        message = error.reason
    return str(message or "it gave no reason")[:200].rstrip(".")
