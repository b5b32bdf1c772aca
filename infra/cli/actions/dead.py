"""`tributary dead`: list, show, replay and discard dead letters, the messages that could not be handled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from textwrap import indent
from typing import Literal

import typer

from contracts.fields import is_visible_name
from contracts.operations.v1 import SettleDeadLetter
from contracts.operations.view import DeadLetter, DeadLetterState
from infra.adapters import rabbitmq as broker
from infra.adapters.mongo import MongoStore
from infra.adapters.os_user import os_user
from infra.adapters.rabbitmq import RabbitPublisher
from infra.cli.actions import dead_view as view
from infra.operators import dead_letters
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.settings import Settings
from infra.terminal.environment import EXIT_ENVIRONMENT, agree, one_sentence_on_failure, refuse, settings_for
from infra.terminal.near import did_you_mean
from infra.terminal.printing import print_line, print_text
from infra.terminal.progress import progress

_STATES: dict[str, tuple[DeadLetterState, ...]] = {
    "waiting": ("waiting",),
    "replayed": ("replayed",),
    "discarded": ("discarded",),
    "any": ("waiting", "replayed", "discarded"),
}
_MANY = 20
"""Fewer need no progress bar."""


@dataclass(slots=True)
class Outcome:
    """The result of `replay` or `discard`. `skipped` has the reason by letter."""

    action: Literal["replayed", "discarded"]
    letters: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def list_letters(
    queue: str | None,
    reason: str | None,
    state: Literal["waiting", "replayed", "discarded", "any"],
    stack: str,
    *,
    each: bool,
    as_json: bool,
) -> None:
    condition = dead_letters.where(states=_STATES[state], queue=queue, reason=reason)

    async def look(settings: Settings) -> int:
        async with _store(settings) as store:
            if each:
                letters = dead_letters.each(store, condition, bodies=as_json)
                return await _print_letters(letters, as_json=as_json)
            causes = await dead_letters.causes(store, condition)
            if as_json:
                print_text(json.dumps({"causes": [asdict(cause) for cause in causes]}, indent=2, default=str))
            else:
                for line in view.cause_lines(causes):
                    print_line(line)
            return len(causes)

    with one_sentence_on_failure():
        shown = asyncio.run(look(settings_for(stack)))
    if not shown and not as_json:
        none = "There is no such dead letter." if state == "any" else f"No dead letter is {state}."
        print_line(f"{none}{_similar_queues(queue)}")


async def _print_letters(letters: AsyncIterator[DeadLetter], *, as_json: bool) -> int:
    """Print each letter as it is read, so that few are in memory, and return how many there were."""
    shown = 0
    if as_json:
        print_text('{\n  "letters": [', end="")
    async for letter in letters:
        if as_json:
            item = json.dumps(view.as_object(letter), indent=2, default=str)
            print_text(("," if shown else "") + "\n" + indent(item, "    "), end="")
        else:
            for line in view.letter_lines(letter):
                print_line(line)
        shown += 1
    if as_json:
        print_text("\n  ]\n}" if shown else "]\n}")
    return shown


def show(letter: str, stack: str, *, as_json: bool) -> None:
    async def look(settings: Settings) -> DeadLetter:
        async with _store(settings) as store:
            return (await _named(store, [letter]))[0]

    with one_sentence_on_failure():
        found = asyncio.run(look(settings_for(stack)))
    if as_json:
        print_text(json.dumps(view.as_object(found), indent=2, default=str))
        return
    for line in view.detail_lines(found):
        print_line(line)


def replay(
    letters: list[str] | None,
    queue: str | None,
    reason: str | None,
    by: str | None,
    note: str | None,
    stack: str,
    *,
    everything: bool,
    again: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    states: tuple[DeadLetterState, ...] = ("waiting", "replayed") if again else ("waiting",)
    choice = _Choice(letters or [], queue, reason, everything, states, again=again)
    _close(choice, "replayed", by=by, note=note, dry_run=dry_run, stack=stack, as_json=as_json)


def discard(
    letters: list[str] | None,
    queue: str | None,
    reason: str | None,
    by: str | None,
    note: str | None,
    stack: str,
    *,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    choice = _Choice(letters or [], queue, reason, everything, ("waiting",), again=False)
    if not choice.names and not dry_run and choice.is_clear:
        agree(f"discard {choice.all_of_them} for good", yes=yes)
    _close(choice, "discarded", by=by, note=note, dry_run=dry_run, stack=stack, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The letters that the operator selects: by name, or all in these states with a queue and reason."""

    names: Sequence[str]
    queue: str | None
    reason: str | None
    everything: bool
    states: tuple[DeadLetterState, ...]
    again: bool

    @property
    def is_clear(self) -> bool:
        """Whether letters are selected either by name or by criteria."""
        return bool(self.names) != bool(self.everything or self.queue or self.reason)

    @property
    def all_of_them(self) -> str:
        queue = f" of queue {self.queue}" if self.queue else ""
        return f"every letter that waits{queue}" + (f" with reason {self.reason}" if self.reason else "")

    async def ids(self, store: MongoStore) -> list[str]:
        if self.names:
            return list(dict.fromkeys(letter.letter_id for letter in await _named(store, self.names)))
        condition = dead_letters.where(states=self.states, queue=self.queue, reason=self.reason)
        return await dead_letters.ids(store, condition)

    def reason_to_skip(self, letter: DeadLetter, action: str) -> str | None:
        """Why this letter is skipped; None if it is not."""
        if letter.state != "waiting" and not self.again:
            when = f"{letter.settled_at:%Y-%m-%d %H:%M}" if letter.settled_at else "before"
            hint = "; --again sends it anyway" if action == "replayed" else ""
            return f"{letter.settled_by or 'another person'} has {letter.state} it ({when}){hint}"
        return dead_letters.objection_to_replay(letter) if action == "replayed" else None


def _close(
    choice: _Choice,
    action: Literal["replayed", "discarded"],
    *,
    by: str | None,
    note: str | None,
    dry_run: bool,
    stack: str,
    as_json: bool,
) -> None:
    if not choice.is_clear:
        refuse("Name letters, or select them with --queue, --reason or --all, but not both.")
    outcome = Outcome(action)
    who = (by or os_user())[:64]
    if not is_visible_name(who):
        refuse("--by: write the name in visible characters.")
    with one_sentence_on_failure():
        asyncio.run(_carry_out(settings_for(stack), choice, outcome, by=who, note=note, dry_run=dry_run))
    if as_json:
        print_text(json.dumps({**asdict(outcome), "dry_run": dry_run}, indent=2))
        return
    for letter_id, why in outcome.skipped.items():
        print_line(f"Skipped: {letter_id}: {why}.")
    verb = f"would be {action}" if dry_run else action
    if outcome.letters:
        print_line(f"{len(outcome.letters)} {verb}.")
    else:
        print_line(f"Nothing {verb}: no other letter matches.{_similar_queues(choice.queue)}")


async def _carry_out(
    settings: Settings, choice: _Choice, outcome: Outcome, *, by: str, note: str | None, dry_run: bool
) -> None:
    """Publish the bodies, then the marks: after a failure in between, a second replay is recognised as a repeat."""
    async with _store(settings) as store:
        chosen = await choice.ids(store)
        publisher = RabbitPublisher(settings.rabbitmq_url, timeout_s=settings.publish_timeout_s)
        if chosen and not dry_run:
            await publisher.start()
        try:
            with progress() as on_progress:
                done = 0
                async for chunk in dead_letters.in_chunks(store, chosen):
                    letters = [letter for letter in chunk if not _is_skipped(choice, outcome, letter)]
                    if not dry_run:
                        await _publish(settings, publisher, outcome.action, letters, by=by, note=note)
                    outcome.letters += [letter.letter_id for letter in letters]
                    done += len(chunk)
                    if len(chosen) >= _MANY:
                        on_progress(f"{len(chosen):,} letters", done, len(chosen))
        finally:
            await publisher.stop()


async def _publish(
    settings: Settings,
    publisher: RabbitPublisher,
    action: Literal["replayed", "discarded"],
    letters: Sequence[DeadLetter],
    *,
    by: str,
    note: str | None,
) -> None:
    if not letters:
        return
    queues = {letter.queue for letter in letters} if action == "replayed" else set()
    await _require_queues(settings, queues | set(_marking_queues()))
    if action == "replayed":
        await publisher.publish([dead_letters.replay(letter) for letter in letters])
    now = RealTime().now()
    user = os_user()
    await publisher.publish(
        [dead_letters.settlement(letter, action, by=by, at=now, note=note, os_user=user) for letter in letters]
    )


def _is_skipped(choice: _Choice, outcome: Outcome, letter: DeadLetter) -> bool:
    reason = choice.reason_to_skip(letter, outcome.action)
    if reason is not None:
        outcome.skipped[letter.letter_id] = reason
    return reason is not None


def _similar_queues(queue: str | None) -> str:
    """A question with our queues of a similar name, if this is not one of ours."""
    queues = {worker.queue_of(handler) for worker in roster.load_all() for handler in worker.handlers}
    return "" if queue is None or queue in queues else did_you_mean(queue, queues)


def _marking_queues() -> list[str]:
    """The queues that receive the command to mark a letter."""
    return [w.queue_of(h) for w in roster.load_all() for h in w.handlers if SettleDeadLetter in h.payloads]


async def _require_queues(settings: Settings, queues: set[str]) -> None:
    found = await broker.depths(settings.rabbitmq_url, sorted(queues))
    missing = [name for name, depth in found.items() if depth is None]
    if missing:
        print_line(
            f"RabbitMQ has no queue {', '.join(missing)}; declare it with `tributary topology --apply`.", err=True
        )
        raise typer.Exit(EXIT_ENVIRONMENT)


async def _named(store: MongoStore, names: Sequence[str]) -> list[DeadLetter]:
    letters = []
    for name in names:
        found = await dead_letters.named(store, name) if name else []
        if len(found) != 1:
            problem = "The ids of several dead letters begin" if found else "There is no dead letter whose id begins"
            refuse(f"{problem} with {name!r}; `tributary dead list --state any --each` shows all.")
        letters += found
    return letters


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[MongoStore]:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        yield store
    finally:
        store.close()
