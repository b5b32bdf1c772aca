"""Names that people see: commands give visible ones, and what was stored before is still read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.catalog.v1 import CategoryDefined, DefineCategory, DefineProduct, DefineTag, ProductDefined, TagDefined
from contracts.fields import NAME_PATTERN, is_visible_name
from contracts.network.v1 import CreateTeam, TeamCreated
from contracts.operations.v1 import DeadLetterSettled, SettleDeadLetter
from contracts.rules.v1 import ActivateRules, RulesActivated

HIDDEN = (
    "a\x1b[2J", "a\x00", "\ta", "a\n", "a\x7f", "a\x9b1m", "a\xad", "\u202ea", "a\u2066b", "\u200ea", "a\u200bb",
    "a\ufeff", "a\u2028b", "a\u061cb",
)  # fmt: skip
BLANK = (" ", "\u00a0", "\u3000", "\u200d", "\u2800", "\u3164", "  \u2003 ")
VISIBLE = ("Green tea", "绿茶", "Tea\u3000茶", "क\u200dष", "می\u200cخواهم", "👩\u200d🔬", "é", "=1+1", "<b>", "\\x1b")

COMMANDS: tuple[tuple[type[Any], dict[str, Any], str], ...] = (
    (DefineProduct, {"product_id": 1, "category_id": 1}, "name"),
    (DefineProduct, {"product_id": 1, "category_id": 1, "name": "Tea"}, "category_name"),
    (DefineCategory, {"category_id": 1}, "name"),
    (DefineTag, {"tag_id": 1}, "name"),
    (CreateTeam, {"team_id": 1, "leader_id": 1}, "name"),
    (ActivateRules, {"rule_version": 1}, "activated_by"),
    (SettleDeadLetter, {"letter_id": "1", "action": "discarded"}, "by"),
)
EVENTS: tuple[tuple[type[Any], dict[str, Any], str], ...] = (
    (ProductDefined, {"product_id": 1, "category_id": 1, "active": True}, "name"),
    (CategoryDefined, {"category_id": 1, "version": 1}, "name"),
    (TagDefined, {"tag_id": 1, "version": 1}, "name"),
    (TeamCreated, {"team_id": 1, "leader_id": 1, "created_at": "2026-01-01T00:00:00Z"}, "name"),
    (
        RulesActivated,
        {"rule_version": 1, "market": "default", "effective_from": "2026-01-01T00:00:00Z"},
        "activated_by",
    ),
    (
        DeadLetterSettled,
        {
            "letter_id": "1",
            "action": "discarded",
            "queue": "q",
            "reason": "malformed_json",
            "settled_at": "2026-01-01T00:00:00Z",
        },
        "by",
    ),
)


@pytest.mark.parametrize(("command", "fields", "name"), COMMANDS)
def test_a_command_gives_a_visible_name(command: type[Any], fields: dict[str, Any], name: str) -> None:
    for text in (*HIDDEN, *BLANK):
        with pytest.raises(ValidationError, match=r"visible characters|space around it"):
            command(**fields, **{name: text})
    for text in VISIBLE:
        assert getattr(command(**fields, **{name: text}), name) == text


@pytest.mark.parametrize(("event", "fields", "name"), EVENTS)
def test_an_event_may_have_an_older_name(event: type[Any], fields: dict[str, Any], name: str) -> None:
    for text in ("a\x1b[2J", "a\u202eb"):
        assert getattr(event(**fields, **{name: text}), name) == text


def test_the_pattern_of_the_http_api_is_the_same_rule() -> None:
    for text in (*HIDDEN, *BLANK, ""):
        assert not is_visible_name(text)
        # `$` lets one line end pass at the end; the reader of the command does not.
        assert re.search(NAME_PATTERN.replace("$", r"\Z"), text) is None
    assert all(re.search(NAME_PATTERN, text) for text in VISIBLE)
