"""The list of workers: every package under `workers/` is one. The only place that finds them by name."""

from __future__ import annotations

import importlib
import pkgutil

from infra.runtime.worker import Worker

CLOCK = "clock"
"""Runs beside the workers and is scaled like one, but folds nothing: it only publishes the time."""


def names() -> list[str]:
    package = importlib.import_module("workers")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def load(name: str) -> Worker:
    """Return the worker called `name`. Raises KeyError, which lists the workers, if there is none."""
    if name not in names():
        raise KeyError(f"there is no worker called {name!r}; there are {', '.join(names())} and {CLOCK}")
    return _worker(name)


def load_all() -> list[Worker]:
    return [_worker(name) for name in names()]


def module_of(name: str) -> str:
    return f"workers.{name}.handlers"


def _worker(name: str) -> Worker:
    worker: Worker = importlib.import_module(module_of(name)).WORKER
    return worker


def groups(*named: tuple[str, ...], with_clock: bool = False) -> tuple[tuple[str, ...], ...]:
    """The named groups, then one group of all other workers, so that a new worker runs in some process."""
    all_names = [*names(), *([CLOCK] if with_clock else [])]
    taken = {name for group in named for name in group}
    return (*named, tuple(name for name in all_names if name not in taken))
