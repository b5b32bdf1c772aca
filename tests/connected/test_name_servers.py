"""Name servers that are silent hold up no one else, and have a deadline."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from functools import partial

import aiodns
import pytest

from infra.receivers.guard import LOOK_UP_S, Guard, HostUnknown, resolve

MANY = 20
"""Far more than a pool of threads for look-ups has."""


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The only name server takes each question, and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        servers = [f"127.0.0.1:{server.getsockname()[1]}"]
        monkeypatch.setattr(aiodns, "DNSResolver", partial(aiodns.DNSResolver, nameservers=servers))
        yield


async def test_a_silent_name_server_has_a_deadline() -> None:
    began = time.monotonic()
    with pytest.raises(HostUnknown, match=r"name servers of hooks\.example do not answer") as raised:
        await Guard(()).check("https://hooks.example/orders")

    assert raised.value.code == "look_up_unanswered"
    assert time.monotonic() - began < LOOK_UP_S + 1


async def test_look_ups_without_an_answer_hold_up_no_other() -> None:
    waiting = [asyncio.create_task(resolve(f"r{number}.example", 443)) for number in range(MANY)]
    await asyncio.sleep(0.1)
    began = time.monotonic()
    found = await resolve("localhost", 443)
    others = await asyncio.get_running_loop().getaddrinfo("localhost", 443)

    assert "127.0.0.1" in found
    assert others
    assert time.monotonic() - began < LOOK_UP_S / 2
    assert not any(each.done() for each in waiting)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {TimeoutError}
