"""Only a worker and its published view name the worker's collections and queues; others import the name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch

import pytest

from tests.architecture.sources import PACKAGES, WORKERS, named, python_files, tree_of

PUBLISHED = ("contracts/*/view.py", "contracts/commissions/earnings.py", "contracts/notifications/deliveries.py")
_WORKER = "|".join(WORKERS)
_OWNED = re.compile(rf"(?P<owner>{_WORKER})\.[a-z_.-]*|journal\.(?P<keeper>{_WORKER})")


def names_in(tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    """Yield each literal that names a collection, queue or journal: the worker, the line and the literal.

    Examples in the documents of the API and of messages may name queues, since a literal is clearer there.
    """
    nodes = tuple(ast.walk(tree))
    shown = {
        id(part)
        for node in nodes
        if (isinstance(node, ast.keyword) and node.arg == "examples")
        or (isinstance(node, ast.AnnAssign) and ast.unparse(node.target).endswith("EXAMPLE"))
        for part in ast.walk(node)
    }
    for node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in shown:
            continue
        if found := _OWNED.fullmatch(node.value):
            yield found["owner"] or found["keeper"], node.lineno, node.value


@pytest.mark.parametrize("package", PACKAGES)
def test_literals_name_only_the_own_collections_and_queues(package: str) -> None:
    foreign = [
        f"{named(path)}:{line} {literal!r}; import it from a published view"
        for path in python_files(package)
        if not any(fnmatch(named(path), place) for place in PUBLISHED)
        for worker, line, literal in names_in(tree_of(path))
        if not named(path).startswith(f"workers/{worker}/")
    ]

    assert foreign == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("store.find('order_intake.orders')", ["order_intake.orders"]),
        ("queue = 'order_intake.order.place'", ["order_intake.order.place"]),
        ("name = f'network.{noun}'", ["network."]),
        ("JOURNAL = 'journal.catalog'", ["journal.catalog"]),
        ("import workers.network.audit", []),
        ("'''Reads `order_intake.orders`.'''", []),
        ("Queue = Query(examples=['order_intake.order.place'])", []),
        ("LETTER_EXAMPLE: Any = {'queue': 'order_intake.order.place'}", []),
    ],
)
def test_a_literal_that_names_a_collection_or_queue_is_found(source: str, found: list[str]) -> None:
    assert [literal for _, _, literal in names_in(ast.parse(source))] == found


def test_every_published_view_names_collections_of_one_worker() -> None:
    for path in python_files("contracts"):
        if any(fnmatch(named(path), place) for place in PUBLISHED):
            assert len({worker for worker, _, _ in names_in(tree_of(path))}) == 1, named(path)
