"""Which address a login comes from, when proxies stand in between.

Pure functions. Each proxy appends to X-Forwarded-For the address it was connected from, so the right end of that
header was written by the nearest proxy and its left end by anybody. Walking from the TCP peer to the left while
the addresses are in trusted networks leads to the first one that no proxy of ours has: the client. X-Real-Ip is
never read: configurable-http-proxy passes on what the client sent there. Nor is tornado's `request.remote_ip`,
which JupyterHub's `xheaders=True` overwrites from both headers.

`throttle.py` counts by what `address_group` returns; `authenticator.py` puts them together.
"""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from ..errors import ConfigError

Networks = tuple[IPv4Network | IPv6Network, ...]

# Where pods, nodes and load balancers are by default: private (RFC 1918), shared (RFC 6598: EKS pods of a full VPC),
# loopback, link-local, unique local (RFC 4193). Without them everybody would have the proxy's address. The price:
# who connects from such a network himself can write any address. A user's running server is none of them, as its
# address is known. The throttle by address does not hold others; those by name and overall do. Only the load
# balancer's subnets and the proxy pods' close that. IPv6 pods of EKS have public addresses: list their range.
DEFAULT_TRUSTED = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("::1/128", "fc00::/7", "fe80::/10"),
)

# Entries of X-Forwarded-For that are looked at, from the right; nobody has more proxies of his own.
MAX_HOPS = 16

# Characters; an address with brackets, a zone and a port is shorter.
MAX_ENTRY_LENGTH = 80

# Bits of an IPv6 address that tell customers apart; all addresses behind them are one customer's (RFC 6177).
IPV6_GROUP_BITS = 64

# Stands for a peer without an address: a Unix socket, or a request that tornado did not receive.
UNKNOWN = "unknown"


def client_address(
    forwarded_for: Sequence[str] | str | None,
    peer: str,
    trusted: Networks,
    is_server: Callable[[str], bool] = lambda address: False,
) -> str:
    """Find the address of the client; never fails.

    Args:
        forwarded_for: The values of X-Forwarded-For in the order they came, several headers or one.
        peer: The address of the TCP connection, from `peer_of`.
        trusted: Networks in which an address is one of our proxies.
        is_server: Tells whether an address in them is a user's running server, which is no proxy.

    Returns:
        The first address from the right that is in no trusted network, without port and zone. When an entry is
        no address (an empty one neither), after `MAX_HOPS`, or when all are trusted: the last trusted one.
        `UNKNOWN` for a peer without an address.
    """
    client = _parse(peer)
    if client is None:
        return UNKNOWN
    headers = [forwarded_for] if isinstance(forwarded_for, str) else forwarded_for or ()
    entries = [entry for header in headers[-MAX_HOPS:] for entry in header.rsplit(",", MAX_HOPS)[-MAX_HOPS:]]
    for entry in reversed(entries[-MAX_HOPS:]):
        trusts = any(client in network for network in trusted)
        # Without a cluster servers and the proxy are on one machine and have one address.
        trusts = trusts and (client.is_loopback or not is_server(str(client)))
        hop = _parse(entry) if trusts else None
        if hop is None:
            break
        client = hop
    return str(client)


def address_group(address: str) -> str:
    """Return what an address counts as: an IPv4 address as itself, an IPv6 address as its /64."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_GROUP_BITS), strict=False))
    return UNKNOWN if parsed is None else str(parsed)


def peer_of(request: Any) -> str:
    """Return the address at the other end of the request's TCP connection; `UNKNOWN` without one.

    Source:
        tornado 6.6, httpserver.py: `_HTTPRequestContext.address` is what `accept()` returned. xheaders overwrites
        `remote_ip` of the context and so of the request, never `address`.
    """
    context = getattr(getattr(request, "connection", None), "context", None)
    address = getattr(context, "address", None)
    return str(address[0]) if isinstance(address, tuple) and address else UNKNOWN


def read_networks(texts: object, *, option: str) -> Networks:
    """Read an option that lists networks as text, "10.0.0.0/8", or single addresses.

    Raises:
        ConfigError: It is no list, or one entry is no network, or stands for all addresses there are.
    """
    if not isinstance(texts, list | tuple | set | frozenset):
        raise ConfigError(f"{option} must be a list of networks, got {texts!r}; write it as ['10.0.0.0/8'].")
    return tuple(_read_network(text, option=option) for text in texts)


def _read_network(text: object, *, option: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text.strip() if isinstance(text, str) else "")
    except ValueError as error:
        hint = "with zeros behind the prefix" if "host bits" in str(error) else "as text"
        raise ConfigError(f"{option} must hold networks, got {text!r}; write one {hint}, '10.0.0.0/8'.") from error
    if network.prefixlen == 0:
        raise ConfigError(f"{option} must not hold {text!r}: clients could write any address; list the proxies'.")
    return network


def _parse(entry: str) -> IPv4Address | IPv6Address | None:
    """Read an address with or without brackets, port and zone; an IPv4 address in IPv6 is an IPv4 address."""
    text, port = entry.strip() if len(entry) <= MAX_ENTRY_LENGTH else "", ""
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        text, port = (text if bracket and port[:1] in ("", ":") else ""), port[1:]
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    try:
        address = ip_address(text if not port or port.isdecimal() else "")
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))
