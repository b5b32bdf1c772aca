"""`tributary demo --keep` as a new user runs it: the system stays, the logins work, and one command ends all of it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import local
from infra.local import record
from tests.connected.pasting import TUTORIAL, new_user_environment, paste_all, shell
from tests.connected.running import command, until
from tests.connected.test_exported_addresses import ADDRESSES, Traps

ORDERS = 20
DEMO_MAX_S = 420.0


@dataclass(frozen=True)
class KeptDemo:
    """A demo that was kept: its report on standard output, and the variables that it printed."""

    home: Path
    environment: dict[str, str]
    report: dict[str, Any]
    variables: dict[str, str]
    err: str

    @property
    def stack(self) -> str:
        return str(self.report["kept"]["stack"])

    def leaders(self) -> dict[str, int]:
        """The process of each program that starts the others."""
        entries = record.read(self.home / self.stack)
        return {name: entry.processes["program"].pid for name, entry in entries.items() if "program" in entry.processes}

    def processes(self) -> dict[str, set[int]]:
        return {name: _group(leader) for name, leader in self.leaders().items()}


def _group(leader: int) -> set[int]:
    """The running processes of a process group, by the fifth field of /proc/PID/stat."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(group) == leader and state not in "ZX":
                found.add(int(entry.name))
    return found


@pytest.fixture(scope="module")
def traps() -> Iterator[Traps]:
    traps = Traps()
    yield traps
    traps.close()


@pytest.fixture(scope="module")
async def kept_demo(traps: Traps, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeptDemo]:
    """Started in a shell that has exported other servers."""
    home = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIBUTARY_")}
    environment |= {"TRIBUTARY_HOME": str(home), "TRIBUTARY_RETRY_DELAYS_S": "[1, 2, 2]"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "infra.cli.app", "demo", "--orders", str(ORDERS), "--keep", "--json"),
        env={**environment, **traps.exported},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), DEMO_MAX_S)
        assert process.returncode == 0, err.decode()
        exports = [line for line in err.decode().splitlines() if line.startswith("export ")]
        variables = dict(word.split("=", 1) for line in exports for word in shlex.split(line)[1:])
        yield KeptDemo(home, environment, json.loads(out), variables, err.decode())
    finally:
        for folder in home.glob("demo-*/"):
            await command("down", "--stack", folder.name, "--remove-data", "--yes", environment=environment)


@pytest.fixture
async def client(kept_demo: KeptDemo) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=kept_demo.variables["API"], timeout=30) as client:
        yield client


async def log_in(client: httpx.AsyncClient, kept_demo: KeptDemo, user: str) -> dict[str, str]:
    login = {"email": kept_demo.variables[user], "password": kept_demo.variables[f"{user}_PASSWORD"]}
    answer = await client.post("/api/auth/login", json=login)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_each_phase_is_a_line_without_a_terminal(kept_demo: KeptDemo) -> None:
    lines = kept_demo.err.splitlines()
    phases = ["reading baskets", "starting the workers", "verifying", "reading the results"]

    assert [line for line in lines if line in phases] == phases
    assert "\x1b" not in kept_demo.err


def test_it_ignores_exported_addresses(kept_demo: KeptDemo, traps: Traps) -> None:
    [warning] = [line for line in kept_demo.err.splitlines() if "Not used" in line]
    assert all(name in warning for name in ADDRESSES)
    assert traps.connections() == 0


async def test_it_is_verified_and_prints_where_to_continue(kept_demo: KeptDemo, client: httpx.AsyncClient) -> None:
    assert kept_demo.report["verified"]
    assert kept_demo.report["accounted"] == kept_demo.report["published"] > ORDERS
    assert kept_demo.report["kept"]["api"] == kept_demo.variables["API"]
    assert (await client.get(kept_demo.report["kept"]["docs"])).status_code == 200
    secrets = [value for name, value in kept_demo.variables.items() if name.endswith(("_PASSWORD", "_SECRET"))]
    logs = "".join(path.read_text("utf-8") for path in (kept_demo.home / kept_demo.stack / "logs").glob("*.log"))
    assert len(secrets) == 4
    assert logs
    assert [secret for secret in secrets if secret in logs or secret in json.dumps(kept_demo.report)] == []


async def test_administrators_get_the_alerts_by_mail(kept_demo: KeptDemo) -> None:
    """The page that the demo names shows them; other sites' pages cannot read it under a name of their own."""
    mailed, page = kept_demo.report["mailed"], kept_demo.report["kept"]["mail"]
    async with httpx.AsyncClient(base_url=page) as client:
        mails = (await client.get("/mails")).json()["mails"]
        shown = await client.get("/")
        foreign = await client.get("/mails", headers={"host": "attacker.example"})

    assert page == kept_demo.variables["MAIL"]
    assert f"in this mail box: {page}" in kept_demo.err
    assert mailed["alerts"] > 0
    assert mailed["missing"] == 0 < mailed["mails"] <= len(mails)
    assert {reader for mail in mails for reader in mail["to"]} == {kept_demo.variables["ADMIN"]}
    assert all(mail["subject"] in shown.text for mail in mails)
    assert foreign.status_code == 400


async def test_the_distributor_reads_commissions_with_their_explanation(
    kept_demo: KeptDemo, client: httpx.AsyncClient
) -> None:
    headers = await log_in(client, kept_demo, "DISTRIBUTOR")
    answer = await client.get(f"/api/commission/{kept_demo.variables['DISTRIBUTOR_ID']}", headers=headers)

    page = answer.json()
    assert answer.status_code == 200, answer.text
    assert page["items"]
    assert all(item["explanation"] for item in page["items"])
    assert any(float(balance["payable"]) + float(balance["held"]) > 0 for balance in page["balances"])


async def test_every_block_of_the_readme_and_the_tutorial_can_be_pasted(kept_demo: KeptDemo, tmp_path: Path) -> None:
    """In its order, into one shell; here `make demo KEEP=1` uses the demo that runs already.

    What works only on an empty system is pasted twice. `make readme` pastes all of it twice.
    """
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in kept_demo.variables.items())
    (tmp_path / "exports").write_text(exports + "\nexport DEMO=ended-by-another-test\n")
    home = tmp_path / "home"
    environment = new_user_environment(home, tmp_path / "bin", demo=f'[ "$2" != KEEP=1 ] || cat {tmp_path}/exports')
    try:
        async with shell(environment) as bash:
            printed = await paste_all(bash, *TUTORIAL, twice=("$SHOP_CLIENT_SECRET", "create-admin"))
    finally:
        for name in local.running_stacks(home):
            local.down(name, home=home, remove_data=True)

    [first_order] = [out for out in printed if "Order corner/1001" in out]
    assert "gets 5.98 CNY from" in first_order
    assert "Distributor 2: 5.98 CNY − 2.99 CNY taken back = 2.99 CNY." in first_order
    [from_python] = [out for out in printed if "corner/1002" in out]
    assert "distributor 2: 8.00 CNY" in from_python
    over_http = [out for out in printed if '"balances"' in out]
    assert len(over_http) == 2
    for out in over_http:
        answers = list(_objects(out))
        first, paid, *later = [answer["status"] for answer in answers if "status" in answer]
        # The payment of an order whose stock is not reserved yet is noted, and counts once it is.
        assert (first, later) == ("pending", ["shipped", "completed", "completed"])
        assert paid in ("pending", "paid")
        in_english, in_chinese = answers[-2:]
        assert in_english["items"][0]["amount"] == "2.00"
        assert "5 % of 59.80 = 2.99" in str(in_english["items"][0]["explanation"])
        assert "佣金" in str(in_chinese["items"][0]["explanation"])


def _objects(text: str) -> Iterator[Any]:
    """Every JSON object of the output except log lines of the workers, which have a level."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        found, end = decoder.raw_decode(text)
        if "level" not in found:
            yield found
        text = text[end:]


async def test_a_killed_process_is_restarted(kept_demo: KeptDemo) -> None:
    before = kept_demo.processes()
    assert {name: len(pids) > 1 for name, pids in before.items()} == {
        "mail": False,
        "bank": False,
        "workers": True,
        "api": True,
    }
    for name in ("workers", "api"):
        pids = before[name]
        dead = max(pids - {kept_demo.leaders()[name]})
        os.kill(dead, signal.SIGKILL)

        async def is_whole(name: str = name, dead: int = dead) -> bool:
            now = kept_demo.processes()[name]
            return dead not in now and len(now) == len(before[name])

        await until(is_whole, what=f"the {name} are all there again", every_s=0.1)


async def test_sigterm_ends_the_workers_and_down_ends_the_rest(kept_demo: KeptDemo) -> None:
    leaders = kept_demo.leaders()
    os.kill(leaders["workers"], signal.SIGTERM)

    async def are_gone() -> bool:
        return not _group(leaders["workers"])

    await until(are_gone, what="the workers have ended", within_s=40, every_s=0.1)
    shown = await command("status", "--stack", kept_demo.stack, "--json", environment=kept_demo.environment)
    assert {entry["program"]: entry["pid"] for entry in shown.object["programs"]} == {
        "mail": leaders["mail"],
        "bank": leaders["bank"],
        "workers": None,
        "api": leaders["api"],
    }
    ended = await command(
        "down", "--stack", kept_demo.stack, "--remove-data", "--yes", environment=kept_demo.environment
    )

    assert ended.code == 0, ended.err
    assert "Stopped mail, bank, api, " in ended.err
    assert not _group(leaders["api"])
    assert not (kept_demo.home / kept_demo.stack).exists()
