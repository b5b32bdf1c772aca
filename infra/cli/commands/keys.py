"""`tributary keys`: the keys under which accounts and names of payees are sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.terminal.environment import DISTRIBUTOR_MAX, AsJson, Stack, Yes
from infra.terminal.numbers import whole

Distributor = Annotated[
    int, typer.Argument(metavar="DISTRIBUTOR", parser=whole(1, DISTRIBUTOR_MAX), help="The payee, by number.")
]


def create(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", envvar="TRIBUTARY_MASTER_KEY_FILE", help="The file of master keys.", exists=False
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Add a new master key to the file, or make the file, which only you can read. Needs no server.

    Keep a copy of the file where the database's backups are not. `tributary keys rotate-master` then uses the new key.
    """
    from infra.cli.actions.keys import create as run

    run(file, as_json=as_json)


def list_keys(stack: Stack = "default", as_json: AsJson = False) -> None:
    """Show how many keys of payees there are under each master key, and which master keys are missing.

    Exits with 1 if one is.
    """
    from infra.cli.actions.keys import list_keys as run

    run(stack, as_json=as_json)


def rotate_master(stack: Stack = "default", as_json: AsJson = False) -> None:
    """Wrap the keys of all payees under the newest master key. Everything may run meanwhile; no sealed value changes.

    Afterwards the older master keys can leave the file, and older backups of the wrapped keys open nothing any more.
    """
    from infra.cli.actions.keys import rotate_master as run

    run(stack, as_json=as_json)


def rotate(distributor: Distributor, stack: Stack = "default", as_json: AsJson = False) -> None:
    """Give a payee a new key for what is sealed from now on. What was sealed before still opens."""
    from infra.cli.actions.keys import rotate as run

    run(distributor, stack, as_json=as_json)


def erase(
    distributor: Distributor,
    by: Annotated[str, typer.Option("--by", help="Who erases.")],
    second: Annotated[str, typer.Option("--second", help="The other person who agrees.")],
    yes: Yes = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Erase the keys of a payee: their account, name and numbers then open nowhere, in no journal and no backup.

    Asks first: nothing restores them. Refused while the payee has a method, or money is under way.
    """
    from infra.cli.actions.keys import erase as run

    run(distributor, by, second, stack, yes=yes, as_json=as_json)
