"""`tributary demo --keep` as a newcomer runs it: the system stays, the logins work, and one command ends all of it."""

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
from tests.connected.pasting import TUTORIAL, a_newcomer, paste_all, shell
from tests.connected.running import command, until
from tests.connected.test_exported_addresses import ADDRESSES, Traps

ORDERS = 20
DEMO_MAX_S = 420.0


@dataclass(frozen=True)
class Stayed:
    """A demo that was kept: its answer on standard output, and the variables it told the terminal."""

    home: Path
    environment: dict[str, str]
    told: dict[str, Any]
    variables: dict[str, str]
    err: str

    @property
    def stack(self) -> str:
        return str(self.told["kept"]["stack"])

    def leaders(self) -> dict[str, int]:
        """The process of each program that minds the others."""
        entries = record.read(self.home / self.stack)
        return {name: entry.processes["program"].pid for name, entry in entries.items() if "program" in entry.processes}

    def processes(self) -> dict[str, set[int]]:
        return {name: _group(leader) for name, leader in self.leaders().items()}


def _group(leader: int) -> set[int]:
    """The living processes of a process group, by the fifth field of /proc/PID/stat."""
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
async def stayed(traps: Traps, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stayed]:
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
        yield Stayed(home, environment, json.loads(out), variables, err.decode())
    finally:
        for folder in home.glob("demo-*/"):
            await command("down", "--stack", folder.name, "--remove-data", "--yes", environment=environment)


@pytest.fixture
async def client(stayed: Stayed) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stayed.variables["API"], timeout=30) as client:
        yield client


async def log_in(client: httpx.AsyncClient, stayed: Stayed, who: str) -> dict[str, str]:
    login = {"email": stayed.variables[who], "password": stayed.variables[f"{who}_PASSWORD"]}
    answer = await client.post("/api/auth/login", json=login)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_each_phase_is_a_line_where_there_is_no_terminal(stayed: Stayed) -> None:
    lines = stayed.err.splitlines()
    phases = ["reading baskets", "starting the workers", "verifying", "reading the results"]

    assert [line for line in lines if line in phases] == phases
    assert "\x1b" not in stayed.err


def test_it_uses_its_own_servers_whatever_is_exported(stayed: Stayed, traps: Traps) -> None:
    [said] = [line for line in stayed.err.splitlines() if "Not used" in line]
    assert all(name in said for name in ADDRESSES)
    assert traps.visitors() == 0


async def test_it_is_verified_and_says_where_it_goes_on(stayed: Stayed, client: httpx.AsyncClient) -> None:
    assert stayed.told["verified"]
    assert stayed.told["accounted"] == stayed.told["published"] > ORDERS
    assert stayed.told["kept"]["api"] == stayed.variables["API"]
    assert (await client.get(stayed.told["kept"]["docs"])).status_code == 200
    secrets = [value for name, value in stayed.variables.items() if name.endswith(("_PASSWORD", "_SECRET"))]
    logs = "".join(path.read_text("utf-8") for path in (stayed.home / stayed.stack / "logs").glob("*.log"))
    assert len(secrets) == 3
    assert logs
    assert [secret for secret in secrets if secret in logs or secret in json.dumps(stayed.told)] == []


async def test_the_distributor_reads_commissions_with_their_explanation(
    stayed: Stayed, client: httpx.AsyncClient
) -> None:
    headers = await log_in(client, stayed, "DISTRIBUTOR")
    answer = await client.get(f"/api/commission/{stayed.variables['DISTRIBUTOR_ID']}", headers=headers)

    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert told["items"]
    assert all(item["explanation"] for item in told["items"])
    assert any(float(balance["available"]) + float(balance["held"]) > 0 for balance in told["balances"])


async def test_every_block_of_the_readme_and_the_tutorial_can_be_pasted(stayed: Stayed, tmp_path: Path) -> None:
    """In its order, into one shell; here `make demo KEEP=1` stands for the demo that runs already, and goes on.

    What works only on an empty system is pasted twice. `make readme` pastes all of it twice.
    """
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in stayed.variables.items())
    (tmp_path / "exports").write_text(exports + "\nexport DEMO=ended-by-another-test\n")
    home = tmp_path / "home"
    environment = a_newcomer(home, tmp_path / "bin", demo=f'[ "$2" != KEEP=1 ] || cat {tmp_path}/exports')
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
        assert in_english["balances"][0]["held"] == "2.00"
        assert "5 % of 59.80 = 2.99" in str(in_english["items"][0]["explanation"])
        assert "佣金" in str(in_chinese["items"][0]["explanation"])


def _objects(text: str) -> Iterator[Any]:
    """Every JSON object of the output, one after another; what workers log into the same shell has a level."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        found, end = decoder.raw_decode(text)
        if "level" not in found:
            yield found
        text = text[end:]


async def test_who_dies_comes_back(stayed: Stayed) -> None:
    before = stayed.processes()
    assert {name: len(pids) > 1 for name, pids in before.items()} == {"workers": True, "api": True}
    for name, pids in before.items():
        dead = max(pids - {stayed.leaders()[name]})
        os.kill(dead, signal.SIGKILL)

        async def is_whole(name: str = name, dead: int = dead) -> bool:
            now = stayed.processes()[name]
            return dead not in now and len(now) == len(before[name])

        await until(is_whole, what=f"the {name} are all there again", every_s=0.1)


async def test_sigterm_ends_the_workers_and_down_ends_the_rest(stayed: Stayed) -> None:
    leaders = stayed.leaders()
    os.kill(leaders["workers"], signal.SIGTERM)

    async def are_gone() -> bool:
        return not _group(leaders["workers"])

    await until(are_gone, what="the workers have ended", within_s=40, every_s=0.1)
    shown = await command("status", "--stack", stayed.stack, "--json", environment=stayed.environment)
    assert {entry["program"]: entry["pid"] for entry in shown.object["programs"]} == {
        "workers": None,
        "api": leaders["api"],
    }
    ended = await command("down", "--stack", stayed.stack, "--remove-data", "--yes", environment=stayed.environment)

    assert ended.code == 0, ended.err
    assert ended.err.startswith("Stopped api, ")
    assert not _group(leaders["api"])
    assert not (stayed.home / stayed.stack).exists()
