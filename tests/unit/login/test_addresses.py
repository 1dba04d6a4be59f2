"""Which address a login comes from."""

import random
from types import SimpleNamespace

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from jhaws.errors import ConfigError
from jhaws.login import addresses
from jhaws.login.addresses import DEFAULT_TRUSTED, MAX_HOPS, UNKNOWN

TRUSTED = addresses.read_networks(DEFAULT_TRUSTED, option="x")
PROXY, BALANCER = "10.0.1.5", "10.0.2.6"


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        # z2jh behind a load balancer that keeps the client's address; behind an ALB; a class behind its own proxy.
        ("198.51.100.7", "198.51.100.7"),
        (f"198.51.100.7, {BALANCER}", "198.51.100.7"),
        (f"192.168.0.4,198.51.100.7,{BALANCER}", "198.51.100.7"),
        # What the client wrote itself stands to the left of what the first proxy wrote.
        (f"1.1.1.1, 10.0.0.1, 198.51.100.7,{BALANCER}", "198.51.100.7"),
        # Several headers are one list.
        (["1.1.1.1, 198.51.100.7", BALANCER], "198.51.100.7"),
        (["198.51.100.7", f"10.0.3.3,{BALANCER}"], "198.51.100.7"),
        # Nothing, and nothing but proxies: the last of them.
        (None, PROXY),
        ("", PROXY),
        ([], PROXY),
        ([""], PROXY),
        (f"10.0.9.9, {BALANCER}", "10.0.9.9"),
        # Ports, brackets, zones, IPv4 in IPv6, white space.
        ("198.51.100.7:4711", "198.51.100.7"),
        ("198.51.100.7:", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        (f"2001:db8::7, ::ffff:{BALANCER}", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8::7, fe80::1%eth0", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        (f" \t198.51.100.7 ,\t{BALANCER} ", "198.51.100.7"),
        # The shared addresses that EKS gives to pods, and an IPv6-only cluster.
        ("198.51.100.7, 100.64.3.3", "198.51.100.7"),
        ("2001:db8::7, fd00::3", "2001:db8::7"),
    ],
)
def test_the_client_is_the_first_untrusted_address_from_the_right(
    forwarded_for: list[str] | str | None, expected: str
) -> None:
    """Hops in trusted networks are skipped; what the client wrote to the left of them is not."""
    assert addresses.client_address(forwarded_for, PROXY, TRUSTED) == expected


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "unknown",
        "_hidden",
        "localhost",
        "300.1.1.1",
        "010.0.0.1",
        "1.2.3",
        "1.2.3.4/32",
        "1.2.3.4%eth0",
        "1.2.3.4:http",
        "1.2.3.4:5:6",
        "[2001:db8::7",
        "[2001:db8::7]x",
        "[]",
        "[",
        ":",
        "%",
        "2001:db8::7%",
        "for=198.51.100.7",
        "\ud800",
        "\0",
        "١.٢.٣.٤",  # noqa: RUF001  # digits, but not ours
        "9" * 10_000,
        " " * 200 + "198.51.100.7",
    ],
)
def test_an_entry_that_is_no_address_ends_the_walk_at_the_last_trusted_hop(entry: str) -> None:
    """The hop that passed it on is the client; what stands to the left of it counts for nothing."""
    assert addresses.client_address(f"1.1.1.1,{entry},{BALANCER}", PROXY, TRUSTED) == BALANCER
    assert addresses.client_address([f"1.1.1.1,{entry}"], PROXY, TRUSTED) == PROXY


def test_a_peer_outside_the_trusted_networks_is_the_client() -> None:
    """Whoever connects from elsewhere cannot say that he is somebody else."""
    assert addresses.client_address("1.1.1.1", "198.51.100.7", TRUSTED) == "198.51.100.7"
    assert addresses.client_address("1.1.1.1", PROXY, ()) == PROXY
    assert addresses.client_address("1.1.1.1", "::ffff:198.51.100.7", TRUSTED) == "198.51.100.7"


@pytest.mark.parametrize("peer", ["", UNKNOWN, "/run/hub.sock", "\0", "x" * 1000])
def test_a_peer_without_an_address_is_unknown(peer: str) -> None:
    """Its header is not believed, since nobody knows who wrote it."""
    assert addresses.client_address("1.1.1.1", peer, TRUSTED) == UNKNOWN


def test_a_pod_can_forge_addresses_unless_the_networks_are_narrow() -> None:
    """A pod that reaches the hub itself is believed by default, and not when only the proxies' subnet is trusted."""
    pod = "10.0.77.7"
    narrow = addresses.read_networks(["10.0.1.0/24", "10.0.2.0/24"], option="x")

    assert addresses.client_address("1.1.1.1", pod, TRUSTED) == "1.1.1.1"
    assert addresses.client_address("1.1.1.1", pod, narrow) == pod
    assert addresses.client_address(f"198.51.100.7,{BALANCER}", PROXY, narrow) == "198.51.100.7"


def test_a_users_running_server_is_no_proxy() -> None:
    """What it writes is not believed, also not behind a proxy; on one machine with the proxy it has no address."""
    servers = {"10.0.77.7", "127.0.0.1"}

    def find(forwarded_for: str, peer: str) -> str:
        return addresses.client_address(forwarded_for, peer, TRUSTED, servers.__contains__)

    assert find("1.1.1.1", "10.0.77.7") == "10.0.77.7"
    assert find("1.1.1.1", "::ffff:10.0.77.7") == "10.0.77.7"
    assert find("1.1.1.1, 10.0.77.7", PROXY) == "10.0.77.7"
    assert find("1.1.1.1, 10.0.77.8", PROXY) == "1.1.1.1"
    assert find("1.1.1.1", "127.0.0.1") == "1.1.1.1"


def test_a_long_header_is_read_from_the_right_and_not_to_its_end() -> None:
    """10 kB of proxies, commas or one long word end at the last hop that is looked at, and do not hide the client."""
    many = ",".join(["10.0.0.1"] * 1000)

    assert addresses.client_address(f"{many},198.51.100.7,{BALANCER}", PROXY, TRUSTED) == "198.51.100.7"
    assert addresses.client_address(f"1.1.1.1,10.9.9.9,{'10.0.0.1,' * MAX_HOPS}10.0.0.2", PROXY, TRUSTED) == "10.0.0.1"
    assert addresses.client_address("," * 10_000, PROXY, TRUSTED) == PROXY
    assert addresses.client_address(["x" * 10_000, BALANCER], PROXY, TRUSTED) == BALANCER
    assert addresses.client_address([BALANCER] * 10_000, PROXY, TRUSTED) == BALANCER


def test_no_header_makes_it_fail() -> None:
    """Random text leads to an address, whatever it is made of."""
    chance = random.Random(3)
    for _ in range(5000):
        header = "".join(chance.choices("0123456789abf.:[]%, /x\t", k=chance.randrange(60)))
        found = addresses.client_address([header], PROXY, TRUSTED)
        assert addresses.address_group(found) != UNKNOWN


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        (UNKNOWN, UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_ipv6_addresses_count_by_their_64(address: str, expected: str) -> None:
    """Who has one IPv6 address has 2^64 of them."""
    assert addresses.address_group(address) == expected


async def test_the_peer_is_who_connected_whatever_the_headers_say() -> None:
    """With JupyterHub's xheaders tornado believes X-Real-Ip; the peer of the connection stays the true one."""
    seen: list[tuple[str, str]] = []

    class Login(RequestHandler):
        def get(self) -> None:
            forwarded = self.request.headers.get_list("X-Forwarded-For")
            peer = addresses.peer_of(self.request)
            seen.append((self.request.remote_ip or "", addresses.client_address(forwarded, peer, TRUSTED)))
            seen.append((peer, ""))

    listening, port = bind_unused_port()
    server = HTTPServer(Application([("/", Login)]), xheaders=True)
    server.add_socket(listening)
    try:
        headers = {"X-Real-Ip": "9.9.9.9", "X-Forwarded-For": f"1.1.1.1, 198.51.100.7, {BALANCER}"}
        await AsyncHTTPClient().fetch(HTTPRequest(f"http://127.0.0.1:{port}/", headers=headers))
    finally:
        server.stop()
        await server.close_all_connections()

    assert seen == [("9.9.9.9", "198.51.100.7"), ("127.0.0.1", "")]


@pytest.mark.parametrize("address", [None, "", b"", "/run/hub.sock", ()])
def test_a_request_without_a_tcp_connection_has_no_peer(address: object) -> None:
    """A Unix socket, or a request made by a test, is unknown and is never believed by its headers."""
    context = SimpleNamespace(address=address, remote_ip="9.9.9.9")
    request = SimpleNamespace(connection=SimpleNamespace(context=context), remote_ip="9.9.9.9")

    assert addresses.peer_of(request) == UNKNOWN
    assert addresses.peer_of(SimpleNamespace(connection=None, remote_ip="9.9.9.9")) == UNKNOWN
    assert addresses.peer_of(None) == UNKNOWN


def test_networks_are_read_from_texts() -> None:
    """Networks and single addresses of both kinds, in any order; an empty list trusts nobody."""
    networks = addresses.read_networks(["10.0.0.0/8", " 198.51.100.7 ", "fd00::/8"], option="x")

    assert [str(network) for network in networks] == ["10.0.0.0/8", "198.51.100.7/32", "fd00::/8"]
    assert addresses.read_networks([], option="x") == ()


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ("10.0.0.0/8", "must be a list of networks, got '10.0.0.0/8'"),
        (None, "must be a list of networks, got None"),
        (["10.0.0.5/8"], "got '10.0.0.5/8'; write one with zeros behind the prefix"),
        (["10.0.0.0/33"], "must hold networks, got '10.0.0.0/33'"),
        (["the-proxy"], "must hold networks, got 'the-proxy'"),
        ([""], "must hold networks, got ''"),
        ([10], "must hold networks, got 10; write one as text"),
        (["0.0.0.0/0"], "must not hold '0.0.0.0/0'"),
        (["::/0"], "must not hold '::/0'"),
    ],
)
def test_a_wrong_network_is_refused_with_a_sentence(texts: object, sentence: str) -> None:
    """The sentence names the option, what was got and what to write."""
    with pytest.raises(ConfigError, match="^Class.trusted") as caught:
        addresses.read_networks(texts, option="Class.trusted")

    assert sentence in str(caught.value)
