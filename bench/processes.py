"""Processes of the benchmark, spoken to in lines of JSON.

`Child` starts a module of `bench` as a process of its own and ends it; `ask` sends a command and waits for its answer,
and what the child tells unasked reaches a callback. `serve` is the other end. Times that cross the pipe are of
`time.monotonic`, which is the same clock in every process of one Linux machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

Obj = dict[str, Any]

LINE_BYTES = 16 << 20
END_SECONDS = 10.0


class ChildError(Exception):
    """A process of the benchmark failed; the text has the end of its log."""


class Child:
    """A running process of the benchmark; made by `child`."""

    def __init__(self, process: asyncio.subprocess.Process, *, log: Path, tell: Callable[[Obj], None]) -> None:
        self._process = process
        self._log = log
        self._tell = tell
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Obj]] = {}
        self._reader = asyncio.create_task(self._read(), name=f"read-{log.stem}")

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    async def ask(self, command: str, **values: Any) -> Obj:
        """Send a command and return its answer.

        Raises:
            ChildError: The command failed, or the process ended.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Obj] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        if self._reader.done():
            raise ChildError(self._obituary())
        line = json.dumps({"number": number, "command": command, **values}) + "\n"
        assert self._process.stdin is not None  # noqa: S101  # told so when it was started
        self._process.stdin.write(line.encode())
        return await answer

    async def stop(self) -> None:
        """End the process, kindly first."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), END_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  # told so when it was started
        async for line in self._process.stdout:
            message = json.loads(line)
            answer = self._waiting.pop(message.pop("number", 0), None)
            if answer is None:
                self._tell(message)
            elif answer.done():
                continue
            elif "error" in message:
                answer.set_exception(ChildError(message["error"]))
            else:
                answer.set_result(message)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChildError(self._obituary()))

    def _obituary(self) -> str:
        return f"The process {self._log.stem} ended. Its log {self._log} ends in:\n{self._log.read_text()[-3000:]}"


@contextlib.asynccontextmanager
async def child(
    module: str,
    *arguments: str,
    log: Path,
    kubeconfig: str = "",
    tell: Callable[[Obj], None] = lambda _message: None,
) -> AsyncIterator[Child]:
    """Run `python -m bench.MODULE` until the block ends.

    Args:
        module: Its name.
        *arguments: Its command line.
        log: Where its stderr goes.
        kubeconfig: The API server that it is for.
        tell: Gets what the child says unasked.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"bench.{module}",
            *arguments,
            env={**environment, "KUBECONFIG": kubeconfig},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            limit=LINE_BYTES,
            start_new_session=True,  # or Ctrl-C would end it before it has tidied up
        )
    running = Child(process, log=log, tell=tell)
    try:
        yield running
    finally:
        await running.stop()


def say(**values: Any) -> None:
    """Tell the parent something."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def serve(commands: dict[str, Callable[..., Awaitable[Obj | None]]]) -> None:
    """Answer the parent's commands, several at once, until it closes the pipe or asks the process to end."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, lines.feed_eof)
    running: set[asyncio.Task[None]] = set()
    while line := await lines.readline():
        message = json.loads(line)
        task = asyncio.create_task(_answer(commands, message))
        running.add(task)
        task.add_done_callback(running.discard)


async def _answer(commands: dict[str, Callable[..., Awaitable[Obj | None]]], message: Obj) -> None:
    number = message.pop("number")
    try:
        answer = await commands[message.pop("command")](**message)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent has to hear of it
        say(number=number, error=f"{type(error).__name__}: {error}")
    else:
        say(number=number, **(answer or {}))
