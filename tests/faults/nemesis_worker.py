"""Runs workers as `tributary work --together` does, with a twist from the environment. For trials only.

NEMESIS_CLOCK_SHIFT_S  the clock of the process is this many seconds ahead, or behind where negative
NEMESIS_RAISE_ON       the rule for a new order raises where the order id ends with this
NEMESIS_KILL_ON        the rule for a new order kills the process where the order id ends with this
NEMESIS_VERSION        `older`: does not know order.place.v2 yet; `newer`: adds a field to every event
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import uvloop

from contracts.orders import v1
from contracts.wire.envelope import Event, Message
from infra.ports.time import RealTime
from infra.processes import process
from infra.runtime.worker import Decide, Handler, Worker
from infra.settings import Settings
from infra.telemetry import logs

NEW_FIELD = "added_by_the_next_version"


def twist(environment: Mapping[str, str]) -> None:
    """Change this process as the environment states."""
    if shift_s := float(environment.get("NEMESIS_CLOCK_SHIFT_S", 0)):
        _shift_clock(timedelta(seconds=shift_s))
    if faulty := environment.get("NEMESIS_RAISE_ON"):
        _change_order_intake(lambda handler: replace(handler, decide=_raising(handler.decide, faulty)))
    if poison := environment.get("NEMESIS_KILL_ON"):
        _change_order_intake(lambda handler: replace(handler, decide=_killing(handler.decide, poison)))
    match environment.get("NEMESIS_VERSION"):
        case "older":
            _change_order_intake(lambda handler: replace(handler, payloads=(v1.PlaceOrder,)))
        case "newer":
            _add_a_field()


def _shift_clock(by: timedelta) -> None:
    now = RealTime.now

    def shifted(self: RealTime) -> datetime:
        return now(self) + by

    RealTime.now = shifted  # type: ignore[method-assign]


def _change_order_intake(change: Callable[[Handler], Handler]) -> None:
    """Change the handler of new orders, and leave the others."""
    module: Any = importlib.import_module("workers.order_intake.handlers")
    worker: Worker = module.WORKER
    handlers = tuple(change(h) if h.noun_and_verb == "order.place" else h for h in worker.handlers)
    module.WORKER = replace(worker, handlers=handlers)


def _raising(decide: Decide, marker: str) -> Decide:
    def raise_or_decide(state: Any, message: Message[Any]) -> Any:
        if message.data.order_id.endswith(marker):
            raise ZeroDivisionError("a rule with a bug, planted by this trial")
        return decide(state, message)

    return raise_or_decide


def _killing(decide: Decide, marker: str) -> Decide:
    def kill_or_decide(state: Any, message: Message[Any]) -> Any:
        if message.data.order_id.endswith(marker):
            os.kill(os.getpid(), signal.SIGKILL)
        return decide(state, message)

    return kill_or_decide


def _add_a_field() -> None:
    """Add an optional field to every event, as the next version of a contract may."""
    to_bytes = Message.to_bytes

    def to_more_bytes(self: Message[Any]) -> bytes:
        body = to_bytes(self)
        if not isinstance(self.data, Event):
            return body
        event = json.loads(body)
        event["data"][NEW_FIELD] = True
        return json.dumps(event, separators=(",", ":")).encode()

    Message.to_bytes = to_more_bytes  # type: ignore[method-assign]


def main() -> None:
    twist(os.environ)
    settings = Settings()
    logs.configure(settings.log_level)
    uvloop.run(process.run(sys.argv[1:], settings))


if __name__ == "__main__":
    main()
