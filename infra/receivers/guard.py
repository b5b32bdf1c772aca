"""Which addresses outside may be called: only those that are not part of our own network.

A person who defines a webhook chooses where our process, which is inside, sends a request. So the scheme is https, the
host is resolved once, each of its addresses is checked, and the caller connects to a checked address without resolving
again.

A name server may be in that person's hand too, and silent. So look-ups take no thread, which others would wait for, and
have a deadline of their own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import aiodns
import httpx

LOOK_UP_S = 2.0
"""How long the name servers of a host may take."""

ADDRESSES_MAX = 64
"""Of one host: more than large services have, and checked in a millisecond."""

URL_LENGTH_MAX = 2048
"""Characters, and bytes in UTF-8."""

_PORTS = {"https": 443, "http": 80}

_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
"""IANA's special-purpose networks, with 6to4 and Teredo, which contain an IPv4 address."""

_PUBLIC_IPV6 = ip_network("2000::/3")
"""Every other IPv6 address is local, multicast, mapped or translated (NAT64), or not assigned."""

_SILENT = (aiodns.error.ARES_ETIMEOUT, aiodns.error.ARES_ECONNREFUSED)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text. Raises OSError."""


class ReceiverRefused(Exception):
    """The address is not allowed. `code` is for programs; the text states what to change."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class HostUnknown(ReceiverRefused):
    """The host has no address now; it may have one later."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A checked address: `url` as it was defined, and where to connect."""

    url: httpx.URL = field(repr=False)
    addresses: tuple[str, ...]

    @property
    def host(self) -> str:
        return host_of(self.url)

    @property
    def port(self) -> int:
        return port_of(self.url)


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the system's hosts file and name servers; of too many, one more than allowed. Raises TimeoutError, too."""
    async with aiodns.DNSResolver(timeout=LOOK_UP_S / 2, tries=2) as resolver, asyncio.timeout(LOOK_UP_S):
        try:
            found = await resolver.getaddrinfo(host, port=port, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            if error.args[0] in _SILENT:
                raise TimeoutError from error
            raise OSError(str(error)) from error
    return [node.addr[0].decode() for node in found.nodes[: ADDRESSES_MAX + 1]]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    if address.version == 6 and address not in _PUBLIC_IPV6:
        return False
    return not any(address in network for network in _NOT_PUBLIC if network.version == address.version)


class Guard:
    """`allowed` are receivers of our own, host:port or networks, from the named setting."""

    def __init__(
        self, allowed: Sequence[str], resolve: Resolve = resolve, *, setting: str = "TRIBUTARY_OUTSIDE_ALLOWED"
    ) -> None:
        self._resolve = resolve
        self._setting = setting
        self._networks = tuple(ip_network(each) for each in allowed if _is_network(each))
        self._hosts = frozenset(each for each in allowed if not _is_network(each))

    async def check(self, url: str) -> Receiver:
        """The receiver of an address. Raises ReceiverRefused, or HostUnknown."""
        parsed = parse(url)
        host, port = host_of(parsed), port_of(parsed)
        try:
            found = tuple(dict.fromkeys(await self._resolve(host, port)))
        except TimeoutError as error:
            detail = f"The name servers of {host} do not answer; try again later, or mend them."
            raise HostUnknown("look_up_unanswered", detail) from error
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise HostUnknown("host_unknown", f"The host {host} has no address; check its spelling.")
        if len(found) > ADDRESSES_MAX:
            detail = f"The host {host} has more than {ADDRESSES_MAX} addresses; name a host with fewer."
            raise ReceiverRefused("address_invalid", detail)
        if endpoint_of(parsed) in self._hosts:
            return Receiver(parsed, found)
        for address in map(ip_address, found):
            self._check_address(parsed, address)
        return Receiver(parsed, found)

    def _check_address(self, url: httpx.URL, address: IPv4Address | IPv6Address) -> None:
        if any(address in network for network in self._networks if network.version == address.version):
            return
        if url.scheme != "https":
            raise ReceiverRefused(
                "address_not_https",
                f"The address of {host_of(url)} must begin with https://; http is only for receivers in the setting "
                f"{self._setting}.",
            )
        if not is_public(address):
            raise ReceiverRefused(
                "address_not_public",
                f"The host {host_of(url)} has an address that is not public. If it is a receiver of your own, add it "
                f"to the setting {self._setting}.",
            )


def parse(url: str) -> httpx.URL:
    """The parts of an http or https address with a host and without user information. Raises ReceiverRefused."""
    try:
        parsed = httpx.URL(url) if len(url.encode(errors="replace")) <= URL_LENGTH_MAX else httpx.URL()
        is_usable = parsed.scheme in _PORTS and bool(parsed.host) and (parsed.port is None or 0 < parsed.port <= 65_535)
    except (httpx.InvalidURL, ValueError):
        is_usable = False
    if not is_usable:
        raise ReceiverRefused("address_invalid", "Write the whole address, such as https://hooks.example.com/alerts.")
    if parsed.userinfo:
        raise ReceiverRefused("address_invalid", "Write the address without a user name and password before the host.")
    return parsed.copy_with(fragment=None)


def host_of(url: httpx.URL) -> str:
    """In ASCII, as it is resolved and in certificates: letters that look alike are apart there."""
    return url.raw_host.decode("ascii")


def port_of(url: httpx.URL) -> int:
    return url.port or _PORTS[url.scheme]


def endpoint_of(url: httpx.URL) -> str:
    """host:port, as settings name receivers of our own."""
    host = host_of(url)
    return f"{f'[{host}]' if ':' in host else host}:{port_of(url)}"


def _is_network(allowed: str) -> bool:
    try:
        ip_network(allowed)
    except ValueError:
        return False
    return True
