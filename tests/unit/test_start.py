"""A taken port is reported with its holder; a process that dies repeatedly is restarted after bounded pauses."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from infra.processes.fleet import Fleet, Member
from infra.processes.start import StartError, holder_of, take_port, url_of
from infra.settings import Settings


def test_a_taken_port_is_reported_with_its_holder_and_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(StartError) as refused:
            take_port("127.0.0.1", port, "tests", "--port")
    sentence = str(refused.value)
    assert sentence.startswith(f"Port {port} for tests is taken by process {os.getpid()} (")
    assert sentence.endswith("set --port to another port, or to 0 for any free one.")


def test_the_holder_of_a_port_may_be_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert str(holder_of(client.getsockname()[1])).startswith(f"process {os.getpid()} (")


def test_an_invalid_port_is_reported_with_a_sentence() -> None:
    with pytest.raises(StartError, match=r"^Port 70000 for tests cannot be used on 127\.0\.0\.1 \("):
        take_port("127.0.0.1", 70_000, "tests", "--port")


def test_a_free_port_has_no_holder() -> None:
    with take_port("127.0.0.1", 0, "tests", "--port") as listener:
        port = listener.getsockname()[1]
        assert url_of(listener) == f"http://127.0.0.1:{port}"
    assert holder_of(port) is None


def test_pauses_between_restarts_are_bounded(tmp_path: Path) -> None:
    fleet = Fleet([["catalog"]], {}, logs=tmp_path)
    member = Member(("catalog",), {}, None)
    for _ in range(2_000):
        member.started_at = member.start_at
        fleet._plan_restart(member, -9)
    assert member.restarts == 2_000
    assert '"restart_in_s": 30.0' in (tmp_path / "fleet.log").read_text().splitlines()[-1]


def test_a_process_that_is_started_again_waits_for_its_servers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its settings are read as any others: a value that they refuse would end all processes."""
    fleet = Fleet([["catalog"]], {})
    for name, value in fleet.environment_of(Member(("catalog",), {}, None, restarts=1)).items():
        monkeypatch.setenv(name, value)

    assert Settings().startup_wait_s > timedelta(days=365).total_seconds()
