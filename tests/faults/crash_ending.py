"""The result of a run, in a form that can be compared: what is stored, what was published, what was handled.

It leaves out what differs between any two runs: wall-clock times, the journal's own ids, the stripe of each process.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.commissions.earnings import EARNINGS, months_of
from contracts.commissions.view import BALANCES, balance_of_stripe
from contracts.settlement.view import BALANCES as SLICES
from contracts.wire.reading import BARE_SOURCE, content_of, is_bare
from infra.ports.store import Document

SHOWN_MAX = 8


@dataclass(frozen=True, slots=True)
class Ending:
    """`state`: documents by collection and id. `published`: type and data by message id. `outcomes`: by message key."""

    state: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    dead: frozenset[str] = frozenset()
    parked: tuple[str, ...] = ()
    breaches: tuple[str, ...] = ()
    """What no run may show: a message handled twice, or one event id with two contents."""

    @property
    def state_hash(self) -> str:
        return hashlib.sha256(_canonical(self.state).encode()).hexdigest()[:12]


def ending_of(
    collections: Mapping[str, Iterable[Document]],
    journal: Iterable[Document],
    events: Iterable[dict[str, Any]],
    parked: Iterable[bytes],
    arrivals: Mapping[str, str],
) -> Ending:
    """Condense what the worker stored, journaled and published, what the broker parked for it, and what arrived outside
    by its calls.
    """
    journal = list(journal)
    handled = [item for record in journal for item in record.get("handled", ())]
    times = Counter(item["id"] for item in handled)
    breaches = [f"handled {count} times: {key}" for key, count in times.items() if count > 1]
    published: dict[str, str] = {}
    ids: dict[str, str] = {}
    for event in events:
        content = f"{event['type']} {_canonical(event['data'])}"
        if published.setdefault(event["id"], content) != content:
            breaches.append(f"two contents of one id: {event['id']}: {published[event['id']]} and {content}")
        cause = f"{BARE_SOURCE}/{event.get('causationid')}"
        # The id of an event that a bare body caused begins with the time of the delivery.
        ids[event["id"]] = event["id"] if content_of(cause) == cause else f"{content_of(cause)} {content}"
    return Ending(
        state={name: _documents(name, documents) for name, documents in collections.items()} | {"outside": arrivals},
        published={ids[key]: content for key, content in published.items()},
        outcomes=_outcomes(handled),
        dead=frozenset(f"{item['id']} {item['reason']}" for record in journal for item in record.get("dead", ())),
        parked=tuple(sorted({hashlib.sha256(body).hexdigest()[:12] for body in parked})),
        breaches=tuple(breaches),
    )


def _outcomes(handled: Iterable[Document]) -> dict[str, str]:
    """By key. Deliveries of the same bare body are numbered, since their keys are wall-clock times."""
    numbers: Counter[str] = Counter()
    outcomes = {}
    for item in handled:
        content = content_of(item["id"])
        numbers[content] += 1
        outcomes[f"{content} {numbers[content]}" if is_bare(content) else content] = item["outcome"]
    return outcomes


def differences(expected: Ending, actual: Ending) -> list[str]:
    """Sentences about what is missing, new or different; none where both runs ended in the same way."""
    found = list(actual.breaches)
    for name in sorted(expected.state.keys() | actual.state.keys()):
        found += _compare(name, expected.state.get(name, {}), actual.state.get(name, {}))
    found += _compare("published", expected.published, actual.published)
    found += _compare("journal", expected.outcomes, actual.outcomes)
    found += [f"dead letters: {key} is missing" for key in sorted(expected.dead - actual.dead)]
    found += [f"dead letters: {key} is new" for key in sorted(actual.dead - expected.dead)]
    if expected.parked != actual.parked:
        found.append(f"parked: {len(actual.parked)} bodies, {len(expected.parked)} without the crash")
    more = len(found) - SHOWN_MAX
    return [*found[:SHOWN_MAX], f"… and {more} more"] if more > 0 else found


def events_of(worker: str, bodies: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    """The worker's own events among these bodies; a shop's message may be no event, or not even JSON."""
    for body in bodies:
        try:
            content = json.loads(body)
        except ValueError:
            continue
        for event in content if isinstance(content, list) else [content]:
            if event.get("source") == worker:
                yield event


def _compare(what: str, expected: Mapping[str, str], actual: Mapping[str, str]) -> Iterable[str]:
    for key in sorted(expected.keys() | actual.keys()):
        if key not in actual:
            yield f"{what}: {key} is missing: {expected[key]}"
        elif key not in expected:
            yield f"{what}: {key} is new: {actual[key]}"
        elif expected[key] != actual[key]:
            yield f"{what}: {key} is {actual[key]}, and {expected[key]} without the crash"


def _documents(collection: str, documents: Iterable[Document]) -> dict[str, str]:
    if collection == BALANCES:
        return _balances(documents)
    if collection == SLICES:
        return _slices(documents)
    if collection == EARNINGS:
        # A month is the sum of its stripes, as a balance is.
        return {key: _canonical(figures) for key, figures in months_of(documents).items()}
    return {str(document["_id"]): _canonical(document) for document in documents}


def _slices(documents: Iterable[Document]) -> dict[str, str]:
    """The sums of a slice of settlement, in the same way."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for document in documents:
        figures = {name: n for name, n in document.items() if isinstance(n, int) and name != "distributor_id"}
        sums[document["_id"].rpartition("/")[0]].update(figures)
    return {key: _canonical({name: n for name, n in slice_.items() if n}) for key, slice_ in sums.items()}


def _balances(documents: Iterable[Document]) -> dict[str, str]:
    """A balance is the sum of its stripes, and the stripe depends on the process."""
    sums: Counter[str] = Counter()
    for document in documents:
        for account, amount in balance_of_stripe(document).items():
            sums["/".join(map(str, account))] += amount
    return {key: str(amount) for key, amount in sums.items()}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
