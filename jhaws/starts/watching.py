"""One watch of the Kubernetes API that never gives up.

It loads everything once and then follows the changes. Each request for changes lasts a few seconds only and goes on
from the last version seen, so nothing is lost between two of them, nothing is listed again, and a connection that has
gone silent is noticed because even its regular end does not come. The list is loaded again only when the server no
longer knows our version (410).

Where the server streams its first list (`sendInitialEvents`), objects come one by one; where it does not, in small
pages. Either way the event loop is given back every few milliseconds. What the objects mean is not known here:
`PodWatch` and `EventWatch` keep them.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Protocol

import aiohttp

from .lines import Lines, read_json
from .troubles import NOT_STREAMING, UNAUTHORIZED, GoneError, WatchError, status_words, trouble_from, trouble_of

WATCH_SECONDS = 10  # length of one request for changes; a resumed one costs the server next to nothing
SILENT_SECONDS = WATCH_SECONDS + 3.0  # without a byte: the connection is dead, the server's own end is overdue
OPEN_SECONDS = 5.0  # for the connection, TLS and the answer's head
LOAD_SECONDS = 300  # length of the request that streams the first list
PAGE_SECONDS = 10.0  # without a byte of a list; also for the head of its answer
PAGE_SIZE = 50  # objects; 0.5 MB of pods take 2-3 ms to read, which is how long the loop may be held
TURN_SECONDS = 0.003  # how long the event loop is held before others get their turn
FIRST_PAUSE, LAST_PAUSE = 0.1, 3.0  # seconds between tries: at first, and at most
CALM_SECONDS = 2.0  # a request for changes that ends earlier, and brought nothing, was no success
REMIND_SECONDS = 300.0  # between two sentences in the log about the same trouble
INITIAL_EVENTS_END = "k8s.io/initial-events-end"  # Kubernetes API concepts, "Streaming lists"

Object = dict[str, Any]
# A list or watch call of the Kubernetes client that hands out the raw answer.
ListCall = Callable[..., Awaitable[aiohttp.ClientResponse]]


class Keeper(Protocol):
    """Who keeps what a watch brings; all three are called on the event loop and return at once."""

    def begin(self) -> None:
        """A list begins: what comes next is everything there is, until `complete`."""

    def put(self, kind: str, item: Object) -> None:
        """An object came, changed or went; `kind` is ADDED, MODIFIED or DELETED."""

    def complete(self) -> None:
        """The list is complete: what was not in it is gone."""


class Watch:
    """Follows one kind of object for ever; made, started and stopped on the same event loop."""

    def __init__(
        self,
        what: str,
        list_call: ListCall,
        keeper: Keeper,
        *,
        log: Any = None,
        reread_credentials: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.what = what
        self.log = log or logging.getLogger(__name__)
        self.loaded = asyncio.Event()
        self.lists = 0  # how often everything was listed
        self.loading = False  # whether everything is being listed now
        self.troubles = 0  # how many tries failed
        self._list_call = list_call
        self._keeper = keeper
        self._reread_credentials = reread_credentials
        self._streams = True  # whether the server is thought to stream its first list
        self._version = ""
        self._alive_at = 0.0
        self._trouble_since = 0.0
        self._told_at = 0.0
        self._pause = FIRST_PAUSE
        self._turn_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def stale_seconds(self) -> float:
        """Seconds since the server last proved that we know everything; infinite before the first list."""
        return asyncio.get_running_loop().time() - self._alive_at if self._alive_at else float("inf")

    @property
    def trouble(self) -> bool:
        """Whether the last try to reach the server failed."""
        return bool(self._trouble_since)

    def start(self) -> None:
        """Begin to watch, in a task of its own."""
        if self._task is None or self._task.done():
            # In a context of its own: who happened to start it, say a start of a server, is no matter of the watch.
            context = contextvars.Context()
            self._task = asyncio.create_task(self._run(), name=f"jhaws watch of {self.what}", context=context)

    async def stop(self) -> None:
        """End the watch; what was kept stays readable."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def restart(self) -> None:
        """Begin anew with a list, as for a watch that has shown not to know everything; a list under way goes on."""
        if self.loading:
            return
        if self._task is not None:
            self._task.cancel()
        self._task, self._version = None, ""
        self.start()

    async def _run(self) -> None:
        while True:
            try:
                if not self._version:
                    await self._load()
                await self._follow()
            except GoneError as error:
                self.log.info("All %s are listed again: of our version, %s.", self.what, error)
                self._version = ""
                await self._wait(error)
            except (WatchError, aiohttp.ClientError, OSError, TimeoutError) as error:
                await self._failed(trouble_from(error))
            except Exception as error:  # a watch that ended would blind the hub
                if not self._told_at:
                    self.log.exception("The watch of %s met an error of its own and begins anew.", self.what)
                self._version = ""
                await self._failed(WatchError(f"of {error!r}"))

    async def _load(self) -> None:
        """Load everything there is."""
        self.loading = True
        try:
            version = await (self._load_stream() if self._streams else self._load_pages())
        except WatchError as error:
            if not self._streams or error.status not in NOT_STREAMING:
                raise
            self._streams = False
            version = await self._load_pages()
        finally:
            self.loading = False
        self._keeper.complete()
        self._version = version
        self.lists += 1
        self._succeeded()
        self.loaded.set()

    async def _load_stream(self) -> str:
        """Load everything as events of a watch, one object at a time; returns the version."""
        options = {"send_initial_events": True, "resource_version_match": "NotOlderThan"}
        self._keeper.begin()
        async with contextlib.aclosing(self._events(LOAD_SECONDS, PAGE_SECONDS, **options)) as events:
            async for kind, item in events:
                if kind != "BOOKMARK":
                    self._keeper.put(kind, item)
                elif (item["metadata"].get("annotations") or {}).get(INITIAL_EVENTS_END) == "true":
                    return str(item["metadata"]["resourceVersion"])
        raise WatchError("its list ended before it was complete")

    async def _load_pages(self) -> str:
        """Load everything in pages; returns the version, that of the first page."""
        self._keeper.begin()
        version, token = "", ""
        while True:
            page = await self._fetch_page(token)
            version = version or str(page["metadata"]["resourceVersion"])
            for item in page.get("items") or []:
                self._keeper.put("ADDED", item)
                await self._give_turn()
            token = page["metadata"].get("continue") or ""
            if not token:
                return version

    async def _fetch_page(self, token: str, *, size: int = PAGE_SIZE) -> Object:
        options: dict[str, Any] = {"_continue": token} if token else {}
        response = await self._open(PAGE_SECONDS, PAGE_SECONDS, limit=size, **options)
        async with response:
            page = read_json(await response.read())
        if not isinstance(page.get("metadata"), dict) or not page["metadata"].get("resourceVersion"):
            raise WatchError("its answer to a list is no list")
        return page

    async def _follow(self) -> None:
        """Follow the changes for the length of one request."""
        loop = asyncio.get_running_loop()
        began, came = loop.time(), False
        options = {"resource_version": self._version}
        async with contextlib.aclosing(self._events(WATCH_SECONDS, SILENT_SECONDS, **options)) as events:
            async for kind, item in events:
                if kind != "BOOKMARK":
                    self._keeper.put(kind, item)
                self._version = str(item["metadata"]["resourceVersion"])
                came = True
                self._succeeded()
        if not came and loop.time() - began < CALM_SECONDS:
            raise WatchError("it ends each watch at once")
        self._succeeded()

    async def _events(self, seconds: int, silent: float, **options: Any) -> AsyncGenerator[tuple[str, Object], None]:
        """Open a watch and give its events until the server ends it."""
        options |= {"watch": True, "allow_watch_bookmarks": True, "timeout_seconds": seconds}
        response = await self._open(OPEN_SECONDS if self._version else PAGE_SECONDS, silent, **options)
        lines = Lines()
        async with response:
            async for chunk in response.content.iter_any():
                # What comes now was waited for, or others had their turn a few milliseconds ago.
                self._turn_at = asyncio.get_running_loop().time()
                for line in lines.feed(chunk):
                    yield _read_event(line)
                    await self._give_turn()

    async def _open(self, opening: float, silent: float, **options: Any) -> aiohttp.ClientResponse:
        """Send a request and return its answer as soon as its head is there, if that is a good one.

        Args:
            opening: Seconds for the connection, TLS and the answer's head.
            silent: Seconds without a byte after which the answer counts as broken.
            options: Of the Kubernetes client's call.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_read=silent)
        async with asyncio.timeout(opening):
            response = await self._list_call(_preload_content=False, _request_timeout=timeout, **options)
        if response.status == 200:
            return response
        async with response:
            words = response.reason or ""
            with contextlib.suppress(WatchError):
                words = status_words(read_json(await response.read())) or words
        raise trouble_of(response.status, words, response.headers)

    async def _give_turn(self) -> None:
        """Let others run when the event loop was held for long enough."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._turn_at > TURN_SECONDS:
            await asyncio.sleep(0)
            self._turn_at = loop.time()

    def _succeeded(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._told_at:
            self.log.info("The watch of %s works again after %.1f s.", self.what, now - self._trouble_since)
        self._alive_at, self._trouble_since, self._told_at, self._pause = now, 0.0, 0.0, FIRST_PAUSE

    async def _failed(self, trouble: WatchError) -> None:
        """Say once what is wrong, and wait before the next try."""
        now = asyncio.get_running_loop().time()
        self.troubles += 1
        self._trouble_since = self._trouble_since or now
        if not self._told_at or now - self._told_at > REMIND_SECONDS:
            self._told_at = now
            self.log.warning(
                "The Kubernetes API server cannot be watched for %s: %s. What the hub knows of them may be old; it "
                "goes on trying.",
                self.what,
                trouble,
            )
        if trouble.status == UNAUTHORIZED and self._reread_credentials:
            await self._reread()
        await self._wait(trouble)

    async def _reread(self) -> None:
        """Read the credentials again; whatever comes of that, the watch goes on."""
        assert self._reread_credentials is not None  # noqa: S101  # only then is it called
        try:
            await asyncio.wait_for(self._reread_credentials(), OPEN_SECONDS)
        except Exception as error:  # noqa: BLE001  # a kubeconfig half-written, a program of it that hangs or fails
            self.log.warning("The hub's credentials for Kubernetes cannot be read again: %s", _name_of(error))

    async def _wait(self, trouble: WatchError) -> None:
        pause = max(trouble.retry_after, self._pause * random.uniform(0.5, 1))  # noqa: S311  # spreads tries, no secret
        self._pause = min(self._pause * 2, LAST_PAUSE)
        await asyncio.sleep(pause)


def _name_of(error: Exception) -> str:
    """Return what kind of error it was; a parser's own words could quote the credentials."""
    return type(error).__name__


def _read_event(line: bytes) -> tuple[str, Object]:
    """Read one line of a watch.

    Raises:
        WatchError: It is an error of the server, or no event at all.
    """
    event = read_json(line)
    kind, item = event.get("type"), event.get("object")
    if kind == "ERROR" and isinstance(item, Mapping):
        raise trouble_of(int(item.get("code") or 0), status_words(item))
    if (
        not isinstance(kind, str)
        or not isinstance(item, dict)
        or not (item.get("metadata") or {}).get("resourceVersion")
    ):
        raise WatchError("its watch sends something that is no event")
    return kind, item
