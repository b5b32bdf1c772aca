"""What a fault is: a name, a sentence, the plan of its trial, and the act in the middle of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults.nemesis_bench import Kind
from tests.faults.nemesis_trial import Act, Plan, Trial


async def _nothing(_: Trial) -> None:
    """Nothing but what every trial does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`does` completes the sentence "the nemesis …"; `quick` is the plan of a shorter trial, if it differs.

    `prepare` comes before the load. `check` tests, once the system is quiet, what this fault in particular should have
    caused.
    """

    name: str
    does: str
    act: Act
    plan: Plan = field(default_factory=Plan)
    quick: Plan | None = None
    servers: Kind = "direct"
    prepare: Act = _nothing
    check: Act = _nothing
