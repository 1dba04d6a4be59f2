"""What every hub-managed service does the same way: settings in, sentences out, a loop that never gives up.

The hub starts `python -m jhaws.services.<name>` and starts it again whenever it ends, so a service that
cannot do its work says why in one sentence and waits, instead of ending in a loop of restarts. `run_service`
is the process (logging, SIGTERM and SIGINT, the end of the hub), `repeat` the loop (back-off, each problem
said once), `read_settings` the way in for options and `make_service_config` its counterpart in the hub.

Never here: what a service decides, and any network. The hub's API is in `hubapi`.
"""

import asyncio
import contextlib
import json
import logging
import math
import os
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from traitlets import TraitError
from traitlets.config import Configurable

from jhaws.errors import ConfigError, JhawsError

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
# How often we ask whether the hub that started us still lives; a killed hub must not leave two cullers.
PARENT_CHECK_SECONDS = 5.0

Settings = TypeVar("Settings", bound=Configurable)

log = logging.getLogger(__name__)


class TryAgainError(JhawsError):
    """This round of a service could not do its work; the next one may.

    Args:
        message: One sentence for the log.
        retry_seconds: When to try again; None leaves it to the back-off, which suits what mends itself.
    """

    def __init__(self, message: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class Backoff:
    """Delays that double from `first_seconds` to `longest_seconds`, each shortened by chance.

    The chance keeps many hubs from asking one API server in step once it is back.
    """

    def __init__(
        self,
        *,
        first_seconds: float = FIRST_RETRY_SECONDS,
        longest_seconds: float = LONGEST_RETRY_SECONDS,
        random_unit: Callable[[], float] = random.random,
    ) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._random_unit = random_unit
        self._ceiling_seconds = first_seconds

    def next_seconds(self) -> float:
        """Return the delay before the next try: between half of the ceiling and the ceiling."""
        delay = self._ceiling_seconds * (0.5 + self._random_unit() / 2)
        self._ceiling_seconds = min(self._ceiling_seconds * 2, self._longest_seconds)
        return delay

    def reset(self) -> None:
        """Begin again at the first delay, after a success."""
        self._ceiling_seconds = self._first_seconds


def check_number(option: str, value: Any, *, at_least: float) -> None:
    """Refuse a boolean (YAML's `yes` counts as 1 in Python) and a number below `at_least`.

    Args:
        option: The option's name as it stands in its section, for example `timeout`.
        value: What was set; it has the trait's type already, and None is left to the trait.
        at_least: The smallest number allowed.

    Raises:
        ConfigError: Naming the option, the rule, the value and the next step.
    """
    too_small = value is not None and not at_least <= value < math.inf
    if isinstance(value, bool) or too_small:
        raise ConfigError(
            f"{option} must be a number of at least {at_least:g}, got {value!r}. Set such a number, or remove the line "
            "to get the default."
        )


def make_service_config(settings: Configurable) -> str:
    """Write a service's options as the JSON that the hub puts into JHAWS_SERVICE_CONFIG."""
    return json.dumps({name: getattr(settings, name) for name in sorted(settings.class_own_traits(config=True))})


def read_settings(settings_class: type[Settings], environ: Mapping[str, str]) -> Settings:
    """Read a service's options from JHAWS_SERVICE_CONFIG, a JSON object of trait names and values.

    Args:
        settings_class: The options' class, for example `JhawsCuller`.
        environ: The process environment.

    Returns:
        The options; what is not named has its default.

    Raises:
        ConfigError: No JSON object, an unknown name or a value that the option refuses.
    """
    try:
        options = json.loads(environ.get("JHAWS_SERVICE_CONFIG") or "{}")
    except ValueError as error:
        raise ConfigError(f"JHAWS_SERVICE_CONFIG must be a JSON object, but it is not JSON: {error}.") from error
    if not isinstance(options, dict):
        raise ConfigError(f"JHAWS_SERVICE_CONFIG must be a JSON object, got a {type(options).__name__}.")
    if unknown := sorted(set(options) - set(settings_class.class_own_traits(config=True))):
        raise ConfigError(
            f"{settings_class.__name__} has no option {unknown[0]!r}; correct the name in the hub's configuration."
        )
    try:
        return settings_class(**options)
    except (TraitError, ConfigError) as error:
        raise ConfigError(f"{settings_class.__name__}: {error}") from error


def read_required(environ: Mapping[str, str], *names: str) -> str:
    """Return the first of the environment variables `names` that has a value.

    Raises:
        ConfigError: None of them has one.
    """
    for name in names:
        if value := environ.get(name):
            return value
    raise ConfigError(
        f"{' or '.join(names)} must be set in this service's environment; let the hub start the service "
        "(`jhaws.hub.configure(c)` does) instead of starting it by hand."
    )


async def repeat(
    one_round: Callable[[], Awaitable[float]],
    *,
    log: logging.Logger = log,
    backoff: Backoff | None = None,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> None:
    """Do rounds of work for ever, whatever happens in them.

    A problem is logged once, not again while it stays the same, and once more when it is over.

    Args:
        one_round: Does the work and returns the seconds until the next round.
        log: The service's own log.
        backoff: Delays after a round that failed.
        sleep: None for tests.
    """
    backoff = backoff or Backoff()
    problem = ""
    while True:
        try:
            delay = await one_round()
        except TryAgainError as error:
            delay = backoff.next_seconds() if error.retry_seconds is None else error.retry_seconds
            if str(error) != problem:
                problem = str(error)
                log.warning("%s Next try in %.0f s; nothing is said again until this changes.", problem, delay)
        except Exception as error:
            # The hub would start an ended service again and again.
            delay = backoff.next_seconds()
            if repr(error) != problem:
                problem = repr(error)
                log.exception("A bug in jhaws stopped this round; please report it. The service goes on.")
        else:
            backoff.reset()
            if problem:
                log.info("That is over: the service works again.")
                problem = ""
        await sleep(delay)


def run_service(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a service's process until SIGTERM, SIGINT or the end of the hub; then end cleanly with status 0.

    Args:
        main: The service. If it refuses its settings, the process says so and waits: see the module's story.
    """
    logging.basicConfig(
        format="[%(levelname)1.1s %(asctime)s.%(msecs)03d %(name)s] %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        level=logging.INFO,
    )
    asyncio.run(_run_until_stopped(main))


async def _run_until_stopped(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    tasks = [
        asyncio.create_task(_say_why_it_ended(main), name="service"),
        asyncio.create_task(_stop_with_the_hub(stop, parent=os.getppid()), name="watch the hub"),
    ]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _say_why_it_ended(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        await main()
    except JhawsError as error:
        log.error("%s The service does nothing until the hub is restarted.", error)
    except Exception:
        log.exception("A bug in jhaws ended this service; please report it.")


async def _stop_with_the_hub(stop: asyncio.Event, *, parent: int) -> None:
    while not stop.is_set() and os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), PARENT_CHECK_SECONDS)
    if not stop.is_set():
        log.info("The hub that started this service is gone, so the service ends too.")
        stop.set()
