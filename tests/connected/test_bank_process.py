"""The bank of the tests as a process: killed at any time, it has lost nothing that it answered."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from infra.adapters.outside.rails.payouts import payouts
from infra.settings import Settings
from tests.architecture.sources import ROOT
from tests.bank.world import PlainVault, attempt_due


@contextmanager
def bank_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "tests.bank", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def settings_of(folder: Path) -> Settings:
    lines = (folder / "environment").read_text("utf-8").splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        return Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


async def test_a_bank_that_is_killed_remembers_what_it_took(tmp_path: Path) -> None:
    due = attempt_due("wechat_pay")
    with bank_process(tmp_path) as (process, _):
        attempts, _ = payouts(settings_of(tmp_path), PlainVault())
        assert (await attempts.send(due, due.key)).code == "accepted"
        process.send_signal(signal.SIGKILL)
        process.wait()
        lost = await attempts.send(due, due.key)
        assert lost.outcome == "unavailable"
    with bank_process(tmp_path) as (_, url):
        attempts, _ = payouts(settings_of(tmp_path), PlainVault())
        assert (await attempts.send(due, due.key)).code == "accepted"
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.post("/_bank/tick")
            book = (await client.get("/_bank/credited")).json()
            notices = (await client.get("/_bank/notices")).json()
    assert book == {"credited": {"o-canary-openid-40021 CNY": 123456}, "double": []}
    assert [notice["rail"] for notice in notices] == ["wechat_pay"]
