"""Our own numbers come from a range of our own, whatever numbers messages bring."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.storage import counters
from api.storage.counters import OWN, OWN_BY_NOUN, next_id
from api.storage.repository import COUNTERS
from infra.ports.store import Collection
from tests.workflow.in_memory import InMemoryStore

VIEW = Collection("network.distributors", "distributors")
JAVASCRIPT_MAX = 2**53 - 1


def a_store(taken: Iterable[int] = (), last: int | None = None) -> InMemoryStore:
    store = InMemoryStore([COUNTERS, VIEW])
    for number in taken:
        store.table(VIEW.name).put({"_id": number})
    if last is not None:
        store.table(COUNTERS.name).put({"_id": "distributor", "last": last})
    return store


async def numbers(store: InMemoryStore, count: int = 1, noun: str = "distributor") -> list[int]:
    return [await store.transact(lambda tx: next_id(tx, noun, view=VIEW.name)) for _ in range(count)]


async def test_numbers_begin_at_the_start_of_the_range() -> None:
    assert await numbers(a_store(), 3) == [OWN.start, OWN.start + 1, OWN.start + 2]
    assert OWN[-1] == JAVASCRIPT_MAX


@pytest.mark.parametrize("brought", [1, 40_021, 2**31, 13_800_000_000, 2**53 - 1, 2**53, 2**60 + 1, 2**63 - 1])
async def test_a_number_from_a_message_does_not_move_the_counter(brought: int) -> None:
    assert await numbers(a_store([brought]), 2) == [OWN.start, OWN.start + 1]


@pytest.mark.parametrize("last", [0, 57, 2**53 - 1, 2**53, 2**60, 2**63 - 1])
async def test_a_counter_outside_the_range_returns_to_it(last: int) -> None:
    assert await numbers(a_store([last] if last else [], last), 2) == [OWN.start, OWN.start + 1]


async def test_taken_numbers_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "_SCANNED_MAX", 4)
    for length in range(12):
        taken = [OWN.start + offset for offset in range(1, length + 1)]
        assert await numbers(a_store(taken), 3) == [OWN.start, OWN.start + length + 1, OWN.start + length + 2]


async def test_at_the_end_of_the_range_the_gaps_are_used() -> None:
    taken = [OWN.start, OWN.start + 2, JAVASCRIPT_MAX]
    assert await numbers(a_store(taken, JAVASCRIPT_MAX - 2), 3) == [JAVASCRIPT_MAX - 1, OWN.start + 1, OWN.start + 3]


async def test_rule_versions_fit_in_32_bits() -> None:
    own = OWN_BY_NOUN["rules"]
    assert await numbers(a_store([1, 20_261_129, 2_026_112_901, 2**31]), 2, "rules") == [own.start, own.start + 1]
    assert own.start > 9999_12_31
    assert own.stop - 1 <= 2**31


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.one_of(st.integers(1, 2**63 - 1), st.integers(OWN.start, OWN.start + 30)), unique=True, max_size=40),
    st.integers(0, 2**63 - 1) | st.integers(OWN.start - 2, OWN.start + 30),
)
async def test_numbers_are_unique_and_exact_in_javascript(brought: list[int], last: int) -> None:
    assigned = await numbers(a_store(brought, last), 10)
    assert len({*assigned, *brought}) == len(assigned) + len(brought)
    assert all(0 < number <= JAVASCRIPT_MAX for number in assigned)
