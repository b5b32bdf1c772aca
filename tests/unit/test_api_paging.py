"""Cursors, preferences and conditions, without a server."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.conditions import check_match, etag_of, is_known
from api.http.paging import Sorting
from api.http.preferences import Preferences
from api.http.problems import Problem

NEWEST = Sorting("placed_at", datetime, -1)


@given(st.datetimes(timezones=st.just(UTC)), st.text())
def test_a_cursor_is_read_as_its_position(at: datetime, key: str) -> None:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    assert NEWEST.after(NEWEST.cursor({"_id": key, "placed_at": at})) == [
        {"placed_at": at, "_id": {"$lt": key}},
        {"placed_at": {"$lt": at}},
    ]


@given(st.text(alphabet="abcDEF019_-", max_size=60))
def test_any_other_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Problem, match="invalid_cursor"):
        NEWEST.after(cursor)


@pytest.mark.parametrize(
    "position",
    [
        ["placed_at", {"$ne": 1}, "x"],
        ["placed_at", True, "x"],
        ["placed_at", 2**70, "x"],
        ["placed_at", 2**60, "x"],
        ["placed_at", "1", "x"],
        ["placed_at", 1, {"$gt": ""}],
        ["placed_at", 1, None],
        ["placed_at", 1, "\ud800"],
        ["total", 1, "x"],
        {"placed_at": 1},
        [],
    ],
)
def test_a_forged_cursor_is_refused(position: Any) -> None:
    cursor = urlsafe_b64encode(json.dumps(position).encode()).rstrip(b"=").decode()
    with pytest.raises(Problem, match="invalid_cursor"):
        NEWEST.after(cursor)


def test_a_list_may_be_sorted_by_id_alone() -> None:
    by_id = Sorting("_id", int, id_kind=int)
    assert by_id.keys == (("_id", 1),)
    assert by_id.after(by_id.cursor({"_id": 7})) == [{"_id": {"$gt": 7}}]


@pytest.mark.parametrize(
    ("prefer", "wait_s", "applied", "without_outcome"),
    [
        ("", 2.0, None, None),
        ("wait=5", 5.0, "wait=5", "wait=5"),
        ("wait=500", 10.0, "wait=10", "wait=10"),
        ("Wait = 3", 3.0, "wait=3", "wait=3"),
        ('wait="4"; x=y', 4.0, "wait=4", "wait=4"),
        ("respond-async", 0.0, None, "respond-async"),
        ("respond-async, wait=1", 1.0, "wait=1", "respond-async, wait=1"),
        ("wait=1, wait=9", 1.0, "wait=1", "wait=1"),
        ("wait=-1", 2.0, None, None),
        ("wait=1e3,handling=lenient", 2.0, None, None),
    ],
)
def test_preferences_are_parsed(prefer: str, wait_s: float, applied: str | None, without_outcome: str | None) -> None:
    preferences = Preferences.of(prefer)
    assert (preferences.wait_s, preferences.applied) == (wait_s, applied)
    assert preferences.applied_without_outcome == without_outcome


@pytest.mark.parametrize("if_match", [None, "*", '"3"', '"2", "3"', '"2","3"'])
def test_if_match_with_the_current_etag_is_accepted(if_match: str | None) -> None:
    check_match(if_match, etag_of(3))


@pytest.mark.parametrize("if_match", ['"2"', 'W/"3"', "3", "", '"3', '"33"'])
def test_if_match_with_another_etag_is_refused(if_match: str) -> None:
    with pytest.raises(Problem, match="precondition_failed"):
        check_match(if_match, etag_of(3))


def test_if_match_fails_for_what_does_not_exist() -> None:
    with pytest.raises(Problem, match="precondition_failed"):
        check_match("*", None)


@pytest.mark.parametrize(
    ("if_none_match", "known"), [(None, False), ("*", True), ('W/"3"', True), ('"1", "3"', True), ('"4"', False)]
)
def test_if_none_match_recognises_a_known_etag(if_none_match: str | None, known: bool) -> None:
    assert is_known(if_none_match, etag_of(3)) is known
