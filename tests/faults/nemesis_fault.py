"""What a fault is: a name, a sentence, the plan of its trial, and the act in the middle of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.faults.nemesis_bench import Kind
from tests.faults.nemesis_trial import Plan, Trial

Act = Callable[[Trial], Awaitable[None]]


async def _no_check(_: Trial) -> None:
    """The general checks are enough."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`does` completes the sentence "the nemesis …"; `quick` is the plan of a shorter trial, if it differs.

    `check` tests, once the system is quiet, what this fault in particular should have caused.
    """

    name: str
    does: str
    act: Act
    plan: Plan = field(default_factory=Plan)
    quick: Plan | None = None
    servers: Kind = "direct"
    check: Act = _no_check
