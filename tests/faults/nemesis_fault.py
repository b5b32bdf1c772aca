"""What a fault is: a name, a sentence, the trial it wants, and the act in the middle of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.faults.nemesis_bench import Kind
from tests.faults.nemesis_trial import Plan, Trial

Act = Callable[[Trial], Awaitable[None]]


async def _nothing_more(_: Trial) -> None:
    """The books are enough."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`does` completes the sentence "the nemesis …"; `quick` is the plan of a shorter trial, if it differs.

    `check` looks, once nothing moves any more, for what this fault in particular should have left behind.
    """

    name: str
    does: str
    act: Act
    plan: Plan = field(default_factory=Plan)
    quick: Plan | None = None
    servers: Kind = "direct"
    check: Act = _nothing_more
