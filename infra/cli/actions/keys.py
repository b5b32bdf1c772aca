"""`tributary keys`: master keys in their file, and the keys of payees under them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from contracts.javascript import all_exact
from infra.adapters.mongo import MongoStore
from infra.adapters.vault import KeyVault
from infra.operators import payee_keys
from infra.ports.time import RealTime
from infra.ports.vault import CannotOpen
from infra.processes import api_entry
from infra.rehearsal.stored_rules import opened
from infra.settings import Settings
from infra.telemetry import logs
from infra.terminal.environment import (
    EXIT_BREACH,
    EXIT_ENVIRONMENT,
    agree,
    one_sentence_on_failure,
    refuse,
    settings_for,
)
from infra.terminal.printing import print_line, print_text
from infra.vault.master import SETTING, MasterKeys, add_key
from infra.vault.repository import COLLECTION

Act = Callable[[MongoStore, MasterKeys], Awaitable[dict[str, Any]]]


def create(file: Path, *, as_json: bool) -> None:
    try:
        name = add_key(file, RealTime().now())
    except CannotOpen as error:
        refuse(error.detail, EXIT_ENVIRONMENT)
    except OSError as error:
        refuse(f"{file}: {error.strerror or error}.", EXIT_ENVIRONMENT)
    sentence = (
        f"{file} has the new master key {name}. Keep a copy where the database's backups are not; set {SETTING}={file}."
    )
    _print({"file": str(file), "master": name}, sentence, as_json)


def list_keys(stack: str, *, as_json: bool) -> None:
    async def look(store: MongoStore, master: MasterKeys) -> dict[str, Any]:
        found = await payee_keys.overview(store, master)
        missing = await payee_keys.missing_master(store, master)
        fields = {"payee_keys": found.payees, "erased": found.erased, "under": dict(found.under), "missing": missing}
        return {**fields, "newest": master.ids()[-1] if found.under else None}

    found = _run(stack, look)
    under = ", ".join(f"{count} under {name}" for name, count in sorted(found["under"].items())) or "none yet"
    _print(found, f"Keys: {under}; {found['erased']} erased.", as_json)
    if found["missing"]:
        refuse(found["missing"], EXIT_BREACH)


def rotate_master(stack: str, *, as_json: bool) -> None:
    async def act(store: MongoStore, master: MasterKeys) -> dict[str, Any]:
        return {"rewrapped": await payee_keys.rewrap(store, master, RealTime()), "master": master.ids()[-1]}

    done = _changed(stack, "payee-keys.rewrapped", "payee-keys", act)
    _print(done, f"{done['rewrapped']} keys are now under {done['master']}; all are.", as_json)


def rotate(distributor: int, stack: str, *, as_json: bool) -> None:
    async def act(store: MongoStore, master: MasterKeys) -> dict[str, Any]:
        return {"key": await KeyVault(store, master, RealTime()).rotate(distributor)}

    done = _changed(stack, "payee-key.rotated", f"distributor/{distributor}", act)
    _print(done, f"Distributor {distributor} has the new key {done['key']}, used within a minute.", as_json)


def erase(distributor: int, by: str, second: str, stack: str, *, yes: bool, as_json: bool) -> None:
    persons = (by.strip(), second.strip())
    if not all(persons) or persons[0].casefold() == persons[1].casefold():
        refuse("--second: name another person, who agrees.")
    agree(f"erase the keys of distributor {distributor}, so that account, name and numbers are lost", yes=yes)

    async def act(store: MongoStore, master: MasterKeys) -> dict[str, Any]:
        erased = await payee_keys.erase(store, RealTime(), distributor, persons)
        return {"erased": erased, "by": persons[0], "second": persons[1]}

    done = _changed(stack, "payee-keys.erased", f"distributor/{distributor}", act)
    _print(done, f"{done['erased']} keys of distributor {distributor} are erased.", as_json)


def _changed(stack: str, action: str, target: str, act: Act) -> dict[str, Any]:
    """Do it, and record it in the audit log; nothing is done that could not be recorded."""

    async def noted(store: MongoStore, master: MasterKeys) -> dict[str, Any]:
        async with api_entry.operations(settings) as operations:
            await operations.require_key()
            done = await act(store, master)
            await operations.note(action, target, done)
            return done

    with one_sentence_on_failure():
        settings = settings_for(stack)
    logs.configure(settings.log_level)
    return _with(settings, noted)


def _run(stack: str, act: Act) -> dict[str, Any]:
    with one_sentence_on_failure():
        return _with(settings_for(stack), act)


def _with(settings: Settings, act: Act) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with opened(settings) as store:
            await store.prepare([COLLECTION])
            return await act(store, MasterKeys(settings.master_key_file))

    with one_sentence_on_failure():
        try:
            return asyncio.run(run())
        except CannotOpen as error:
            refuse(error.detail, EXIT_ENVIRONMENT)
        except (payee_keys.NotErased, api_entry.module().OperationFailed) as error:
            refuse(str(error), EXIT_BREACH)


def _print(fields: dict[str, Any], sentence: str, as_json: bool) -> None:
    if as_json:
        print_text(json.dumps(all_exact(fields), indent=2, ensure_ascii=False))
    else:
        print_line(sentence)
