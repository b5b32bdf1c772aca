"""Scenarios that cover everything a worker may do: the public functions of the file with its name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import getmembers, isfunction
from pkgutil import iter_modules

from tests.faults.crash_scenario import Scenario

WORKERS = tuple(module.name for module in iter_modules(__path__))


def of(worker: str) -> dict[str, Callable[[], Scenario]]:
    module = import_module(f"{__name__}.{worker}")
    return {
        name: build
        for name, build in getmembers(module, isfunction)
        if build.__module__ == module.__name__ and not name.startswith("_")
    }


SCENARIOS = {name: build for worker in WORKERS for name, build in of(worker).items()}
