"""`python -m tests.bank FOLDER`: the bank as a process of its own, whose books outlive it.

It writes `ca.pem`, the keys and `environment` (what processes need in order to pay here, one variable a line) into the
folder, and prints its address. Control: POST /_bank/tick, GET /_bank/credited, GET /_bank/notices.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from pydantic import SecretStr

from tests.bank.scenarios import Scenarios
from tests.bank.world import BankWorld, bank_world
from tests.receivers.serving import make_certificates


def environment(world: BankWorld) -> dict[str, str]:
    """The variables of the settings that reach the bank by its address on this machine."""
    settings = world.settings()
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    plain = {name: v.get_secret_value() if isinstance(v, SecretStr) else v for name, v in values.items()}
    return {
        f"TRIBUTARY_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in plain.items()
    }


def announce(world: BankWorld) -> None:
    lines = [f"{name}={value}" for name, value in environment(world).items()]
    (world.folder / "environment").write_text("\n".join(lines) + "\n", "utf-8")
    sys.stdout.write(f"https://localhost:{world.port}\n")
    sys.stdout.flush()


async def serve(folder: Path, seed: int | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with bank_world(folder, make_certificates(folder), book=folder / "book.sqlite", host="localhost") as world:
        world.bank.scenarios = Scenarios(seed)
        announce(world)
        await stopped.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bank", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, help="draws the scenarios of payments; without it all is well")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(arguments.folder, arguments.seed))
