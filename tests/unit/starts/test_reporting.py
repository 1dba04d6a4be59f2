"""What the waiting page is told, and what is written down when a start is over."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from jhaws.spawner import JhawsSpawner
from jhaws.starts import metrics, reporting
from jhaws.starts.attempt import READY, Attempt
from jhaws.starts.history import Estimate, Past
from jhaws.starts.metrics import CANCELLED, ERROR, FAILED
from jhaws.starts.reporting import Report, Teller
from jhaws.starts.stages import Stage

pytestmark = pytest.mark.usefixtures("no_cluster")

USUAL = Past(usual=Estimate(12.0, 100.0))
QUEUE_WORDS = "Your server is next in line"


class Database:
    """A session whose database is gone."""

    def __init__(self) -> None:
        self.rollbacks = 0

    def __getattr__(self, name: str) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("the disk is full"))

    def rollback(self) -> None:
        """Count what the hub would do to go on."""
        self.rollbacks += 1

    def __hash__(self) -> int:
        return id(self)


def make_spawner(**options: Any) -> Any:
    user = SimpleNamespace(name="ada", id=1, url="/user/ada/", groups=[], db=Database())
    return JhawsSpawner(_mock=True, user=user, config=Config({"JhawsSpawner": options}))


def begin(spawner: Any, *, ago: float = 0.0, past: Past | None = None) -> Attempt:
    """Make the spawner one whose start began some seconds ago."""
    now = asyncio.get_running_loop().time()
    spawner.attempt = attempt = Attempt(began=now - ago, deadline=now + 300)
    spawner._report = Report(of=spawner._spawn_future, asked_at=now - ago, past=past or Past())
    attempt.note(Stage.QUEUE, QUEUE_WORDS, now=now)
    return attempt


async def next_of(events: Any) -> dict[str, Any]:
    return await asyncio.wait_for(anext(events), 5)


def test_a_page_reads_words_once_and_the_bar_when_it_moves() -> None:
    """JupyterHub lists every message it gets, so one that says nothing new is not sent."""
    teller = Teller()
    steps = [(1, "A.", "Soon."), (1, "A.", "Soon."), (2, "A.", "Soon."), (2, "A.", "Late."), (2, "B.", "")]
    told = [list(teller.news(*step)) for step in steps]

    assert told == [
        [{"progress": 1, "message": "A. Soon.", "html_message": 'A. <span class="jhaws-time">Soon.</span>'}],
        [],
        [{"progress": 2}],
        [{"progress": 2, "message": "A. Late.", "html_message": "A. <span>Late.</span>"}],
        [{"progress": 2, "message": "B.", "html_message": 'B. <span class="jhaws-time"></span>'}],
    ]


def test_no_markup_reaches_a_page() -> None:
    """Whatever is told, also an operator's own message, is text on the page."""
    (event,) = Teller().news(1, "<b>&", "<script>")

    assert event["html_message"] == '&lt;b&gt;&amp; <span class="jhaws-time">&lt;script&gt;</span>'


async def test_every_page_is_woken_by_a_change_and_a_late_one_reads_the_words_of_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two tabs, and one that is opened in the middle, see the same stage without waiting for a tick."""
    monkeypatch.setattr(reporting, "TICK_SECONDS", 3600)
    spawner = make_spawner()
    attempt = begin(spawner)
    one, two = spawner.progress(), spawner.progress()
    first = [await next_of(one), await next_of(two)]
    waiting = [asyncio.ensure_future(next_of(each)) for each in (one, two)]
    await asyncio.sleep(0)
    attempt.note(Stage.PULL, "Fetching", now=asyncio.get_running_loop().time())
    second = [await each for each in waiting]
    late = spawner.progress()
    third = await next_of(late)
    for each in (one, two, late):
        await each.aclose()

    assert [event["message"] for event in first] == [f"{QUEUE_WORDS}."] * 2
    assert [event["message"] for event in second] == ["Fetching."] * 2
    assert third["message"] == "Fetching."
    assert first[0]["progress"] < second[0]["progress"] <= second[1]["progress"] <= third["progress"]
    assert attempt.followers == []


async def test_a_page_that_comes_before_the_start_reads_that_it_is_next() -> None:
    """While the hub runs its hooks the last start's words are not shown; the new one's are when it begins."""
    spawner = make_spawner()
    begin(spawner).note(Stage.READY, "The last start", now=0)
    spawner._spawn_future = asyncio.get_running_loop().create_future()
    events = spawner.progress()
    first = await next_of(events)
    waiting = asyncio.ensure_future(next_of(events))
    begin(spawner).note(Stage.SCHEDULE, "Waiting", now=0)
    second = await waiting
    await events.aclose()

    assert (first["progress"], first["message"], second["message"]) == (0, f"{QUEUE_WORDS}.", "Waiting.")


async def test_the_page_is_told_until_the_hub_is_done_with_the_start() -> None:
    """The end of the server's own part is not the end of the start: the route is still to be set."""
    spawner = make_spawner()
    attempt, spawner._spawn_pending = begin(spawner), True
    events = spawner.progress()
    await next_of(events)
    attempt.end(READY, now=asyncio.get_running_loop().time())
    attempt.note(Stage.READY, "The hub looks", now=0)
    assert (await next_of(events))["message"] == "The hub looks."

    spawner._spawn_pending = False
    attempt.note(Stage.READY, "Done", now=0)
    with pytest.raises(StopAsyncIteration):
        await next_of(events)


async def test_a_start_that_needs_a_new_node_is_compared_with_such_starts() -> None:
    """The estimate changes when the start shows that it waits for a machine."""
    spawner = make_spawner()
    past = Past(usual=Estimate(12.0, 20.0), new_node=Estimate(200.0, 290.0))
    attempt = begin(spawner, past=past)
    before = spawner._look(attempt, spawner._report)
    attempt.note(Stage.NODE, "A new machine", now=0)
    after = spawner._look(attempt, spawner._report)

    assert "A start usually takes 12 seconds" in before[2]
    assert "A start usually takes 3 minutes" in after[2]
    assert after[0] >= before[0]


@pytest.mark.parametrize(
    ("options", "ago", "past", "expected"),
    [
        ({}, 59.9, Past(), ""),
        ({}, 63.2, Past(), "Current time spent waiting: 60 seconds."),
        ({}, 66.1, Past(), "Current time spent waiting: 65 seconds."),
        ({}, 66.1, USUAL, ""),
        ({}, 101.5, USUAL, "Current time spent waiting: 100 seconds."),
        ({"slow_spawn_message_threshold": 30}, 66.1, USUAL, "Current time spent waiting: 65 seconds."),
        ({"slow_spawn_message_threshold": 0}, 500.0, Past(), ""),
        ({"slow_spawn_message": " Wait: {seconds} ", "slow_spawn_message_frequency": 0}, 61.4, Past(), "Wait: 61 "),
    ],
)
async def test_kubespawners_message_of_a_slow_start_follows_ours(
    options: dict[str, Any], ago: float, past: Past, expected: str
) -> None:
    """KubeSpawner's three options mean what they did; left alone, they do not call a usual start slow."""
    spawner = make_spawner(**options)
    attempt = begin(spawner, ago=ago, past=past)
    _, words, time = spawner._look(attempt, spawner._report)

    assert words == f"{QUEUE_WORDS}."
    assert (time.endswith(expected), "Wait" in time.title()) == (True, bool(expected))


async def test_the_page_works_without_a_history_that_can_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """A database in trouble costs the estimate alone; the log says so once, and the session is clean again."""
    spawner = make_spawner()
    attempt = begin(spawner)
    spawner._report.past, spawner._report.chosen = None, True
    spawner.log = logging.getLogger("test")
    for _ in range(3):
        assert spawner._look(attempt, spawner._report)[1:] == (f"{QUEUE_WORDS}.", "")

    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "The history of starts cannot be read, so none is estimated"
    ]
    assert spawner.user.db.rollbacks == 1


async def test_a_database_in_trouble_fails_no_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The start is in the metrics, not in the history, and the log has a sentence; nothing is raised."""
    counted = []
    monkeypatch.setattr(metrics, "count_start", counted.append)
    spawner = make_spawner()
    spawner.log = logging.getLogger("test")
    attempt = begin(spawner)
    spawner._end_attempt(attempt, READY)

    assert [ended.outcome for ended in counted] == [READY]
    assert "A start of ada is not in the history of starts" in caplog.text
    assert spawner.user.db.rollbacks == 1


async def test_a_start_counts_when_the_hub_is_done_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time until the proxy has the route is part of a start, so it is written down after that, and once."""
    counted = []
    monkeypatch.setattr(metrics, "count_start", counted.append)
    spawner = make_spawner()
    spawner._spawn_future = future = asyncio.get_running_loop().create_future()
    attempt = begin(spawner, ago=3.0)
    spawner._end_attempt(attempt, "image_missing")
    assert counted == []

    future.set_exception(RuntimeError("the hub's own error"))
    future.exception()
    await asyncio.sleep(0)
    assert [(ended.outcome, ended.reason, ended.total >= 3.0) for ended in counted] == [(FAILED, "image_missing", True)]


@pytest.mark.parametrize(
    ("own_end", "hubs_end", "expected"),
    [
        (READY, "fine", (READY, "")),
        (READY, None, (READY, "")),
        (READY, "error", (ERROR, "hub")),
        (READY, "cancelled", (CANCELLED, CANCELLED)),
        ("full", "error", (FAILED, "full")),
        ("full", None, (FAILED, "full")),
        ("error", "error", (ERROR, "error")),
        ("error", "cancelled", (CANCELLED, CANCELLED)),
    ],
)
async def test_a_start_has_one_of_four_outcomes(own_end: str, hubs_end: str | None, expected: tuple[str, str]) -> None:
    """What a user stopped is no error, what is known is a failure, and what the hub breaks afterwards is an error."""
    future = asyncio.get_running_loop().create_future() if hubs_end else None
    if future is not None and hubs_end == "cancelled":
        future.cancel()
    elif future is not None and hubs_end == "error":
        future.set_exception(RuntimeError())
    elif future is not None:
        future.set_result(None)
    attempt = Attempt(began=0.0, deadline=1.0)
    attempt.end(own_end, now=1.0)

    assert reporting._outcome(attempt, future) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, ("small", "a")), ({"profile": "large"}, ("large", "b"))],
)
async def test_a_start_knows_its_profile_and_nodegroup(options: dict[str, str], expected: tuple[str, str]) -> None:
    """By slug, which KubeSpawner makes of the name; who chooses none has the default profile."""
    profiles = [{"display_name": "Small"}, {"display_name": "Large", "nodegroup": "b"}]
    spawner = make_spawner(profile_list=profiles, nodegroups={"a": {}, "b": {}})
    attempt, spawner.user_options = begin(spawner), options
    await spawner.load_user_options()

    assert (attempt.profile, attempt.nodegroup, spawner._report.chosen) == (*expected, True)


@pytest.mark.parametrize(("chosen", "expected"), [("", "a"), ("b", "b"), ("nobody-knows", "")])
async def test_only_configured_nodegroups_are_told(chosen: str, expected: str) -> None:
    """The first one is the default, and a name that is not configured is in no label and no history."""
    assert make_spawner(nodegroups={"a": {}, "b": {}}, nodegroup=chosen).nodegroup_name() == expected
