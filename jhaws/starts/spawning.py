"""WatchedSpawner: a KubeSpawner that knows at once, fails at once, and never goes blind.

It gives KubeSpawner's own `start`, `stop` and `poll` what they wait for, instead of writing them anew. KubeSpawner asks
in a loop whether the pod runs, and awaits the answer: here it comes when the watch has shown that it does, or as an
error when pod and events show that it never will. A pod that ends by itself is told to the hub at that moment.
"""

from __future__ import annotations

import asyncio
import contextvars
from contextvars import ContextVar
from typing import Any

from jupyterhub.utils import make_ssl_context, url_path_join

from ..errors import ConfigError
from .attempt import READY, Attempt, StartError
from .ends import aware_now, exit_status, has_ended
from .failures import Failure, Surroundings, explain_end, find_failure, too_long
from .podwatch import PodWatch, key_of
from .probing import wait_for_answer
from .requests import RequestingSpawner, delete_that_pod, woken_within
from .scrubbing import scrub
from .stages import Stage, stage_of, words_of
from .telling import fail_future, refusal_of
from .watchers import READ_SECONDS

LOOK_AGAIN_SECONDS = 2.0  # while a server starts and nothing happens: some reasons show by time alone
# Of start_timeout: what is kept back to clean up before the hub gives up by itself, at least and at most in seconds.
MARGIN, LEAST_MARGIN, MOST_MARGIN = 0.1, 1.0, 10.0
# A kubelet writes what became of a container into the pod's status and into an event, and the event may come later:
# what looks like a crash by the status alone may be a hook that failed.
EVENTS_LATE_SECONDS = 0.3
PENDING_SECONDS = 0.1  # between two looks at whether the hub is still busy with a server that has ended

# The start whose task this is, for KubeSpawner's loops; polls and other starts do not see it.
_current: ContextVar[Attempt | None] = ContextVar("jhaws_start", default=None)


class WatchedSpawner(RequestingSpawner):
    """Starts, stops and polls servers by watching their pods."""

    ended: Failure | None = None  # why the server ended by itself
    _last_pod: Any = None  # as it was when it was last seen: when it is gone, it still says why
    _listens_to: tuple[PodWatch, str] | None = None
    _notice: asyncio.Task[None] | None = None
    _deleting: asyncio.Task[None] | None = None

    async def _start(self) -> Any:
        """Start the server; what cannot work is told at once, and its pod is gone before it is told."""
        now = asyncio.get_running_loop().time()
        margin = min(max(self.start_timeout * MARGIN, LEAST_MARGIN), MOST_MARGIN)
        self.attempt = attempt = Attempt(began=now, deadline=now + self.start_timeout - margin)
        attempt.note(Stage.QUEUE, words_of(Stage.QUEUE, None, []), now=now)
        self.ended = self._last_pod = None
        token = _current.set(attempt)
        try:
            url = await self._start_in_time(attempt)
        except StartError as error:
            self._end_attempt(attempt, error.failure.reason)
            await self._clean_up()
            raise self._tell(error) from None
        except BaseException:
            self._end_attempt(attempt, "error")
            raise
        finally:
            _current.reset(token)
        self._end_attempt(attempt, READY)
        return url

    def _end_attempt(self, attempt: Attempt, outcome: str) -> None:
        """Write down how a start ended; who keeps figures of starts overrides it."""
        attempt.end(outcome, now=asyncio.get_running_loop().time())

    async def _start_in_time(self, attempt: Attempt) -> Any:
        try:
            async with asyncio.timeout_at(attempt.deadline) as limit:
                url = await super()._start()
        except TimeoutError:
            if attempt.doubt:
                raise StartError(attempt.doubt) from None
            if not limit.expired():
                raise
            raise self._too_late(attempt) from None
        except ConfigError as error:
            message = f"{error} Please tell the people who run this hub."
            raise StartError(Failure(reason="configuration", message=message, detail=str(error))) from error
        await self._wait_until_answering(url, attempt)
        return url

    def _too_late(self, attempt: Attempt) -> StartError:
        """Return the error of a start whose time is over."""
        watch: PodWatch | None = self.pod_reflector
        pod = watch.pods.get(self._pod_key) if watch else None
        if failure := too_long(pod, self._events_of(), self._surroundings()):
            return StartError(failure)
        if watch is None or watch.watch.trouble:
            detail = "the Kubernetes API server does not answer the hub; its log says more"
        else:
            detail = f"in {self.start_timeout} s its pod got no further than: {attempt.words}"
        message = "Your server did not start in time, and the hub does not know why. Please tell the people who run it."
        return StartError(Failure(reason="timeout", message=message, detail=detail), counts=True)

    def is_pod_running(self, pod: Any) -> Any:
        """Say whether a pod runs. To KubeSpawner's start, which awaits the answer, it comes when the pod does."""
        if _current.get() is not None and _current.get() is self.attempt:
            return self._wait_until_running()
        return super().is_pod_running(pod)

    async def _wait_until_running(self) -> bool:
        attempt = self.attempt
        assert attempt is not None  # noqa: S101  # only a start asks
        while True:
            attempt.woken.clear()
            pod = self._own_pod(attempt)
            if runs(super().is_pod_running, pod):
                self._note(attempt, pod)
                return True
            await self._check(attempt, pod)
            await woken_within(attempt.woken, LOOK_AGAIN_SECONDS)

    def _own_pod(self, attempt: Attempt) -> Any:
        """Return the pod of a start.

        Raises:
            StartError: Somebody deleted it.
        """
        pod = self._cached_pod()
        if pod is None or pod["metadata"]["uid"] != attempt.uid:
            raise StartError(explain_end(self._last_pod))
        self._last_pod = pod
        return pod

    def _note(self, attempt: Attempt, pod: Any) -> None:
        events = self._events_of()
        stage = stage_of(pod, events)
        attempt.note(stage, words_of(stage, pod, events), now=asyncio.get_running_loop().time())

    async def _check(self, attempt: Attempt, pod: Any) -> None:
        """Write down where a start is.

        Raises:
            StartError: It cannot come to a good end.
        """
        self._note(attempt, pod)
        if failure := find_failure(pod, self._events_of(), self._surroundings()):
            await asyncio.sleep(EVENTS_LATE_SECONDS)
            raise StartError(find_failure(pod, self._events_of(), self._surroundings()) or failure)

    def _events_of(self) -> Any:
        watch = self.event_reflector
        return watch.events_of(self._pod_key) if watch else []

    def _surroundings(self) -> Surroundings:
        attempt, watch = self.attempt, self.pod_reflector
        now = asyncio.get_running_loop().time()
        return Surroundings(
            waited_seconds=now - attempt.created_at if attempt and attempt.created_at else 0.0,
            scaler_seen=bool(self.event_reflector and self.event_reflector.scaler_seen),
            pvc_name=self.pvc_name if self.storage_pvc_ensure else "",
            service_account=self.service_account or "",
            servers_running=watch.count_running() if watch else 0,
        )

    async def _wait_until_answering(self, url: Any, attempt: Attempt) -> None:
        """Return once the server answers by HTTP, or when start's time is over: then the hub waits by itself."""
        loop = asyncio.get_running_loop()
        probe = loop.create_task(wait_for_answer(self._probe_url(url), ssl_context=self._probe_ssl()))
        woken = loop.create_task(attempt.woken.wait())
        gives_up = min(attempt.deadline, loop.time() + self.http_timeout)
        try:
            while not probe.done():
                attempt.woken.clear()
                await self._check(attempt, self._own_pod(attempt))
                left = gives_up - loop.time()
                if left <= 0:
                    break
                if woken.done():
                    woken = loop.create_task(attempt.woken.wait())
                await asyncio.wait([probe, woken], timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            probe.cancel()
            woken.cancel()
        if not probe.done() and gives_up < attempt.deadline:
            raise StartError(self._silent_server(url), counts=True)

    def _silent_server(self, url: str) -> Failure:
        return Failure(
            reason="no_answer",
            message="Your server was started but does not answer. Try again; if that does not help, please tell the "
            "people who run this hub.",
            detail=f"no answer at {url} within http_timeout ({self.http_timeout} s). Either the server in the pod did "
            "not start, or a network policy keeps the hub from it.",
        )

    def _probe_url(self, url: str) -> str:
        base = self.server.base_url if self.server else "/"
        return str(url_path_join(url, base, "api"))

    def _probe_ssl(self) -> Any:
        if not self.internal_ssl:
            return None
        settings = self.user.settings
        return make_ssl_context(
            settings.get("internal_ssl_key"), settings.get("internal_ssl_cert"), cafile=settings.get("internal_ssl_ca")
        )

    async def _clean_up(self) -> None:
        """Delete the pod of a start that failed, so that the hub need not wait for it before it tells why."""
        pod = self.pod_reflector.pods.get(self._pod_key) if self.pod_reflector else None
        if pod is None or (has_ended(pod, now=aware_now()) and not self.delete_stopped_pods):
            return
        # Before the hub's own time is over: then it would tell that, and not the reason.
        left = self.attempt.began + self.start_timeout - asyncio.get_running_loop().time() if self.attempt else 0.0
        try:
            async with asyncio.timeout(max(LEAST_MARGIN / 2, min(READ_SECONDS, left - LEAST_MARGIN / 2))):
                await self.stop(now=True)
        except Exception as error:  # noqa: BLE001  # whatever it is, the reason of the failed start must be told
            words = scrub(str(error), self.secrets()) or "no answer in time"
            self.log.warning("The pod %s is not deleted yet: %s", self._pod_key, words)

    def _tell(self, error: StartError) -> Exception:
        """Log why a start failed, and return what the hub shall raise."""
        failure = error.failure
        detail = scrub(failure.detail, self.secrets())
        self.log.error("The server of %s cannot start (%s): %s", self._log_name, failure.reason, detail)
        return refusal_of(self, failure, counts=error.counts)

    async def poll(self) -> Any:
        """Say whether the server runs, as KubeSpawner does; a pod that has ended in any way counts as ended."""
        watch = await self._start_watching_pods()
        pod = watch.pods.get(self._pod_key)
        self._last_pod = pod or self._last_pod
        if self._is_over(pod):
            status: Any = exit_status(self._last_pod)
        else:
            status = await self._poll_outside(super().poll)
        if status is not None and self.pending not in ("spawn", "stop"):
            self._on_ended(pod)
        return status

    async def _poll_outside(self, poll: Any) -> Any:
        """Poll as outside of a start: a hook that polls within one must not wait for it."""
        token = _current.set(None)
        try:
            return await poll()
        finally:
            _current.reset(token)

    def _is_over(self, pod: Any) -> bool:
        uid = self.attempt.uid if self.attempt else ""
        replaced = pod is not None and bool(uid) and pod["metadata"]["uid"] != uid
        return replaced or has_ended(pod, now=aware_now())

    def _on_ended(self, pod: Any) -> None:
        """Tell why a server ended by itself, and have what is left of its pod deleted meanwhile."""
        if self.ended is None and self.server:
            self.ended = explain_end(pod or self._last_pod)
            detail = scrub(self.ended.detail, self.secrets())
            self.log.warning("The server of %s ended (%s): %s", self._log_name, self.ended.reason, detail)
            fail_future(self, self.ended)
        if self.delete_stopped_pods and pod is not None and has_ended(pod, now=aware_now()) and self._deleting is None:
            deletion = delete_that_pod(self.api, key_of(pod), pod["metadata"]["uid"], grace_seconds=0, log=self.log)
            self._deleting = asyncio.get_running_loop().create_task(deletion)

    def start_polling(self) -> None:
        """Poll periodically, as JupyterHub does, and whenever the watch shows that the pod has ended."""
        super().start_polling()
        if self._listens_to is None and self.pod_reflector is not None:
            self._listens_to = (self.pod_reflector, self._pod_key)
            self.pod_reflector.listen(self._pod_key, self._on_change)

    def stop_polling(self) -> None:
        """Stop what `start_polling` began."""
        super().stop_polling()
        if self._listens_to is not None:
            watch, key = self._listens_to
            self._listens_to = None
            watch.unlisten(key, self._on_change)

    def _on_change(self) -> None:
        pod = self._cached_pod()
        self._last_pod = pod or self._last_pod
        if self._notice is None and self._is_over(pod):
            context = contextvars.Context()  # not that of a start which happened to bring the news
            self._notice = asyncio.get_running_loop().create_task(self._tell_hub(), context=context)

    async def _tell_hub(self) -> None:
        """Let the hub learn of an end now; while it is busy with this server, a moment later."""
        try:
            while self._listens_to is not None and self.pending:  # noqa: ASYNC110  # JupyterHub has no event for it
                await asyncio.sleep(PENDING_SECONDS)
            if self._listens_to is not None:
                await self.poll_and_notify()
        except Exception:  # the next periodic poll tries again
            self.log.exception("The hub could not be told that the server of %s has ended.", self._log_name)
        finally:
            self._notice = None


def runs(is_pod_running: Any, pod: Any) -> bool:
    """Ask KubeSpawner whether a pod runs; one whose status is not complete yet does not."""
    try:
        return bool(is_pod_running(pod))
    except (KeyError, TypeError):
        return False
