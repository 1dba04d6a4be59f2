import pytest

from jhaws.services.hubapi import HubApi, make_server_path
from jhaws.services.running import TryAgainError
from tests.unit.services.fakehub import TOKEN, fake_hub, make_user


@pytest.mark.parametrize(
    ("user", "server", "path"),
    [
        ("bob", "", "/users/bob/server"),
        ("bob", "lab", "/users/bob/servers/lab"),
        ("bob", "..", "/users/bob/servers/%2E%2E"),
        ("..", "", "/users/%2E%2E/server"),
        ("bob", "a/../../eve", "/users/bob/servers/a%2F%2E%2E%2F%2E%2E%2Feve"),
        ("bob", "x?remove=1#y", "/users/bob/servers/x%3Fremove%3D1%23y"),
        ("müller", "ä b", "/users/m%C3%BCller/servers/%C3%A4%20b"),
        ("a%2Fb", "", "/users/a%252Fb/server"),
    ],
)
def test_a_name_stays_one_segment_of_the_path(user: str, server: str, path: str) -> None:
    """However people name users and servers, the path leads to that server and nowhere else."""
    assert make_server_path(user, server) == path


async def test_quoted_names_arrive_as_they_are() -> None:
    """The HTTP client does not tidy up what is quoted: a server called ".." is not its owner."""
    async with fake_hub() as hub, HubApi(hub.url, TOKEN) as api:
        await api.delete_server("bob", "..")

    assert hub.deleted == ["/users/bob/servers/%2E%2E"]


async def test_all_pages_are_read() -> None:
    """Users are fetched to the last page, also where the hub's pages are smaller than asked for."""
    users = [make_user(f"u{number}") for number in range(7)]
    async with fake_hub(*users, page_limit=3) as hub, HubApi(hub.url, TOKEN) as api:
        found = await api.fetch_users(state="ready")

    assert [user["name"] for user in found] == [f"u{number}" for number in range(7)]


@pytest.mark.parametrize(("status", "stopped"), [(204, True), (202, False), (404, True)])
async def test_a_stop_is_done_or_under_way(status: int, stopped: bool) -> None:
    """204 and 404 mean that the server is gone, 202 that the hub is still at it."""
    async with fake_hub() as hub, HubApi(hub.url, TOKEN) as api:
        hub.answers["/users/bob/server"] = status

        assert await api.delete_server("bob", "") is stopped


async def test_only_a_named_server_is_removed() -> None:
    """`remove` goes along for named servers only; the hub would refuse it for a default server."""
    async with fake_hub() as hub, HubApi(hub.url, TOKEN) as api:
        await api.delete_server("bob", "lab", remove=True)
        await api.delete_server("bob", "", remove=True)
        await api.delete_server("bob", "lab")

    assert hub.bodies == [{"remove": True}, None, None]


@pytest.mark.parametrize(
    ("status", "says"), [(403, "lacks a scope"), (500, r"\(500\): as the test wants"), (302, r"\(302\)")]
)
async def test_a_refusal_is_one_sentence_without_the_token(status: int, says: str) -> None:
    """Whatever the hub answers instead of users becomes a sentence, and the token is not in it."""
    async with fake_hub() as hub, HubApi(hub.url, TOKEN) as api:
        hub.answers["GET"] = status
        with pytest.raises(TryAgainError, match=says) as caught:
            await api.fetch_users()

    assert TOKEN not in str(caught.value)


async def test_a_hub_that_is_not_there_is_one_sentence() -> None:
    """A refused connection is a reason to try again."""
    async with HubApi("http://127.0.0.1:9/hub/api", TOKEN) as api:
        with pytest.raises(TryAgainError, match="does not answer"):
            await api.fetch_users()


async def test_a_hub_that_hangs_is_one_sentence() -> None:
    """No answer within the time-out is a reason to try again."""
    async with fake_hub() as hub, HubApi(hub.url, TOKEN, timeout_seconds=0.1) as api:
        hub.may_stop.clear()
        with pytest.raises(TryAgainError, match="TimeoutError"):
            await api.delete_server("bob", "")
        hub.may_stop.set()


async def test_another_server_is_not_taken_for_a_hub() -> None:
    """An answer that is no page of users is refused, not counted as nobody."""
    async with fake_hub() as hub, HubApi(hub.url, TOKEN) as api:
        hub.answers["GET"] = 200
        with pytest.raises(TryAgainError, match="is it a JupyterHub"):
            await api.fetch_users()
