"""Isolates a run from what differs between runs; replaces costly parts that do not affect the result."""

from __future__ import annotations

import gc
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from contracts.wire.reading import Reader
from infra.telemetry.metrics import QueueMetrics


@contextmanager
def sealed(seed: int, *, log: object, process_number: Callable[[], int], thrifty: bool = True) -> Iterator[None]:
    """In this context jitter follows the seed, balances are striped by simulated process, and the log goes to `log`.

    `thrifty` halves the cost of a run: readers and metrics are shared between runs, and tenacity's loop is replaced
    by a plain one. A test proves that the history is the same without it.
    """
    replaced = {
        "infra.runtime.batch.log": log,
        "infra.telemetry.readiness.log": log,
        "workers.commission_calculation.repository.os": SimpleNamespace(getpid=process_number),
    }
    if thrifty:
        replaced |= {
            "infra.runtime.decoding.Reader": _reader,
            "infra.runtime.batch.QueueMetrics": _metrics,
            "infra.runtime.batch.AsyncRetrying": Tries,
        }
    state = random.getstate()
    random.seed(seed)
    with ExitStack() as stack:
        for target, replacement in replaced.items():
            stack.enter_context(patch(target, replacement))
        gc.disable()
        try:
            yield
        finally:
            gc.enable()
            random.setstate(state)


_reader = cache(Reader)
_metrics = cache(QueueMetrics)


class Tried:
    """The state that tenacity's strategies read: the number of the try, and how it ended."""

    __slots__ = ("_error", "attempt_number")

    def __init__(self) -> None:
        self.attempt_number = 1
        self._error: BaseException | None = None

    @property
    def outcome(self) -> Tried:
        return self

    @property
    def failed(self) -> bool:
        return self._error is not None

    def exception(self) -> BaseException | None:
        return self._error

    def end(self, error: BaseException) -> None:
        self._error = error


class Tries:
    """tenacity's AsyncRetrying as the loop uses it: the same strategies, called in the same order."""

    def __init__(
        self,
        *,
        retry: Callable[[Any], bool],
        wait: Callable[[Any], float],
        sleep: Callable[[float], Awaitable[None]],
        before_sleep: Callable[[Any], None],
        stop: Callable[[Any], bool] = lambda _: False,
        reraise: bool = True,
    ) -> None:
        self._retry = retry
        self._wait = wait
        self._sleep = sleep
        self._before_sleep = before_sleep
        self._stop = stop

    async def __call__(self, call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        tried = Tried()
        while True:
            try:
                return await call(*args)
            except BaseException as error:
                tried.end(error)
                if not self._retry(tried):
                    raise
                pause_s = self._wait(tried)
                if self._stop(tried):
                    raise
            self._before_sleep(tried)
            await self._sleep(pause_s)
            tried.attempt_number += 1
