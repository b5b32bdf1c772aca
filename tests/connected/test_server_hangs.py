"""A server whose process runs but does not serve: `status` shows it, and `up` repairs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra import local
from infra.local import record
from tests.connected.running import command
from tests.faults.servers import rabbitmqctl
from tests.sampling import sampled
from tests.servers import LocalStack

TITLES = {"rabbitmq": "RabbitMQ", "mongodb": "MongoDB", "redis": "Redis"}
KILL_THE_LOG = (
    "[begin exit(whereis(ra_log_wal), kill), timer:sleep(200) end"
    " || _ <- lists:seq(1, 15), whereis(ra_log_wal) =/= undefined]."
)
"""Simulates a full disk: the log of all quorum queues fails, again and again, and stops them."""


def environment(stack: LocalStack) -> dict[str, str]:
    return {**os.environ, "TRIBUTARY_HOME": str(stack.home)}


def states(stack: LocalStack) -> dict[str, local.ServerStatus]:
    return {server.server: server for server in local.status(stack.name, home=stack.home)}


def control(stack: LocalStack, *arguments: str) -> str:
    ports = record.read(record.folder_of(stack.name, stack.home))["rabbitmq"].ports
    return rabbitmqctl(stack.home / stack.name / "rabbitmq", dict(ports), *arguments)


@contextmanager
def halted(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return


def up(stack: LocalStack) -> list[str]:
    lines: list[str] = []
    local.up(stack.name, home=stack.home, progress=lines.append)
    return lines


@pytest.mark.parametrize("server", sampled(["redis"], whole=list(TITLES)))
async def test_a_silent_server_is_shown_and_restarted(whole_stack: LocalStack, server: str) -> None:
    before = states(whole_stack)
    assert all(state.running and state.complaint is None for state in before.values())
    pid = before[server].pid
    assert pid is not None
    with halted(pid):
        shown = await command("status", "--stack", whole_stack.name, environment=environment(whole_stack))
        listed = await command("status", "--stack", whole_stack.name, "--json", environment=environment(whole_stack))
        assert "not answering" in shown.out
        assert f"{server} does not " in shown.err
        assert "tributary up" in shown.err
        assert listed.object["running"] is False
        found = {entry["server"]: entry for entry in listed.object["servers"]}
        assert (found[server]["running"], found[server]["pid"]) == (False, pid)
        assert all(entry["running"] for name, entry in found.items() if name != server)

        lines = up(whole_stack)

    assert any(line.startswith(f"{TITLES[server]} runs but does not ") and "restarting" in line for line in lines), (
        lines
    )
    after = states(whole_stack)
    assert all(state.running for state in after.values())
    assert after[server].pid != pid
    assert after[server].port == before[server].port
    assert {n: s.pid for n, s in after.items() if n != server} == {n: s.pid for n, s in before.items() if n != server}


def test_rabbitmq_that_accepts_connections_but_no_messages_is_shown_and_restarted(whole_stack: LocalStack) -> None:
    for _ in range(5):
        # On a busy machine the log may come back between two kills.
        control(whole_stack, "eval", KILL_THE_LOG)
        hung = states(whole_stack)["rabbitmq"]
        if not hung.running:
            break
    assert hung.pid is not None
    assert not hung.running
    assert hung.complaint is not None
    assert "does not take a message" in hung.complaint

    lines = up(whole_stack)

    assert any(line.startswith("RabbitMQ runs but does not take a message") for line in lines), lines
    assert states(whole_stack)["rabbitmq"].running


@pytest.mark.full
def test_an_alarm_is_shown_and_does_not_cause_a_restart(whole_stack: LocalStack) -> None:
    before = states(whole_stack)["rabbitmq"]
    control(whole_stack, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        alarmed = states(whole_stack)["rabbitmq"]
        assert not alarmed.running
        assert "takes no messages while memory or disk space is short" in str(alarmed.complaint)
        assert any("takes no messages while" in line for line in up(whole_stack))
        assert states(whole_stack)["rabbitmq"].pid == before.pid
    finally:
        control(whole_stack, "set_vm_memory_high_watermark", "absolute", "2GB")


async def test_doctor_checks_the_disk_also_without_mongodb(whole_stack: LocalStack) -> None:
    async def disk() -> dict[str, Any]:
        ended = await command("doctor", "--stack", whole_stack.name, "--json", environment=environment(whole_stack))
        [finding] = [finding for finding in ended.object["findings"] if finding["part"] == "disk"]
        return dict(finding)

    answering = await disk()
    whole_stack.end("mongodb", signal.SIGKILL)
    try:
        away = await disk()
    finally:
        whole_stack.up()
    assert away["level"] == answering["level"]
    assert str(whole_stack.home / whole_stack.name) in away["detail"]
    assert "GiB free" in away["detail"]
