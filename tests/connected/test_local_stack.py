"""The local stack on real servers: what it promises about processes, ports and data."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import redis
from pymongo import MongoClient

from infra import local
from infra.local import ports, record
from tests.servers import WAIT_MAX_S

# A shell makes background tests ignore SIGINT; here it interrupts, as at a terminal.
START_IN_ANOTHER_PROCESS = (
    "import signal, sys, pathlib; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from infra import local; local.up(sys.argv[2], home=pathlib.Path(sys.argv[1]))"
)


def processes_under(folder: Path) -> list[int]:
    """Independent of the record: every process of a stack works in the stack's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                working_folder = os.readlink(entry / "cwd")
            except OSError:
                continue
            if working_folder.startswith(str(folder)):
                found.append(int(entry.name))
    return found


def assert_all_end(folder: Path) -> None:
    """Nothing of the stack is left. Erlang's helper processes end by themselves, a moment after their node."""
    deadline = time.monotonic() + WAIT_MAX_S
    while (left := processes_under(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def start_in_another_process(home: Path, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", START_IN_ANOTHER_PROCESS, str(home), name])


def document_count(url: str) -> int:
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=10_000) as client:
        return client["stack_test"]["orders"].count_documents({})


def insert_in_a_transaction(url: str) -> None:
    with (
        MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=10_000) as client,
        client.start_session() as session,
        session.start_transaction(),
    ):
        client["stack_test"]["orders"].insert_one({"_id": "o-1"}, session=session)


async def publish_one(url: str) -> None:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("stack-test", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"o-1", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue.name)


async def consume_one(url: str) -> bytes | None:
    """None where the queue does not exist."""
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel()
        try:
            queue = await channel.get_queue("stack-test")
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return None
        message = await queue.get(timeout=10)
        await message.ack()
        return message.body


@contextmanager
def foreign_listener(port: int = 0) -> Iterator[int]:
    """Another program that listens on the port, or on any, and closes every connection."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ports.LOOPBACK, port))
        listener.listen()
        thread = threading.Thread(target=_close_every_connection, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _close_every_connection(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One stack, `left`, started by two at once; another, `right`, started by a process that has ended since."""
    home = tmp_path_factory.mktemp("stacks") / ("a long path, with spaces, 分销 " + "x" * 100)
    try:
        with ThreadPoolExecutor() as pool:
            starter = start_in_another_process(home, "right")
            first, second = pool.map(lambda _: local.up("left", home=home), range(2))
            assert first == second
            assert starter.wait(timeout=90) == 0
        yield home
    finally:
        for name in ("left", "right"):
            local.down(name, home=home, remove_data=True)
    assert_all_end(home)


def test_every_server_answers_and_reports_its_version(home: Path) -> None:
    endpoints = local.endpoints("left", home=home)
    assert endpoints is not None
    asyncio.run(publish_one(endpoints.rabbitmq_url))
    assert asyncio.run(consume_one(endpoints.rabbitmq_url)) == b"o-1"
    with MongoClient[dict[str, Any]](endpoints.mongodb_url) as client:
        assert client.admin.command("hello")["setName"] == "tributary"
    assert redis.Redis.from_url(endpoints.redis_url).ping()
    assert all(server.running and server.version for server in local.status("left", home=home))


def test_up_again_changes_nothing(home: Path) -> None:
    before = local.status("left", home=home)
    local.up("left", home=home)
    assert local.status("left", home=home) == before


def test_up_starts_again_only_what_has_ended(home: Path) -> None:
    rabbitmq, mongodb, cache = local.status("left", home=home)
    assert cache.pid is not None
    os.kill(cache.pid, signal.SIGKILL)
    while local.endpoints("left", home=home) is not None:
        time.sleep(0.02)

    local.up("left", home=home)

    after = local.status("left", home=home)
    assert after[:2] == [rabbitmq, mongodb]
    assert after[2].running
    assert after[2].pid != cache.pid
    assert after[2].port == cache.port


def test_servers_outlive_the_process_that_started_them(home: Path) -> None:
    assert local.endpoints("right", home=home) is not None
    assert local.running_stacks(home) == ["left", "right"]


def test_everything_listens_on_loopback_only(home: Path) -> None:
    exposed = {f"socket:[{inode}]" for inode in _listening_inodes_beyond_loopback()}
    servers = processes_under(home)
    assert servers
    for pid in servers:
        assert not exposed & set(_open_files(pid))


def test_a_restart_keeps_data_and_free_ports_and_leaves_the_other_stack_alone(home: Path) -> None:
    before = local.up("left", home=home)
    other_stack = local.status("right", home=home)
    asyncio.run(publish_one(before.rabbitmq_url))
    insert_in_a_transaction(before.mongodb_url)
    mongodb_port = next(server.port for server in local.status("left", home=home) if server.server == "mongodb")
    assert mongodb_port is not None

    assert sorted(local.down("left", home=home)) == ["mongodb", "rabbitmq", "redis"]
    assert local.endpoints("left", home=home) is None
    assert_all_end(home / "left")
    with foreign_listener(mongodb_port):
        after = local.up("left", home=home)

    assert after.rabbitmq_url == before.rabbitmq_url
    assert after.redis_url == before.redis_url
    assert after.mongodb_url != before.mongodb_url
    assert document_count(after.mongodb_url) == 1
    assert asyncio.run(consume_one(after.rabbitmq_url)) == b"o-1"
    other = local.endpoints("right", home=home)
    assert other is not None
    assert local.status("right", home=home) == other_stack
    assert document_count(other.mongodb_url) == 0
    assert asyncio.run(consume_one(other.rabbitmq_url)) is None


def start_half_way(home: Path) -> subprocess.Popen[bytes]:
    """A start in progress: the processes of every server run, and RabbitMQ does not answer yet."""
    starter = start_in_another_process(home, "default")
    deadline = time.monotonic() + WAIT_MAX_S
    while (recorded := _recorded(home)) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert recorded >= 4
    assert len(processes_under(home)) >= 4
    return starter


def _recorded(home: Path) -> int:
    """The number of processes in the record, which lacks one whose starter was killed before it wrote the entry."""
    entries = record.read(record.folder_of("default", home))
    return sum(len(entry.processes) for entry in entries.values())


def test_down_finds_everything_of_a_start_killed_half_way(tmp_path: Path) -> None:
    starter = start_half_way(tmp_path)
    starter.kill()
    starter.wait()
    assert processes_under(tmp_path)

    local.down(home=tmp_path)

    assert_all_end(tmp_path)


def test_a_start_that_is_interrupted_stops_what_it_had_started(tmp_path: Path) -> None:
    starter = start_half_way(tmp_path)
    starter.send_signal(signal.SIGINT)
    assert starter.wait(timeout=30) != 0
    assert_all_end(tmp_path)


def test_a_server_that_cannot_start_takes_the_others_down_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    broken = programs / "redis-server"
    broken.write_text("#!/bin/sh\necho the configuration is wrong\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    with pytest.raises(local.StackError, match=r"Redis ended .* ends with: the configuration is wrong"):
        local.up(home=tmp_path / "home")

    assert_all_end(tmp_path)
    assert local.running_stacks(tmp_path / "home") == []
    assert not any(server.running for server in local.status(home=tmp_path / "home"))


def _open_files(pid: int) -> Iterator[str]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(link)


def _listening_inodes_beyond_loopback() -> Iterator[str]:
    loopback = ("0100007F:", "00000000000000000000000001000000:")
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and not fields[1].startswith(loopback):
                yield fields[9]
