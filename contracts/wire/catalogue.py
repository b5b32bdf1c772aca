"""Every message that exists, found by import: a new noun is a new package with `v1.py`; there is no list to edit."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules
from typing import Literal

import contracts
from contracts.wire.envelope import (
    COMMANDS_EXCHANGE,
    EVENTS_EXCHANGE,
    PAYLOADS,
    SHOP_EVENTS_EXCHANGE,
    SHOPS_EXCHANGE,
    Command,
    Payload,
    Refusal,
)

Kind = Literal["command", "event"]

_VERSION = re.compile(r"v[1-9][0-9]*")


def _version_modules() -> list[str]:
    """The modules `contracts.<noun>.v<number>`; published views and the machinery beside them hold no messages."""
    return [
        f"contracts.{noun.name}.{module.name}"
        for noun in iter_modules(contracts.__path__)
        if noun.ispkg
        for module in iter_modules(import_module(f"contracts.{noun.name}").__path__)
        if _VERSION.fullmatch(module.name)
    ]


def _all() -> dict[str, type[Payload]]:
    modules = set(_version_modules())
    for module in sorted(modules):
        import_module(module)
    # Tests define messages of their own; these are not contracts.
    return {name: PAYLOADS[name] for name in sorted(PAYLOADS) if PAYLOADS[name].__module__ in modules}


ALL: dict[str, type[Payload]] = _all()
"""Every released message, by its type with version, in alphabetical order."""


def kind_of(payload: type[Payload]) -> Kind:
    """Whether the message is a command or an event."""
    return "command" if issubclass(payload, Command) else "event"


def is_refusal(message_type: str) -> bool:
    """Whether this type is the refusal of a command."""
    return issubclass(ALL.get(message_type, Payload), Refusal)


def exchange_of(payload: type[Payload]) -> str:
    """The exchange the message is published to. Its routing key is its type, or the shop's id for a single shop."""
    if payload.from_shops:
        return SHOPS_EXCHANGE
    if payload.to_one_shop:
        return SHOP_EVENTS_EXCHANGE
    return COMMANDS_EXCHANGE if issubclass(payload, Command) else EVENTS_EXCHANGE
