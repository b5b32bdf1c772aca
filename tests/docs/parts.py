"""The derived parts of documents: each is a function that returns Markdown, on request in Chinese."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

import yaml

from infra.operators.invariants import invariants, proved_by
from infra.operators.message_audit import PROVES
from infra.ports.store import Collection
from infra.runtime import roster
from infra.runtime.attempts import Attempts
from infra.runtime.journal import Journal
from infra.runtime.quarantine import Quarantine
from infra.runtime.worker import Worker
from tests.architecture.cards import card, names_in, summary
from tests.architecture.sources import ROOT, WORKERS, imports_of, named, services, tree_of

TRANSLATIONS = "docs/workers.zh-CN.yaml"
ANY = "<worker>"
"""Stands for the name of each worker."""
PERFORMER = "<performer>"
"""Stands for the name of each worker that makes calls to the outside."""


def workers(chinese: bool) -> str:
    """The duty of each worker: in English from its card, in Chinese from a file of translations."""
    sentences = _translations() if chinese else {name: summary(name).rstrip(".") for name in WORKERS}
    head = ("worker", "职责" if chinese else "what it does")
    return _table(head, ((f"`{worker.name}`", sentences[worker.name]) for worker in _in_order()))


_OF_CLOCK = ("clock.ticked", "queue.measured")
_OF_ANY_WORKER = ("message.dead-lettered", "shop.event-copied")


def chart(chinese: bool) -> str:
    """The flow of messages: commands and events from the handlers, views from the imports of repositories."""
    published = {name: worker for worker in WORKERS for name in names_in(card(worker)["publishes"])}
    outside = dict.fromkeys(_OF_CLOCK, f"{roster.CLOCK}([{roster.CLOCK}])")
    outside |= dict.fromkeys(_OF_ANY_WORKER, f"any[{_ANY_WORKER[chinese]}]")
    messages: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for worker in _in_order():
        for handler in worker.handlers:
            name = handler.noun_and_verb
            sender = published.get(name) or outside.get(name, f"earlier[{_EARLIER[chinese]}]")
            messages[f"senders([{_SENDERS[chinese]}])" if handler.reads_command else sender, worker.name].append(name)
    readers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (sender, reader), names in messages.items():
        readers[sender, f'-->|"{_short(names)}"|'].append(reader)
    for worker in _in_order():
        if owners := _views_of(worker):
            readers[" & ".join(owners), f'-.->|"{_VIEW[chinese]}"|'].append(worker.name)
    arrows = [f"  {sender} {arrow} {' & '.join(names)}" for (sender, arrow), names in readers.items()]
    return "\n".join(("```mermaid", "flowchart LR", *arrows, "```"))


def invariants_proved(chinese: bool) -> str:
    """Every invariant, and the workers whose audits prove it."""
    del chinese
    by = {name: proved_by(name) for name in WORKERS} | {"messages": PROVES}
    return _table(
        ("", "what holds", "proved by"),
        (
            (invariant, sentence, ", ".join(f"`{name}`" for name in by if invariant in by[name]))
            for invariant, sentence in invariants().items()
        ),
    )


def collections(chinese: bool) -> str:
    """Every collection of the workers, its content, and the contract of its published view."""
    del chinese
    views = _views()
    owned: list[Collection] = [each for worker in _in_order() for each in worker.repository.collections]
    owned += [Journal(ANY, 1).collection, Quarantine(ANY).collection, Attempts(PERFORMER, 1).collection]
    return _table(
        ("collection", "holds", "published view"),
        ((f"`{each.name}`", each.holds, f"`{views[each.name]}`" if each.name in views else "") for each in owned),
    )


PARTS: Mapping[str, Callable[[bool], str]] = {
    "workers": workers,
    "chart": chart,
    "invariants": invariants_proved,
    "collections": collections,
}

_SENDERS = ("shops, administrators", "店铺、管理员")
_ANY_WORKER = ("any worker", "任一 worker")
_EARLIER = ("earlier releases", "早期版本")
_VIEW = ("published view", "公开视图")


def _in_order() -> list[Worker]:
    """The workers in the order of the compose file, which follows an order's path."""
    order = services()
    return sorted(
        roster.load_all(), key=lambda worker: order.index(worker.name) if worker.name in order else len(order)
    )


def _translations() -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((ROOT / TRANSLATIONS).read_text("utf-8"))
    for worker in WORKERS:
        if worker not in found:
            raise ValueError(f"add to {TRANSLATIONS} the line `{worker}: …`, what {worker} does in Chinese")
    if gone := sorted(set(found) - set(WORKERS)):
        raise ValueError(f"remove these, which are no workers, from {TRANSLATIONS}: {', '.join(gone)}")
    return found


def _short(names: Iterable[str]) -> str:
    """Verbs after their noun; for several nouns with many verbs, only the nouns."""
    verbs: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        noun, _, verb = name.partition(".")
        verbs[noun].append(verb)
    if len(verbs) > 1 and sum(map(len, verbs.values())) > len(verbs):
        return ", ".join(verbs)
    return ", ".join(f"{noun}.{' / '.join(of)}" for noun, of in verbs.items())


def _views_of(reader: Worker) -> list[str]:
    """The workers whose published views the reader's repository reads."""
    found = set()
    for name in imports_of(ROOT / "workers" / reader.name / "repository.py"):
        module, _, constant = name.rpartition(".")
        if module.startswith("contracts.") and constant.isupper():
            value = getattr(import_module(module), constant)
            found.add(value.partition(".")[0] if isinstance(value, str) else "")
    return sorted((found & set(WORKERS)) - {reader.name})


def _views() -> dict[str, str]:
    """The module in contracts of each published collection."""
    return {
        node.value.value: named(path).removesuffix(".py").replace("/", ".")
        for path in sorted((ROOT / "contracts").glob("*/*.py"))
        for node in tree_of(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" if line is not lines[1] else f"|{'|'.join(line)}|" for line in lines)
