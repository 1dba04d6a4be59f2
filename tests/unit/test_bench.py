"""The benchmark's own arithmetic, its verdicts, and the relay that plays an outage."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.__main__ import main, make_parser, make_settings
from bench.figures import percentile
from bench.kubelet import draw_seconds
from bench.pods import make_crowd_pod
from bench.relay import Relay, make_relayed_kubeconfig
from bench.report import Result, Row, make_json, make_table
from bench.sides import JHAWS, STOCK, turns
from bench.ticker import Ticker
from bench.worker import Worker

SECONDS = 5  # far more than loopback takes


@pytest.mark.parametrize(
    ("samples", "percent", "expected"),
    [
        ([3.0], 50, 3.0),
        ([3.0], 95, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.0),
        ([float(each) for each in range(1, 31)], 95, 29.0),
        ([float(each) for each in range(1, 101)], 99, 99.0),
        ([1.0, 2.0], 100, 2.0),
    ],
)
def test_a_percentile_is_a_sample_itself(samples: list[float], percent: float, expected: float) -> None:
    """The nearest rank counts, so every printed figure was really measured."""
    assert percentile(samples, percent) == expected


@pytest.mark.parametrize(
    ("row", "ratio", "ok"),
    [
        (Row("a", "s", 2.0, 0.5, at_most=0.5), 0.25, True),
        (Row("a", "s", 2.0, 0.6, at_most=0.5), 0.3, False),
        (Row("a", "s", 2.0, None, at_most=0.5), None, False),
        (Row("a", "s", None, 0.4, at_most=0.5), None, True),
        (Row("a", "%", 10.0, 1.0, of_stock=0.1), 0.1, True),
        (Row("a", "%", 10.0, 1.1, of_stock=0.1), 0.11, False),
        (Row("a", "%", None, 1.1, of_stock=0.1), None, None),
        (Row("a", "%", 0.0, 0.0), None, None),
    ],
)
def test_a_target_is_met_or_not(row: Row, ratio: float | None, ok: bool | None) -> None:
    """A figure that never came misses its target; one without a target is not judged."""
    assert (row.ratio, row.ok) == (pytest.approx(ratio) if ratio is not None else None, ok)


def test_the_table_shows_what_never_came_and_lines_up() -> None:
    """Each row says what, both figures, ratio, target and verdict."""
    rows = [Row("first load", "s", 5.123, 0.5, at_most=2.5), Row("fresh", "s", None, 123.4), Row("CPU", "%", 12, 24)]

    assert make_table(rows) == (
        "| what          | stock | jhaws | ratio | target  | ok? |\n"
        "| ------------- | ----- | ----- | ----- | ------- | --- |\n"
        "| first load, s | 5.12  | 0.5   | 0.098 | ≤ 2.5 s | yes |\n"
        "| fresh, s      | never | 123   |       |         |     |\n"
        "| CPU, %        | 12.0  | 24.0  | 2.00  |         |     |"
    )


def test_the_file_has_figures_and_samples() -> None:
    """What was printed can be computed again from the JSON."""
    whole = make_json({"cores": 2}, {"starts": 1}, {"ready": Result([Row("a", "s", 2.0, 1.0)], {"stock": [2.0]})})

    assert json.loads(json.dumps(whole)) == {
        "machine": {"cores": 2},
        "settings": {"starts": 1},
        "scenarios": {
            "ready": {
                "rows": [
                    {
                        **{"what": "a", "unit": "s", "stock": 2.0, "jhaws": 1.0, "at_most": None, "of_stock": None},
                        **{"ratio": 0.5, "ok": None},
                    }
                ],
                "samples": {"stock": [2.0]},
            }
        },
    }


def test_the_command_line_changes_the_chosen_size() -> None:
    """`--quick` is a size of its own; what is said beside it counts, and the rest stays."""
    full = make_settings(make_parser().parse_args([]))
    quick = make_settings(make_parser().parse_args(["--quick", "--starts", "2", "--pods", "10,20"]))

    assert (full.starts, full.pods, full.outage_seconds) == (30, (2_000, 5_000, 10_000), 90.0)
    assert (quick.starts, quick.pods) == (2, (10, 20))
    assert quick.outage_seconds < full.outage_seconds


@pytest.mark.parametrize("sizes", ["20,10", "10,10", "ten", ""])
def test_the_crowd_only_grows(sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes that do not grow are refused with a sentence."""
    with pytest.raises(SystemExit, match="2"):
        make_parser().parse_args(["--pods", sizes])

    assert "must be growing whole numbers" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asks for the cluster of KUBECONFIG without one is told so at once."""
    monkeypatch.delenv("KUBECONFIG", raising=False)

    assert main(["--server", "kubeconfig"]) == 2
    assert "KUBECONFIG is not set" in capsys.readouterr().err


def test_both_sides_start_equally_often_and_first() -> None:
    """Each round has both sides, and each side begins every other one."""
    order = turns(4)

    assert [number for number, _ in order] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {side for _, side in order[::2]} == {side for _, side in order[1::2]} == {STOCK, JHAWS}


def test_pods_of_one_name_take_equally_long() -> None:
    """Both sides wait for the same pods, and different pods for different times."""
    ready = {"jhaws-bench/ready-after": "0.3-3", "jhaws-bench/http-after": "1-2"}

    first = draw_seconds({"name": "a", "namespace": "stock", "annotations": ready})
    assert draw_seconds({"name": "a", "namespace": "jhaws", "annotations": ready}) == first
    assert draw_seconds({"name": "b", "namespace": "stock", "annotations": ready}) != first
    assert 0.3 <= first[0] <= 3
    assert 1 <= first[1] <= 2
    assert draw_seconds({"name": "a"}) == (0.0, 0.0)


def test_padding_makes_a_pod_larger_by_as_much() -> None:
    """The size of a crowd's pods is set exactly."""
    sizes = [len(json.dumps(make_crowd_pod("ada", padding=padding))) for padding in (0, 1000)]

    assert sizes[1] - sizes[0] == 1000


async def test_the_ticker_sees_a_blocked_loop() -> None:
    """A loop that computes or blocks stands still, and that is its own doing."""
    ticker = Ticker()
    ticker.start()
    await asyncio.sleep(0.01)
    time.sleep(0.2)
    await asyncio.sleep(0.01)
    stall = await ticker.stop()

    assert stall["longest"] >= stall["own"] >= 0.1
    assert stall["longest"] >= 0.2
    assert stall["p99"] <= stall["longest"]


async def test_waits_for_a_cpu_are_no_stall_of_its_own() -> None:
    """When the thread was ready to run and had no CPU, other processes are to blame."""
    waited = [0.0]
    ticker = Ticker(lambda: lambda: waited[0])
    ticker.start()
    await asyncio.sleep(0.01)
    time.sleep(0.2)
    waited[0] = 1000.0
    await asyncio.sleep(0.01)
    stall = await ticker.stop()

    assert stall["longest"] >= 0.2 > stall["own"]


class Pods:
    """As much of a spawner as a look into its cache needs."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.namespace = "ns"
        self.pod_reflector = self
        self.pods = {
            f"ns/{name}": {"status": {"containerStatuses": [{"restartCount": count}]}} for name, count in counts.items()
        }


@pytest.mark.parametrize(
    ("cache", "fresh"),
    [
        ({"changed": 1, "new": 0}, True),
        ({"changed": 0, "new": 0}, False),
        ({"changed": 1}, False),
        ({"changed": 1, "new": 0, "gone": 0}, False),
    ],
)
async def test_a_cache_is_fresh_when_it_shows_all_that_happened(cache: dict[str, int], fresh: bool) -> None:
    """A change, a new pod and a deleted one must all be right."""
    worker = Worker(None, {})
    worker._spawners["watcher"] = Pods(cache)

    seen = await worker.expect({"changed": 1, "new": 0}, ["gone"], within=0.02)
    assert (seen["at"] is not None) is fresh


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A relay in front of a server that says each line back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    running = Relay("127.0.0.1", server.sockets[0].getsockname()[1])
    await running.open()
    yield running
    await running.close()
    server.close()


class Caller:
    """One connection through the relay."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def call(cls, relay: Relay) -> "Caller":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", relay.port))

    async def ask(self, *, within: float = SECONDS) -> bytes:
        """Send a line and return the answer; TimeoutError where there is none."""
        self.writer.write(b"hello\n")
        return await asyncio.wait_for(self.reader.readline(), within)


async def test_a_relay_that_refuses_cuts_what_is_there(relay: Relay) -> None:
    """Old connections break at once, new ones are refused until it opens again at the same port."""
    before = await Caller.call(relay)
    assert await before.ask() == b"hello\n"
    relay.refuse()

    with pytest.raises(ConnectionError):
        await Caller.call(relay)
    with contextlib.suppress(ConnectionError):
        assert await before.ask() == b""
    await relay.open()
    assert await (await Caller.call(relay)).ask() == b"hello\n"


async def test_a_relay_that_swallows_never_answers_old_connections_again(relay: Relay) -> None:
    """Silence for those before and during the outage, for good; new ones afterwards work."""
    before = await Caller.call(relay)
    assert await before.ask() == b"hello\n"
    relay.swallow()
    during = await Caller.call(relay)
    for caller in (before, during):
        with pytest.raises(TimeoutError):
            await caller.ask(within=0.1)
    await relay.open()

    assert await (await Caller.call(relay)).ask() == b"hello\n"
    for caller in (before, during):
        with pytest.raises(TimeoutError):
            await caller.ask(within=0.1)


def test_a_relayed_kubeconfig_still_checks_the_servers_name(tmp_path: Path) -> None:
    """Only the address changes: the certificate must still be that of the server behind the relay."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "clusters": [{"name": "k", "cluster": {"server": "https://api.example.org", "insecure": False}}],
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "current-context": "c",
            }
        )
    )
    relayed, host, port = make_relayed_kubeconfig(str(kubeconfig), 1234)

    assert (host, port) == ("api.example.org", 443)
    assert relayed["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:1234",
        "tls-server-name": "api.example.org",
        "insecure": False,
    }
