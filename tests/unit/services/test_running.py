import json
import logging
import os
import signal
import subprocess
import sys

import pytest

from jhaws.errors import ConfigError
from jhaws.services.culler.settings import JhawsCuller
from jhaws.services.placeholder.settings import JhawsPlaceholder
from jhaws.services.running import (
    LONGEST_RETRY_SECONDS,
    Backoff,
    TryAgainError,
    make_service_config,
    read_required,
    read_settings,
    repeat,
)


class Enough(BaseException):
    """Ends a loop that never ends by itself."""


async def run_rounds(*outcomes: float | Exception) -> list[float]:
    """Run `repeat` over rounds that return or raise `outcomes`; return the delays that followed."""
    left = list(outcomes)
    delays: list[float] = []

    async def one_round() -> float:
        if not left:
            raise Enough
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def sleep(seconds: float) -> None:
        delays.append(seconds)

    with pytest.raises(Enough):
        await repeat(one_round, backoff=Backoff(random_unit=lambda: 1.0), sleep=sleep)
    return delays


async def test_a_round_says_when_the_next_one_is_due() -> None:
    """After a round that worked the loop waits as long as the round says."""
    assert await run_rounds(5.0, 7.0) == [5.0, 7.0]


async def test_failures_are_retried_ever_later() -> None:
    """Each failed round doubles the delay up to the longest, and a success begins again at the first."""
    problem = TryAgainError("The hub is away.")

    delays = await run_rounds(*[problem] * 8, 5.0, problem)

    assert delays == [1, 2, 4, 8, 16, 32, LONGEST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, 5.0, 1]


async def test_a_problem_for_the_operator_has_its_own_delay() -> None:
    """A problem that says when to try again is not retried by the back-off."""
    assert await run_rounds(TryAgainError("No rights.", retry_seconds=300)) == [300]


async def test_a_problem_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    """The same sentence is logged once however often it comes back, and once more when it is over."""
    caplog.set_level(logging.INFO)
    problem = TryAgainError("The hub is away.")

    await run_rounds(problem, problem, problem, 1.0, 1.0)

    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert messages[0].startswith("The hub is away.")
    assert "works again" in messages[1]


async def test_a_bug_does_not_end_the_service(caplog: pytest.LogCaptureFixture) -> None:
    """An exception that nobody expected is logged with its traceback, once, and the loop goes on."""
    delays = await run_rounds(KeyError("a"), KeyError("a"), 3.0)

    assert delays == [1, 2, 3.0]
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize("random_unit", [0.0, 0.5, 1.0])
def test_backoff_is_between_half_and_the_whole(random_unit: float) -> None:
    """Chance shortens a delay by at most a half, so that it can neither vanish nor grow."""
    assert 0.5 <= Backoff(random_unit=lambda: random_unit).next_seconds() <= 1.0


def test_options_come_from_the_environment() -> None:
    """Options named in JHAWS_SERVICE_CONFIG are set, the others have their defaults."""
    settings = read_settings(JhawsCuller, {"JHAWS_SERVICE_CONFIG": json.dumps({"timeout": 60})})

    assert (settings.timeout, settings.every, settings.concurrency) == (60, 30, 10)


def test_options_arrive_as_the_hub_has_them() -> None:
    """What the hub writes the service reads, options that follow from others included."""
    placeholder = JhawsPlaceholder(seats={"jhusers": 2}, memory_gib=1.5)
    culler = JhawsCuller(timeout=60)

    read = read_settings(JhawsPlaceholder, {"JHAWS_SERVICE_CONFIG": make_service_config(placeholder)})
    assert (read.seats, read.memory_gib, read.cpu_cores) == ({"jhusers": 2}, 1.5, None)
    assert json.loads(make_service_config(culler))["every"] == 30


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object, got a list"),
        ('{"timout": 5}', "no option 'timout'"),
        ('{"timeout": "1h"}', "timeout"),
        ('{"timeout": 0}', "at least 1, got 0"),
        ('{"parent": null}', "no option 'parent'"),
    ],
)
def test_wrong_options_are_one_sentence(text: str, says: str) -> None:
    """What is no option or no value of one is refused with a sentence that names it."""
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        read_settings(JhawsCuller, {"JHAWS_SERVICE_CONFIG": text})


def test_the_first_variable_with_a_value_counts() -> None:
    """An empty variable counts as not set."""
    assert read_required({"A": "", "B": "b", "C": "c"}, "A", "B", "C") == "b"


def test_a_missing_variable_is_named() -> None:
    """Nothing set is refused with the names and what to do."""
    with pytest.raises(ConfigError, match=r"A or B must be set .* let the hub start"):
        read_required({"A": ""}, "A", "B")


def start_service(**environ: str) -> subprocess.Popen[str]:
    """Start a culler whose hub is not there."""
    return subprocess.Popen(
        [sys.executable, "-m", "jhaws.services.culler"],
        env={"PATH": os.environ["PATH"], **environ},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read a process's lines until one has `text`; the test's own time-out bounds it."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} is not in:\n{seen}")


AWAY = {"JHAWS_HUB_API_URL": "http://127.0.0.1:9/hub/api", "JUPYTERHUB_API_TOKEN": "secret-token"}


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("environ", "says"),
    [(AWAY, "The hub does not answer"), ({}, "JUPYTERHUB_API_URL must be set")],
    ids=["no hub", "no environment"],
)
def test_a_service_waits_and_ends_cleanly(signal_number: int, environ: dict[str, str], says: str) -> None:
    """A service that cannot work says so and stays; a signal ends it with status 0, no traceback and no token."""
    with start_service(**environ) as process:
        seen = read_until(process, says)
        assert process.poll() is None
        process.send_signal(signal_number)
        _, rest = process.communicate(timeout=20)

    assert process.returncode == 0
    assert "Traceback" not in seen + rest
    assert "secret-token" not in seen + rest


def test_a_service_ends_with_its_hub() -> None:
    """When the hub is killed its service ends by itself, so the next hub's is the only one."""
    child = "import os,subprocess,sys;p=subprocess.Popen([sys.executable,'-m','jhaws.services.culler']);p.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", child],
        env={"PATH": os.environ["PATH"], **AWAY},
        stderr=subprocess.PIPE,
        text=True,
    ) as hub:
        read_until(hub, "The hub does not answer")
        hub.kill()
        assert hub.stderr is not None
        # The pipe closes when the service, which holds its other end, is gone.
        assert "is gone, so the service ends too" in hub.stderr.read()
