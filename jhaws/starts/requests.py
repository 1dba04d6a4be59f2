"""RequestingSpawner: creates and deletes what KubeSpawner wants, and returns once the watch shows it.

KubeSpawner asks in loops "was it created?", "was it deleted?" and awaits the answer. Here the answer comes when the
watch has shown the pod, or shown that it is gone, so that whatever follows finds it so. What the API server refuses
becomes a sentence; the manifest, which has the server's token, is never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
import orjson
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from .attempt import Attempt, StartError
from .failures import Failure
from .podwatch import PodWatch
from .refusals import find_refusal
from .scrubbing import environment_of, scrub, secrets_of
from .watchers import READ_SECONDS, WatchingSpawner

SEEN_SECONDS = 5.0  # after which a pod that was created or deleted, but that the watch does not show so, is read
EVENTS_SECONDS = 1.0  # how long a start waits for the watch of events to open
GOING_SECONDS = 30.0  # how long a pod may take to go beyond its grace period; then KubeSpawner's own time-out counts
# On each pod, which start it belongs to: a request that was answered too late did create it.
ATTEMPT_ANNOTATION = "jhaws.io/attempt"
UNREACHABLE = "Servers cannot be started now, because the cluster does not answer. Try again in a few minutes."
MAY_PASS = (429, 500, 502, 503, 504)  # HTTP statuses of an API server that is asked again


class RequestingSpawner(WatchingSpawner):
    """Creates and deletes pods, and knows when that has happened."""

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> bool:
        """Create the pod and return once the watch shows it; False asks KubeSpawner to try again."""
        attempt = self.attempt
        assert attempt is not None  # noqa: S101  # only `_start` comes here
        attempt.secrets = secrets_of(
            environment_of(self.api.api_client.sanitize_for_serialization(pod)), *self.secrets()
        )
        pod.metadata.annotations = {**(pod.metadata.annotations or {}), ATTEMPT_ANNOTATION: attempt.mark}
        await self._listen(attempt)
        self.log.info("Creating the pod %s.", self._pod_key)
        uid = await self._create("pod", pod, request_timeout)
        if not uid:
            return False
        attempt.uid, attempt.created_at = uid, asyncio.get_running_loop().time()
        await self._wait_until_seen(attempt)
        return True

    async def _listen(self, attempt: Attempt) -> None:
        """Let pod and events wake this start, until it ends."""
        attempt.resources.close()  # of an earlier try
        attempt.resources.enter_context(self.pod_reflector.listening(self._pod_key, attempt.woken.set))
        if self.after_pod_created_hook:
            attempt.resources.enter_context(self.pod_reflector.keeping_whole(self._pod_key))
        if self.event_reflector:
            attempt.resources.enter_context(self.event_reflector.listening(self._pod_key, attempt.woken.set))
            if not self.event_reflector.watch.trouble:
                with contextlib.suppress(TimeoutError):  # without the first events a start does nearly as well
                    await asyncio.wait_for(self.event_reflector.ready(), EVENTS_SECONDS)

    def secrets(self) -> tuple[str, ...]:
        """Return what must never be shown of this server."""
        latest = self.attempt.secrets if self.attempt else ()
        return (*latest, *secrets_of(self.environment, self.api_token or ""))

    async def _create(self, kind: str, manifest: Any, request_timeout: float) -> str:
        """Create one object.

        Returns:
            Its uid, "" where the request is worth another try.

        Raises:
            StartError: The API server refuses it.
        """
        create = getattr(self.api, f"create_namespaced_{kind}")
        try:
            created = await asyncio.wait_for(send(create, self.namespace, manifest), request_timeout)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._doubt(kind, manifest, str(error) or "no answer", None)
            return ""
        except ApiException as error:
            return await self._refused(kind, manifest, error)
        self._believe()
        return str(created["metadata"]["uid"])

    async def _refused(self, kind: str, manifest: Any, error: ApiException) -> str:
        status = _status_of(error)
        if status.get("reason") == "AlreadyExists":
            return await self._replace_old_pod() if kind == "pod" else ""
        if error.status in MAY_PASS or error.status == 409:  # Conflict: two writers met, as at a quota
            words = f"{error.status} {status.get('message') or error.reason}"
            self._doubt(kind, manifest, words, find_refusal(error.status, str(error.body or ""), what=kind))
            return ""
        raise self._refusal(kind, error)

    def _doubt(self, kind: str, manifest: Any, words: str, failure: Failure | None) -> None:
        """Write down why a request is tried again: when there is no time left for that, it is the reason to tell."""
        words = scrub(words, self.secrets())
        self.log.warning("The %s %s is not created yet: %s", kind, manifest.metadata.name, words)
        if self.attempt:
            detail = f"the Kubernetes API server did not create the {kind} {manifest.metadata.name}: {words}"
            self.attempt.doubt = failure or Failure("api_unreachable", UNREACHABLE, detail)

    def _believe(self) -> None:
        if self.attempt:
            self.attempt.doubt = None

    def _refusal(self, kind: str, error: ApiException) -> StartError:
        """Return the error of a request that the API server refused; never the manifest, which has tokens."""
        if failure := find_refusal(error.status, str(error.body or ""), what=kind):
            return StartError(failure)
        words = _status_of(error).get("message") or error.reason or "no reason given"
        message = "Your server could not be created. Please tell the people who run this hub."
        detail = f"the Kubernetes API server answered {error.status} to creating its {kind}: {words}"
        return StartError(Failure(reason="refused", message=message, detail=detail), counts=True)

    async def _replace_old_pod(self) -> str:
        """Delete a pod that has our name, unless it is another hub's; one of this very start is as good as created.

        Returns:
            The uid of such a pod of this start, else "".
        """
        old = await self._fetch_pod()
        if (
            old
            and self.attempt
            and (old["metadata"].get("annotations") or {}).get(ATTEMPT_ANNOTATION) == self.attempt.mark
        ):
            self._believe()
            return str(old["metadata"]["uid"])
        if old and not self.is_ours(old):
            raise StartError(
                Failure(
                    reason="name_taken",
                    message="Your server could not be created: another hub uses its name. Please tell the people who "
                    "run this hub.",
                    detail=f"the pod {self._pod_key} belongs to another hub in this namespace. Give each hub a "
                    "namespace of its own, or another KubeSpawner.pod_name_template.",
                )
            )
        self.log.info("A pod %s is there already; it is deleted first.", self._pod_key)
        await self.stop(True)
        return ""

    async def _make_create_resource_request(self, kind: str, manifest: Any) -> bool:
        """Create a Secret or a Kubernetes Service; one that is there is as good."""
        uid = await self._create(kind, manifest, self.k8s_api_request_timeout)
        return bool(uid) or await self._exists(kind, manifest.metadata.name)

    async def _exists(self, kind: str, name: str) -> bool:
        read = getattr(self.api, f"read_namespaced_{kind}")
        with contextlib.suppress(ApiException, TimeoutError, aiohttp.ClientError, OSError):
            await asyncio.wait_for(send(read, name, self.namespace), READ_SECONDS)
            return True
        return False

    async def _make_create_pvc_request(self, pvc: Any, request_timeout: float) -> bool:
        """Create the user's PVC as KubeSpawner does; a refusal becomes a sentence, trouble another try."""
        words = "no answer"
        try:
            if await super()._make_create_pvc_request(pvc, request_timeout):
                self._believe()
                return True
        except (aiohttp.ClientError, OSError) as error:
            words = str(error)
        except ApiException as error:
            if error.status not in MAY_PASS:
                raise self._refusal("persistent volume claim", error) from None
            words = f"{error.status} {error.reason}"
        self._doubt("persistent volume claim", pvc, words, None)
        return False

    async def _wait_until_seen(self, attempt: Attempt) -> None:
        """Return once the watch shows the new pod; where it does not, read the pod and begin the watch anew."""
        watch: PodWatch = self.pod_reflector
        while not self._is_seen(attempt):
            if await woken_within(attempt.woken, SEEN_SECONDS):
                continue
            pod = await self._fetch_pod()
            if pod is None:
                continue
            if not pod or pod["metadata"]["uid"] != attempt.uid:
                return
            self.log.warning("The watch has not shown the pod %s; it begins anew.", self._pod_key)
            watch.learn("ADDED", pod)
            watch.restart()
            return

    def _is_seen(self, attempt: Attempt) -> bool:
        pod = self._cached_pod()
        return pod is not None and pod["metadata"]["uid"] == attempt.uid

    async def _make_delete_pod_request(
        self, pod_name: str, delete_options: Any, grace_seconds: int | None, request_timeout: float
    ) -> bool:
        """Delete the pod and return once the watch shows that it is gone; False asks KubeSpawner to try again."""
        pod = self._cached_pod() or await self._fetch_pod()
        if not pod:
            return pod is not None
        if not self.is_ours(pod):
            self.log.warning("The pod %s belongs to another hub in this namespace; it stays.", self._pod_key)
            return True
        uid = pod["metadata"]["uid"]
        # Only this pod, not one that somebody may have made under its name since.
        delete_options.preconditions = client.V1Preconditions(uid=uid)
        self.log.info("Deleting the pod %s.", self._pod_key)
        if grace_seconds is not None:
            delete_options.grace_period_seconds = grace_seconds
        call = send(self.api.delete_namespaced_pod, pod_name, self.namespace, body=delete_options)
        try:
            await asyncio.wait_for(call, request_timeout)
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False
        except ApiException as error:
            if error.status == 409 and (there := await self._fetch_pod()):
                self.pod_reflector.learn("MODIFIED", there)  # another pod has our name by now: that one is to go
            if error.status in (*MAY_PASS, 409):
                return False
            if error.status != 404:
                raise
        patience = SEEN_SECONDS + (grace_seconds or 0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wait_until_gone(uid, patience=patience), patience + GOING_SECONDS)
        return True

    async def _wait_until_gone(self, uid: str, *, patience: float) -> None:
        """Return once the watch shows that a pod is gone; where it does not, ask the API server."""
        watch: PodWatch = self.pod_reflector
        woken = asyncio.Event()
        with watch.listening(self._pod_key, woken.set):
            while (pod := self._cached_pod()) is not None and pod["metadata"]["uid"] == uid:
                woken.clear()
                if await woken_within(woken, patience):
                    continue
                there = await self._fetch_pod()
                if there == {} or (there and there["metadata"]["uid"] != uid):
                    self.log.warning("The watch has not shown that the pod %s is gone; it begins anew.", self._pod_key)
                    watch.learn("DELETED", pod)
                    watch.restart()
                    return


async def woken_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event and clear it; False when it does not come in time."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    event.clear()
    return True


async def delete_that_pod(api: Any, key: str, uid: str, *, grace_seconds: int | None, log: Any) -> None:
    """Delete a pod without waiting for its end, unless another has its name by now; a failure is a sentence in `log`.

    Args:
        api: The Kubernetes client of the core group.
        key: `namespace/name`.
        uid: Of the pod that is meant.
        grace_seconds: That its processes have to end, None for what the pod says.
        log: Logger for what an operator should know.
    """
    namespace, name = key.split("/")
    preconditions = client.V1Preconditions(uid=uid)
    body = client.V1DeleteOptions(grace_period_seconds=grace_seconds, preconditions=preconditions)
    try:
        await asyncio.wait_for(send(api.delete_namespaced_pod, name, namespace, body=body), READ_SECONDS)
    except ApiException as error:
        if error.status not in (404, 409):
            log.warning("The pod %s is not deleted: %s %s", key, error.status, error.reason)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        log.warning("The pod %s is not deleted yet: %s", key, str(error) or "no answer in time")


async def send(call: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Send a request of the Kubernetes client and return the answer as it came.

    The client would make a model of it, and refuses to where the API server sends what the model does not expect.

    Raises:
        ApiException: The API server did not do it.
    """
    async with await call(*arguments, **options, _preload_content=False) as response:
        body = await response.read()
    if response.status >= 400:
        error = ApiException(status=response.status, reason=response.reason)
        error.body = body.decode(errors="replace")
        raise error
    found: dict[str, Any] = orjson.loads(body)
    return found


def _status_of(error: ApiException) -> dict[str, Any]:
    """Return the Status that an API server sent with a refusal, {} where it sent something else."""
    try:
        status = orjson.loads(error.body or "")
    except orjson.JSONDecodeError:
        return {}
    return status if isinstance(status, dict) else {}
