"""The faults of a run and how often they happen. Each seed has its own mixture: some never, some often."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Plan:
    """The chance of each fault whenever it could happen."""

    read_fails: float = 0.0
    """The store is away at a read or write."""
    conflicts: float = 0.0
    """A write reports a conflict although there is none."""
    save_breaks: float = 0.0
    """A write fails in a way that a retry does not solve, such as a document over a limit."""
    commit_lost: float = 0.0
    """The store is away at the commit, which does not happen."""
    commit_unanswered: float = 0.0
    """The commit happens, but its answer is lost."""
    publish_lost: float = 0.0
    """Some messages of a publish arrive, or none; the publisher gets no confirm."""
    publish_unanswered: float = 0.0
    """All messages arrive; the publisher gets no confirm."""
    duplicated: float = 0.0
    delayed: float = 0.0
    reordered: float = 0.0
    killed: float = 0.0
    """A process ends at a suspension point."""
    stopped: float = 0.0
    """A process gets the signal to finish its batch and end, as in a deployment."""
    disconnected: float = 0.0
    """A process loses its consumer connection; its unacknowledged messages go to others while it continues."""
    outages: float = 0.0
    """A whole server is away for a while; the chance counts once for each server and run."""
    jumps: float = 0.0
    """A machine's clock is set; the chance counts once for each machine and run."""
    hurry: float = 0.0
    """Time passes although some task could continue."""


CALM = Plan()
UNANSWERED = Plan(commit_unanswered=0.1)
INTERRUPTED = Plan(killed=0.02, commit_unanswered=0.05, disconnected=0.01)
"""Processes end, and batches are redelivered that were committed."""

_OFTEN = Plan(
    read_fails=0.01,
    conflicts=0.04,
    save_breaks=0.004,
    commit_lost=0.06,
    commit_unanswered=0.06,
    publish_lost=0.08,
    publish_unanswered=0.08,
    duplicated=0.2,
    delayed=0.15,
    reordered=0.3,
    killed=0.02,
    stopped=0.002,
    disconnected=0.01,
    outages=0.5,
    jumps=0.7,
    hurry=0.03,
)


def plan(rng: random.Random) -> Plan:
    """Half of the kinds, each anywhere between seldom and often."""
    chances = {
        item.name: getattr(_OFTEN, item.name) * rng.random() if rng.random() < 0.5 else 0.0 for item in fields(Plan)
    }
    return replace(CALM, **chances)


@dataclass(slots=True)
class Faults:
    """The current plan, the seed's random numbers, and which servers are away."""

    rng: random.Random
    plan: Plan
    store_away: bool = False
    broker_away: bool = False
    suffered: int = 0

    def strikes(self, chance: float) -> bool:
        if chance and self.rng.random() < chance:
            self.suffered += 1
            return True
        return False

    def heal(self) -> None:
        self.plan = CALM
        self.store_away = self.broker_away = False
