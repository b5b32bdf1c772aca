"""What the local stack refuses, replaces or leaves alone: each is one sentence and leaves no process."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from infra import local
from infra.local import ports, preflight, process, record, startup
from infra.local.redis_server import RedisServer
from tests.connected.test_local_stack import foreign_listener, processes_under
from tests.servers import WAIT_MAX_S


def test_a_missing_server_is_one_sentence_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(local.StackError, match=r"^RabbitMQ and Redis cannot be found .*tributary setup.*\.$"):
        local.up(home=tmp_path)
    assert processes_under(tmp_path) == []


def start_redis(folder: Path) -> record.ServerRecord:
    recorded: dict[str, record.ServerRecord] = {}
    executable = preflight.executables([RedisServer()])["redis"]
    run = startup.Startup(RedisServer(), executable, folder, recorded.__setitem__, threading.Event()).run
    try:
        run(record.ServerRecord())
    except local.StackError:
        assert recorded["redis"].processes == {}
        raise
    return recorded["redis"]


def test_a_port_taken_after_it_was_chosen_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with foreign_listener() as taken:
        offers = iter([{"clients": taken}, ports.choose(["clients"], {})])
        monkeypatch.setattr(ports, "choose", lambda *_: next(offers))
        started = start_redis(tmp_path / "redis")
    try:
        assert started.ports["clients"] != taken
        assert startup.is_serving(RedisServer(), started)
    finally:
        startup.stop_all(started)
    assert processes_under(tmp_path) == []


def test_ports_that_stay_taken_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with foreign_listener() as taken:
        monkeypatch.setattr(ports, "choose", lambda *_: {"clients": taken})
        with pytest.raises(local.StackError, match=r"^Redis found its ports taken 3 times .*\.$"):
            start_redis(tmp_path / "redis")
    assert processes_under(tmp_path) == []


@pytest.mark.parametrize("difference", [{"started_ticks": 1}, {"boot_id": "another"}])
def test_a_reused_pid_is_never_stopped(tmp_path: Path, difference: dict[str, Any]) -> None:
    foreign = process.start(["sleep", "60"], env=os.environ, folder=tmp_path, log=tmp_path / "log")
    try:
        mark = {"pid": foreign.pid, "started_ticks": foreign.started_ticks, "boot_id": foreign.boot_id}
        entry = {"ports": {"clients": 1}, "processes": {"server": mark | difference}, "version": "7"}
        (tmp_path / "default").mkdir()
        (tmp_path / "default" / "stack.json").write_text(json.dumps({"format": 1, "servers": {"redis": entry}}))

        assert local.running_stacks(tmp_path) == []
        assert local.down(home=tmp_path) == []
        assert process.is_running(foreign)
    finally:
        process.stop(foreign, within_s=5)


def test_a_process_that_ignores_sigterm_is_killed_after_the_limit(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stubborn = process.start(
        ["bash", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"],
        env=os.environ,
        folder=tmp_path,
        log=log,
    )
    deadline = time.monotonic() + WAIT_MAX_S
    while not log.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.stop(stubborn, within_s=0.2)
    assert not process.is_running(stubborn)
    # Its `sleep` was killed with it, and is gone once the system has noticed.
    while processes_under(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_under(tmp_path) == []


def test_down_deletes_only_what_the_stack_put_there(tmp_path: Path) -> None:
    folder = tmp_path / "default"
    (folder / "redis").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    (folder / "stack.json").write_text(json.dumps({"format": 1, "servers": {}}))
    local.down(home=tmp_path, remove_data=True)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_command_waits_for_the_previous_one_but_not_for_ever(tmp_path: Path) -> None:
    with (
        record.locked(tmp_path / "default"),
        pytest.raises(local.StackError, match="Another command"),
        record.locked(tmp_path / "default", wait_max_s=0.2),
    ):
        pytest.fail("two commands held the same stack")
    with record.locked(tmp_path / "default", wait_max_s=0.2):
        pass


def test_a_nearly_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "DISK_FREE_MIN_BYTES", 10**18)
    with pytest.raises(local.StackError, match=r"^Only \d+ MB are free .*\.$"):
        local.up(home=tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(local.StackError, match=r"^The folder .* cannot be written .*\.$"):
        local.up(home=tmp_path / "home")


@pytest.mark.parametrize("name", ["", "..", "a/b", "Upper", "x" * 33])
def test_a_name_that_could_leave_the_home_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(local.StackError, match="stack name"):
        local.down(name, home=tmp_path, remove_data=True)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"format": 2, "servers": {}}', '{"format": 1, "servers": {"redis": {}}}']
)
def test_a_damaged_record_is_one_sentence_and_stops_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "default").mkdir()
    (tmp_path / "default" / "stack.json").write_text(content)
    with pytest.raises(local.StackError, match="is damaged"):
        local.down(home=tmp_path)
